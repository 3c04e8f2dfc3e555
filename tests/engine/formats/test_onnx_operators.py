"""Each operator, lowered, equals onnxruntime's; small integers make float32 exact."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from onnx.helper import make_node
from onnx_models import ALL, examples, kinds, seeds, small, whole

from secateur.engine.formats.onnx_ops import OPERATORS
from secateur.engine.network import Affine, Input, Piecewise, State

# Matrix products and sums


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.booleans())
def test_matmul_on_either_side(agree, data, seed, opset, left):
    random, axes = np.random.default_rng(seed), data.draw(st.sampled_from(["m", "mn", "1mn"]))
    shape = [small(data) if axis != "1" else 1 for axis in axes]
    if left:
        side = shape[0] if len(shape) == 1 else shape[-2]
        weight = whole(random, small(data), side)
        agree([make_node("MatMul", ["w", "x"], ["y"])], shape, {"w": weight}, opset)
    else:
        weight = whole(random, shape[-1], small(data))
        if data.draw(st.booleans()):
            weight = weight[:, 0]
        agree([make_node("MatMul", ["x", "w"], ["y"])], shape, {"w": weight}, opset)


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.booleans(), st.booleans(), st.booleans())
def test_gemm_with_every_setting(agree, data, seed, opset, turn_a, turn_b, left):
    random, (m, k, n) = np.random.default_rng(seed), (small(data), small(data), small(data))
    rows, columns = ((m, k) if not turn_a else (k, m)), ((k, n) if not turn_b else (n, k))
    scales = {"alpha": data.draw(st.sampled_from([1.0, 0.5, -3.0]))}
    scales["beta"] = data.draw(st.sampled_from([1.0, 2.0, 0.0]))
    weight = whole(random, *(rows if left else columns))
    constants, inputs = {"w": weight}, ["w", "x"] if left else ["x", "w"]
    addend = data.draw(st.sampled_from(["full", "row", "column", "one"] + ["none"] * (opset > 9)))
    if addend != "none":
        sizes = {"full": (m, n), "row": (n,), "column": (m, 1), "one": (1,)}
        constants["c"], inputs = whole(random, *sizes[addend]), [*inputs, "c"]
    node = make_node("Gemm", inputs, ["y"], transA=int(turn_a), transB=int(turn_b), **scales)
    agree([node], columns if left else rows, constants, opset)


def test_gemm_adds_an_activation(agree):
    weight = np.arange(9, dtype=np.float32).reshape(3, 3)
    node = make_node("Gemm", ["x", "w", "x"], ["y"], beta=2.0)
    agree([node], [1, 3], {"w": weight})


def test_gemm_in_float64_keeps_a_scale_exact(agree):
    weight = np.array([[1 / 3, 0.1], [0.7, 2.0]])
    node = make_node("Gemm", ["x", "w"], ["y"], alpha=0.3)
    network = agree([node], [1, 2], {"w": weight}, dtype="float64", tolerance=1e-12)
    assert kinds(network) == [Input, Affine, Affine]
    assert (network.nodes[1].layer.operator.weight == weight.T).all()


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.sampled_from(["Add", "Sub", "Mul", "Div"]))
def test_arithmetic_with_a_constant_broadcasts(agree, data, seed, opset, kind):
    random = np.random.default_rng(seed)
    shape = [1, small(data), small(data)]
    other = data.draw(st.sampled_from([[], [shape[2]], [shape[1], 1], shape, [3, 1, 1]]))
    constant = whole(random, *other)
    if kind == "Div":
        constant = 2.0 ** constant.astype(np.float32)
    first = kind != "Div" and data.draw(st.booleans())
    inputs = ["c", "x"] if first else ["x", "c"]
    agree([make_node(kind, inputs, ["y"])], shape, {"c": constant.astype(np.float32)}, opset)


def test_division_by_three_is_rounded_once(agree):
    network = agree(
        [make_node("Div", ["x", "c"], ["y"])], [1, 2], {"c": np.float32(3)}, 13, tolerance=1e-6
    )
    assert (network.nodes[1].layer.operator.weight == 1 / 3).all()


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.sampled_from(["Add", "Sub", "Max", "Min", "Sum"]))
def test_two_activations_broadcast(agree, data, seed, opset, kind):
    random, n = np.random.default_rng(seed), small(data)
    sizes = [data.draw(st.sampled_from([1, 3])) for _ in range(2)]
    if opset < 8 and kind in ("Max", "Min", "Sum"):
        sizes = [2, 2]  # no broadcasting yet
    left, right = (whole(random, n, size) for size in sizes)
    nodes = [
        make_node("MatMul", ["x", "a"], ["left"]),
        make_node("MatMul", ["x", "b"], ["right"]),
        make_node(kind, ["left", "right"], ["y"]),
    ]
    agree(nodes, ["batch", n], {"a": left, "b": right}, opset)


def test_sums_of_many_and_of_one(agree):
    c = np.array([1, 2, 3], np.float32)
    agree([make_node("Sum", ["x", "c", "x", "c"], ["y"])], [1, 3], {"c": c})
    agree([make_node("Sum", ["x"], ["z"]), make_node("Neg", ["z"], ["y"])], [1, 3])


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.sampled_from([2, 3, 4]))
def test_batch_normalization(agree, data, seed, opset, axes):
    random, channels = np.random.default_rng(seed), small(data)
    shape = [1, channels, 2, 3][:axes]
    vectors = {k: random.standard_normal(channels).astype(np.float32) for k in "sbmv"}
    vectors["v"] = np.abs(vectors["v"])
    node = make_node("BatchNormalization", ["x", *"sbmv"], ["y"], epsilon=0.01)
    agree([node], shape, vectors, opset, tolerance=1e-4)


# Activation functions


@examples
@given(seeds, st.sampled_from(ALL), st.sampled_from(["Relu", "Abs", "Neg", "Identity"]))
def test_functions_of_one_tensor(agree, seed, opset, kind):
    shape = [1, *np.random.default_rng(seed).integers(1, 4, 2).tolist()]
    agree([make_node(kind, ["x"], ["y"])], shape, (), opset)


@examples
@given(st.sampled_from(ALL), st.sampled_from([0.0, 0.01, 0.5, 1.0, -2.0, 3.0, 1e-20]))
def test_leaky_relu(agree, opset, alpha):
    agree([make_node("LeakyRelu", ["x"], ["y"], alpha=alpha)], [1, 4], (), opset, tolerance=1e-6)


def test_leaky_relu_keeps_its_slope_exact(agree):
    network = agree([make_node("LeakyRelu", ["x"], ["y"], alpha=0.01)], [1, 1], tolerance=1e-6)
    slope = float(np.float32(0.01))
    assert network.evaluate([-1.0], exact=True)[0] == -slope
    unsaid = agree([make_node("LeakyRelu", ["x"], ["y"])], [1, 1], tolerance=1e-6)
    assert unsaid.evaluate([-1.0], exact=True)[0] == -slope
    tiny = agree([make_node("LeakyRelu", ["x"], ["y"], alpha=1e-20)], [1, 1], tolerance=1e-6)
    assert tiny.evaluate([-1.0], exact=True)[0] == -float(np.float32(1e-20))


@examples
@given(seeds, st.sampled_from(ALL))
def test_parametric_relu(agree, seed, opset):
    slope = whole(np.random.default_rng(seed), 3, 1)
    agree([make_node("PRelu", ["x", "s"], ["y"])], [1, 3, 2], {"s": slope}, opset)


@examples
@given(st.data(), st.sampled_from(ALL))
def test_clip_with_either_limit_or_none(agree, data, opset):
    lower = data.draw(st.sampled_from([None, -2.0, 0.0, 1.0, -np.inf]))
    upper = data.draw(st.sampled_from([None, 1.0, 3.0, np.inf]))
    if opset < 11:
        given_limits = {k: v for k, v in (("min", lower), ("max", upper)) if v is not None}
        agree([make_node("Clip", ["x"], ["y"], **given_limits)], [1, 5], (), opset)
        return
    constants = {k: np.float32(v) for k, v in (("lo", lower), ("hi", upper)) if v is not None}
    names = ["x", "lo" if lower is not None else "", "hi" if upper is not None else ""]
    agree([make_node("Clip", names, ["y"])], [1, 5], constants, opset)


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.sampled_from(["Max", "Min"]))
def test_extremes_with_a_constant(agree, data, seed, opset, kind):
    shapes = [[5]] if opset < 8 else [[5], [], [5, 1]]
    constant = whole(np.random.default_rng(seed), *data.draw(st.sampled_from(shapes)))
    if data.draw(st.booleans()):
        constant = np.where(constant > 0, constant, -np.inf if kind == "Max" else np.inf)
    if data.draw(st.booleans()) and constant.shape:
        constant[0] = 0
    inputs = data.draw(st.permutations(["x", "c"]))
    shape = [5] if opset < 8 else [1, 5]
    agree([make_node(kind, inputs, ["y"])], shape, {"c": constant.astype(np.float32)}, opset)


def test_a_floor_of_zero_is_one_layer(agree):
    floor = np.array([0, -np.inf, 0], np.float32)
    network = agree([make_node("Max", ["x", "c"], ["y"])], [1, 3], {"c": floor})
    assert kinds(network) == [Input, Piecewise]
    assert network.nodes[1].layer.state.tolist() == [State.RELU, State.IDENTITY, State.RELU]
    network = agree([make_node("Max", ["x", "c"], ["y"])], [1, 3], {"c": np.float32(-np.inf)})
    assert kinds(network) == [Input]


def test_extremes_of_three(agree):
    nodes = [make_node("Neg", ["x"], ["z"]), make_node("Max", ["x", "c", "z"], ["y"])]
    agree(nodes, [1, 3], {"c": np.array([1, 2, 3], np.float32)})
    agree([make_node("Max", ["x"], ["y"])], [1, 3])


def test_every_operator_of_the_list_is_tested():
    files = sorted(Path(__file__).parent.glob("test_onnx_operators*.py"))
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    pools = {"MaxPool", "AveragePool"}
    assert [kind for kind in OPERATORS if f'"{kind}"' not in text and kind not in pools] == []
