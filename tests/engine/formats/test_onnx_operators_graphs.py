"""Graphs of several operators: constants fold, and layers keep the names of the file."""

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from onnx_models import FLOAT, KINDS, kinds, model_of, whole

from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.network import Affine, Input, Piecewise, Sum

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
