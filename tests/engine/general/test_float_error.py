"""Rounding errors of networks: onnxruntime stays within the bound, and bounds get better."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from secateur.engine.errors import InputError, RegionError
from secateur.engine.formats import load
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.general.float_error import cells, float_error
from secateur.engine.general.graph import Graph

WHOLE = (
    np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5]),
    np.array([0.679857769, 0.5, 0.5, 0.5, 0.5]),
)


def write_network(path: Path, seed: int, kind: str, skip: bool) -> None:
    """Write a ReLU network with three inputs, a bias in each layer, and a skip edge if asked."""
    rng = np.random.default_rng(seed)
    dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind))
    sizes = [3, *rng.integers(2, 7, 3).tolist(), 2]
    nodes, weights, x = [], {}, "x"
    for layer, (wide, out) in enumerate(pairwise(sizes)):
        weights[f"w{layer}"] = rng.normal(size=(wide, out)).astype(dtype)
        weights[f"b{layer}"] = rng.normal(size=out).astype(dtype)
        nodes.append(helper.make_node("MatMul", [x, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Add", [f"m{layer}", f"b{layer}"], [f"a{layer}"]))
        x = f"a{layer}"
        if layer < 3:
            nodes.append(helper.make_node("Relu", [x], [f"r{layer}"]))
            x = f"r{layer}"
    if skip:
        weights["s"] = rng.normal(size=(sizes[1], 2)).astype(dtype)
        nodes.append(helper.make_node("Gemm", ["r0", "s", x], ["joined"]))
        nodes.append(helper.make_node("Sub", ["joined", "b3"], ["y"]))
    else:
        nodes.append(helper.make_node("Identity", [x], ["y"]))
    number = getattr(TensorProto, kind)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", number, [1, 3])],
        [helper.make_tensor_value_info("y", number, [1, 2])],
        [numpy_helper.from_array(v, name) for name, v in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["FLOAT", "FLOAT", "DOUBLE"]),
    skip=st.booleans(),
    width=st.sampled_from([0.0, 1e-3, 0.3, 2.0]),
)
def test_exact_and_computed_values_lie_in_the_enclosure(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str, skip: bool, width: float
) -> None:
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    write_network(path, seed, kind, skip)
    network, runtime = load(path), Runtime(path)
    rng = np.random.default_rng(seed)
    center = rng.normal(size=3)
    lower, upper = ((center + side * width).astype(np.float32) for side in (-1, 1))
    lower, upper = lower.astype(np.float64), upper.astype(np.float64)
    bounds = {
        t: float_error(path, lower, upper, ["y"], parts=8, tied=t)["y"] for t in (True, False)
    }
    graph = Graph.read(path)
    found = {t: graph.enclose(lower[None], upper[None], ["y"], tied=t)["y"] for t in (True, False)}
    inner = lower + (upper - lower) * rng.random((6, 3))
    points = np.clip(inner.astype(np.float32), lower, upper).astype(np.float64)
    points[0], points[1] = lower, upper
    computed = runtime.outputs(points)
    for point, values in zip(points, computed, strict=True):
        exact = network.trace_exact(np.array([[Fraction(v) for v in point]], dtype=object))
        real = exact[network.output].fractions()[0]
        for index, value in enumerate(real):
            for tied in (True, False):
                box = found[tied]
                assert Fraction(box.low[0, 0, index]) <= value <= Fraction(box.high[0, 0, index])
                apart = abs(Fraction(float(values[index])) - value)
                assert apart <= Fraction(bounds[tied][index])
                assert apart <= Fraction(box.error[0, 0, index])
    assert (bounds[True] <= bounds[False] * (1 + 1e-9)).all()
    assert (found[True].error <= found[False].error).all()
    assert (found[True].low >= found[False].low).all()


def test_smaller_boxes_have_smaller_errors(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", 3, "FLOAT", True)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    errors = [
        float_error(tmp_path / "net.onnx", lower, upper, ["y"], parts=parts)["y"].max()
        for parts in (1, 8, 64)
    ]
    assert errors[0] >= errors[1] >= errors[2] > 0


def test_the_controllers_of_acas_xu(data: Path) -> None:
    file = data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx"
    graph = Graph.read(file)
    (output,) = graph.model.outputs
    lower = np.array([-0.303531156, -0.009549297, 0.493380324, 0.3, 0.3])
    upper = np.array([-0.298552812, 0.009549297, 0.5, 0.5, 0.5])
    error = float_error(graph, lower, upper, [output], parts=64)[output]
    assert error.shape == (5,)
    assert error.max() < 0.01
    rng = np.random.default_rng(0)
    points = (lower + (upper - lower) * rng.random((50, 5))).astype(np.float32)
    points = np.clip(points, lower, upper).astype(np.float32).astype(np.float64)
    real = load(file).evaluate(points)
    assert (np.abs(Runtime(file).outputs(points) - real) <= error + 1e-12).all()
    assert np.isfinite(float_error(graph, *WHOLE, [output], parts=32)[output]).all()


@given(
    parts=st.integers(1, 300),
    flat=st.lists(st.booleans(), min_size=1, max_size=6),
)
def test_cells_cover_the_box(parts: int, flat: list[bool]) -> None:
    lower = np.arange(len(flat)) - 0.3
    upper = lower + np.where(flat, 0.0, 0.7)
    lows, highs = cells(lower, upper, parts)
    assert 1 <= len(lows) <= parts
    assert (lows.min(axis=0) == lower).all()
    assert (highs.max(axis=0) == upper).all()
    volume = np.where(flat, 1.0, highs - lows).prod(axis=1).sum()
    assert volume == pytest.approx(np.where(flat, 1.0, upper - lower).prod())


def test_bad_questions_are_named(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", 3, "FLOAT", False)
    with pytest.raises(InputError, match="no tensor 'z'"):
        float_error(tmp_path / "net.onnx", np.zeros(3), np.ones(3), ["z"])
    with pytest.raises(RegionError, match="give 3 lower limits"):
        float_error(tmp_path / "net.onnx", np.ones(3), np.zeros(3), ["y"])


def test_boxes_of_many_inputs_are_cut_in_some() -> None:
    lower, upper = cells(np.zeros(100), np.ones(100), 256)
    assert lower.shape == (256, 100)
    assert np.prod(upper - lower, axis=1).sum() == 1.0
    assert (lower[:, 8:] == 0.0).all()
    assert (upper[:, 8:] == 1.0).all()
