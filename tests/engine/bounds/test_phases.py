from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from liars import LIES, Liar
from oracle import extremes, reach
from strategies import networks_with_boxes

from secateur.engine.bounds.phases import decide_by_phases
from secateur.engine.bounds.tighten import Effort, Side
from secateur.engine.errors import InputError, SolverError
from secateur.engine.network import Network

NEAR = 1e-6


def asked(network, box, side, effort=None, index=0):
    bounds = reach(network, *box)
    return decide_by_phases(network, *box, bounds, network.output, index, side, effort)


@settings(max_examples=80)
@given(networks_with_boxes())
def test_the_search_ends_at_the_exact_extremes_from_outside(case):
    network, box = case
    for index, (least, most) in enumerate(extremes(network, *box, network.output)):
        low, high = (asked(network, box, side, index=index) for side in (Side.LOWER, Side.UPPER))
        assert low.closed
        assert high.closed
        assert Fraction(low.bound) <= least
        assert most <= Fraction(high.bound)
        assert low.bound == pytest.approx(float(least), rel=NEAR, abs=NEAR)
        assert high.bound == pytest.approx(float(most), rel=NEAR, abs=NEAR)
        for found in (low, high):
            assert (box[0] <= found.point).all()
            assert (found.point <= box[1]).all()
            assert network.evaluate(found.point)[index] == pytest.approx(found.value)
            assert found.value == pytest.approx(found.bound, rel=NEAR, abs=NEAR)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@settings(max_examples=15)
@given(case=networks_with_boxes())
def test_a_lying_solver_never_ends_in_a_wrong_bound(lie, case):
    network, box = case
    least, most = extremes(network, *box, network.output)[0]
    for side in (Side.LOWER, Side.UPPER):
        effort = Effort(solver=Liar(lie), programs=60)
        try:
            found = asked(network, box, side, effort)
        except SolverError:
            continue
        if side is Side.LOWER:
            assert Fraction(found.bound) <= least
        else:
            assert Fraction(found.bound) >= most


def hard(width=14, seed=1):
    """A network of one input layer and two hidden ones that takes many leaves."""
    generator = np.random.default_rng(seed)
    shapes = [(width, 3), (width, width), (1, width)]
    return Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )


BOX = -np.ones(3), np.ones(3)


def test_more_effort_gives_a_bound_at_least_as_good():
    network = hard()
    bounds = [asked(network, BOX, Side.LOWER, Effort(programs=n)) for n in (1, 10, 100, 100_000)]
    values = [found.bound for found in bounds]
    assert values == sorted(values)
    assert [found.closed for found in bounds] == [False, False, False, True]
    assert bounds[1].programs <= 12
    samples = network.evaluate(np.random.default_rng(0).uniform(*BOX, (5000, 3)))
    assert values[-1] <= samples.min()


def test_past_the_deadline_the_bound_is_sound_and_open():
    found = asked(hard(), BOX, Side.UPPER, Effort(deadline=1.0, clock=lambda: 2.0))
    assert not found.closed
    assert found.bound >= network_top()


def network_top():
    return hard().evaluate(np.random.default_rng(0).uniform(*BOX, (5000, 3))).max()


def test_the_search_stops_once_the_question_is_decided():
    network = hard()
    full = asked(network, BOX, Side.LOWER)
    sure = asked(network, BOX, Side.LOWER, Effort(stop_at=full.bound - 5.0))
    assert sure.closed
    assert sure.bound >= full.bound - 5.0
    assert sure.programs < full.programs
    false = asked(network, BOX, Side.LOWER, Effort(stop_at=full.bound + 1.0))
    assert false.closed
    assert false.value < full.bound + 1.0
    assert false.programs < full.programs


def test_bounds_that_exclude_the_whole_box_are_refused():
    network = hard()
    bounds = reach(network, *BOX)
    narrow = np.full(network.by_name["affine1"].size, 1e-3)
    bounds["affine1"] = (-narrow, narrow)
    with pytest.raises(InputError, match="exclude every point"):
        decide_by_phases(network, *BOX, bounds, network.output, 0, Side.LOWER)


def test_a_network_without_open_neurons_needs_one_program():
    network = Network.dense([[[1.0, -2.0]]], [[0.5]])
    found = asked(network, (np.zeros(2), np.ones(2)), Side.LOWER)
    assert (found.programs, found.closed) == (1, True)
    assert found.bound == pytest.approx(-1.5)
    assert found.bound <= -1.5
