"""Each operator, lowered, equals onnxruntime's; small integers make float32 exact."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node

from secateur.engine.errors import FormatError, InputError, UnsupportedError
from secateur.engine.formats.onnx_ops import OPERATORS
from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.network import Affine, Concat, Input, Piecewise, Select, State, Sum

ALL = (7, 9, 11, 13, 17, 20)
FLOAT = onnx.TensorProto.FLOAT
KINDS = {"float16": onnx.TensorProto.FLOAT16, "float32": FLOAT, "float64": onnx.TensorProto.DOUBLE}
examples = settings(max_examples=50, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**31)


def model_of(nodes, shape, constants=(), opset=13, dtype="float32", output="y"):
    """Return a model with input x; ``constants`` become initializers."""
    graph = onnx.helper.make_graph(
        nodes,
        "test",
        [onnx.helper.make_tensor_value_info("x", KINDS[dtype], list(shape))],
        [onnx.helper.make_tensor_value_info(output, KINDS[dtype], None)],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in dict(constants).items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8
    )


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    def write(model):
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture(scope="module")
def agree(save):
    """Import a model and compare it with onnxruntime, exactly unless a tolerance is given."""

    def compare(nodes, shape, constants=(), opset=13, dtype="float32", tolerance=0.0, output="y"):
        path = save(model_of(nodes, shape, constants, opset, dtype, output))
        network, runtime = read_onnx(path), Runtime(path)
        random = np.random.default_rng(7)
        points = random.integers(-4, 5, (6, network.size_in)).astype(float)
        expected, found = runtime.outputs(points), network.evaluate(points)
        assert expected.shape == found.shape
        if tolerance:
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(found, expected)
            exact = network.evaluate(points[:2], exact=True)
            assert (exact == expected[:2]).all()
        hidden = [n.name for n in network.nodes if n.name in {o for p in nodes for o in p.output}]
        for name, values in runtime.hidden(points, hidden).items():
            np.testing.assert_allclose(
                network.trace(points)[name], values, rtol=tolerance, atol=tolerance
            )
        return network

    return compare


def whole(random, *shape, low=-3, high=4):
    return random.integers(low, high, shape).astype(np.float32)


def small(data, low=1, high=4):
    return data.draw(st.integers(low, high))


def kinds(network):
    return [type(node.layer) for node in network.nodes]


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


# Windows


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.booleans())
def test_convolution(agree, data, seed, opset, flat):
    random, groups = np.random.default_rng(seed), data.draw(st.sampled_from([1, 2]))
    n = 1 if flat else 2
    per, outs, kernel = small(data, 1, 2), small(data, 1, 2), [small(data, 1, 3) for _ in range(n)]
    shape = [1, groups * per, *(small(data, 5, 7) for _ in range(n))]
    settings_ = {
        "strides": [small(data, 1, 3) for _ in range(n)],
        "dilations": [small(data, 1, 2) for _ in range(n)],
        "group": groups,
    }
    mode = data.draw(st.sampled_from(["pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"]))
    if mode == "pads":
        settings_["pads"] = [small(data, 0, 2) for _ in range(2 * n)]
    elif mode != "none":
        settings_["auto_pad"] = mode
    if "SAME" in mode:
        settings_["dilations"] = [1] * n  # onnxruntime runs no other
    constants = {"w": whole(random, groups * outs, per, *kernel)}
    if bias := data.draw(st.booleans()):
        constants["b"] = whole(random, groups * outs)
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    agree([make_node("Conv", inputs, ["y"], **settings_)], shape, constants, opset)


@settings(examples, max_examples=100)
@given(st.data(), st.sampled_from(ALL), st.booleans(), st.sampled_from(["Max", "Average"]))
def test_pools(agree, data, opset, flat, kind):
    n = 1 if flat else 2
    kernel = [small(data, 1, 3) for _ in range(n)]
    settings_ = {"kernel_shape": kernel, "strides": [small(data, 1, 3) for _ in range(n)]}
    mode = data.draw(st.sampled_from(["pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"]))
    if mode == "pads":
        settings_["pads"] = [data.draw(st.integers(0, k - 1)) for k in kernel * 2]
    elif mode != "none":
        settings_["auto_pad"] = mode
    if "SAME" in mode:  # onnxruntime runs no strides beyond the kernel there
        settings_["strides"] = [
            min(s, k) for s, k in zip(settings_["strides"], kernel, strict=True)
        ]
    if opset >= 10 and mode in ("pads", "none"):
        settings_["ceil_mode"] = data.draw(st.integers(0, 1))
    if opset >= (10 if kind == "Max" else 19) and "auto_pad" not in settings_:
        settings_["dilations"] = [small(data, 1, 2) for _ in range(n)]
    if kind == "Average":
        settings_["count_include_pad"] = data.draw(st.integers(0, 1))
    shape = [1, small(data, 1, 2), *(small(data, 5, 6) for _ in range(n))]
    node = make_node(f"{kind}Pool", ["x"], ["y"], **settings_)
    agree([node], shape, (), opset, tolerance=0.0 if kind == "Max" else 1e-6)


def test_pools_compare_shared_pairs_once(agree):
    network = agree([make_node("MaxPool", ["x"], ["y"], kernel_shape=[2])], [1, 1, 6])
    assert network.neurons == 5
    network = agree(
        [make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], [1, 1, 4, 4]
    )
    assert network.neurons == 12


@examples
@given(st.data(), st.sampled_from(ALL), st.booleans(), st.sampled_from(["ReduceSum", "ReduceMean"]))
def test_reductions(agree, data, opset, keep, kind):
    shape = [1, 2, 3, 4][: small(data, 2, 4)]
    options = st.lists(st.integers(-len(shape), len(shape) - 1), max_size=3)
    axes = list({axis % len(shape): axis for axis in data.draw(options)}.values())
    as_input = opset >= (13 if kind == "ReduceSum" else 18)
    settings_ = {"keepdims": int(keep)}
    constants, inputs = {}, ["x"]
    if axes and as_input:
        constants, inputs = {"axes": np.array(axes)}, ["x", "axes"]
    elif axes:
        settings_["axes"] = axes
    agree([make_node(kind, inputs, ["y"], **settings_)], shape, constants, opset, tolerance=1e-6)


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [[1, 2, 3], [1, 2, 3, 2], [1, 1, 1, 1]])
def test_global_pools(agree, kind, shape):
    agree([make_node(kind, ["x"], ["y"])], shape, tolerance=1e-6)


# Layouts


@examples
@given(st.sampled_from(ALL), st.integers(-3, 4))
def test_flatten(agree, opset, axis):
    if axis < 0 and opset < 11:
        axis = 1
    agree([make_node("Flatten", ["x"], ["y"], axis=axis)], [1, 2, 3, 2], (), opset)


@examples
@given(st.sampled_from(ALL), st.sampled_from([[1, 6], [0, -1], [3, 2, 1], [-1], [0, 3, 2], [6]]))
def test_reshape(agree, opset, target):
    nodes = [make_node("Reshape", ["x", "s"], ["t"]), make_node("Relu", ["t"], ["y"])]
    network = agree(nodes, [1, 2, 3], {"s": np.array(target)}, opset)
    assert kinds(network) == [Input, Piecewise]


@examples
@given(st.sampled_from(ALL), st.permutations([0, 1, 2, 3]))
def test_transpose(agree, opset, order):
    agree([make_node("Transpose", ["x"], ["y"], perm=order)], [1, 2, 3, 2], (), opset)


@examples
@given(st.sampled_from(ALL))
def test_squeeze_and_unsqueeze_are_nothing(agree, opset):
    if opset < 13:
        nodes = [
            make_node("Unsqueeze", ["x"], ["t"], axes=[0, 2]),
            make_node("Squeeze", ["t"], ["y"], axes=[0]),
        ]
        network = agree(nodes, [1, 4], (), opset)
    else:
        nodes = [make_node("Unsqueeze", ["x", "a"], ["t"]), make_node("Squeeze", ["t", "b"], ["y"])]
        network = agree(nodes, [1, 4], {"a": np.array([0, 2]), "b": np.array([0])}, opset)
    assert kinds(network) == [Input]


@examples
@given(st.data(), st.sampled_from(ALL))
def test_slice(agree, data, opset):
    first, last = data.draw(st.sampled_from([(0, 3), (1, -1), (-3, 99), (4, 5)]))
    if opset < 10:
        agree(
            [make_node("Slice", ["x"], ["y"], starts=[first], ends=[last], axes=[1])],
            [1, 5, 2],
            (),
            opset,
        )
        return
    step = data.draw(st.sampled_from([1, 2, -1, -2]))
    if step < 0:
        first, last = last, -99
    ranges = {"s": [first], "e": [last], "a": [1], "t": [step]}
    constants = {k: np.array(v) for k, v in ranges.items()}
    agree([make_node("Slice", ["x", *"seat"], ["y"])], [1, 5, 2], constants, opset)


@examples
@given(st.data(), st.sampled_from(ALL), st.sampled_from(["even", "stated"]))
def test_split(agree, data, opset, how):
    axis = data.draw(st.sampled_from([1, -1]))
    settings_, constants, inputs = {"axis": axis}, {}, ["x"]
    parts = [2, 2] if how == "even" else [1, 3]
    if how == "stated" and opset < 13:
        settings_["split"] = parts
    elif how == "stated":
        constants, inputs = {"p": np.array(parts)}, ["x", "p"]
    elif opset >= 18:
        settings_["num_outputs"] = 2
    nodes = [make_node("Split", inputs, ["a", "b"], **settings_)]
    if how == "even":
        nodes.append(make_node("Sub", ["b", "a"], ["y"]))
    else:
        nodes.append(make_node("Relu", ["b"], ["y"]))
    agree(nodes, [1, 4], constants, opset)


def test_split_into_uneven_parts(agree):
    nodes = [
        make_node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3),
        make_node("Concat", ["c", "a", "b"], ["y"], axis=1),
    ]
    agree(nodes, [1, 7], (), 18)


@examples
@given(st.data(), seeds, st.sampled_from(ALL))
def test_concat_with_constants_and_repeats(agree, data, seed, opset):
    axis = data.draw(st.sampled_from([1, 2, -1]))
    constant = whole(np.random.default_rng(seed), 1, 2, 3)
    names = data.draw(st.lists(st.sampled_from(["x", "c"]), min_size=0, max_size=3))
    node = make_node("Concat", ["x", *names], ["y"], axis=axis)
    agree([node], [1, 2, 3], {"c": constant}, opset)


@settings(examples, max_examples=100)
@given(st.data(), st.sampled_from(ALL), st.sampled_from(["constant", "edge", "reflect"]))
def test_pad(agree, data, opset, mode):
    low = -1 if mode == "constant" else 0
    pads = [0, 0, *(small(data, low, 2) for _ in range(2)), 0, 0]
    pads += [small(data, low, 2) for _ in range(2)]
    value = data.draw(st.sampled_from([0.0, 2.0, None]))
    if opset < 11:
        extra = {} if value is None else {"value": value}
        nodes = [make_node("Pad", ["x"], ["y"], pads=pads, mode=mode, **extra)]
        agree(nodes, [1, 2, 3, 4], (), opset)
        return
    constants, names = {"p": np.array(pads)}, ["x", "p"]
    if value is not None:
        constants["v"], names = np.float32(value), ["x", "p", "v"]
    agree([make_node("Pad", names, ["y"], mode=mode)], [1, 2, 3, 4], constants, opset)


def test_pad_of_named_axes(agree):
    constants = {"p": np.array([1, 2]), "a": np.array([-1])}
    network = agree([make_node("Pad", ["x", "p", "", "a"], ["y"])], [1, 2, 3], constants, 18)
    assert kinds(network) == [Input, Select, Affine, Concat, Select]
    agree([make_node("Pad", ["x", "p", "", "a"], ["y"], mode="wrap")], [1, 2, 3], constants, 19)


@examples
@given(st.sampled_from(ALL), st.sampled_from([0, [2, 0], [[1], [1]], -1]), st.sampled_from([1, 2]))
def test_gather(agree, opset, places, axis):
    if opset < 11 and places == -1:
        places = 2
    node = make_node("Gather", ["x", "i"], ["y"], axis=axis)
    agree([node], [1, 3, 3], {"i": np.array(places)}, opset)


def test_expand_tile_and_depth_to_space(agree):
    agree([make_node("Expand", ["x", "s"], ["y"])], [1, 2, 1], {"s": np.array([2, 1, 3])})
    agree([make_node("Tile", ["x", "s"], ["y"])], [1, 2], {"s": np.array([1, 3])})
    agree([make_node("DepthToSpace", ["x"], ["y"], blocksize=2)], [1, 4, 2, 1])
    agree([make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD")], [1, 4, 2, 1])
    agree([make_node("SpaceToDepth", ["x"], ["y"], blocksize=2)], [1, 1, 4, 2])


@pytest.mark.parametrize("opset", ALL)
def test_dropout_is_nothing(agree, opset):
    node = make_node("Dropout", ["x"], ["t", "mask"])
    network = agree([node, make_node("Relu", ["t"], ["y"])], [1, 3], (), opset)
    assert kinds(network) == [Input, Piecewise]


def test_cast_within_the_element_type_is_nothing(agree):
    network = agree([make_node("Cast", ["x"], ["y"], to=FLOAT)], [1, 3])
    assert kinds(network) == [Input]


# Constants


@pytest.mark.parametrize(
    ("settings_", "opset"),
    [
        ({"value": onnx.numpy_helper.from_array(np.array([1, 2], np.float32))}, 7),
        ({"value_float": 2.0}, 13),
        ({"value_floats": [1.0, 2.0]}, 13),
    ],
)
def test_constants_of_every_form(agree, settings_, opset):
    nodes = [make_node("Constant", [], ["c"], **settings_), make_node("Add", ["x", "c"], ["y"])]
    agree(nodes, [1, 2], (), opset)


def test_constants_of_integers_shape_the_graph(agree):
    nodes = [
        make_node("Constant", [], ["one"], value_int=1),
        make_node("Constant", [], ["s"], value_ints=[0, -1]),
        make_node("Unsqueeze", ["one", "zero"], ["axes"]),
        make_node("Reshape", ["x", "s"], ["t"]),
        make_node("Unsqueeze", ["t", "axes"], ["u"]),
        make_node("Relu", ["u"], ["y"]),
    ]
    assert kinds(agree(nodes, [1, 2, 3], {"zero": np.array([0])})) == [Input, Piecewise]


def test_sizes_fold(agree):
    nodes = [
        make_node("Size", ["x"], ["n"]),
        make_node("Cast", ["n"], ["f"], to=FLOAT),
        make_node("Add", ["x", "f"], ["y"]),
    ]
    network = agree(nodes, [1, 2, 3])
    assert (network.nodes[1].layer.bias == 6).all()


def test_the_flatten_of_torch_folds(agree):
    nodes = [
        make_node("Shape", ["x"], ["shape"]),
        make_node("Gather", ["shape", "zero"], ["batch"]),
        make_node("Unsqueeze", ["batch", "first"], ["size"]),
        make_node("Concat", ["size", "rest"], ["target"], axis=0),
        make_node("Reshape", ["x", "target"], ["flat"]),
        make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    constants = {"zero": np.array(0), "first": np.array([0]), "rest": np.array([-1])}
    constants["w"] = np.arange(12, dtype=np.float32).reshape(6, 2)
    for shape in ([1, 2, 3], ["batch", 2, 3]):
        assert kinds(agree(nodes, shape, constants, 17)) == [Input, Affine]


def test_arithmetic_of_constants_is_done_in_the_element_type(agree):
    third, seven = np.float32(1) / np.float32(3), np.float32(7)
    nodes = [make_node("Mul", ["a", "b"], ["w"]), make_node("Mul", ["x", "w"], ["y"])]
    network = agree(nodes, [1, 1], {"a": third, "b": seven}, tolerance=1e-6)
    assert network.nodes[1].layer.operator.weight[0] == float(third * seven)
    assert float(third * seven) != float(third) * 7


def test_a_constant_network(agree):
    nodes = [make_node("Mul", ["x", "z"], ["t"]), make_node("Add", ["c", "c"], ["y"])]
    agree(nodes, [1, 3], {"z": np.float32(0), "c": np.array([[1, 2]], np.float32)})


# Layers, names, shapes


def test_dense_layers_become_one_node_each_with_the_names_of_the_file(agree):
    random = np.random.default_rng(0)
    constants = {
        "m": whole(random, 1, 1, 1, 3, low=1),
        "v": whole(random, 3, 4),
        "w": whole(random, 4, 2),
    }
    constants |= {"b": whole(random, 4), "c": whole(random, 2)}
    nodes = [
        make_node("Sub", ["x", "m"], ["centred"]),
        make_node("Flatten", ["centred"], ["flat"]),
        make_node("MatMul", ["flat", "v"], ["product"]),
        make_node("Add", ["b", "product"], ["dense"]),
        make_node("Relu", ["dense"], ["relu"]),
        make_node("Gemm", ["relu", "w", "c"], ["y"]),
    ]
    network = agree(nodes, [1, 1, 1, 3], constants, 8)
    assert [n.name for n in network.nodes] == ["x", "centred", "dense", "relu", "y"]
    assert (network.by_name["dense"].layer.bias == constants["b"]).all()
    assert (network.by_name["centred"].layer.bias == -constants["m"].ravel()).all()
    assert network.input.shape == (1, 1, 3)


def test_a_product_read_twice_keeps_its_own_node(agree):
    nodes = [
        make_node("MatMul", ["x", "w"], ["product"]),
        make_node("Add", ["product", "b"], ["sum"]),
        make_node("Sub", ["sum", "product"], ["y"]),
    ]
    constants = {"w": np.eye(2, dtype=np.float32), "b": np.array([1, 2], np.float32)}
    network = agree(nodes, [1, 2], constants)
    assert {"product", "sum", "y"} <= set(network.by_name)


def test_a_product_in_front_of_a_clip_keeps_its_name(agree):
    nodes = [make_node("MatMul", ["x", "w"], ["z"]), make_node("Clip", ["z", "one"], ["y"])]
    network = agree(nodes, [1, 2], {"w": np.eye(2, dtype=np.float32), "one": np.float32(1)})
    assert "z" in network.by_name


def test_windows_over_constants_fold(agree):
    nodes = [make_node("Conv", ["c", "k"], ["d"]), make_node("Add", ["x", "d"], ["y"])]
    constants = {"c": np.ones((1, 1, 3), np.float32), "k": np.ones((1, 1, 2), np.float32)}
    assert kinds(agree(nodes, [1, 1, 2], constants)) == [Input, Affine]


def test_names_that_look_derived_do_not_collide(agree):
    nodes = [
        make_node("Abs", ["x"], ["y/1"]),
        make_node("Abs", ["y/1"], ["t"]),
        make_node("Abs", ["t"], ["y"]),
    ]
    agree(nodes, [1, 2])


def test_a_residual_network(agree):
    random = np.random.default_rng(3)
    nodes = [
        make_node("Conv", ["x", "k", "b"], ["c"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["c"], ["r"]),
        make_node("Add", ["r", "x"], ["s"]),
        make_node("MaxPool", ["s"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        make_node("Flatten", ["p"], ["f"]),
        make_node("Gemm", ["f", "w"], ["y"], transB=1),
    ]
    constants = {"k": whole(random, 2, 2, 3, 3), "b": whole(random, 2), "w": whole(random, 3, 8)}
    network = agree(nodes, ["batch", 2, 4, 4], constants, 11)
    assert Sum in kinds(network)
    assert network.by_name["c"].shape == (2, 4, 4)


@pytest.mark.parametrize("shape", [[5], [1, 5], ["batch", 5], [3, 5]])
def test_inputs_with_and_without_a_batch_axis(agree, shape):
    weight = whole(np.random.default_rng(1), 5, 2)
    network = agree([make_node("MatMul", ["x", "w"], ["y"])], shape, {"w": weight})
    assert network.input.shape == ((3, 5) if shape == [3, 5] else (5,))


def test_weights_listed_among_the_inputs(save):
    weight = np.ones((2, 2), np.float32)
    model = model_of([make_node("MatMul", ["x", "w"], ["y"])], [1, 2], {"w": weight})
    model.graph.input.extend([onnx.helper.make_tensor_value_info("w", FLOAT, [2, 2])])
    assert read_onnx(save(model)).size_in == 2


def test_nodes_that_the_output_does_not_need_are_left_out(save):
    nodes = [make_node("Relu", ["x"], ["y"]), make_node("Sin", ["x"], ["unused"])]
    assert kinds(read_onnx(save(model_of(nodes, [1, 2])))) == [Input, Piecewise]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_element_types(agree, dtype):
    random = np.random.default_rng(5)
    constants = {"k": whole(random, 2, 1, 2), "w": whole(random, 6, 2), "h": np.array(0.5)}
    constants = {name: value.astype(dtype) for name, value in constants.items()}
    nodes = [
        make_node("Conv", ["x", "k"], ["c"]),
        make_node("LeakyRelu", ["c"], ["r"], alpha=0.5),
        make_node("Flatten", ["r"], ["f"]),
        make_node("Mul", ["w", "h"], ["v"]),
        make_node("MatMul", ["f", "v"], ["z"]),
        make_node("Cast", ["z"], ["y"], to=KINDS[dtype]),
    ]
    network = agree(nodes, [1, 1, 4], constants, dtype=dtype, tolerance=1e-2)
    assert network.origin.dtype == dtype


# Refusals


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([make_node("Sigmoid", ["x"], ["y"])], "handled on constants only"),
        ([make_node("Gelu", ["x"], ["y"])], r"'y' \(Gelu, opset 20\): the operator is not handled"),
        (
            [make_node("RandomNormal", [], ["c"], shape=[2]), make_node("Add", ["x", "c"], ["y"])],
            "not handled",
        ),
        ([make_node("Custom", ["x"], ["y"], domain="mine")], "domain 'mine'"),
        ([make_node("Mul", ["x", "x"], ["y"])], "multiplies two activations"),
        ([make_node("MatMul", ["x", "x"], ["y"])], "multiplies two activations"),
        ([make_node("Div", ["c", "x"], ["y"])], "divides by an activation"),
        ([make_node("Cast", ["x"], ["y"], to=onnx.TensorProto.DOUBLE)], "from float32 to double"),
        (
            [
                make_node("Clip", ["x", "s"], ["y"]),
            ],
            "between 2 and inf",
        ),
        ([make_node("Dropout", ["x", "s", "on"], ["y"])], "training mode"),
        ([make_node("Max", ["x", "inf"], ["y"])], "infinite"),
        (
            [make_node("BatchNormalization", ["x", *"cccc"], ["y"], training_mode=1)],
            "training mode",
        ),
    ],
)
def test_what_is_not_handled_is_refused_by_name(save, nodes, text):
    constants = {"c": np.ones(2, np.float32), "s": np.float32(2), "on": np.array(True)}
    constants["inf"] = np.float32(np.inf)
    if nodes[0].op_type == "Clip":
        text, nodes = "clips between 2 and -inf", [make_node("Clip", ["x", "s", "low"], ["y"])]
        constants["low"] = np.float32(-np.inf)
    model = model_of(nodes, [1, 2], constants, 20)
    model.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    path = save(model)
    with pytest.raises(InputError, match=text) as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: node ")


def test_division_by_zero_and_infinite_weights_are_refused(save):
    zero = {"c": np.array([1, 0], np.float32)}
    with pytest.raises(FormatError, match="holds a zero"):
        read_onnx(save(model_of([make_node("Div", ["x", "c"], ["y"])], [1, 2], zero)))
    wide = {"c": np.array([1, np.inf], np.float32)}
    with pytest.raises(FormatError, match=r"holds inf at \[1\]"):
        read_onnx(save(model_of([make_node("Mul", ["x", "c"], ["y"])], [1, 2], wide)))
    nodes = [make_node("Div", ["c", "c"], ["d"]), make_node("Mul", ["x", "d"], ["y"])]
    with pytest.raises(FormatError, match="gives nan from constants"):
        read_onnx(save(model_of(nodes, [1, 2], {"c": np.zeros(2, np.float32)})))


def test_shapes_that_do_not_fit_are_refused(save):
    weight = {"w": np.ones((3, 2), np.float32)}
    with pytest.raises(FormatError, match="by a matrix for 3"):
        read_onnx(save(model_of([make_node("MatMul", ["x", "w"], ["y"])], [1, 2], weight)))
    with pytest.raises(FormatError, match="do not broadcast"):
        read_onnx(save(model_of([make_node("Add", ["x", "w"], ["y"])], [1, 5], weight)))
    target = {"s": np.array([4, 4])}
    with pytest.raises(FormatError, match="cannot be computed"):
        read_onnx(save(model_of([make_node("Reshape", ["x", "s"], ["y"])], [1, 5], target)))


def test_an_empty_tensor_is_refused(save):
    ranges = {k: np.array([v]) for k, v in (("s", 2), ("e", 2), ("a", 1))}
    with pytest.raises(UnsupportedError, match="empty tensor"):
        read_onnx(save(model_of([make_node("Slice", ["x", *"sea"], ["y"])], [1, 5], ranges)))


def test_every_operator_of_the_list_is_tested():
    with open(__file__, encoding="utf-8") as stream:
        text = stream.read()
    pools = {"MaxPool", "AveragePool"}
    assert [kind for kind in OPERATORS if f'"{kind}"' not in text and kind not in pools] == []
