"""Damaged and hostile files: a model or one line of refusal, in little time and memory."""

import re
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from onnx_models import model_of

from secateur.engine import formats
from secateur.engine.network import Network
from secateur.engine.proofs.model import FormatError, Model
from secateur.engine.proofs.read import read_model

C = np.arange(-4, 4, dtype=np.float32)
NODES = [
    make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
    make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2]),
    make_node("Reshape", ["p", "shape"], ["r"]),
    make_node("Max", ["r", "floor"], ["m"]),
    make_node("Split", ["m", "parts"], ["s", "t"], axis=1),
    make_node("Concat", ["t", "s"], ["o"], axis=1),
    make_node("Gemm", ["o", "w", "b"], ["g"], alpha=0.5, transB=1),
    make_node("Clip", ["g", "low"], ["y"]),
]
CONSTANTS = {
    "k": C[:8].reshape(2, 1, 2, 2),
    "shape": np.array([1, -1]),
    "floor": np.array([[0, -np.inf]], np.float32).repeat(4, 0).reshape(1, 8),
    "parts": np.array([3, 5]),
    "w": np.outer(C, C)[:3],
    "b": C[:3],
    "low": np.float32(-1),
}
FILE = model_of(NODES, ["batch", 1, 5, 5], CONSTANTS).SerializeToString()


def outcome(data, name):
    """Return the model, or the line of refusal; anything else fails, as does much memory."""
    tracemalloc.start()
    try:
        found = read_model(data, name)
    except FormatError as error:
        found = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**31
    if isinstance(found, str):
        assert found.startswith(f"{name}: ")
        assert found.isprintable()
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "a.nnet"
    formats.save(Network.dense([np.eye(2), np.ones((1, 2))], [np.ones(2), np.ones(1)]), path)
    return {"a.onnx": FILE, "a.nnet": path.read_bytes()}


def test_the_whole_files_are_read(files):
    for name, data in files.items():
        assert isinstance(outcome(data, name), Model)


def test_a_file_cut_anywhere_is_refused(files):
    for name, data in files.items():
        for end in range(len(data) - 1):
            found = outcome(data[:end], name)
            assert isinstance(found, str) or (name == "a.onnx" and end > len(data) - 20)


@settings(max_examples=300)
@given(st.data())
def test_bytes_that_change_give_a_model_or_a_refusal(files, data):
    name = data.draw(st.sampled_from(sorted(files)))
    whole = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(whole), name)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from(["a.onnx", "a.nnet", "a"]))
def test_any_bytes_are_refused(data, name):
    assert isinstance(outcome(data, name), str)


@settings(max_examples=100)
@given(st.text("0123456789.,-+eE/ \n", max_size=200))
def test_any_text_gives_a_model_or_a_refusal(text):
    outcome(text.encode(), "a.nnet")


def wire(*fields):
    """Return a message of length-delimited fields (number, bytes) and varints (number, int)."""
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += varint(number << 3) + varint(value % 2**64)
        else:
            found += varint(number << 3 | 2) + varint(len(value)) + value
    return found


def varint(value):
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def changed(change):
    model = onnx.load_model_from_string(FILE)
    change(model)
    return model.SerializeToString()


def dims(model):
    model.graph.initializer[0].dims[:] = [2**40, 2**40]


def shape(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**62


def expand(model):
    shape = onnx.numpy_helper.from_array(np.array([2**31, 2**31, 8]), "big")
    model.graph.initializer.append(shape)
    model.graph.node[3].CopyFrom(make_node("Expand", ["r", "big"], ["m"]))


def pads(model):
    model.graph.node[0].attribute[0].ints[:] = [2**26, 2**26, 2**26, 2**26]


def gathers(model):
    # each step repeats the values two times: 2 ** 40 of them after all
    del model.graph.node[3:]
    twice = np.arange(16) % 8
    model.graph.initializer.append(onnx.numpy_helper.from_array(twice, "twice"))
    source = "r"
    for step in range(40):
        target = "y" if step == 39 else f"step{step}"
        model.graph.node.append(make_node("Concat", [source, source], [target], axis=1))
        source = target


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def nan(model):
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((2, 1, 2, 2), np.nan, np.float32), "k"))


