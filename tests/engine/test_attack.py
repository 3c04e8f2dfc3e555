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


class Counted:
    """Counts the points that a network is evaluated at."""

    def __init__(self, monkeypatch):
        self.points, trace = 0, Network.trace

        def counted(network, inputs, until=None):
            self.points += len(inputs)
            return trace(network, inputs, until)

        monkeypatch.setattr(Network, "trace", counted)


def wide(rng, outputs=3):
    """Return a network with kinks everywhere on [-1, 1]^6."""
    shapes = [(40, 6), (40, 40), (outputs, 40)]
    return Network.dense(
        [rng.normal(size=shape) for shape in shapes],
        [rng.normal(size=shape[0]) for shape in shapes],
    )


@given(st.data())
@settings(max_examples=30)
def test_a_height_that_is_enough_ends_the_climb_of_that_neuron_alone(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    network, lattice = wide(rng), Region.box([-1] * 6, [1] * 6).lattice("float32")
    starts = lattice.snap(rng.uniform(-1, 1, (12, 6)))
    indices, signs = rng.integers(0, 3, size=12), rng.choice([-1.0, 1.0], size=12)
    z = signs * network.evaluate(starts)[np.arange(12), indices]
    enough = z + data.draw(st.sampled_from([0.1, 1.0, 1e3]))
    points, heights = ascend(
        network, network.output, indices, signs, starts, lattice, 10, enough=enough
    )
    after = signs * network.evaluate(points)[np.arange(12), indices]
    assert np.allclose(heights, after, rtol=1e-12, atol=1e-12)
    full, highest = ascend(network, network.output, indices, signs, starts, lattice, 10)
    for neuron, sign in zip(indices, signs, strict=True):
        own = (indices == neuron) & (signs == sign)
        if not (heights[own] > enough[own]).any():  # nothing was left out for it
            assert np.allclose(heights[own], highest[own], rtol=1e-9)
            assert np.allclose(points[own], full[own], rtol=1e-6)


def test_what_is_high_enough_costs_no_step(monkeypatch):
    rng = np.random.default_rng(0)
    network, lattice = wide(rng, 2), Region.box([-1] * 6, [1] * 6).lattice("float32")
    starts = lattice.snap(rng.uniform(-1, 1, (40, 6)))
    indices, signs = np.arange(40) % 2, np.ones(40)
    counted = Counted(monkeypatch)
    low = np.where(indices == 0, -1e9, 1e9)
    points, _ = ascend(network, network.output, indices, signs, starts, lattice, 10, enough=low)
    assert (points[indices == 0] == starts[indices == 0]).all()
    assert (points[indices == 1] != starts[indices == 1]).any()
    assert counted.points <= 40 + 2 * 20 + 15 * 20


def test_when_it_is_late_no_step_is_taken(monkeypatch):
    rng = np.random.default_rng(0)
    network, lattice = wide(rng), Region.box([-1] * 6, [1] * 6).lattice("float32")
    starts = lattice.snap(rng.uniform(-1, 1, (8, 6)))
    every, signs = np.zeros(8, np.int64), np.ones(8)
    counted = Counted(monkeypatch)
    node = network.output
    points, _ = ascend(network, node, every, signs, starts, lattice, 99, late=lambda: True)
    assert (points == starts).all()
    assert counted.points <= 3 * 8
    looks = iter([False] * 3 + [True] * 9)
    ascend(network, node, every, signs, starts, lattice, 99, late=lambda: next(looks))
    assert counted.points <= 3 * 8 + 6 * 8


def test_a_corner_is_found_at_once_and_left_alone(monkeypatch):
    # one linear neuron: its largest value lies in the corner that the weights' signs say
    weight = np.array([[1.0, -2.0, 0.5, 0.0]])
    network = Network.dense([weight], [np.zeros(1)])
    lattice = Region.box([-1] * 4, [3] * 4).lattice("float32")
    counted = Counted(monkeypatch)
    start = np.full((1, 4), 0.25)
    point, height = ascend(
        network, network.output, np.zeros(1, int), np.ones(1), start, lattice, 60
    )
    assert point.tolist() == [[3.0, -1.0, 3.0, 0.25]]
    assert height[0] == 6.5
    assert counted.points < 10, "no step can move it, so none is evaluated"


def test_an_attack_finds_a_narrow_peak():
    # relu(x - 0.9) + relu(y - 0.9) - 0.19 is positive only in one corner of the unit square
    network = Network.dense([np.eye(2), np.ones((1, 2))], [np.full(2, -0.9), np.array([-0.19])])
    lattice = Region.box([0, 0], [1, 1]).lattice("float32")
    start = np.full((1, 2), 0.91)
    _, heights = ascend(network, network.output, np.zeros(1, int), np.ones(1), start, lattice, 30)
    assert heights[0] > 0
