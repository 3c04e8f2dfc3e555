"""Operators that are not handled, and constants that do not fit, are refused by name."""

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from onnx_models import model_of

from secateur.engine.errors import FormatError, InputError, UnsupportedError
from secateur.engine.formats.onnx_read import read_onnx


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
