"""Grids of activations and compressed numbers in ONNX files: bit for bit what onnxruntime runs."""

from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from grids import chain, rounded
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from secateur.engine.errors import FormatError, InputError, UnsupportedError
from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_stored import (
    StoredGrid,
    StoredHalf,
    StoredLayer,
    stored_forms,
)
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Quantize
from secateur.engine.operators import Convolution, Dense


def run(path, points):
    """Return what onnxruntime with its default optimisations computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(path), options)
    (given_,) = session.get_inputs()
    shape = [len(points), *(n for n in given_.shape[1:])]
    (found,) = session.run(None, {given_.name: points.astype(np.float32).reshape(shape)})
    return found.astype(np.float64).reshape(len(points), -1)


def fixed_point(rng, sizes, *, extreme=False, image=None, out=True):
    """Return a chain with 8-bit weights and activations, all scales powers of two, and its forms.

    Extreme weights are all 127 or -127. With an image the first layer is a convolution.
    """
    step = 2.0 ** -rng.integers(4, 8)
    nodes = [Node("input", Input(image or (sizes[0],)))]
    low = -128 if rng.random() < 0.5 else 0
    nodes.append(Node("input.grid", Quantize.uniform(sizes[0], step, low, low + 255), ("input",)))
    forms = {}
    for index, (a, b) in enumerate(pairwise(sizes)):
        kernel = image is not None and index == 0
        shape = (4, image[0], 3, 3) if kernel else (b, a)
        whole = rng.integers(-127, 128, shape)
        if extreme:
            whole = np.where(rng.random(shape) < 0.8, 127, -127) * np.sign(rng.random() - 0.5)
        scale = 2.0 ** -rng.integers(6, 9, shape[0])
        units = rng.integers(-3000, 3000, shape[0])
        weight = whole * scale.reshape(-1, *[1] * (len(shape) - 1))
        operator = Convolution(weight, image, padding=(1, 1, 1, 1)) if kernel else Dense(weight)
        bias = np.repeat(units * scale * step, operator.size_out // shape[0])
        name = f"affine{index}"
        nodes.append(Node(name, Affine(operator, bias), (nodes[-1].name,)))
        forms[name] = StoredLayer(StoredGrid(scale, "int8"), StoredGrid(scale * step, "int32"))
        last = index == len(sizes) - 2
        if not last:
            nodes.append(Node(f"relu{index}", Piecewise.relu(bias.size), (name,)))
        if not last or out:
            step, low = 2.0 ** -rng.integers(1, 5), 0 if not last else -int(rng.integers(0, 256))
            grid = Quantize.uniform(bias.size, step, low, low + 255)
            nodes.append(Node(f"grid{index}", grid, (nodes[-1].name,)))
    return Network(tuple(nodes), nodes[-1].name), forms


def points_of(rng, network, count=400):
    """Return points of which many lie on ties of the input's grid, and some far outside."""
    step = float(network.by_name["input.grid"].layer.scale[0])
    some = rng.uniform(-300, 300, (count, network.size_in)) * step
    some[: count // 2] = (np.floor(some[: count // 2] / step) + 0.5) * step
    some[-20:] *= 1000.0
    return some.astype(np.float32).astype(np.float64)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_fixed_point_networks_are_equal_bit_for_bit(tmp_path_factory, seed, extreme, out):
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 40, rng.integers(2, 5))]
    network, forms = fixed_point(rng, sizes, extreme=extreme, out=out)
    path = tmp_path_factory.mktemp("fixed") / "net.onnx"
    save(network, path, forms)
    points = points_of(rng, network)
    expected = network.evaluate(points)
    assert np.array_equal(expected.view(np.int64), run(path, points).view(np.int64))
    again = load(path)
    assert np.array_equal(expected, again.evaluate(points))
    layers = [node.layer for node in again.nodes if isinstance(node.layer, Quantize)]
    given_ = [node.layer for node in network.nodes if isinstance(node.layer, Quantize)]
    assert len(layers) == len(given_)
    assert all(one.same(two) for one, two in zip(layers, given_, strict=True))


