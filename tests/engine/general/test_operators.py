"""Every operator's enclosure holds real values and onnxruntime's values, at any point of a box."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from secateur.engine.errors import FormatError, UnsupportedError
from secateur.engine.general.graph import Graph
from secateur.engine.general.operators import RULES

OPSET = 19
BOXES = 4

# Each entry: operator, shapes of what it reads from the input, constants behind it, attributes,
# and the range of the input. The input is one tensor; with two shapes it is split in two.
CASES = [
    ("Abs", [(2, 3)], [], {}, (-2, 2)),
    ("Add", [(2, 3), (3,)], [], {}, (-2, 2)),
    ("And", [(2, 3), (2, 3)], [], {}, (-1, 1)),
    ("AveragePool", [(1, 2, 5, 4)], [], {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1]}, (-2, 2)),
    (
        "AveragePool",
        [(1, 1, 5)],
        [],
        {"kernel_shape": [2], "strides": [2], "pads": [1, 0], "count_include_pad": 1},
        (-2, 2),
    ),
    (
        "BatchNormalization",
        [(1, 3, 2)],
        ["normal3", "normal3", "normal3", "positive3"],
        {"epsilon": 1e-3},
        (-3, 3),
    ),
    ("Cast", [(2, 3)], [], {"to": TensorProto.INT64}, (-4, 4)),
    ("Cast", [(2, 3)], [], {"to": TensorProto.BOOL}, (-1, 1)),
    ("Cast", [(2, 3)], [], {"to": TensorProto.FLOAT16}, (-9, 9)),
    ("CastLike", [(2, 3)], ["whole1"], {}, (-3, 3)),
    ("Ceil", [(2, 3)], [], {}, (-3, 3)),
    ("Clip", [(2, 3)], ["minus", "plus"], {}, (-2, 2)),
    ("Concat", [(2, 2), (2, 3)], [], {"axis": 1}, (-2, 2)),
    ("Conv", [(1, 2, 5, 4)], ["kernel"], {"pads": [1, 0, 1, 1], "strides": [2, 1]}, (-2, 2)),
    ("Conv", [(1, 2, 6)], ["depthwise", "normal4"], {"group": 2, "dilations": [2]}, (-2, 2)),
    ("Conv", [(1, 2, 4, 4)], ["kernel"], {"auto_pad": "SAME_UPPER"}, (-2, 2)),
    ("DepthToSpace", [(1, 4, 2, 2)], [], {"blocksize": 2}, (-2, 2)),
    ("Div", [(2, 3), (2, 3)], [], {}, (0.5, 3)),
    ("Div", [(2, 3), (2, 3)], [], {}, (-3, 3)),
    ("Dropout", [(2, 3)], [], {}, (-2, 2)),
    ("Equal", [(2, 3), (2, 3)], [], {}, (-1, 1)),
    ("Erf", [(2, 3)], [], {}, (-4, 4)),
    ("Exp", [(2, 3)], [], {}, (-5, 5)),
    ("Expand", [(2, 1)], ["shape23"], {}, (-2, 2)),
    ("Flatten", [(2, 3, 2)], [], {"axis": 2}, (-2, 2)),
    ("Floor", [(2, 3)], [], {}, (-3, 3)),
    ("Gather", [(3, 4)], ["places"], {"axis": 1}, (-2, 2)),
    ("Gemm", [(2, 3)], ["matrix35", "normal5"], {"alpha": 0.7, "beta": 1.3}, (-2, 2)),
    ("Gemm", [(3, 2), (4, 3)], [], {"transA": 1, "transB": 1}, (-2, 2)),
    ("Gemm", [(2, 3)], ["matrix53", "normal5"], {"transB": 1}, (-2, 2)),
    ("GlobalAveragePool", [(1, 2, 3, 3)], [], {}, (-2, 2)),
    ("GlobalMaxPool", [(1, 2, 3, 3)], [], {}, (-2, 2)),
    ("Greater", [(2, 3), (3,)], [], {}, (-1, 1)),
    ("GreaterOrEqual", [(2, 3), (3,)], [], {}, (-1, 1)),
    ("Identity", [(2, 3)], [], {}, (-2, 2)),
    ("LeakyRelu", [(2, 3)], [], {"alpha": -0.3}, (-2, 2)),
    ("LeakyRelu", [(2, 3)], [], {"alpha": 0.1}, (-2, 2)),
    ("Less", [(2, 3), (3,)], [], {}, (-1, 1)),
    ("LessOrEqual", [(2, 3), (3,)], [], {}, (-1, 1)),
    ("Log", [(2, 3)], [], {}, (0.01, 4)),
    ("MatMul", [(2, 3)], ["matrix35"], {}, (-2, 2)),
    ("MatMul", [(3,)], ["matrix35"], {}, (-2, 2)),
    ("MatMul", [(2, 3), (3, 4)], [], {}, (-2, 2)),
    ("Max", [(2, 3), (3,)], ["normal3"], {}, (-2, 2)),
    (
        "MaxPool",
        [(1, 1, 5, 5)],
        [],
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        (-2, 2),
    ),
    ("Min", [(2, 3), (3,)], [], {}, (-2, 2)),
    ("Mul", [(2, 3), (3,)], [], {}, (-2, 2)),
    ("Neg", [(2, 3)], [], {}, (-2, 2)),
    ("Not", [(2, 3)], [], {}, (-1, 1)),
    ("Or", [(2, 3), (2, 3)], [], {}, (-1, 1)),
    ("PRelu", [(2, 3)], ["normal3"], {}, (-2, 2)),
    ("Pad", [(2, 3)], ["pads", "plus"], {}, (-2, 2)),
    ("Pow", [(2, 3)], ["whole3"], {}, (-2, 2)),
    ("Pow", [(2, 3)], ["normal3"], {}, (0.1, 3)),
    ("Pow", [(2, 3), (3,)], [], {}, (0.1, 3)),
    ("Reciprocal", [(2, 3)], [], {}, (0.2, 3)),
    ("ReduceMax", [(2, 3, 2)], ["axes"], {"keepdims": 0}, (-2, 2)),
    ("ReduceMean", [(2, 3, 2)], ["axes"], {"keepdims": 0}, (-2, 2)),
    ("ReduceMin", [(2, 3, 2)], ["axes"], {}, (-2, 2)),
    ("ReduceSum", [(2, 3, 2)], ["axes"], {"keepdims": 1}, (-2, 2)),
    ("Relu", [(2, 3)], [], {}, (-2, 2)),
    ("Reshape", [(2, 3)], ["shape3m"], {}, (-2, 2)),
    ("Round", [(2, 3)], [], {}, (-3, 3)),
    ("Sigmoid", [(2, 3)], [], {}, (-30, 30)),
    ("Sign", [(2, 3)], [], {}, (-1, 1)),
    ("Slice", [(4, 5)], ["starts", "ends"], {}, (-2, 2)),
    ("Softmax", [(2, 4)], [], {"axis": 0}, (-40, 40)),
    ("Softmax", [(2, 4)], [], {}, (-3, 3)),
    ("Softplus", [(2, 3)], [], {}, (-20, 20)),
    ("SpaceToDepth", [(1, 1, 4, 4)], [], {"blocksize": 2}, (-2, 2)),
    ("Split", [(2, 4)], [], {"axis": 1, "num_outputs": 1}, (-2, 2)),
    ("Sqrt", [(2, 3)], [], {}, (0, 4)),
    ("Squeeze", [(2, 1, 3)], ["one"], {}, (-2, 2)),
    ("Sub", [(2, 3), (3,)], [], {}, (-2, 2)),
    ("Sum", [(2, 3), (3,)], ["normal3"], {}, (-2, 2)),
    ("Tanh", [(2, 3)], [], {}, (-12, 12)),
    ("Tile", [(2, 3)], ["shape23"], {}, (-2, 2)),
    ("Transpose", [(2, 3)], [], {"perm": [1, 0]}, (-2, 2)),
    ("Unsqueeze", [(2, 3)], ["one"], {}, (-2, 2)),
    ("Where", [(2, 3), (2, 3), (2, 3)], [], {}, (-1, 1)),
    ("Xor", [(2, 3), (2, 3)], [], {}, (-1, 1)),
]
BOOLEAN = {"And": [0, 1], "Not": [0], "Or": [0, 1], "Where": [0], "Xor": [0, 1]}


def constant(name: str, rng: np.random.Generator) -> np.ndarray:
    integers = {
        "axes": [0, 2],
        "ends": [4, -1],
        "one": [1],
        "pads": [1, 0, 0, 2],
        "places": [[3, 0], [1, -1]],
        "shape23": [2, 3],
        "shape3m": [3, -1],
        "starts": [1, 0],
        "whole1": [1],
    }
    if name in integers:
        return np.array(integers[name], dtype=np.int64)
    if name in ("minus", "plus"):
        return np.array({"minus": -0.7, "plus": 0.9}[name], dtype=np.float32)
    if name == "whole3":
        return np.array([2.0, 3.0, 0.0], dtype=np.float32)
    shapes = {
        "kernel": (3, 2, 2, 3),
        "depthwise": (4, 1, 2),
        "matrix35": (3, 5),
        "matrix53": (5, 3),
    }
    shape = shapes.get(name) or (int(name[-1]),)
    values = rng.normal(size=shape)
    return (np.abs(values) + 0.1 if name.startswith("positive") else values).astype(np.float32)


def model(case: tuple, rng: np.random.Generator, scale: float | None = None) -> onnx.ModelProto:
    """Return a model with one input, moved by an affine map first if ``scale`` is given.

    The map makes the operator's operands carry an error already.
    """
    operator, shapes, constants, attributes, _ = case
    sizes = [int(np.prod(shape)) for shape in shapes]
    nodes, given, source = [], {}, "x"
    if scale is not None:
        given["scale"], given["zero"] = np.float32(scale), np.float32(0.1)
        nodes += [helper.make_node("Mul", ["x", "scale"], ["x1"])]
        nodes += [helper.make_node("Add", ["x1", "zero"], ["x2"])]
        nodes += [helper.make_node("Sub", ["x2", "zero"], ["x3"])]
        source = "x3"
    given["sizes"] = np.array(sizes, dtype=np.int64)
    nodes.append(helper.make_node("Split", [source, "sizes"], [f"s{i}" for i in range(len(sizes))]))
    names = []
    for index, shape in enumerate(shapes):
        given[f"shape{index}"] = np.array(shape, dtype=np.int64)
        nodes.append(helper.make_node("Reshape", [f"s{index}", f"shape{index}"], [f"r{index}"]))
        names.append(f"r{index}")
        if index in BOOLEAN.get(operator, []):
            given["null"] = np.float32(0)
            nodes.append(helper.make_node("Greater", [f"r{index}", "null"], [f"b{index}"]))
            names[-1] = f"b{index}"
    for index, name in enumerate(constants):
        given[f"c{index}"] = constant(name, rng)
        names.append(f"c{index}")
    nodes.append(helper.make_node(operator, names, ["y"], **attributes))
    return _model(nodes, given, sum(sizes), TensorProto.FLOAT)


def _model(nodes: list, given: dict, size: int, kind: int, opset: int = OPSET) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, [size])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in given.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def doubled(proto: onnx.ModelProto) -> ReferenceEvaluator:
    """Return the same model over float64, its numbers widened exactly."""
    wide = onnx.ModelProto()
    wide.CopyFrom(proto)
    del wide.graph.initializer[:]
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        values = values.astype(np.float64) if values.dtype == np.float32 else values
        wide.graph.initializer.append(numpy_helper.from_array(values, tensor.name))
    wide.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.DOUBLE
    return ReferenceEvaluator(wide)


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def boxes(rng: np.random.Generator, size: int, limits: tuple, width: float) -> tuple:
    low, high = limits
    center = rng.uniform(low, high, (BOXES, size))
    center[0] = np.round(center[0])  # where things jump
    lower = np.maximum(center - width * rng.random((BOXES, size)), low).astype(np.float32)
    upper = np.maximum(lower, np.minimum(center + width, high).astype(np.float32))
    lower[-1] = upper[-1]  # a point
    return lower.astype(np.float64), upper.astype(np.float64)


def points(rng: np.random.Generator, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    inner = (lower + (upper - lower) * rng.random((3, len(lower)))).astype(np.float32)
    mixed = np.where(rng.random((2, len(lower))) < 0.5, lower, upper)
    return np.clip(np.concatenate([lower[None], upper[None], mixed, inner]), lower, upper)


def check(proto: onnx.ModelProto, limits: tuple, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    graph = Graph.read(proto.SerializeToString())
    width = float(rng.choice([0.0, 1e-6, 0.1, 1.0]))
    lower, upper = boxes(rng, graph.size, limits, width)
    found = graph.enclose(lower, upper, ["y"], tied=tied)["y"]
    exact, runtime = doubled(proto), session(proto)
    coarse = 1e-7 if proto.graph.node[-1].op_type == "Erf" else 1e-12  # the reference's own error
    for box in range(BOXES):
        for point in points(rng, lower[box], upper[box]):
            with np.errstate(all="ignore"):
                real = np.asarray(exact.run(None, {"x": point})[0], dtype=np.float64)
                got = np.asarray(runtime.run(None, {"x": point.astype(np.float32)})[0], np.float64)
            assert real.shape == found.low.shape[1:]
            slack = coarse * (1 + np.abs(real))
            low, high, error = found.low[box], found.high[box], found.error[box]
            assert ((low - slack <= real) & (real <= high + slack) | np.isnan(real)).all()
            assert (np.isnan(real) <= ~np.isfinite(low)).all()
            with np.errstate(invalid="ignore"):
                near = np.abs(got - real) <= error + slack
            inside = (got >= low - error) & (got <= high + error) & near
            assert (inside | np.isinf(error)).all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_operator_on_exact_operands(case: tuple, seed: int) -> None:
    check(model(case, np.random.default_rng(seed)), case[-1], seed, tied=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_an_operator_on_operands_with_errors(case: tuple, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    check(model(case, rng, float(rng.choice([1.0, 0.7, -0.3]))), case[-1], seed, tied)


def test_every_operator_is_tested() -> None:
    assert {case[0] for case in CASES} | {"ConstantOfShape"} == set(RULES)


def test_a_shape_that_depends_on_the_inputs_is_refused() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["s"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["s"], ["y"]),
    ]
    proto = _model(nodes, {}, 2, TensorProto.FLOAT)
    with pytest.raises(UnsupportedError, match=r"input 0 .'s'. depends on the inputs"):
        Graph.read(proto.SerializeToString(), "net.onnx")


CHAINS = ["Conv", "Sigmoid", "Tanh", "Relu", "LeakyRelu", "Mul", "Add"]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), names=st.lists(st.sampled_from(CHAINS), max_size=5))
def test_chains_of_operators(seed: int, names: list[str]) -> None:
    rng = np.random.default_rng(seed)
    given = {"image": np.array([1, 1, 3, 3]), "flat": np.array([1, -1])}
    nodes, x = [helper.make_node("Reshape", ["x", "image"], ["h"])], "h"
    for index, name in enumerate([*names, "Conv"]):
        out, read = f"h{index}", [x]
        if name in ("Conv", "Mul", "Add"):
            shape = (1, 1, 3, 3) if name == "Conv" else (3, 1)
            given[f"c{index}"] = rng.normal(size=shape).astype(np.float32)
            read.append(f"c{index}")
        attributes = {"pads": [1, 1, 1, 1]} if name == "Conv" else {}
        nodes.append(helper.make_node(name, read, [out], **attributes))
        x = out
    given["last"] = rng.normal(size=(9, 2)).astype(np.float32)
    nodes.append(helper.make_node("Reshape", [x, "flat"], ["row"]))
    nodes.append(helper.make_node("MatMul", ["row", "last"], ["y"]))
    check(_model(nodes, given, 9, TensorProto.FLOAT), (-2, 2), seed, tied=True)


@pytest.mark.parametrize("opset", [7, 12, 13, 17, 21, onnx.defs.onnx_opset_version()])
def test_opsets_old_and_new(opset: int) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["h"]),
        helper.make_node("Reshape", ["h", "two"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"], axis=1),
    ]
    given = {"w": np.float32(1.5), "two": np.array([2, 2], dtype=np.int64)}
    proto = _model(nodes, given, 4, TensorProto.FLOAT, opset)
    found = Graph.read(proto.SerializeToString()).enclose(np.zeros((1, 4)), np.ones((1, 4)), ["y"])[
        "y"
    ]
    least = 1 / (1 + np.exp(1.5))
    np.testing.assert_allclose(found.low, least, atol=1e-12)
    np.testing.assert_allclose(found.high, 1 - least, atol=1e-12)


def test_a_divisor_that_may_be_zero_gives_nothing() -> None:
    proto = _model([helper.make_node("Div", ["one", "x"], ["y"])], {"one": np.float32(1)}, 1, 1)
    found = Graph.read(proto.SerializeToString()).enclose(
        np.array([[-1.0], [0.0], [1e-30]]), np.array([[1.0], [1.0], [1.0]]), ["y"]
    )["y"]
    assert (found.low.ravel() == [-np.inf, -np.inf, 1.0]).all()
    assert (np.isinf(found.error.ravel()) == [True, True, False]).all()


def test_what_overflows_in_float_only_keeps_its_real_range() -> None:
    nodes = [helper.make_node("Mul", ["x", "x"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    found = Graph.read(_model(nodes, {}, 1, 1).SerializeToString()).enclose(
        np.array([[1e30]]), np.array([[1e30]]), ["y"]
    )["y"]
    assert found.low[0, 0] <= 1e60 <= found.high[0, 0] < 1.0001e60
    assert np.isinf(found.error).all()


def test_an_unknown_operator_is_named() -> None:
    proto = _model([helper.make_node("Det", ["x"], ["y"])], {}, 4, TensorProto.FLOAT)
    with pytest.raises(UnsupportedError, match="Det"):
        Graph.read(proto.SerializeToString(), "net.onnx")


def test_a_broken_reshape_is_placed() -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"], name="bad")]
    proto = _model(nodes, {"s": np.array([3, 3], dtype=np.int64)}, 4, TensorProto.FLOAT)
    with pytest.raises(FormatError, match="node 'bad'"):
        Graph.read(proto.SerializeToString(), "net.onnx")
