"""Interval, linear, optimised and compiled bounds: sound, nested, and the same mathematics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import dense_networks, graph_networks, networks_with_boxes, points

from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.kernels import bound_boxes
from secateur.engine.bounds.linear import backward, linear, lines
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.rational import rational_bound
from secateur.engine.network import Affine, Network
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.engine.stages import stages


def compiled(network, lower, upper):
    """Return the compiled bounds of every stage, ``(boxes, neurons)`` twice, and the stages."""
    staged = stages(network)
    net = pack(staged)
    boxes, total = len(lower), int(net.offset[-1])
    low, high = np.full((boxes, total), -np.inf), np.full((boxes, total), np.inf)
    bound_boxes(
        net,
        lower.copy(),
        upper.copy(),
        low,
        high,
        np.zeros((boxes, total), np.uint8),
        np.zeros_like(lower),
        np.zeros(boxes, np.int64),
        np.zeros_like(lower),
    )
    return low, high, staged, net


@given(st.data())
@settings(max_examples=60)
def test_every_bound_contains_the_exact_range(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    names = {node.sources[0] for node in network.piecewise} | {network.output}
    exact = {name: extremes(network, lower, upper, name) for name in names}
    box = lower[None], upper[None]
    found = {
        "interval": interval(network, *box),
        "linear": linear(network, *box),
        "optimised": linear(network, *box, steps=5),
    }
    for method, bounds in found.items():
        for name, ends in exact.items():
            low, high = bounds[name]
            for index, (least, most) in enumerate(ends):
                assert low[0, index] <= least, (method, name)
                assert high[0, index] >= most, (method, name)
    low, high, staged, net = compiled(network, *box)
    for node in network.piecewise:
        stage = staged.of[node.name]
        for index, (least, most) in enumerate(exact[node.sources[0]]):
            assert low[0, net.offset[stage] + index] <= least
            assert high[0, net.offset[stage] + index] >= most


@given(st.data())
@settings(max_examples=60)
def test_every_bound_contains_samples_in_rationals(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    some = data.draw(points((lower, upper), count=6))
    values = network.trace_exact(some)
    for bounds in (
        interval(network, lower[None], upper[None]),
        linear(network, lower[None], upper[None], steps=3),
    ):
        for node in network.nodes:
            exact = values[node.name].fractions()
            low, high = bounds[node.name]
            for index in range(node.size):
                for value in exact[:, index]:
                    assert low[0, index] <= value <= high[0, index]


@given(st.data())
@settings(max_examples=60)
def test_dearer_bounds_are_nested_in_cheaper_ones(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    box = lower[None], upper[None]
    cheap, better, best = (
        interval(network, *box),
        linear(network, *box),
        linear(network, *box, steps=4),
    )
    for name in cheap:
        rounding = 1e-9 * (1 + np.abs(cheap[name]).max())
        assert (better[name][0] >= cheap[name][0] - rounding).all()
        assert (better[name][1] <= cheap[name][1] + rounding).all()
        assert (best[name][0] >= cheap[name][0] - rounding).all()
        assert (best[name][1] <= cheap[name][1] + rounding).all()


@given(st.data())
@settings(max_examples=60)
def test_compiled_and_array_bounds_are_the_same_up_to_rounding(data):
    network = data.draw(dense_networks())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    lower = rng.normal(size=(3, network.size_in))
    upper = lower + rng.random((3, network.size_in))
    low, high, staged, net = compiled(network, lower, upper)
    for box in range(3):
        bounds = linear(network, lower[[box]], upper[[box]])
        for node in network.piecewise:
            stage = staged.of[node.name]
            part = slice(net.offset[stage], net.offset[stage + 1])
            open_rows = (low[box, part] < 0) & (high[box, part] > 0)
            wanted = bounds[node.sources[0]]
            assert np.allclose(
                low[box, part][open_rows], wanted[0][0][open_rows], rtol=1e-9, atol=1e-9
            )
            assert np.allclose(
                high[box, part][open_rows], wanted[1][0][open_rows], rtol=1e-9, atol=1e-9
            )


@given(st.data())
@settings(max_examples=40)
def test_a_batch_bounds_each_box_as_if_alone(data):
    network = data.draw(graph_networks())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    lower = rng.normal(size=(3, network.size_in))
    upper = lower + rng.random((3, network.size_in))
    low, high, _, _ = compiled(network, lower, upper)
    for box in range(3):
        alone_low, alone_high, _, _ = compiled(network, lower[[box]], upper[[box]])
        assert np.array_equal(low[[box]], alone_low)
        assert np.array_equal(high[[box]], alone_high)


def test_wishes_bound_only_what_is_asked_and_blame_inputs():
    rng = np.random.default_rng(0)
    network = Network.dense(
        [rng.normal(size=(6, 2)), rng.normal(size=(4, 6)), np.ones((1, 4))],
        [np.zeros(6), np.zeros(4), np.zeros(1)],
    )
    staged = stages(network)
    net = pack(staged)
    total = int(net.offset[-1])
    lower, upper = np.full((1, 2), -1.0), np.full((1, 2), 1.0)
    low, high = np.full((1, total), -np.inf), np.full((1, total), np.inf)
    wish = np.zeros((1, total), np.uint8)
    asked = int(net.offset[2]) + 1
    wish[0, asked] = UPPER | LOWER
    influence, worst, corner = np.zeros((1, 2)), np.zeros(1, np.int64), np.zeros((1, 2))
    bound_boxes(net, lower, upper, low, high, wish, influence, worst, corner)
    assert worst[0] == asked
    assert (influence > 0).all()
    assert set(np.abs(corner).ravel()) == {1.0}
    assert np.isinf(high[0, net.offset[3] :]).all()


@pytest.mark.parametrize("size", [1e200, 1e120])
def test_magnitudes_beyond_the_rounding_model_give_infinite_bounds(size):
    network = Network.dense(
        [np.full((1, 1), size), np.full((1, 1), 1.0)], [np.zeros(1), np.zeros(1)]
    )
    box = np.array([[-1.0]]), np.array([[1.0]])
    low, high, staged, net = compiled(network, *box)
    at = net.offset[staged.output]
    assert (low[0, at], high[0, at]) == (-np.inf, np.inf) or high[0, at] >= size
    bounds = interval(network, *box)[network.output]
    assert bounds[1][0, 0] >= size


def test_cancellation_that_float64_gets_wrong_stays_inside_the_bounds():
    # 1e17 + 1 - 1e17 is 0 in float64 and 1 in truth
    weights = [np.array([[1.0], [1.0]]), np.array([[1e17, -1e17]])]
    network = Network.dense(weights, [np.array([1.0, 1.0]), np.array([1.0])])
    box = np.array([[0.0]]), np.array([[0.5]])
    for bounds in (interval(network, *box), linear(network, *box, steps=3)):
        low, high = bounds[network.output]
        assert low[0, 0] <= 1.0 <= high[0, 0]


def test_a_leaf_of_the_graph_can_be_the_input_itself():
    layer = Affine(Dense(np.eye(2)), np.zeros(2))
    network = Network.dense([np.eye(2)], [np.zeros(2)])
    assert layer.size == 2
    bounds = linear(network, np.zeros((1, 2)), np.ones((1, 2)))
    assert bounds["input"][1].tolist() == [[1.0, 1.0]]


@given(st.data())
@settings(max_examples=40)
def test_rational_bounds_contain_the_range_and_match_the_float_ones(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    region = Region.box(lower, upper)
    bounds = interval(network, lower[None], upper[None])
    ends = extremes(network, lower, upper, network.output)
    relaxed = {n.name: lines(n.layer, *bounds[n.sources[0]]) for n in network.piecewise}
    for index, (least, most) in enumerate(ends):
        row = np.zeros(network.size_out)
        row[index] = 1.0
        top = rational_bound(network, region, network.output, row, bounds)
        bottom = -rational_bound(network, region, network.output, -row, bounds)
        assert bottom <= least <= most <= top
        near = backward(network, network.output, row[None, None], bounds, relaxed).upper[0, 0]
        assert top <= near <= float(top) + 1e-9 * (1 + abs(float(top)))