@pytest.mark.parametrize("extreme", [False, True])
def test_a_network_of_the_size_of_acas_is_equal_bit_for_bit(tmp_path, extreme):
    rng = np.random.default_rng(5)
    network, forms = fixed_point(rng, [5, 50, 50, 50, 50, 50, 50, 5], extreme=extreme, out=False)
    save(network, tmp_path / "net.onnx", forms)
    points = points_of(rng, network, 2000)
    assert np.array_equal(network.evaluate(points), run(tmp_path / "net.onnx", points))


@pytest.mark.parametrize("extreme", [False, True])
def test_a_convolution_is_equal_bit_for_bit(tmp_path, extreme):
    rng = np.random.default_rng(6)
    sizes = [2 * 5 * 5, 4 * 5 * 5, 10]
    network, forms = fixed_point(rng, sizes, extreme=extreme, image=(2, 5, 5))
    save(network, tmp_path / "net.onnx", forms)
    points = points_of(rng, network)
    assert np.array_equal(network.evaluate(points), run(tmp_path / "net.onnx", points))


def test_float_weights_between_grids_are_not_rounded_by_the_runtime(tmp_path):
    rng = np.random.default_rng(7)
    nodes = [Node("input", Input((6,)))]
    nodes.append(Node("g0", Quantize.uniform(6, 0.25, -128, 127), ("input",)))
    weight = rng.integers(-4000, 4000, (5, 6)) / 2.0**10
    nodes.append(Node("affine", Affine(Dense(weight), np.zeros(5)), ("g0",)))
    nodes.append(Node("g1", Quantize.uniform(5, 0.5, -128, 127), ("affine",)))
    network = Network(tuple(nodes), "g1")
    for forms in ({}, {"affine": StoredLayer(StoredGrid(np.array([2.0**-10]), "int32"))}):
        save(network, tmp_path / "net.onnx", forms)
        points = rng.uniform(-40, 40, (300, 6)).astype(np.float32).astype(np.float64)
        assert np.array_equal(network.evaluate(points), run(tmp_path / "net.onnx", points))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_grid_is_written_and_read(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    plain = chain(rng)
    layers = {
        node.name: Piecewise.relu(node.size)
        if isinstance(node.layer, Piecewise)
        else Affine(
            Dense(node.layer.operator.weight.astype(np.float32)),
            node.layer.bias.astype(np.float32).astype(np.float64),
        )
        for node in plain.nodes[1:]
    }
    network = rounded(rng, plain.with_layers(layers))
    path = tmp_path_factory.mktemp("grids") / "net.onnx"
    save(network, path)
    again = load(path)
    points = rng.uniform(-2, 2, (50, network.size_in))
    assert np.array_equal(network.evaluate(points), again.evaluate(points))
    grids = [
        [n.layer for n in one.nodes if isinstance(n.layer, Quantize)] for one in (network, again)
    ]
    assert all(one.same(two) for one, two in zip(*grids, strict=True))


def test_sixteen_bits_take_a_newer_opset(tmp_path):
    nodes = (
        Node("input", Input((2,))),
        Node("grid", Quantize.uniform(2, 2.0**-10, -32768, 32767), ("input",)),
    )
    network = Network(nodes, "grid")
    save(network, tmp_path / "net.onnx")
    points = np.random.default_rng(0).uniform(-40, 40, (100, 2)).astype(np.float32)
    assert np.array_equal(network.evaluate(points), run(tmp_path / "net.onnx", points))
    assert load(tmp_path / "net.onnx").by_name["grid"].layer.same(nodes[1].layer)


def test_stored_forms_come_back(tmp_path):
    rng = np.random.default_rng(1)
    half = rng.normal(size=(4, 3)).astype(np.float16).astype(np.float64)
    scale = 2.0 ** -rng.integers(3, 7, 4)
    whole = rng.integers(-127, 128, (4, 4))
    third = rng.integers(-127, 128, (2, 4))
    thirds = (third.astype(np.float32) * np.float32(0.013)).astype(np.float64)
    network = Network.dense(
        [half, whole * scale[:, None], thirds],
        [np.zeros(4), rng.integers(-9, 9, 4) * scale / 4, np.array([0.1, 0.2], np.float32)],
    )
    forms = {
        "affine1": StoredLayer(StoredHalf(), StoredHalf()),
        "affine2": StoredLayer(StoredGrid(scale, "int8"), StoredGrid(scale / 4, "int32")),
        "affine3": StoredLayer(StoredGrid(np.array([float(np.float32(0.013))]), "int8")),
    }
    save(network, tmp_path / "net.onnx", forms)
    found = stored_forms(tmp_path / "net.onnx")
    assert set(found) == set(forms)
    for name, form in forms.items():
        for side in ("weight", "bias"):
            one, two = getattr(form, side), getattr(found[name], side)
            assert type(one) is type(two), (name, side)
            if isinstance(one, StoredGrid):
                assert one.kind == two.kind
                assert np.array_equal(one.scale, two.scale)
    again = load(tmp_path / "net.onnx")
    for node in network.nodes[1:]:
        if isinstance(node.layer, Affine):
            layer = again.by_name[node.name].layer
            assert np.array_equal(layer.operator.weight, node.layer.operator.weight)
    assert stored_forms(_floats(tmp_path, network))["affine1"].weight is None
    size = (tmp_path / "net.onnx").stat().st_size
    assert size < (tmp_path / "floats.onnx").stat().st_size * 2


def _floats(folder, network):
    save(network, folder / "floats.onnx")
    return folder / "floats.onnx"


def test_numbers_that_a_form_does_not_hold_are_refused(tmp_path):
    network = Network.dense([np.array([[1.0 + 2.0**-20, 0.25]])], [np.zeros(1)])
    for form in (StoredHalf(), StoredGrid(np.array([0.25]))):
        with pytest.raises(UnsupportedError, match="round them first"):
            save(network, tmp_path / "net.onnx", {"affine1": StoredLayer(form)})
    with pytest.raises(UnsupportedError, match="no affine layer"):
        save(network, tmp_path / "net.onnx", {"other": StoredLayer(StoredHalf())})
    with pytest.raises(UnsupportedError, match=r"\.nnet"):
        save(network, tmp_path / "net.nnet", {"affine1": StoredLayer(StoredHalf())})


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 0.1, 1e-60])
def test_a_stored_scale_that_is_none_is_refused(scale):
    with pytest.raises(UnsupportedError, match="float32 numbers"):
        StoredGrid(np.array([scale]))