def infinite(model):
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((2, 1, 2, 2), np.inf, np.float32), "k"))


def both_data(model):
    model.graph.initializer[0].float_data.append(1.0)


def function(model):
    model.functions.add().name = "Relu"


def twice(model):
    model.graph.node[1].output[0] = "c"


def late(model):
    first = onnx.NodeProto()
    first.CopyFrom(model.graph.node[0])
    del model.graph.node[0]
    model.graph.node.append(first)


def second_opset(model):
    model.opset_import.add().version = 9


def old(model):
    model.opset_import[0].version = 6


def foreign(model):
    model.graph.node[3].domain = "com.example"


def unknown(model):
    model.graph.node[3].op_type = "Sigmoid"


def attribute(model):
    model.graph.node[3].attribute.append(onnx.helper.make_attribute("axis", 1))


def third_input(model):
    model.graph.node[2].input.append("b")


def two_outputs(model):
    model.graph.output.add().name = "g"


def sparse(model):
    model.graph.sparse_initializer.add()


def open_axis(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dims, "'k' has a shape of 2 axes that no tensor here has"),
        (shape, "'x' has a shape of 4 axes that is not handled"),
        (expand, r"'m' \(Expand\): asks for more than 67108864 entries"),
        (pads, r"'c' \(Conv\): .*67108864 numbers"),
        (gathers, "more than 67108864 numbers are not handled"),
        (external, "'k' has its data in another file: export the model as a single file"),
        (nan, "'k' holds nan"),
        (infinite, r"'c' \(Conv\): the weight holds a number that is not finite"),
        (both_data, r"'k' has its data in the fields \[4, 9\]"),
        (function, "defines functions of its own"),
        (twice, "tensor 'c' is computed twice"),
        (late, "reads 'c', which no node before it computes"),
        (second_opset, r"states the opsets \[13, 9\]"),
        (old, r"states the opsets \[6\]"),
        (foreign, r"'m' \(Max\) is no operator of the standard"),
        (unknown, r"'m' \(Sigmoid\): the operator is not handled; handled are Abs, Add, "),
        (attribute, "attribute 'axis' is not handled"),
        (third_input, "input 2 is not handled"),
        (two_outputs, "has 1 inputs and 2 outputs"),
        (sparse, "holds sparse tensors"),
        (open_axis, "leaves the size of axis 2 open"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_said_in_one_line(change, what):
    assert re.search(what, outcome(changed(change), "a.onnx"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\x08", "a model ends inside a number"),
        (b"\xff" * 11, "a number of more than 64 bits"),
        (b"\x0b", "field 1 of a model has wire type 3"),
        (b"\x00\x00", "a model has a field numbered 0"),
        (b"\x3a\xff\xff\xff\xff\x0f", "field 7 of a model has 4294967295 bytes where 0 are left"),
        (wire((1, 8)), "holds no graph"),
        (wire((7, b""), (7, b"")), "field 7 of a model stands 2 times, not once"),
        (wire((7, 1)), "field 7 of a model has wire type 0"),
        (wire((7, wire((2, b"\xff")))), "states the opsets"),
        (wire((8, wire((2, 13))), (7, wire((11, wire((1, b"\xff")))))), "field 1 of a input is no"),
        (b"\x40\x01" * 2**20 + b"\x40\x01", "more than 1048576 fields are not handled"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data, what):
    with pytest.raises(FormatError, match=what):
        read_model(data, "a.onnx")


def test_an_error_is_short_and_printable():
    name = b"\x1b[31m\n" + b"a" * 10**5
    data = wire((8, wire((2, 13))), (7, wire((5, wire((8, name))), (5, wire((8, name))))))
    with pytest.raises(FormatError) as caught:
        read_model(data, "a\n.onnx")
    assert len(str(caught.value)) <= 400
    assert str(caught.value).isprintable()
