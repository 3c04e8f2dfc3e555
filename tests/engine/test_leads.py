"""An enclosure with an aim: what it leaves alone, what it hands out, and that a seed fixes it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from oracle import extremes
from strategies import boxes
from twins import twins

from secateur.engine.answer import Effort
from secateur.engine.discrepancy import Norm, discrepancy
from secateur.engine.leads import Aim, Farthest
from secateur.engine.pair import merge
from secateur.engine.region import Region


def exact(first, second, box):
    network = merge(first, second).network
    ends = extremes(network, *box, network.output)
    return [max(high, -low) for low, high in ends]


@settings(max_examples=20)
@given(twins(), boxes(2))
def test_what_is_enough_is_sound_and_the_leads_are_of_the_region(pair, box):
    first, second, region = *pair, Region.box(*box)
    truth = exact(first, second, box)
    for enough in (0.0, float(max(truth)) * 2, 1e9):
        aim = Aim(enough, keep=5, sums=False, steady=True)
        found = discrepancy(first, second, region, Effort(boxes=40, workers=1), aim=aim)
        for span, most in zip(found.outputs, truth, strict=True):
            assert span.attained <= most <= span.proved
        assert found.norms[Norm.ONE].proved == math.inf
        leads = found.leads
        for points in (leads.points, leads.lower, leads.upper):
            assert (region.lower <= points).all()
            assert (points <= region.upper).all()
        assert (np.diff(leads.reach) <= 0).all()
        assert len(leads.reach) <= 5
        if not found.closed:  # what is not proved is in a box that stayed open
            assert leads.reach[0] == pytest.approx(found.norms[Norm.INF].proved) or len(leads.reach)
        apart = np.abs(first.evaluate(leads.points) - second.evaluate(leads.points)).max(axis=1)
        assert (np.diff(apart) <= 1e-9 * (1 + apart[:-1])).all()
        if enough == 1e9:
            assert found.closed
            assert found.boxes <= 1


@settings(max_examples=5)
@given(twins(), boxes(2))
def test_a_steady_enclosure_is_the_same_again(pair, box):
    aim = Aim(keep=3, sums=False, steady=True)
    effort = Effort(seconds=60, boxes=100, workers=1, seed=3)
    one, two = (discrepancy(*pair, Region.box(*box), effort, aim=aim) for _ in range(2))
    assert one.outputs == two.outputs
    for name in ("points", "lower", "upper", "reach"):
        assert np.array_equal(getattr(one.leads, name), getattr(two.leads, name))


def test_the_farthest_points_are_kept_once():
    far = Farthest(1, 3)
    far.add(np.array([[1.0], [2.0], [1.0]]), np.array([5.0, 1.0, 5.0]))
    far.add(np.array([[3.0], [4.0], [2.0]]), np.array([2.0, 9.0, 1.0]))
    assert far.points.ravel().tolist() == [4.0, 1.0, 3.0]
    assert far.apart.tolist() == [9.0, 5.0, 2.0]
