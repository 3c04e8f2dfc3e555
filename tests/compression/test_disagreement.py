"""Where classes differ: planted half-spaces, enclosures that hold, and boxes that are right."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import dense_networks, graph_networks

from secateur.compression.disagreement import (
    MIXED,
    Spending,
    class_there,
    classes,
    disagreement,
    sampled,
)
from secateur.compression.volumes import GRAIN, Plane, below, below_either, box_shares
from secateur.engine.agreement import Best
from secateur.engine.errors import InputError
from secateur.engine.network import Network
from secateur.engine.region import Region

WHOLE = 1 << GRAIN
SQUARE = Region.box([-1, -1], [1, 1])


def half_space(*normal, offset=0.0):
    """Return a network that chooses class 0 where ``normal x + offset`` is at least 0."""
    return Network.dense([np.array([normal, [0.0] * len(normal)])], [np.array([offset, 0.0])])


def share(found):
    return [Fraction(found.differ), 1 - Fraction(found.agree)]


@given(st.integers(-7, 7), st.integers(-7, 7), st.sampled_from(list(Best)))
@settings(max_examples=15)
def test_between_two_parallel_half_spaces_the_share_is_theirs(one, two, best):
    """Classes differ between x = -a and x = -b: that is |a - b| / 2 of the square."""
    first, second = (half_space(1.0, 0.0, offset=eighth / 8) for eighth in (one, two))
    found = disagreement(first, second, SQUARE, best, Spending(boxes=200))
    low, high = share(found)
    exact = Fraction(abs(one - two), 16)
    assert low <= exact <= high
    assert high - low < Fraction(1, 10**9)
    assert all(kind in {(0, 1), (1, 0)} for kind in found.changes)
    assert sum(found.changes.values()) == found.differ


def test_oblique_half_spaces_are_enclosed_tightly():
    """A wedge: x + y >= 0 and x + 2 y >= 0 differ on a quarter of the square."""
    first, second = half_space(1.0, 1.0), half_space(1.0, 2.0)
    found = disagreement(first, second, SQUARE, spending=Spending(boxes=400))
    low, high = share(found)
    exact = Fraction(1, 4) * Fraction(1, 2)  # two triangles of 1/2 * 1/2 * 1 of an area of 4
    assert low <= exact <= high
    assert high - low < Fraction(1, 500)


def test_three_inputs_one_of_them_pinned_at_a_third():
    region = Region.box([0, Fraction(1, 3), 0], [Fraction(1, 3), Fraction(1, 3), 1])
    first, second = half_space(1.0, 1.0, 0.0, offset=-0.5), half_space(1.0, 1.0, 0.0, offset=-9.0)
    found = disagreement(first, second, region, spending=Spending(boxes=200))
    low, high = share(found)
    assert low <= Fraction(1, 2) <= high  # x >= 1/6 of [0, 1/3]
    assert high - low < Fraction(1, 10**9)


@given(st.data())
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_enclosures_and_boxes_hold(data):
    if data.draw(st.booleans()):
        first = data.draw(dense_networks(outputs=3))
        nudge = data.draw(st.floats(0.01, 0.5))
        layers = [(node, node.layer) for node in first.nodes if hasattr(node.layer, "operator")]
        weights = [layer.operator.weight for _, layer in layers]
        rng = np.random.default_rng(0)
        moved = [w + nudge * rng.normal(size=w.shape) for w in weights]
        second = Network.dense(moved, [layer.bias for _, layer in layers])
    else:
        first, second = data.draw(graph_networks()), data.draw(graph_networks())
    if first.size_out != second.size_out or first.size_out < 2:
        return
    best = data.draw(st.sampled_from(list(Best)))
    found = disagreement(first, second, SQUARE, best, Spending(boxes=150))
    assert 0 <= found.least <= found.most <= 1
    ticks = np.linspace(-1, 1, 61)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    for settled, wanted in ((found.differing, True), (found.agreeing, False)):
        for box in range(len(settled)):
            inside = (settled.lower[box] <= points).all(axis=1)
            inside &= (points <= settled.upper[box]).all(axis=1)
            for place in np.flatnonzero(inside)[:4].tolist():
                point = tuple(map(Fraction, points[place].tolist()))
                one, two = (class_there(net, point, best) for net in (first, second))
                assert (one != two) is wanted
                assert settled.first[box] in (MIXED, one)
                assert settled.second[box] in (MIXED, two)
    # The mean over many points is near the share: within four standard errors of it.
    random = np.random.default_rng(1).uniform(-1, 1, (20_000, 2))
    differ = (classes(first, random, best) != classes(second, random, best)).mean()
    room = 4 * (0.25 / len(random)) ** 0.5
    assert found.least - room <= differ <= found.most + room


def test_the_same_network_agrees_where_bounds_cannot_tell():
    network = half_space(1.0, 1.0)
    found = disagreement(network, network, SQUARE, spending=Spending(boxes=5))
    assert (found.least, found.most) == (0.0, 0.0)


def test_a_tie_goes_to_the_class_of_lower_number():
    first = Network.dense([np.zeros((2, 2))], [np.zeros(2)])
    second = Network.dense([np.zeros((2, 2))], [np.array([-1.0, 0.0])])
    point = (Fraction(0), Fraction(0))
    assert [class_there(net, point, Best.MAX) for net in (first, second)] == [0, 1]
    assert [class_there(net, point, Best.MIN) for net in (first, second)] == [0, 0]


def test_a_sample_shows_a_witness_that_holds():
    first, second = half_space(1.0, 0.0), half_space(1.0, 0.0, offset=0.5)
    seen = sampled(first, second, SQUARE, Best.MAX, 4000, 0)
    assert seen.differ / seen.points == pytest.approx(0.25, abs=0.03)
    assert seen.witness is not None
    assert -0.5 <= seen.witness[0] <= 0
    assert (seen.first, seen.second) == (1, 0)
    assert sampled(first, first, SQUARE, Best.MAX, 100, 0).witness is None


def test_a_search_without_end_and_a_single_output_are_refused():
    with pytest.raises(InputError, match="would not end"):
        disagreement(half_space(1.0), half_space(2.0), Region.box([0], [1]), spending=Spending())
    one = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    with pytest.raises(InputError, match="single output"):
        disagreement(one, one, Region.box([0], [1]))


# --- volumes --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(0, 24))
def test_the_volume_below_a_plane_is_that_of_a_grid(rises, height):
    """Points of a fine lattice below the plane come near the volume, which is rounded up."""
    found = below(Fraction(-height), [Fraction(rise) for rise in rises])
    ticks = (np.arange(12) + 0.5) / 12
    grid = np.stack(np.meshgrid(*[ticks] * len(rises)), axis=-1)
    assert found / WHOLE == pytest.approx((grid @ rises <= height).mean(), abs=0.1)


def test_volumes_below_planes_by_hand():
    assert below(Fraction(1), [Fraction(3)]) == 0
    assert below(Fraction(0), []) == WHOLE
    assert below(Fraction(-1), [Fraction(4)]) == WHOLE // 4
    assert below(Fraction(-1), [Fraction(1), Fraction(1)]) == WHOLE // 2
    assert below(Fraction(-1), [Fraction(1)] * 3) == -(-WHOLE // 6)
    assert below(Fraction(-9), [Fraction(4)]) == WHOLE
    assert Plane(float("nan"), (1.0,), (Fraction(1),)).below() == WHOLE


@given(st.integers(0, 2**32 - 1))
def test_below_one_of_two_planes_lies_no_more_than_was_said(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(Fraction(float(w)) for w in rng.uniform(0.5, 2, 2))
    slopes = rng.normal(size=(2, 2))
    if rng.random() < 0.5:
        slopes[1] = slopes[0] * rng.uniform(0.5, 2) + 0.05 * rng.normal(size=2)
    bases = -np.abs(slopes @ np.array(widths, float)) * rng.uniform(0, 1, 2)
    planes = [
        Plane(float(b), tuple(s.tolist()), widths) for b, s in zip(bases, slopes, strict=True)
    ]
    ticks = (np.arange(80) + 0.5) / 80
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    under = np.zeros(len(grid), bool)
    for base, slope in zip(bases, slopes, strict=True):
        away = np.where(slope >= 0, grid, 1 - grid) * np.array(widths, float)
        under |= base + away @ np.abs(slope) <= 0
    assert below_either(*planes) / WHOLE >= under.mean() - 0.03
    assert below_either(*planes) <= sum(plane.below() for plane in planes)


def test_shares_of_boxes_are_exact_where_corners_are_no_floats():
    region = Region.box([Fraction(1, 10), 0], [Fraction(4, 10), 3])
    edges = [region.lower[0], 0.2, region.upper[0]]
    lower = np.array([[low, 0.0] for low in edges[:-1]])
    upper = np.array([[high, 3.0] for high in edges[1:]])
    shares = box_shares(region, lower, upper)
    assert shares.total == 1
    whole = shares.denominator * WHOLE
    assert sum(shares.part(box, WHOLE) for box in (0, 1)) == whole
    assert shares.part(1, 0) == 0
    cut = (Fraction(0.2) - Fraction(1, 10)) / Fraction(3, 10)
    assert Fraction(shares.inside[0], shares.denominator) == cut
    assert Fraction(shares.part(0, WHOLE // 2), whole) <= cut / 2
    assert all(low < high for low, high in pairwise(edges))
