"""Bad files give one line that names the file, the place, what was wrong and the mend."""

import hashlib
import shutil

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node, make_opsetid, make_tensor_value_info

from secateur.engine.errors import (
    FileError,
    FormatError,
    MismatchError,
    SecateurError,
    UnsupportedError,
)
from secateur.engine.formats import onnx_read
from secateur.engine.formats.onnx_ops import lower
from secateur.engine.formats.onnx_read import read_onnx

FLOAT = onnx.TensorProto.FLOAT


def model_of(nodes=None, opset=13, inputs=None, outputs=None, constants=None, **others):
    nodes = [make_node("MatMul", ["x", "w"], ["y"], name="product")] if nodes is None else nodes
    constants = {"w": np.eye(2, dtype=np.float32)} if constants is None else constants
    graph = onnx.helper.make_graph(
        nodes,
        "test",
        inputs or [make_tensor_value_info("x", FLOAT, [1, 2])],
        outputs or [make_tensor_value_info("y", FLOAT, [1, 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8, **others)


@pytest.fixture
def refused(tmp_path):
    """Return the one line with which a file of these bytes is refused."""

    def read(content, kind=FormatError, path=None):
        path = path or tmp_path / "model.onnx"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        with pytest.raises(SecateurError) as caught:
            read_onnx(path)
        text = str(caught.value)
        assert type(caught.value) is kind, text
        assert "\n" not in text
        assert text.startswith(f"{path}: ")
        return text.removeprefix(f"{path}: ")

    return read


def test_a_missing_file(refused, tmp_path):
    assert "no such file" in refused(None, FileError, tmp_path / "none.onnx")


def test_a_folder(refused, tmp_path):
    assert "folder" in refused(None, FileError, tmp_path)


def test_an_empty_file(refused):
    assert refused(b"") == "is empty (0 bytes): export or download it again"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file(refused, share):
    content = model_of().SerializeToString()
    assert "again" in refused(content[: int(share * len(content))])


@pytest.mark.parametrize(
    "content",
    [b"hello\nworld\n", b"PK\x03\x04" + bytes(40), b"\x00" * 9, b"\x89PNG\r\n\x1a\n", b"{}"],
)
def test_a_foreign_file(refused, content):
    assert refused(content).startswith("is no ONNX file or a truncated one")


def test_a_model_without_a_graph(refused):
    assert "holds no graph" in refused(onnx.ModelProto(ir_version=8, producer_name="nobody"))


def test_a_model_without_an_opset(refused):
    model = model_of()
    del model.opset_import[:]
    assert "states no opset" in refused(model)


@pytest.mark.parametrize("opset", [6, 22, 25])
def test_an_opset_out_of_range(refused, opset):
    text = refused(model_of(opset=opset), UnsupportedError)
    assert text == f"uses opset {opset}, handled are 7 to 21: export the model with one of these"


def test_a_weight_that_is_nan(refused):
    weight = np.eye(2, dtype=np.float32)
    weight[1, 0] = np.nan
    assert "tensor 'w' holds nan at [1, 0]" in refused(model_of(constants={"w": weight}))


def test_a_constant_that_is_nan(refused):
    tensor = onnx.numpy_helper.from_array(np.array([1, np.nan], np.float32), "c")
    nodes = [make_node("Constant", [], ["c"], value=tensor), make_node("Add", ["x", "c"], ["y"])]
    text = refused(model_of(nodes))
    assert text.startswith("node 'c' (Constant, opset 13): tensor 'c' holds nan at [1]")


def test_a_weight_that_is_infinite(refused):
    weight = np.array([[1, 2], [3, np.inf]], np.float32)
    text = refused(model_of(constants={"w": weight}))
    assert text.startswith("node 'product' (MatMul, opset 13): weight holds inf")


def test_a_weight_whose_data_are_cut(refused):
    model = model_of()
    model.graph.initializer[0].raw_data = b"\x00" * 7
    assert "tensor 'w' of shape [2, 2] cannot be read" in refused(model)


def test_two_inputs_and_none(refused):
    inputs = [make_tensor_value_info(name, FLOAT, [1, 2]) for name in ("x", "z")]
    text = refused(model_of(inputs=inputs), UnsupportedError)
    assert "the graph has 2 inputs ('x', 'z')" in text
    inputs = [make_tensor_value_info("w", FLOAT, [2, 2])]
    assert "the graph has 0 inputs (none)" in refused(model_of(inputs=inputs), UnsupportedError)


def test_two_outputs(refused):
    outputs = [make_tensor_value_info(name, FLOAT, [1, 2]) for name in ("x", "y")]
    assert "has 2 outputs ('x', 'y')" in refused(model_of(outputs=outputs), UnsupportedError)


@pytest.mark.parametrize(
    ("kind", "shape", "text"),
    [
        (onnx.TensorProto.INT64, [1, 2], "element type int64"),
        (onnx.TensorProto.BFLOAT16, [1, 2], "element type bfloat16"),
        (FLOAT, None, "states no shape"),
        (FLOAT, [], "states no shape"),
        (FLOAT, ["n"], "leaves the size of axis 0 open"),
        (FLOAT, ["n", "m"], "leaves the size of axis 1 open"),
        (FLOAT, [1, None], "leaves the size of axis 1 open"),
    ],
)
def test_an_input_of_another_type_or_shape(refused, kind, shape, text):
    inputs = [make_tensor_value_info("x", kind, shape)]
    assert text in refused(model_of(inputs=inputs), UnsupportedError)


def test_an_input_with_an_empty_axis(refused):
    inputs = [make_tensor_value_info("x", FLOAT, [1, 0])]
    assert "has shape [1, 0]" in refused(model_of(inputs=inputs))


def test_control_flow_is_refused_by_name(refused):
    branch = onnx.helper.make_graph(
        [make_node("Relu", ["x"], ["z"])],
        "branch",
        [],
        [make_tensor_value_info("z", FLOAT, [1, 2])],
    )
    node = make_node("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch)
    text = refused(model_of([node], constants={"c": np.array(True)}), UnsupportedError)
    assert text.startswith("node 'choice' (If, opset 13): the operator is not handled")
    assert "Conv" in text
    assert "Relu" in text


def test_a_rule_of_the_standard_is_broken(refused):
    nodes = [make_node("Relu", ["t"], ["y"]), make_node("Relu", ["x"], ["t"])]
    assert "breaks a rule of ONNX: Nodes in a graph must be topologically" in refused(
        model_of(nodes)
    )
    nodes = [make_node("Transpose", ["x"], ["y"], perm="no")]
    assert "breaks a rule of ONNX" in refused(model_of(nodes))
    assert "breaks a rule of ONNX" in refused(model_of([make_node("Relu", ["gone"], ["y"])]))


def test_sparse_weights(refused):
    model = model_of()
    model.graph.sparse_initializer.add()
    assert "1 sparse initializers" in refused(model, UnsupportedError)


def test_an_output_that_nothing_computes(refused):
    model = model_of()
    model.graph.output[0].name = "lost"
    assert "again" in refused(model)


@pytest.mark.parametrize("text", ["{", "[]", '{"minimum": ["0x1p0"]}', '{"minimum": [1]}'])
def test_a_normalisation_that_is_not_readable(refused, text):
    model = model_of()
    onnx.helper.set_model_props(model, {onnx_read.NORMALISATION: text})
    assert "property 'secateur.normalisation' is not readable" in refused(model)


def external(folder, location="weights.bin", data=b"", **entries):
    """Write a model whose weight lies in another file."""
    model = model_of()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if data:
        (folder / "weights.bin").write_bytes(data)
    return folder / "model.onnx"


def test_weights_in_a_file_beside_it(tmp_path):
    weight = np.array([[1, 2], [3, 4]], np.float32)
    path = external(tmp_path, data=weight.tobytes())
    network = read_onnx(path)
    assert (network.nodes[1].layer.operator.weight == weight.T).all()
    both = path.read_bytes() + weight.tobytes()
    assert network.origin.digest == hashlib.sha256(both).hexdigest()


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "a/../../weights.bin", "link", ""]
)
def test_weights_in_a_file_outside_the_folder(refused, tmp_path, location):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    (folder / "link").symlink_to(tmp_path / "weights.bin")
    path = external(folder, location)
    assert "outside the folder" in refused(None, FormatError, path)


def test_weights_in_a_missing_or_cut_file(refused, tmp_path):
    path = external(tmp_path)
    assert "'weights.bin', which is missing" in refused(None, FileError, path)
    path = external(tmp_path, data=bytes(7))
    assert "tensor 'w'" in refused(None, FormatError, path)
    path = external(tmp_path, data=bytes(16), offset="8", length="16")
    assert "tensor 'w'" in refused(None, FormatError, path)


def test_the_origin_names_the_file_and_its_digest(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of().SerializeToString())
    origin = read_onnx(str(path)).origin
    assert (origin.path, origin.format, origin.dtype) == (str(path), "onnx", "float32")
    assert origin.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    copy = shutil.copy(path, tmp_path / "copy.onnx")
    assert read_onnx(copy).origin.digest == origin.digest


def test_a_wrong_import_is_caught(refused, monkeypatch):
    def wrong(file, normalisation, keep):
        lowered = lower(file, normalisation, keep)
        node = lowered.network.nodes[1]
        bias = np.array([0.0, 1e-2])
        layer = type(node.layer)(node.layer.operator, bias)
        network = lowered.network.with_layers({node.name: layer})
        return type(lowered)(network, lowered.constants, lowered.activations)

    monkeypatch.setattr(onnx_read, "lower", wrong)
    text = refused(model_of(), MismatchError)
    assert "disagrees with the reference evaluator: at the point [" in text
    assert "0.01 apart where 0.0001 is allowed" in text


def test_shapes_beyond_memory_are_refused_before_they_are_made(refused):
    inputs = [make_tensor_value_info("x", FLOAT, [1, 2**40])]
    assert "at most 16777216 entries" in refused(model_of(inputs=inputs), UnsupportedError)
    pads = {"p": np.array([0, 0, 0, 2**33])}
    nodes = [make_node("Pad", ["x", "p"], ["y"])]
    assert "at most 16777216" in refused(model_of(nodes, constants=pads), UnsupportedError)
    nodes = [make_node("ConstantOfShape", ["s"], ["c"]), make_node("Mul", ["x", "c"], ["y"])]
    sizes = {"s": np.array([2**20, 2**20])}
    assert "at most 16777216" in refused(model_of(nodes, constants=sizes), UnsupportedError)


def test_names_with_line_breaks_stay_on_one_line(refused):
    nodes = [make_node("Re\nlu", ["x"], ["y"], name="a\nb")]
    text = refused(model_of(nodes), UnsupportedError)
    assert text.startswith(r"node 'a\nb' (Re?lu, opset 13)")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_file_is_imported_or_refused_in_one_line(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    nodes = [
        make_node("Conv", ["x", "k", "b"], ["c"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["c"], ["r"]),
        make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        make_node("Reshape", ["p", "s"], ["f"]),
        make_node("Gemm", ["f", "w"], ["y"], transB=1),
    ]
    constants = {"k": np.ones((1, 1, 2, 2), np.float32), "b": np.ones(1, np.float32)}
    constants |= {"s": np.array([1, -1]), "w": np.ones((2, 9), np.float32)}
    inputs = [make_tensor_value_info("x", FLOAT, [1, 1, 3, 3])]
    model = model_of(nodes, inputs=inputs, constants=constants)
    content = bytearray(model.SerializeToString())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    text = ""
    try:
        read_onnx(path)
    except SecateurError as error:
        text = str(error)
    assert "\n" not in text
