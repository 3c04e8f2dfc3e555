"""The file's own runtime: outputs, hidden tensors, and what it refuses."""

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from secateur.engine.errors import FileError, FormatError, InputError
from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.formats.onnx_runtime import Runtime

KINDS = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
}


@pytest.fixture
def save(tmp_path):
    def write(nodes, shape, constants=(), dtype="float32"):
        info = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes,
            "test",
            [info("x", KINDS[dtype], shape)],
            [info("y", KINDS[dtype], None)],
            [onnx.numpy_helper.from_array(v.astype(dtype), k) for k, v in dict(constants).items()],
        )
        opset = [onnx.helper.make_opsetid("", 13)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


DENSE = (
    make_node("MatMul", ["x", "w"], ["product"]),
    make_node("Add", ["product", "b"], ["dense"]),
    make_node("Relu", ["dense"], ["y"]),
)
WEIGHTS = {"w": np.array([[1.0, -2, 3], [0, 1, 1]]), "b": np.array([1.0, 0, -1])}


@pytest.mark.parametrize("shape", [[1, 2], ["batch", 2], [2]])
@pytest.mark.parametrize("dtype", list(KINDS))
def test_outputs_and_hidden_tensors(save, shape, dtype):
    path = save(DENSE, shape, WEIGHTS, dtype)
    runtime, network = Runtime(path), read_onnx(path)
    points = np.array([[1.0, 2], [-1, 0.5], [0, 0], [3, -4]])
    np.testing.assert_array_equal(runtime.outputs(points), network.evaluate(points))
    found = runtime.hidden(points, ["dense", "product", "y"])
    assert list(found) == ["dense", "product", "y"]
    np.testing.assert_array_equal(found["dense"], network.trace(points)["dense"])
    np.testing.assert_array_equal(found["product"], points @ WEIGHTS["w"])
    assert runtime.hidden(points, []) == {}
    assert runtime.tensors == {"product", "dense", "y"}
    assert runtime.outputs(np.zeros((0, 2))).shape == (0, 3)


def test_tensors_of_many_axes_come_flat(save):
    path = save(
        [make_node("Conv", ["x", "k"], ["y"])], ["n", 1, 3, 3], {"k": np.ones((2, 1, 2, 2))}
    )
    points = np.arange(18.0).reshape(2, 9)
    assert Runtime(path).outputs(points).shape == (2, 8)
    assert Runtime(path).hidden(points, ["y"])["y"].shape == (2, 8)


@pytest.mark.parametrize("axis", [0, 1])
def test_points_that_influence_each_other_run_one_by_one(save, axis):
    nodes = [
        make_node("ReduceMean", ["x"], ["mean"], axes=[axis], keepdims=1),
        make_node("Sub", ["x", "mean"], ["y"]),
    ]
    path = save(nodes, ["batch", 3])
    points = np.array([[1.0, 2, 3], [-1, 0.5, 7]])
    np.testing.assert_allclose(
        Runtime(path).outputs(points), read_onnx(path).evaluate(points), atol=1e-6
    )


def test_a_graph_that_fixes_its_batch_runs_one_by_one(save):
    nodes = [
        make_node("Constant", [], ["s"], value_ints=[1, 4]),
        make_node("Reshape", ["x", "s"], ["y"]),
    ]
    points = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(Runtime(save(nodes, ["batch", 2, 2])).outputs(points), points)


def test_float64_operators_without_a_kernel_use_the_reference_evaluator(save):
    path = save([make_node("LeakyRelu", ["x"], ["y"], alpha=0.5)], [1, 2], dtype="float64")
    np.testing.assert_array_equal(Runtime(path).outputs(np.array([[-2.0, 2]])), [[-1, 2]])


@pytest.mark.parametrize("value", [0.1, 1e39, np.nan, np.inf, 2.0**-200])
def test_points_that_the_element_type_does_not_hold_are_refused(save, value):
    runtime = Runtime(save(DENSE, [1, 2], WEIGHTS))
    with pytest.raises(ValueError, match=r"point 1 has .* at input 0, which is no finite float32"):
        runtime.outputs(np.array([[0.5, 1], [value, 0]]))


def test_points_and_names_that_do_not_fit_are_refused(save):
    runtime = Runtime(save(DENSE, [1, 2], WEIGHTS))
    with pytest.raises(InputError, match="give one row of 2 numbers"):
        runtime.outputs(np.zeros((4, 3)))
    with pytest.raises(InputError, match="no node computes a tensor 'none'"):
        runtime.hidden(np.zeros((1, 2)), ["none"])


def test_what_onnxruntime_refuses_is_a_format_error(save, tmp_path):
    with pytest.raises(FormatError, match="onnxruntime refuses it"):
        Runtime(save([make_node("Conv", ["x", "w"], ["y"])], [1, 2], WEIGHTS))
    nodes = [
        make_node("Constant", [], ["s"], value_ints=[7]),
        make_node("Reshape", ["x", "s"], ["y"]),
    ]
    path = save(nodes, ["batch", 2])
    with pytest.raises(FormatError, match="onnxruntime fails to run it") as caught:
        Runtime(path).outputs(np.zeros((1, 2)))
    assert "\n" not in str(caught.value)
    with pytest.raises(FileError, match="no such file"):
        Runtime(tmp_path / "none.onnx")


def test_latency_is_a_time(save):
    runtime = Runtime(save(DENSE, [1, 2], WEIGHTS))
    assert 0 < runtime.latency(np.array([1.0, 2.0]), repeats=5, warm_up=1) < 1
