"""Float32 evaluation: what its module states, number by number, and near to real arithmetic."""

import numpy as np
import pytest
from families_drawn import bases
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import linearised

from secateur.engine.errors import InputError, UnsupportedError
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State
from secateur.engine.noise import noise
from secateur.engine.operators import Convolution
from secateur.slicing.single import evaluate_single


def by_scalars(network, point):
    """Return the outputs of a chain of dense layers, each operation on its own."""
    values = [np.float32(x) for x in point]
    for node in network.nodes[1:]:
        layer, out = node.layer, []
        if isinstance(layer, Affine):
            for row, bias in zip(layer.operator.weight, layer.bias, strict=True):
                total = np.float32(bias) + np.float32(0)
                for weight, value in zip(row, values, strict=True):
                    total = np.float32(total + np.float32(np.float32(weight) * value))
                out.append(total)
        else:
            lines = zip(layer.state, layer.slope, layer.intercept, values, strict=True)
            for state, slope, intercept, z in lines:
                match State(state):
                    case State.RELU:
                        out.append(z if z > 0 else np.float32(0))
                    case State.ZERO:
                        out.append(np.float32(0))
                    case State.IDENTITY:
                        out.append(z)
                    case State.LINEAR:
                        line = np.float32(np.float32(slope) * z)
                        out.append(np.float32(line + (np.float32(intercept) + np.float32(0))))
        values = out
    return np.array(values)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_it_is_the_sums_in_order(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, 4)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=s) * rng.integers(0, 2, s) for s in shapes]
    network = Network.dense(weights, [rng.normal(size=s[0]) for s in shapes])
    network = linearised(network, rng, tuple(State))
    points = rng.normal(size=(4, sizes[0])).astype(np.float32)
    expected = np.array([by_scalars(network, point) for point in points])
    found = evaluate_single(network, points)
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()


@given(bases(), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_it_is_near_to_real_arithmetic(base, seed):
    rng = np.random.default_rng(seed)
    network = linearised(base, rng)
    points = rng.normal(size=(5, network.size_in)).astype(np.float32)
    wide = points.astype(np.float64)
    apart = np.abs(evaluate_single(network, points) - network.evaluate(wide))
    rounded = sum(float(np.abs(value).max()) for value in network.trace(wide).values())
    room = 4 * noise(network, wide, float(np.finfo(np.float32).eps)) + 1e-4 * (1 + rounded)
    assert (apart <= room).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_convolutions_of_any_kind_are_exact_where_nothing_is_rounded(seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    channels, tall, wide = groups * int(rng.integers(1, 3)), *rng.integers(3, 6, 2).tolist()
    kernel = rng.integers(-4, 5, (groups * 2, channels // groups, *rng.integers(1, 3, 2)))
    operator = Convolution(
        kernel,
        (channels, tall, wide),
        tuple(rng.integers(1, 3, 2).tolist()),
        tuple(rng.integers(0, 3, 4).tolist()),
        tuple(rng.integers(1, 3, 2).tolist()),
        groups,
    )
    bias = rng.integers(-4, 5, operator.size_out) / 8
    nodes = (
        Node("x", Input(operator.shape_in)),
        Node("z", Affine(operator, bias), ("x",), operator.shape_out),
        Node("y", Piecewise.relu(operator.size_out), ("z",)),
    )
    network = Network(nodes, "y")
    points = rng.integers(-8, 9, (3, operator.size_in)) / 4
    assert (evaluate_single(network, points) == network.evaluate(points)).all()


def test_zeros_of_either_sign_leave_no_trace():
    network = Network.dense([np.array([[1.0, -1.0]])], [np.array([-0.0])])
    points = np.array([[0.0, 0.0], [-0.0, 0.0], [0.0, -0.0], [-0.0, -0.0]], np.float32)
    assert not np.signbit(evaluate_single(network, points)).any()


def test_what_float32_does_not_hold_is_refused():
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    with pytest.raises(InputError, match="float32 does not hold: round them"):
        evaluate_single(network, np.array([[0.1]]))
    with pytest.raises(InputError, match="last axis must be the 1 inputs"):
        evaluate_single(network, np.zeros((3, 2), np.float32))
    with pytest.raises(UnsupportedError, match=r"beyond 3\.4e38"):
        evaluate_single(Network.dense([np.full((1, 1), 1e39)], [np.zeros(1)]), np.zeros((1, 1)))
