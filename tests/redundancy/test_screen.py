"""The screen computes what changed networks compute, and how outputs follow activations."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import boxes, dense_networks, graph_networks, points

from secateur.engine.agreement import Best
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State, Sum
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.removal import Kind, Removal, counted, line, stored, without
from secateur.redundancy.screen import Screen
from secateur.redundancy.seen import look

GUARANTEES = [
    Outputs(Fraction(1)),
    Outputs(),
    SameBest(Best.MAX),
    SameBest(Best.MIN, Fraction(1, 10)),
]


def neurons(network):
    return [(node.name, at) for node in network.piecewise for at in range(node.size)]


@st.composite
def removals(draw, network):
    """Draw removals, at most one a neuron."""
    states = [None, State.ZERO, State.IDENTITY, State.LINEAR]
    found = []
    for layer, neuron in neurons(network):
        state = draw(st.sampled_from(states))
        if state is not None:
            slope, shift = (draw(st.sampled_from([0.5, -1.25, 0.0, 1.0])) for _ in range(2))
            if state is not State.LINEAR:
                slope = shift = 0.0
            found.append(Removal(layer, neuron, state, Kind.RELAXED, slope, shift))
    return found


@st.composite
def screens(draw):
    """Draw a screen of a network with several outputs, some removals taken, and candidates."""
    network = draw(st.one_of(dense_networks(outputs=3), graph_networks()))
    guarantee = draw(st.sampled_from(GUARANTEES))
    assume(network.size_out > 1 or isinstance(guarantee, Outputs))
    at = draw(points(draw(boxes(network.size_in))))
    screen = Screen(network, guarantee, at[:5])
    taken = draw(removals(network))
    least = screen.take(taken)
    screen.add(at[5:])
    return screen, taken, least, draw(removals(network))


def near(one, two):
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


@given(screens())
def test_a_screen_computes_the_network_without_the_removals(drawn):
    screen, taken, least, _ = drawn
    changed = without(screen.network, taken).evaluate(screen.points)
    near(screen.now, changed)
    near(screen.outputs, screen.network.evaluate(screen.points))
    near(screen.slack(), screen.guarantee.slack(screen.outputs, changed))
    first = screen.guarantee.slack(screen.outputs[:5], changed[:5]).min()
    near(least, first)
    assert len(screen.points) == 8
    for layer, _ in neurons(screen.network):
        source = screen.network.by_name[layer].sources[0]
        trace = without(screen.network, taken).trace(screen.points)
        near(screen.values(layer), trace[source])


@given(screens())
def test_candidates_are_judged_as_the_networks_they_make(drawn):
    screen, taken, _, candidates = drawn
    # A candidate for a neuron that is gone replaces its line.
    judged, moved = screen.judge(candidates), screen.moves(candidates)
    assert judged.shape == (len(candidates),)
    assert moved.shape == (len(candidates), screen.network.size_out)
    for one, slack, move in zip(candidates, judged, moved, strict=True):
        rest = [other for other in taken if other.place != one.place]
        outputs = without(screen.network, [*rest, one]).evaluate(screen.points)
        near(slack, screen.guarantee.slack(screen.outputs, outputs).min())
        near(move, np.abs(outputs - screen.now).max(axis=0))


@given(screens())
def test_derivatives_are_those_of_small_moves(drawn):
    screen, taken, _, _ = drawn
    network = without(screen.network, taken)
    found = screen.derivatives({layer for layer, _ in neurons(network)})
    step = 1e-5
    for layer, neuron in neurons(network):
        node = network.by_name[layer]

        def moved(by, node=node, neuron=neuron):
            """Return the outputs of the network with one activation moved."""
            unit = np.zeros(node.size)
            unit[neuron] = by
            nodes = []
            for other in network.nodes:
                sources = [f"{s}/moved" if s == node.name else s for s in other.sources]
                nodes.append(replace(other, sources=tuple(sources)))
                if other.name == node.name:
                    shift = Affine(Dense(np.eye(node.size)), unit)
                    nodes.append(Node(f"{node.name}/moved", shift, (node.name,)))
            return Network(tuple(nodes), network.output).trace(screen.points)

        low, high = moved(-step), moved(step)
        # Where a neuron changes its side between both, there is no derivative to compare with.
        smooth = np.ones(len(screen.points), np.bool_)
        for other in network.piecewise:
            z = [end[other.sources[0]] for end in (low, high)]
            kink = other.layer.state == State.RELU
            smooth &= ~(((z[0] <= 0) != (z[1] <= 0)) & kink).any(axis=1)
            smooth &= ~((np.abs(z[0]) < 1e-12) & kink).any(axis=1)
        outputs = [end[network.output][smooth] for end in (low, high)]
        np.testing.assert_allclose(
            found[layer][smooth][:, :, neuron],
            (outputs[1] - outputs[0]) / (2 * step),
            rtol=1e-4,
            atol=1e-4,
        )


def residual():
    """Return a network whose second layer is passed by."""
    nodes = (
        Node("x", Input((2,))),
        Node("a", Affine(Dense([[1.0, 0.5], [-1.0, 2.0]]), np.array([0.1, -0.2])), ("x",)),
        Node("r", Piecewise.relu(2), ("a",)),
        Node("b", Affine(Dense([[1.0, -1.0], [0.5, 1.0]]), np.zeros(2)), ("r",)),
        Node("s", Piecewise.relu(2), ("b",)),
        Node("sum", Sum(2), ("s", "r")),
        Node("y", Affine(Dense([[1.0, 2.0], [3.0, -1.0]]), np.zeros(2)), ("sum",)),
    )
    return Network(nodes, "y")


def test_what_passes_a_layer_by_is_followed_on_both_ways():
    network = residual()
    screen = Screen(network, Outputs(), np.array([[1.0, 1.0], [2.0, 1.0]]))
    # All neurons are active at the first point: y = outer (r + inner r).
    outer, inner = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, -1.0], [0.5, 1.0]])
    assert (screen.values("s")[0] > 0).all()
    np.testing.assert_allclose(screen.derivatives({"r"})["r"][0], outer @ (np.eye(2) + inner))
    np.testing.assert_allclose(screen.derivatives({"s", "r"})["s"][0], outer)


def test_no_candidates_and_no_points_are_nothing_to_judge():
    network = residual()
    screen = Screen(network, Outputs(Fraction(1)), np.zeros((0, 2)))
    assert screen.judge([]).shape == (0,)
    assert screen.moves([]).shape == (0, 2)
    assert screen.take([]) == np.inf
    assert screen.judge([Removal("r", 0, State.ZERO, Kind.FORWARD)]) == [np.inf]


@given(st.data())
def test_the_nearest_line_is_nowhere_farther_than_its_formula_and_meets_it(data):
    low, high = data.draw(st.floats(-8, -1e-3)), data.draw(st.floats(1e-3, 8))
    slope, shift = line(low, high)
    most = -low * high / (2 * (high - low))
    z = np.concatenate([np.linspace(low, high, 101), [0.0]])
    apart = np.abs(np.maximum(z, 0) - slope * z - shift)
    assert apart.max() <= most * (1 + 1e-9) + 1e-12
    for end in (low, 0.0, high):
        near(abs(max(end, 0.0) - slope * end - shift), most)


@given(st.floats(-1e308, 1e308), st.sampled_from(["float16", "float32", "float64"]))
def test_stored_numbers_are_of_the_element_type_and_finite(value, dtype):
    network = residual()
    network = replace(network, origin=replace(network.origin, dtype=dtype))
    held = stored(value, network)
    assert np.isfinite(held)
    assert float(np.asarray(held).astype(dtype)) == held


def test_removals_are_counted_by_their_step():
    some = [Removal("r", at, State.ZERO, kind) for at, kind in enumerate([Kind.PHASE] * 2)]
    assert counted([*some, Removal("r", 3, State.ZERO, Kind.RELAXED)]) == {
        Kind.PHASE: 2,
        Kind.FORWARD: 0,
        Kind.RESULT: 0,
        Kind.RELAXED: 1,
    }


@given(st.data())
def test_points_to_judge_at_lie_in_the_region_and_pairs_straddle_a_boundary(data):
    network = data.draw(dense_networks(outputs=3))
    lower, upper = data.draw(boxes(2))
    guarantee = SameBest(data.draw(st.sampled_from(list(Best))))
    region = Region.box(lower, upper)
    seen = look(network, region, guarantee, np.random.default_rng(0))
    kept = seen.kept(np.random.default_rng(0))
    size = np.maximum(np.abs(lower), np.abs(upper)) * 1e-12
    assert (kept >= lower - size).all()
    assert (kept <= upper + size).all()
    here, there = np.split(seen.boundary, 2)
    if len(here):
        one, two = (guarantee.leads(network.evaluate(some))[0] for some in (here, there))
        assert (one != two).all()
        assert (np.abs(here - there).max(axis=1) <= (upper - lower).max() * 2.0**-25).all()


@pytest.mark.parametrize("guarantee", [Outputs(), Outputs(Fraction(1))])
def test_where_outputs_stay_no_boundary_is_looked_for(guarantee):
    network = residual()
    seen = look(network, Region.box([0, 0], [1, 1]), guarantee, np.random.default_rng(0))
    assert not len(seen.boundary)
    assert not len(seen.close)
    assert len(seen.spread)
