"""Neurons of a proved sign, written as ReLUs: nothing else is left, and its distance is stated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import cases, gap
from oracle import reach

from secateur.engine.legal import violations
from secateur.engine.network import Affine, Input, Network, Node, Origin, Piecewise, State, Sum
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.redundancy import fold as fold_module
from secateur.redundancy.effect import Shift, distance
from secateur.redundancy.fold import as_relus, fold


def signs(network, lower, upper):
    """Return which neurons are at least 0, and which at most 0, by exact interval arithmetic."""
    ends = reach(network, lower, upper)
    return (
        {node.name: ends[node.sources[0]][0] >= 0 for node in network.piecewise},
        {node.name: ends[node.sources[0]][1] <= 0 for node in network.piecewise},
    )


@given(cases(), st.booleans())
@settings(max_examples=100)
def test_neurons_of_a_proved_sign_are_written_as_relus(case, rounding):
    original, box, some = case
    original = original.with_layers({n.name: Piecewise.relu(n.size) for n in original.piecewise})
    positive, negative = signs(original, *box)
    layers = {}
    for node in original.piecewise:
        state = np.where(positive[node.name], State.IDENTITY, State.RELU)
        state = np.where(negative[node.name], State.ZERO, state)
        layers[node.name] = Piecewise(state, np.zeros(node.size), np.zeros(node.size))
    before, tolerance = original.with_layers(layers), 1e3 if rounding else 0.0
    found = fold(before, Region.box(*box), tolerance, positive, nonpositive=negative)
    after = as_relus(found.after, original, found.nonnegative, found.nonpositive)
    assert not violations(after)
    assert gap(original, after, some) <= found.distance
    assert gap(original, found.after, some) <= found.distance
    for node in after.piecewise:  # nothing is left but ReLUs, and units made by the fold
        state = node.layer.state
        assert not (state == State.ZERO).any()
        if node.name in found.nonnegative:
            assert not (found.nonnegative[node.name] & (state == State.IDENTITY)).any()


def test_a_zero_that_a_rounded_row_may_reach_is_charged_for():
    # The row of the ZERO neuron is 0 at (1, 1); rounded, it is not, and a ReLU would show it.
    third = 1 / 3
    before = Network.dense(
        [np.array([[1.0, 2.0]]), np.array([[third]]), np.array([[1.0]])],
        [np.array([-3.0]), np.array([0.0]), np.array([0.0])],
        Origin(dtype="float64"),
    )
    zero = Piecewise(np.array([State.ZERO], np.int8), np.zeros(1), np.zeros(1))
    before = before.with_layers({"relu2": zero})
    shift = {"affine2": Shift(np.full((1, 1), 0.25), np.full(1, 0.125))}
    region = Region.box([0, 0], [1, 1])
    assert distance(before, shift, region) == 0
    relus = as_relus(before, before, {}, {"relu2": np.array([True])})
    assert distance(relus, shift, region) > 0.125


def test_the_distance_of_a_fold_covers_its_zeros_as_relus(monkeypatch):
    # The ZERO neuron is p q x - p q, of which the fold rounds the first product up. A sum reads it,
    # so it stays, and as a ReLU it is more than 0 at x = 1.
    first, second = (float(np.float32(v)) for v in (1.1, 1.7))
    exact = first * second  # 48 bits
    assert float(np.float32(exact)) > exact
    assert Fraction(first) * Fraction(second) == Fraction(exact)
    nodes = (
        Node("x", Input((1,))),
        Node("z1", Affine(Dense(np.array([[first]])), np.zeros(1)), ("x",)),
        Node("a1", Piecewise(np.array([State.IDENTITY]), np.zeros(1), np.zeros(1)), ("z1",)),
        Node("z2", Affine(Dense(np.array([[second], [1.0]])), np.array([-exact, 0.0])), ("a1",)),
        Node("a2", Piecewise(np.array([State.ZERO, State.RELU]), *np.zeros((2, 2))), ("z2",)),
        Node("beside", Affine(Dense(np.ones((2, 1))), np.zeros(2)), ("x",)),
        Node("s", Sum(2), ("a2", "beside")),
        Node("y", Affine(Dense(np.ones((1, 2))), np.zeros(1)), ("s",)),
    )
    before, region = Network(nodes, "y"), Region.box([0], [1])
    monkeypatch.setattr(fold_module, "MERGES", 0)
    found = fold(before, region, 1.0, nonpositive={"a2": np.array([True, False])})
    after = as_relus(found.after, before, found.nonnegative, found.nonpositive)
    assert gap(before, found.after, np.ones((1, 1))) == 0
    assert 0 < gap(before, after, np.ones((1, 1))) <= found.distance
