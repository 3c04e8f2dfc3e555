"""Optimised slopes by compiled loops: sound, nested, and as tight as the arrays find."""

from itertools import pairwise

import grids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import networks_with_boxes, points

from secateur.engine.bounds import optimised as compiled
from secateur.engine.bounds.kernels import bound_boxes
from secateur.engine.bounds.linear import by_arrays, linear
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.slopes import optimise_boxes
from secateur.engine.network import Network
from secateur.engine.stages import stages


def dense(seed, sizes, size=1.0):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    return Network.dense(
        [size * weight for weight in weights], [0.1 * rng.normal(size=b) for b in sizes[1:]]
    )


def targets(network):
    return {node.sources[0] for node in network.piecewise} | {network.output}


def optimise(network, lower, upper, steps, wish=None, whole=False):
    """Return the kernel's bounds ``(boxes, neurons)`` and the staged network."""
    staged = stages(network, grids=True)
    net = pack(staged)
    shape = len(lower), int(net.offset[-1])
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    wish = np.zeros(shape, np.uint8) if wish is None else wish
    optimise_boxes(net, lower.copy(), upper.copy(), low, high, wish, steps, whole)
    return low, high, staged, net


def stage(network, staged, net, name):
    """Return where a target's values are among all neurons."""
    at = next((staged.of[n.name] for n in network.piecewise if n.sources[0] == name), staged.output)
    return slice(net.offset[at], net.offset[at + 1])


@given(st.data())
@settings(max_examples=60)
def test_every_bound_contains_the_exact_range(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    steps, whole = data.draw(st.sampled_from((1, 4, 20))), data.draw(st.booleans())
    found = linear(network, lower[None], upper[None], steps=steps)
    low, high, staged, net = optimise(network, lower[None], upper[None], steps, whole=whole)
    for name in targets(network):
        place = stage(network, staged, net, name)
        sides = [(found[name][0][0], found[name][1][0]), (low[0, place], high[0, place])]
        for index, (least, most) in enumerate(extremes(network, lower, upper, name)):
            for below, above in sides:
                assert below[index] <= least
                assert above[index] >= most


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
@settings(max_examples=40)
def test_bounds_of_rounded_networks_hold_at_points(seed, steps):
    rng = np.random.default_rng(seed)
    network = grids.rounded(rng, grids.chain(rng))
    lower = rng.normal(size=network.size_in)
    upper = lower + rng.uniform(0.0, 2.0, network.size_in)
    found = linear(network, lower[None], upper[None], steps=steps)
    values = network.trace(grids.places(rng, lower, upper, 64))
    for name, (low, high) in found.items():
        spare = 1e-9 * (1.0 + np.abs(values[name]))
        assert (values[name] >= low - spare).all()
        assert (values[name] <= high + spare).all()


@given(st.data())
@settings(max_examples=40)
def test_wished_signs_hold_at_points(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    staged = stages(network)
    total = int(pack(staged).offset[-1])
    bits = st.lists(st.integers(0, UPPER | LOWER), min_size=total, max_size=total)
    wish = np.array([data.draw(bits)], np.uint8)
    wish[:, : network.size_in] = 0
    low, high, staged, net = optimise(network, lower[None], upper[None], 5, wish)
    values = network.trace(data.draw(points((lower, upper))))
    for name in targets(network):
        place = stage(network, staged, net, name)
        assert (values[name] >= low[0, place] - 1e-6).all()
        assert (values[name] <= high[0, place] + 1e-6).all()


@given(networks_with_boxes())
@settings(max_examples=40)
def test_without_steps_the_bounds_are_those_of_fixed_slopes(drawn):
    network, (lower, upper) = drawn
    low, high, _, net = optimise(network, lower[None], upper[None], 0)
    fixed = np.full_like(low, -np.inf), np.full_like(high, np.inf)
    spare = np.zeros((1, network.size_in))
    wish, worst = np.zeros(low.shape, np.uint8), np.zeros(1, np.int64)
    bound_boxes(net, lower[None].copy(), upper[None].copy(), *fixed, wish, spare, worst, spare)
    np.testing.assert_array_equal(low, fixed[0])
    np.testing.assert_array_equal(high, fixed[1])


@given(networks_with_boxes(), st.sampled_from((1, 3, 10)))
@settings(max_examples=30)
def test_known_bounds_are_never_loosened(drawn, steps):
    network, (lower, upper) = drawn
    box = lower[None], upper[None]
    fixed = linear(network, *box)
    found = linear(network, *box, steps=steps, known=fixed)
    for name in fixed:
        assert (found[name][0] >= fixed[name][0]).all()
        assert (found[name][1] <= fixed[name][1]).all()


# The last has more rows than climb together.
@pytest.mark.parametrize("sizes", [(3, 8, 8, 2), (5, 20, 20, 20, 3), (4, 80, 80, 2)])
def test_many_steps_are_as_tight_as_those_of_the_arrays(sizes):
    network = dense(len(sizes), sizes)
    lower = np.random.default_rng(1).uniform(-0.5, 0.0, (3, sizes[0]))
    upper = lower + 0.5
    found = linear(network, lower, upper, steps=150)
    reference = by_arrays(network, lower, upper, steps=150)
    fixed = linear(network, lower, upper)
    for name in targets(network):
        width, same, before = (
            (bounds[name][1] - bounds[name][0]).mean() for bounds in (found, reference, fixed)
        )
        assert width <= 1.02 * same
        assert width <= before * (1 + 1e-9)  # errors are charged in another order


def test_decided_neurons_stop_and_stay_decided():
    network = dense(7, (5, 30, 30, 30, 2))
    lower = np.full((1, 5), -0.3)
    low, high, staged, net = optimise(network, lower, -lower, 20)
    full = optimise(network, lower, -lower, 20, whole=True)
    open_, wholly = ((a < 0) & (b > 0) for a, b in ((low, high), full[:2]))
    assert abs(int(open_.sum()) - int(wholly.sum())) <= 2
    values = network.trace(np.random.default_rng(0).uniform(lower, -lower, (500, 5)))
    for name in targets(network):
        place = stage(network, staged, net, name)
        assert (values[name] >= low[0, place]).all()
        assert (values[name] <= high[0, place]).all()


@pytest.mark.parametrize("size", [1e-30, 1e12, 1e25])
def test_numbers_beyond_binary32_cost_no_soundness(size):
    network = dense(2, (3, 10, 10, 2), size)
    lower = np.full((1, 3), -0.5)
    found = linear(network, lower, -lower, steps=10)
    fixed = linear(network, lower, -lower)
    values = network.trace(np.random.default_rng(0).uniform(lower, -lower, (500, 3)))
    for name in targets(network):
        low, high = found[name]
        assert (values[name] >= low).all()
        assert (values[name] <= high).all()
        assert (high - low <= (fixed[name][1] - fixed[name][0]) * (1 + 1e-12)).all()


def test_networks_too_large_to_be_dense_are_bounded_by_arrays(monkeypatch):
    network, lower = dense(3, (3, 10, 10, 2)), np.full((1, 3), -0.5)
    reference = by_arrays(network, lower, -lower, steps=4)
    monkeypatch.setattr(compiled, "ENTRIES", 10)
    found = linear(network, lower, -lower, steps=4)
    for name in reference:
        np.testing.assert_array_equal(found[name][0], reference[name][0])
        np.testing.assert_array_equal(found[name][1], reference[name][1])
