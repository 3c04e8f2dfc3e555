"""The IR: what it computes, exactly and fast, and what it refuses."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, graph_networks, points

from secateur.engine.errors import NetworkError
from secateur.engine.legal import violations
from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Normalisation,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.operators import Convolution, Dense, Diagonal


@given(st.data())
def test_exact_and_fast_evaluation_agree_up_to_rounding(data):
    network = data.draw(graph_networks())
    some = data.draw(points(data.draw(boxes(network.size_in))))
    exact = network.evaluate(some, exact=True).astype(float)
    assert np.allclose(network.evaluate(some), exact, rtol=1e-9, atol=1e-9)
    assert not violations(network)


@given(st.data())
def test_a_batch_gives_what_its_points_give(data):
    network = data.draw(graph_networks())
    some = data.draw(points(data.draw(boxes(network.size_in)), count=4))
    one_by_one = np.stack([network.evaluate(point) for point in some])
    assert np.allclose(network.evaluate(some), one_by_one, rtol=1e-12, atol=1e-12)


def test_exact_evaluation_takes_rationals_that_no_float_holds():
    network = Network.dense([np.array([[3.0]]), np.array([[1.0]])], [np.zeros(1), np.zeros(1)])
    assert network.evaluate([Fraction(1, 3)], exact=True)[0] == 1


def test_each_state_computes_its_function():
    layer = Piecewise(
        np.array([State.RELU, State.ZERO, State.IDENTITY, State.LINEAR], np.int8),
        np.array([9.0, 9.0, 9.0, 0.5]),
        np.array([9.0, 9.0, 9.0, 0.25]),
    )
    network = Network((Node("x", Input((4,))), Node("y", layer, ("x",))), "y")
    for value, wanted in ((-2.0, [0, 0, -2, -0.75]), (2.0, [2, 0, 2, 1.25])):
        point = np.full(4, value)
        assert network.evaluate(point).tolist() == wanted
        assert network.evaluate(point, exact=True).tolist() == [Fraction(w) for w in wanted]


def some_convolution(rng):
    """Return a convolution of small integers with random shape, strides, rims, gaps and groups."""
    groups = int(rng.integers(1, 3))
    out, per_group = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    return Convolution(
        rng.integers(-3, 4, size=(out * groups, per_group, *rng.integers(1, 4, size=2))) * 1.0,
        (per_group * groups, *(int(n) for n in rng.integers(5, 8, size=2))),
        strides=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        padding=tuple(int(n) for n in rng.integers(0, 3, size=4)),
        dilations=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        groups=groups,
    )


def by_definition(operator):
    """Return the matrix of a convolution, entry by entry as the standard states it."""
    kernel, (_, height, width) = operator.weight, operator.shape_in
    channels, tall, wide = operator.shape_out
    per_out, per_in = channels // operator.groups, kernel.shape[1]
    matrix = np.zeros((channels, tall, wide, *operator.shape_in))
    for place in np.ndindex(channels, tall, wide):
        for tap in np.ndindex(*kernel.shape[1:]):
            row, column = (
                at * stride + step * gap - rim
                for at, stride, step, gap, rim in zip(
                    place[1:],
                    operator.strides,
                    tap[1:],
                    operator.dilations,
                    operator.padding,
                    strict=False,
                )
            )
            if 0 <= row < height and 0 <= column < width:
                source = place[0] // per_out * per_in + tap[0]
                matrix[(*place, source, row, column)] += kernel[(place[0], *tap)]
    return matrix.reshape(operator.size_out, operator.size_in)


@given(st.integers(0, 2**31), st.sampled_from([1, 2000, 1 << 17]))
@settings(max_examples=60)
def test_a_compact_convolution_is_its_matrix(seed, columns):
    rng = np.random.default_rng(seed)
    operator, batch = some_convolution(rng), int(rng.integers(0, 4))
    matrix = by_definition(operator)
    ins = rng.integers(-3, 4, size=(2, batch, operator.size_in)).astype(float)
    outs = rng.integers(-3, 4, size=(batch, 2, operator.size_out)).astype(float)
    ints, weight = ins.astype(int).astype(object), operator.weight.astype(int).astype(object)
    with pytest.MonkeyPatch.context() as patch:  # how many are taken at a time changes nothing
        patch.setattr("secateur.engine.operators._COLUMNS", columns)
        assert np.array_equal(operator.matrix(), matrix)
        assert np.array_equal(operator.push(ins), ins @ matrix.T)
        assert np.array_equal(operator.pull(outs), outs @ matrix)
        assert np.array_equal(operator.push(ins[0, :1], -operator.weight), -ins[0, :1] @ matrix.T)
        pushed = operator.push(ints, weight)
        pulled = operator.pull(outs.astype(int).astype(object), weight)
    assert pushed.tolist() == (ins @ matrix.T).astype(int).tolist()
    assert pulled.tolist() == (outs @ matrix).astype(int).tolist()
    for objects in (pushed, pulled):  # python integers, which never overflow
        assert objects.dtype == object
        assert all(type(value) is int for value in objects.ravel())
    assert (matrix != 0).sum(axis=1).max() <= operator.terms
    assert (matrix != 0).sum(axis=0).max() <= operator.terms_back
    assert operator.multiply_adds >= (matrix != 0).sum()


def test_a_convolution_of_large_integers_does_not_overflow():
    operator = Convolution(np.full((1, 1, 2, 2), 1.0), (1, 3, 3), padding=(1, 0, 0, 1))
    large = np.full((1, 9), 3**200, dtype=object)
    weight = np.full((1, 1, 2, 2), 5**100, dtype=object)
    assert operator.push(large, weight)[0, 3] == 4 * 3**200 * 5**100
    assert operator.pull(large, weight)[0, 4] == 4 * 3**200 * 5**100


def test_what_the_output_does_not_need_is_dropped():
    nodes = (
        Node("x", Input((2,))),
        Node("used", Affine(Diagonal(np.ones(2)), np.zeros(2)), ("x",)),
        Node("dead", Affine(Diagonal(np.ones(2)), np.zeros(2)), ("x",)),
    )
    assert [node.name for node in Network(nodes, "used").nodes] == ["x", "used"]


@pytest.mark.parametrize(
    ("nodes", "output", "says"),
    [
        ([Node("x", Input((2,))), Node("x", Sum(2), ("x",))], "x", "share one name"),
        ([Node("x", Input((2,))), Node("y", Sum(2), ("z",))], "y", "is no layer"),
        ([Node("x", Input((2,)))], "y", "output y is no layer"),
        ([Node("x", Input((2,))), Node("z", Input((2,)))], "x", "has one input"),
        ([Node("x", Input((2,))), Node("y", Sum(3), ("x",))], "y", "takes \\[3\\]"),
        ([Node("x", Input((2,))), Node("y", Concat((1, 2)), ("x", "x"))], "y", "takes"),
        (
            [Node("x", Input((2,))), Node("y", Sum(2), ("x", "z")), Node("z", Sum(2), ("y",))],
            "z",
            "circle",
        ),
    ],
)
def test_an_illegal_graph_is_refused(nodes, output, says):
    with pytest.raises(NetworkError, match=says):
        Network(tuple(nodes), output)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_must_be_finite(bad):
    with pytest.raises(NetworkError, match=r"at \[1, 0\]: every weight must be finite"):
        Dense(np.array([[1.0], [bad]]))


def test_arrays_cannot_be_changed_afterwards():
    weight = np.ones((1, 1))
    layer = Affine(Dense(weight), np.zeros(1))
    weight[0, 0] = 5
    assert layer.operator.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.operator.weight[0, 0] = 2


def test_shapes_and_selections_are_checked_once():
    with pytest.raises(NetworkError, match="does not hold"):
        Node("x", Sum(4), ("y",), shape=(3,))
    with pytest.raises(NetworkError, match="indices from 0 to 1"):
        Select(np.array([2]), 2)
    with pytest.raises(NetworkError, match="larger than its input"):
        Convolution(np.ones((1, 1, 4, 4)), (1, 3, 3))
    with pytest.raises(NetworkError, match="does not fit an input"):
        Convolution(np.ones((1, 2, 1, 1)), (1, 3, 3))
    with pytest.raises(NetworkError, match="last axis must be 2"):
        Network.dense([np.ones((1, 2))], [np.zeros(1)]).evaluate(np.zeros(3))


def test_normalisation_goes_there_and_back():
    normal = Normalisation(np.zeros(2), np.full(2, 10.0), np.full(2, 5.0), np.full(2, 4.0))
    raw = np.array([1.0, 9.0])
    assert np.array_equal(normal.to_raw(normal.to_network(raw)), raw)
    assert normal.to_network(np.array([-99.0, 99.0])).tolist() == [-1.25, 1.25]
    with pytest.raises(NetworkError, match="must be positive"):
        Normalisation(np.zeros(1), np.ones(1), np.zeros(1), np.zeros(1))


def test_the_legality_check_sees_what_it_is_there_for():
    network = Network.dense([np.ones((2, 2)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    broken = Network.dense([np.ones((2, 2)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    object.__setattr__(broken, "nodes", (broken.nodes[0], *broken.nodes[2:]))
    assert not violations(network)
    assert any("before it is computed" in line for line in violations(broken))
    broken = Network.dense([np.ones((2, 2)), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    object.__setattr__(broken.nodes[2].layer, "slope", np.ones(2))
    assert any("slope and intercept are 0" in line for line in violations(broken))
