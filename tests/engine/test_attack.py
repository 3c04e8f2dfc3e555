"""Attacks stay inside, know the gradient, and never go down."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, graph_networks

from secateur.engine.attack import ascend, gradient, sample
from secateur.engine.network import Network
from secateur.engine.region import Region


@given(st.integers(1, 5), st.integers(1, 50), st.integers(0, 99))
def test_samples_lie_in_the_box_with_the_centre_first(size, count, seed):
    lower, upper = np.full(size, -1.0), np.full(size, 3.0)
    points = sample(lower, upper, count, np.random.default_rng(seed))
    assert points.shape == (count, size)
    assert ((lower <= points) & (points <= upper)).all()
    assert (points[0] == 1.0).all()


@given(st.data())
@settings(max_examples=50)
def test_the_gradient_is_the_slope_of_small_steps(data):
    network = data.draw(graph_networks())
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    point = rng.normal(size=(1, network.size_in))
    values = network.trace(point)
    kinks = [np.abs(values[node.sources[0]]).min() for node in network.piecewise]
    seeds = rng.normal(size=(1, network.size_out))
    slope = gradient(network, values, network.output, seeds)
    step = 1e-7
    if min(kinks, default=1.0) < 1e-3:
        return
    for axis in range(network.size_in):
        there = point.copy()
        there[0, axis] += step
        change = (network.evaluate(there) - values[network.output]) @ seeds[0] / step
        assert np.allclose(change, slope[0, axis], rtol=1e-3, atol=1e-3)


@given(st.data())
@settings(max_examples=30)
def test_an_attack_stays_on_the_lattice_and_never_loses_ground(data):
    network = data.draw(graph_networks())
    lower, upper = data.draw(boxes(network.size_in))
    region = Region.box(lower, upper)
    lattice = region.lattice("float32")
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    starts = lattice.snap(sample(lower, upper, 6, rng))
    indices = rng.integers(0, network.size_out, size=6)
    signs = rng.choice([-1.0, 1.0], size=6)
    points, heights = ascend(network, network.output, indices, signs, starts, lattice, 8)
    before = signs * network.evaluate(starts)[np.arange(6), indices]
    after = signs * network.evaluate(points)[np.arange(6), indices]
    assert (heights >= before - 1e-12).all()
    assert np.allclose(heights, after, rtol=1e-12, atol=1e-12)
    for point in lattice.exact(points):
        assert region.contains(point)


def test_an_attack_finds_a_narrow_peak():
    # relu(x - 0.9) + relu(y - 0.9) - 0.19 is positive only in one corner of the unit square
    network = Network.dense([np.eye(2), np.ones((1, 2))], [np.full(2, -0.9), np.array([-0.19])])
    lattice = Region.box([0, 0], [1, 1]).lattice("float32")
    start = np.full((1, 2), 0.91)
    _, heights = ascend(network, network.output, np.zeros(1, int), np.ones(1), start, lattice, 30)
    assert heights[0] > 0
