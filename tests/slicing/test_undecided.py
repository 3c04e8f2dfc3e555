"""Counts of undecided neurons: what counts as decided is, and halves never count more."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks_with_boxes, points

from secateur.engine.bounds.packed import LOWER, UPPER
from secateur.engine.errors import UnsupportedError
from secateur.engine.network import Network, State
from secateur.engine.stages import stages
from secateur.slicing import undecided as module
from secateur.slicing.undecided import Undecided


def signs_of(network, cost, inputs):
    """Return the exact signs ``(points, relus)`` of pre-activations, in the order of the cost."""
    values, staged = network.trace_exact(inputs), stages(network)
    out = np.zeros((len(inputs), cost.relus.size), dtype=int)
    for node in network.piecewise:
        relus = np.flatnonzero(node.layer.state == State.RELU)
        start = int(cost.packed.offset[staged.of[node.name]])
        z = values[node.sources[0]].numerators[:, relus]
        out[:, np.searchsorted(cost.relus, start + relus)] = np.sign(z)
    return out


@given(networks_with_boxes(), st.data())
@settings(max_examples=80)
def test_what_is_decided_keeps_its_sign_at_points(drawn, data):
    network, box = drawn
    cost = Undecided(network)
    count, flags = cost(box[0][None], box[1][None])
    assert count[0] == (flags == 0).sum() <= network.neurons == flags.shape[1]
    signs = signs_of(network, cost, data.draw(points(box)))
    assert (signs[:, (flags[0] & UPPER) > 0] <= 0).all()
    assert (signs[:, (flags[0] & LOWER) > 0] >= 0).all()


@given(networks_with_boxes(), st.data())
@settings(max_examples=60)
def test_halves_know_what_the_whole_knows_and_never_count_more(drawn, data):
    network, (lower, upper) = drawn
    cost = Undecided(network)
    count, flags = cost(lower[None], upper[None])
    at = data.draw(st.integers(0, lower.size - 1))
    low, high = np.stack([lower, lower]), np.stack([upper, upper])
    high[0, at] = low[1, at] = 0.5 * (lower[at] + upper[at])
    below, known = cost(low, high, np.repeat(flags, 2, axis=0))
    assert ((known & flags) == flags).all()
    assert (below <= count[0]).all()
    assert (below <= cost(low, high)[0]).all()


def test_a_neuron_that_passes_zero_by_one_float_is_undecided():
    network = Network.dense([np.eye(1), np.eye(1)], [np.zeros(1), np.zeros(1)])
    tiny = 2.0**-40
    lower = np.array([[-1.0], [-1.0], [-tiny], [0.5]])
    upper = np.array([[tiny], [-0.5], [1.0], [1.0]])
    count, flags = Undecided(network)(lower, upper)
    assert count.tolist() == [1, 0, 1, 0]
    assert flags.ravel().tolist() == [0, UPPER, 0, LOWER]


def test_limits_of_pre_activations_count_as_known():
    network = Network.dense([[[1.0], [1.0]], [[1.0, -1.0]]], [np.zeros(2), np.zeros(1)])
    cost = Undecided(network)
    box = np.array([[-1.0]] * 3), np.array([[1.0]] * 3)
    low, high = np.array([[0.0], [-1.0], [-1.0]]), np.array([[1.0], [-0.25], [0.5]])
    flags = cost.signs(*box, limits=(cost.relus[1:], low, high))
    assert flags.tolist() == [[0, LOWER], [0, UPPER], [0, 0]]


def test_layers_that_are_too_large_are_refused(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 5)
    network = Network.dense([np.ones((2, 2)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    with pytest.raises(UnsupportedError, match="6 entries, at most 5 are bounded"):
        Undecided(network)


def test_a_box_counts_the_same_whatever_is_beside_it():
    rng = np.random.default_rng(0)
    sizes = [3, 12, 12, 12, 2]
    shapes = [(b, a) for a, b in itertools.pairwise(sizes)]
    network = Network.dense(
        [rng.normal(size=s) for s in shapes], [rng.normal(size=s[0]) for s in shapes]
    )
    lower = rng.uniform(-1, 1, (700, 3))
    upper = lower + rng.uniform(0, 0.5, (700, 3))
    count, flags = Undecided(network)(lower, upper)
    assert count.max() > count.min()
    two = Undecided(network, workers=2)(lower, upper)
    assert (two[0] == count).all()
    assert (two[1] == flags).all()
    for some in (slice(5, 6), slice(250, 260), slice(None, None, 3)):
        part = Undecided(network)(lower[some], upper[some])
        assert (part[0] == count[some]).all()
        assert (part[1] == flags[some]).all()
