"""What removals do to outputs is enclosed: by formula, by bounds, by search, and by a point."""

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import boxes, dense_networks

from secateur.engine.agreement import within
from secateur.engine.answer import Effort
from secateur.engine.bounds.interval import interval
from secateur.engine.network import Network, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.redundancy.effect import effect
from secateur.redundancy.removal import Kind, Removal, line, without

EFFORT = Effort(seconds=2.0, workers=1, boxes=200)


@st.composite
def changes(draw, depth=3, width=4):
    """Draw a network, removals of every kind, its box, and ranges of the removed neurons."""
    network = draw(dense_networks(depth=depth, width=width))
    lower, upper = draw(boxes(2))
    assume((lower < upper).any())
    bounds = interval(network, lower[None], upper[None])
    removals, ranges = [], {}
    for node in network.piecewise:
        low, high = (ends[0] for ends in bounds[node.sources[0]])
        for at in range(node.size):
            state = draw(st.sampled_from([None, State.ZERO, State.IDENTITY, State.LINEAR]))
            if state is None:
                continue
            crossing = low[at] < 0 < high[at]
            lines = line(low[at], high[at]) if state is State.LINEAR and crossing else (0.0, 0.0)
            removals.append(Removal(node.name, at, state, Kind.RELAXED, *lines))
            ranges[node.name, at] = (float(low[at]), float(high[at]))
    return network, without(network, removals), Region.box(lower, upper), ranges


@given(changes())
@settings(max_examples=50)
def test_the_bounds_are_ordered_and_hold_at_points(drawn):
    before, after, region, ranges = drawn
    found = effect(before, after, region, ranges, EFFORT)
    assert found.analytic >= found.difference >= found.searched >= found.attained >= 0
    rng = np.random.default_rng(0)
    corners = itertools.product(*zip(region.lower, region.upper, strict=True))
    some = rng.uniform(region.lower, region.upper, (20, 2))
    exact = region.lattice("float64").exact(np.concatenate([np.array(list(corners)), some]))
    ends = [network.evaluate(exact, exact=True) for network in (before, after)]
    apart = max(abs(ends[0] - ends[1]).ravel())
    assert apart <= Fraction(found.searched)
    assert found.analytic == np.inf or apart <= Fraction(found.analytic)


@given(changes(depth=2, width=2))
@settings(max_examples=10)
def test_the_true_distance_is_enclosed(drawn):
    before, after, region, ranges = drawn
    found = effect(before, after, region, ranges, EFFORT)
    both = ask(within(before, after, region, 0), [before, after]).network  # rows of +-(f - g)
    true = max(
        max(abs(low), abs(high))
        for low, high in extremes(both, region.lower, region.upper, both.output)
    )
    assert Fraction(found.attained) <= true <= Fraction(found.searched)


def test_nothing_changed_is_no_effect():
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    found = effect(network, network, Region.box([-1, -1], [1, 1]), {}, EFFORT)
    assert (found.analytic, found.attained) == (0.0, 0.0)


def test_one_neuron_has_the_effect_of_its_formula():
    network = Network.dense([np.eye(1), np.array([[4.0]])], [np.zeros(1), np.zeros(1)])
    region = Region.box([-1.0], [1.0])
    for state, lines, expected in (
        (State.ZERO, (0.0, 0.0), 4.0),
        (State.IDENTITY, (0.0, 0.0), 4.0),
        (State.LINEAR, line(-1.0, 1.0), 1.0),
    ):
        after = without(network, [Removal("relu1", 0, state, Kind.RELAXED, *lines)])
        found = effect(network, after, region, {("relu1", 0): (-1.0, 1.0)}, EFFORT)
        for value in (found.analytic, found.searched, found.attained):
            assert abs(value - expected) <= 1e-6


def test_ranges_without_a_bound_give_no_bound_by_formula():
    network = Network.dense([np.eye(1), np.array([[4.0]])], [np.zeros(1), np.zeros(1)])
    after = without(network, [Removal("relu1", 0, State.ZERO, Kind.RELAXED)])
    region = Region.box([-1.0], [1.0])
    found = effect(network, after, region, {("relu1", 0): (-np.inf, np.inf)}, EFFORT)
    assert found.analytic >= 4.0
    assert 4.0 <= found.searched < np.inf
