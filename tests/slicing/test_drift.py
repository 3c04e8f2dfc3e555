"""Drift of float evaluation: no evaluation in any order strays farther than is proved."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, graph_networks, uneven_networks

from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.linear import linear
from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.slicing.drift import drift


def evaluate(network, point, kind, rng):
    """Return the outputs at a point in an element type, sums in a random order, one at a time."""
    values = {}
    for node in network.nodes:
        read = [values[name] for name in node.sources]
        match node.layer:
            case Input():
                out = point.astype(kind)
            case Affine(operator=operator, bias=bias):
                matrix = operator.matrix().astype(kind)
                out = bias.astype(kind)
                products = (matrix * read[0]).T
                total = np.zeros(node.size, kind)
                for at in rng.permutation(len(products)):
                    total = total + products[at]
                out = total + out
            case Piecewise(state=state, slope=slope, intercept=intercept):
                z = read[0]
                out = np.where(state == State.RELU, np.maximum(z, kind(0)), z)
                line = slope.astype(kind) * z + intercept.astype(kind)
                out = np.where(state == State.LINEAR, line, out)
                out = np.where(state == State.ZERO, kind(0), out).astype(kind)
            case Sum():
                out = sum(read[1:], start=read[0])
            case Concat():
                out = np.concatenate(read)
            case Select(indices=indices):
                out = read[0][indices]
        values[node.name] = out
    return values[network.output]


@given(
    st.one_of(dense_networks(), graph_networks(), uneven_networks()),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.data(),
)
@settings(max_examples=120)
def test_no_evaluation_strays_farther(network, kind, tight, data):
    lower, upper = data.draw(boxes(network.size_in))
    form = np.dtype(kind).type
    bound = linear if tight else interval
    far = drift(network, bound(network, lower[None], upper[None]), kind)[0]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(4):
        point = (lower + rng.random(lower.size) * (upper - lower)).astype(form).astype(np.float64)
        point = np.where((point < lower) | (point > upper), np.nan, point)
        if np.isnan(point).any():
            continue
        got = evaluate(network, point, form, rng).astype(np.float64)
        want = network.evaluate(point, exact=True)
        assert all(
            abs(type(b)(float(a)) - b) <= type(b)(float(e))
            for a, b, e in zip(got, want, far, strict=True)
        )


def deep(kind, scale=1.0):
    rng = np.random.default_rng(0)
    sizes = [20, 60, 60, 60, 5]
    weights = [
        (scale * rng.normal(size=(b, a)) / np.sqrt(a)).astype(kind)
        for a, b in itertools.pairwise(sizes)
    ]
    return Network.dense(weights, [rng.normal(size=len(w)).astype(kind) for w in weights])


def test_the_bound_is_of_the_size_of_rounding():
    network = deep("float32")
    box = -np.ones((1, 20)), np.ones((1, 20))
    bounds = interval(network, *box)
    assert drift(network, bounds, "float32").max() < 0.1
    ratio = drift(network, bounds, "float32") / drift(network, bounds, "float64")
    assert (ratio > 2.0**27).all()
    smaller = interval(network, 0.1 * box[0], 0.1 * box[1])
    assert (drift(network, smaller, "float32") < drift(network, bounds, "float32")).all()


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_where_the_type_overflows_nothing_is_said(kind):
    huge = 1e30 if kind == "float32" else 1e200
    network = deep("float64", huge)
    bounds = interval(network, -np.ones((1, 20)), np.ones((1, 20)))
    assert np.isinf(drift(network, bounds, kind)).all()
    at_zero = interval(network, np.zeros((1, 20)), np.zeros((1, 20)))
    assert not np.isnan(drift(network, at_zero, kind)).any()
    single = Network.dense([np.array([[1e39]])], [np.zeros(1)])
    none = interval(single, np.zeros((1, 1)), np.zeros((1, 1)))
    assert np.isinf(drift(single, none, "float32")).all()
    assert np.isfinite(drift(single, none, "float64")).all()


def test_what_computes_nothing_does_not_drift():
    nodes = [Node("input", Input((2,))), Node("pick", Select(np.array([1, 0]), 2), ("input",))]
    network = Network(tuple(nodes), "pick")
    bounds = interval(network, -np.ones((3, 2)), np.ones((3, 2)))
    assert (drift(network, bounds, "float32") == np.zeros((3, 2))).all()