def quantized(scale=0.25, second=None, kind="uint8", zero=0, op="QuantizeLinear"):
    """Return a model of a QuantizeLinear and a DequantizeLinear."""
    given_ = {
        "s": np.float32(scale),
        "z": np.array(zero, kind),
        "t": np.float32(scale if second is None else second),
    }
    if op == "QuantizeLinear":
        nodes = [make_node(op, ["x", "s", "z"], ["q"])]
        nodes.append(make_node("DequantizeLinear", ["q", "t", "z"], ["y"]))
    else:
        nodes = [make_node(op, ["x"], ["q", "s2", "z2"])]
        nodes.append(make_node("DequantizeLinear", ["q", "s2", "z2"], ["y"]))
    kind_of = onnx.TensorProto.FLOAT
    graph = make_graph(
        nodes,
        "g",
        [make_tensor_value_info("x", kind_of, ["batch", 2])],
        [make_tensor_value_info("y", kind_of, ["batch", 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in given_.items()],
    )
    return make_model(graph, opset_imports=[make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (quantized(scale=0.0), FormatError, "has the scale 0.0"),
        (quantized(scale=np.nan), FormatError, "holds nan"),
        (quantized(scale=-0.5), FormatError, "has the scale -0.5"),
        (quantized(second=0.5), UnsupportedError, "another scale"),
        (quantized(op="DynamicQuantizeLinear"), UnsupportedError, "static quantization"),
        (quantized(kind="int32"), InputError, "net.onnx"),
    ],
)
def test_a_grid_that_is_none_is_refused_in_one_line(tmp_path, model, error, said):
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(error, match=said) as caught:
        load(tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)


def test_a_zero_point_moves_the_limits(tmp_path):
    (tmp_path / "net.onnx").write_bytes(quantized(kind="int8", zero=5).SerializeToString())
    grid = load(tmp_path / "net.onnx").by_name["y"].layer
    assert grid.same(Quantize.uniform(2, 0.25, -133, 122))


def integers(op, rng, channels):
    """Return a model of QuantizeLinear, an integer operator and DequantizeLinear."""
    kernel = op in ("QLinearConv", "ConvInteger")
    shape = (3, 2, 3, 3) if kernel else (4, 3)
    size = shape[0] if kernel else shape[-1]
    scale = 2.0 ** -rng.integers(6, 9, size if channels else ())
    given_ = {
        "s": np.float32(0.125),
        "z": np.uint8(120),
        "w": rng.integers(0, 256, shape).astype(np.uint8),
        "ws": np.asarray(scale, np.float32),
        "wz": np.full(size if channels else (), 128, np.uint8),
        "t": np.float32(0.25),
        "u": np.uint8(30),
        "b": rng.integers(-500, 500, size).astype(np.int32),
    }
    names = ["q", "s", "z", "w", "ws", "wz", "t", "u", *(["b"] if kernel else [])]
    if op.endswith("Integer"):
        names = ["q", "w", "z", "wz"]
    nodes = [
        make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make_node(op, names, ["r"]),
        make_node("DequantizeLinear", ["r", "t", "u"], ["y"]),
    ]
    kind_of = onnx.TensorProto.FLOAT
    graph = make_graph(
        nodes,
        "g",
        [make_tensor_value_info("x", kind_of, [1, 2, 4, 4] if kernel else [1, 4])],
        [make_tensor_value_info("y", kind_of, None)],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in given_.items()],
    )
    return make_model(graph, opset_imports=[make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("op", ["QLinearConv", "QLinearMatMul"])
def test_integer_operators_are_layers_between_grids(tmp_path, op, channels):
    rng = np.random.default_rng(9)
    path = tmp_path / "net.onnx"
    path.write_bytes(integers(op, rng, channels).SerializeToString())
    network = load(path)
    kinds = [type(node.layer) for node in network.nodes if not isinstance(node.layer, Input)]
    assert kinds.count(Quantize) == 2
    session = onnxruntime.InferenceSession(str(path))
    for _ in range(50):
        point = rng.uniform(-20, 20, network.size_in).astype(np.float32)
        (found,) = session.run(None, {"x": point.reshape(session.get_inputs()[0].shape)})
        assert np.array_equal(network.evaluate(point[None])[0], found.ravel())


@pytest.mark.parametrize("op", ["ConvInteger", "MatMulInteger"])
def test_sums_of_integers_without_a_scale_are_refused(tmp_path, op):
    path = tmp_path / "net.onnx"
    path.write_bytes(integers(op, np.random.default_rng(0), False).SerializeToString())
    with pytest.raises(UnsupportedError, match="without a scale"):
        load(path)


def test_layers_with_the_same_stored_numbers_keep_their_own_scales(tmp_path):
    """Arrays were found by their numbers alone: biases of zeros took each other's scales."""
    network = Network.dense([np.eye(2), np.eye(2), np.eye(2)], [np.zeros(2)] * 3)
    forms = {
        f"affine{place}": StoredLayer(
            StoredGrid(np.full(2, 2.0**-place), "int8"),
            StoredGrid(np.full(2, 2.0 ** -(place + 4)), "int32"),
        )
        for place in (1, 2, 3)
    }
    save(network, tmp_path / "net.onnx", forms)
    found = stored_forms(tmp_path / "net.onnx")
    for name, form in forms.items():
        assert np.array_equal(found[name].weight.scale, form.weight.scale)
        assert np.array_equal(found[name].bias.scale, form.bias.scale)
