"""Written files: the same network in exact rationals, and nothing half written."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.errors import FileError, UnsupportedError
from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.formats.onnx_write import representable, write_onnx
from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.operators import Convolution, Dense, Diagonal

examples = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "net.onnx"


def kinds(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def numbers(random, *shape, dtype="float32"):
    return random.standard_normal(shape).astype(dtype).astype(np.float64)


def same(network, path, seed=0):
    """Write, read back, and compare in exact rationals and with onnxruntime."""
    write_onnx(network, path)
    onnx.checker.check_model(path, full_check=True)
    again, random = read_onnx(path), np.random.default_rng(seed)
    points = numbers(random, 3, network.size_in, dtype=network.origin.dtype)
    found, wanted = again.evaluate(points, exact=True), network.evaluate(points, exact=True)
    assert (found == wanted).all()
    assert again.input.name == network.input.name
    assert again.input.shape == network.input.shape
    assert again.origin.dtype == network.origin.dtype
    # float16 cannot be compared to more than its own rounding
    coarse = {"float16": 0.1, "float32": 1e-4, "float64": 1e-12}[network.origin.dtype]
    for name, values in Runtime(path).hidden(points, [n.name for n in network.nodes[1:]]).items():
        np.testing.assert_allclose(values, network.trace(points)[name], rtol=coarse, atol=coarse)
    return again


@st.composite
def piecewise(draw, size):
    state = np.array(draw(st.lists(st.sampled_from(list(State)), min_size=size, max_size=size)))
    half = st.integers(-6, 6).map(lambda n: n / 4)
    lines = [draw(st.lists(half, min_size=size, max_size=size)) for _ in range(2)]
    return Piecewise(state, np.array(lines[0]), np.array(lines[1]))


@st.composite
def networks(draw):
    """Random graphs of every layer, fed from any earlier node."""
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    shape = draw(st.sampled_from([(6,), (1, 1, 6), (2, 3)]))
    nodes = [Node("in", Input(shape))]
    for index in range(draw(st.integers(0, 6))):
        source = nodes[draw(st.integers(0, len(nodes) - 1))]
        n, sources = source.size, (source.name,)
        bias = numbers(random, n, dtype=dtype) * draw(st.sampled_from([0, 1]))
        match draw(st.sampled_from(["dense", "diagonal", "piecewise", "sum", "concat", "select"])):
            case "dense":
                layer = Affine(
                    Dense(numbers(random, 3, n, dtype=dtype)), numbers(random, 3, dtype=dtype)
                )
            case "diagonal":
                ones = draw(st.booleans())
                scale = np.ones(n) if ones else numbers(random, n, dtype=dtype)
                layer = Affine(Diagonal(scale), bias)
            case "piecewise":
                layer = draw(piecewise(n))
            case "sum":
                fitting = [node.name for node in nodes if node.size == n]
                sources = tuple(draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3)))
                layer = Sum(n)
            case "concat":
                parts = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
                sources, layer = tuple(p.name for p in parts), Concat(tuple(p.size for p in parts))
            case _:
                layer = Select(random.integers(0, n, draw(st.integers(1, 5))), n)
                if draw(st.booleans()):
                    layer = Select(np.arange(draw(st.integers(0, n - 1)), n), n)
        nodes.append(Node(f"n{index}", layer, sources))
    return Network(tuple(nodes), nodes[-1].name, Origin(dtype=dtype))


@examples
@given(networks(), st.integers(0, 2**31))
def test_the_round_trip_is_exact(path, network, seed):
    same(network, path, seed)


@examples
@given(st.data(), st.integers(0, 2**31))
def test_convolutions_round_trip(path, data, seed):
    random = np.random.default_rng(seed)
    groups, kernel = (
        data.draw(st.sampled_from([1, 2])),
        data.draw(st.sampled_from([(1, 1), (2, 3)])),
    )
    strides, dilations = (data.draw(st.sampled_from([(1, 1), (2, 1)])) for _ in range(2))
    padding = data.draw(st.sampled_from([(0, 0, 0, 0), (1, 0, 2, 1)]))
    weight = numbers(random, 2 * groups, 1, *kernel)
    conv = Convolution(weight, (groups, 4, 5), strides, padding, dilations, groups)
    channels = conv.shape_out[0]
    bias = {
        "none": np.zeros(conv.size_out),
        "channel": np.repeat(numbers(random, channels), conv.size_out // channels),
        "entry": numbers(random, conv.size_out),
    }[data.draw(st.sampled_from(["none", "channel", "entry"]))]
    nodes = [
        Node("image", Input((groups, 4, 5))),
        Node("conv", Affine(conv, bias), ("image",), conv.shape_out),
    ]
    if data.draw(st.booleans()):
        nodes.append(Node("relu", Piecewise.relu(conv.size_out), ("conv",)))
    again = same(Network(tuple(nodes), nodes[-1].name), path, seed)
    if len(nodes) == 3:
        assert [node.name for node in again.nodes] == ["image", "conv", "relu"]
        assert again.by_name["conv"].shape == conv.shape_out


def test_a_dense_network_is_gemm_and_relu_and_comes_back_the_same(path):
    random = np.random.default_rng(0)
    weights = [numbers(random, 4, 3), numbers(random, 2, 4)]
    network = Network.dense(weights, [numbers(random, 4), numbers(random, 2)])
    again = same(network, path)
    assert kinds(path) == ["Gemm", "Relu", "Gemm"]
    assert [node.name for node in again.nodes] == [node.name for node in network.nodes]
    model = onnx.load(path)
    assert (model.producer_name, model.ir_version) == ("secateur", 8)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize(
    ("states", "operators"),
    [
        ([State.RELU, State.RELU], ["Relu"]),
        ([State.RELU, State.IDENTITY], ["Max"]),
        ([State.IDENTITY, State.IDENTITY], ["Identity"]),
        ([State.RELU, State.ZERO], ["Max", "Mul"]),
        ([State.IDENTITY, State.ZERO], ["Mul"]),
        ([State.LINEAR, State.IDENTITY], ["Mul", "Add"]),
        ([State.LINEAR, State.RELU], ["Max", "Mul", "Add"]),
    ],
)
def test_piecewise_layers_take_few_operators(path, states, operators):
    layer = Piecewise(np.array(states), np.array([0.5, 2.0]), np.array([1.0, 3.0]))
    network = Network((Node("x", Input((2,))), Node("y", layer, ("x",))), "y")
    same(network, path)
    assert kinds(path) == operators


def test_the_normalisation_and_the_shape_come_back(path):
    normal = Normalisation(
        np.array([0.1, -np.pi]),
        np.array([1.0, np.pi]),
        np.array([1 / 3, 0]),
        np.array([0.7, 2 * np.pi]),
        7.5,
        373.9,
    )
    affine = Affine(Dense(np.eye(2)), np.zeros(2))
    nodes = (Node("input", Input((1, 1, 2))), Node("out", affine, ("input",)))
    again = same(Network(nodes, "out", Origin(), normal), path)
    assert again.normalisation is not None
    for name in ("minimum", "maximum", "mean", "range"):
        assert (getattr(again.normalisation, name) == getattr(normal, name)).all()
    assert again.normalisation.output_mean == 7.5
    assert again.normalisation.output_range == 373.9
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 1, 1, 2]


def test_the_same_network_gives_the_same_bytes(path):
    network = Network.dense([np.eye(2)], [np.ones(2)])
    write_onnx(network, path)
    first = path.read_bytes()
    write_onnx(network, str(path))
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_weights_that_the_element_type_does_not_hold(path):
    network = Network.dense([np.eye(2), np.full((1, 2), 0.1)], [np.zeros(2), np.zeros(1)])
    assert representable(network, "float32") == ["affine2"]
    assert representable(network, "float64") == []
    assert representable(network, "float16") == ["affine2"]
    path.unlink(missing_ok=True)
    with pytest.raises(
        UnsupportedError, match=r"layer 'affine2' holds numbers that are not exact in float32"
    ):
        write_onnx(network, path)
    assert not path.exists()
    write_onnx(network, path, allow_rounding=True)
    weight = read_onnx(path).nodes[-1].layer.operator.weight
    assert (weight == float(np.float32(0.1))).all()


def test_weights_beyond_the_element_type(path):
    network = Network.dense([np.full((1, 1), 1e300)], [np.zeros(1)])
    with pytest.raises(UnsupportedError, match="too large for float32"):
        write_onnx(network, path, allow_rounding=True)


SLOPES = [0.01, 0.1, 0.2, -0.3, 0.7, 1e-5, 3e-8, 1e-8, 5.3, 1.0, 0.0]


def leaky(slopes, state=State.RELU, dtype="float32"):
    """Return a network of leaky ReLUs as imports make it, with the slopes nearest to those."""
    low = np.array(slopes, np.float32).astype(np.float64)
    size, none = low.size, np.zeros(low.size)
    nodes = (
        Node("x", Input((size,))),
        Node("low", Affine(Diagonal(low), none), ("x",)),
        Node("units", Piecewise(np.full(size, state, np.int8), none, none), ("x",)),
        Node("high", Affine(Diagonal(1 - low), none), ("units",)),
        Node("y", Sum(size), ("low", "high")),
    )
    return Network(nodes, "y", Origin(dtype=dtype))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("state", State)
def test_one_minus_a_slope_is_written_exactly(path, slope, state):
    network = leaky([slope, 0.5], state)
    assert representable(network, "float32") == []
    write_onnx(network, path)
    again = read_onnx(path)
    some = np.array([[1.5, -0.3], [-1e-3, 7.0], [0.0, 0.0]])
    assert (again.evaluate(some, exact=True) == network.evaluate(some, exact=True)).all()
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    if state == State.RELU:
        assert kinds == ["PRelu"]
        if slope not in (0.0, 1.0):  # those scales need no layer
            assert [type(n.layer) for n in again.nodes] == [type(n.layer) for n in network.nodes]


def test_a_scale_in_two_parts_is_read_as_one(path):
    network = leaky([0.01, 0.3], [State.RELU, State.ZERO])
    write_onnx(network, path)
    assert [node.op_type for node in onnx.load(path).graph.node].count("Mul") == 4
    again = read_onnx(path)
    for name in ("low", "high"):
        weight = network.by_name[name].layer.operator.weight
        assert (again.by_name[name].layer.operator.weight == weight).all()
    assert [node.op_type for node in onnx.load(path).graph.node].count("Add") == 2


def test_scales_whose_sum_binary64_does_not_hold_stay_two(path):
    one, tiny = (Affine(Diagonal(np.full(1, v)), np.zeros(1)) for v in (1.5, 2.0**-60))
    nodes = (Node("x", Input((1,))), Node("a", one, ("x",)), Node("b", tiny, ("x",)))
    network = Network((*nodes, Node("y", Sum(1), ("a", "b"))), "y")
    write_onnx(network, path)
    again = read_onnx(path)
    assert isinstance(again.by_name["y"].layer, Sum)
    assert again.evaluate([1.0], exact=True) == network.evaluate([1.0], exact=True)


@pytest.mark.parametrize("where", ["bias", "reader", "sum"])
def test_what_is_no_leaky_relu_is_not_written_as_one(path, where):
    network = leaky([0.125, 0.25])
    nodes = {node.name: node for node in network.nodes}
    match where:
        case "bias":
            nodes["low"] = Node(
                "low", Affine(Diagonal(np.array([0.125, 0.25])), np.ones(2)), ("x",)
            )
        case "reader":
            nodes["more"] = Node("more", Sum(2), ("y", "units"))
            network = Network(tuple(nodes.values()), "more")
        case "sum":
            nodes["low"] = Node(
                "low", Affine(Diagonal(np.array([0.125, 0.5])), np.zeros(2)), ("x",)
            )
    network = Network(tuple(nodes.values()), "more" if where == "reader" else "y")
    write_onnx(network, path)
    assert "PRelu" not in [node.op_type for node in onnx.load(path).graph.node]
    some = np.array([[1.5, -0.3], [-1e-3, 7.0]])
    assert (read_onnx(path).evaluate(some, exact=True) == network.evaluate(some, exact=True)).all()


def test_scales_of_float64_are_not_written_as_prelu_which_no_runtime_has_there(path):
    network = leaky([0.01, 0.3], dtype="float64")
    write_onnx(network, path)
    assert "PRelu" not in [node.op_type for node in onnx.load(path).graph.node]


def test_slopes_count_as_weights():
    layer = Piecewise(np.array([State.LINEAR]), np.array([0.1]), np.array([0.0]))
    network = Network((Node("x", Input((1,))), Node("y", layer, ("x",))), "y")
    assert representable(network, "float32") == ["y"]


def test_names_that_look_derived_do_not_collide(path):
    one, two = Affine(Diagonal(np.full(2, 2.0)), np.ones(2)), Affine(Dense(np.eye(2)), np.ones(2))
    nodes = (
        Node("x", Input((1, 2))),
        Node("x/flat", one, ("x",)),
        Node("y", one, ("x/flat",)),
        Node("y/mul", two, ("y",)),
        Node("y/mul/weight", two, ("y/mul",)),
    )
    same(Network(nodes, "y/mul/weight"), path)


def test_an_unwritable_path_is_one_line(tmp_path):
    network = Network.dense([np.eye(2)], [np.ones(2)])
    for path in (tmp_path / "none" / "net.onnx", tmp_path):
        with pytest.raises(FileError) as caught:
            write_onnx(network, path)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(path))
    assert list(tmp_path.iterdir()) == []
