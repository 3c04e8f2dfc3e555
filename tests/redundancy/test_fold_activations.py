"""Leaky ReLU, clip and abs: their phases are found, and what became linear leaves the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_write import representable
from secateur.engine.legal import violations
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.engine.verdict import Unknown
from secateur.redundancy.fold import Form, as_relus, fold
from secateur.redundancy.phase import Effort, decide_phases

QUICK = Effort(seconds=20, samples=200, starts=8, climbs=10, boxes=1000, programs=40, workers=1)
CORNER = Region.box([0.25] * 3, [0.75] * 3, "corner")
Array = NDArray[np.float64]

ACTIVATIONS = {
    "LeakyRelu, exact": helper.make_node("LeakyRelu", ["z"], ["a"], alpha=0.125),
    "LeakyRelu": helper.make_node("LeakyRelu", ["z"], ["a"], alpha=0.01),
    "PRelu": helper.make_node("PRelu", ["z", "slope"], ["a"]),
    "Clip": helper.make_node("Clip", ["z", "low", "high"], ["a"]),
    "Abs": helper.make_node("Abs", ["z"], ["a"]),
}
WIDTH = 12


def network(path: Path, activation: str, bias: Array, outputs: int = 4) -> Network:
    """Return the network ``W2 f(W1 x + bias) + 1`` of an ONNX file, its weights eighths."""
    rng = np.random.default_rng(0)
    first, second = (
        (rng.integers(-8, 9, size=size) / 8).astype(np.float32)
        for size in ((WIDTH, 3), (outputs, WIDTH))
    )
    numbers = {
        "w1": first,
        "b1": bias.astype(np.float32),
        "w2": second,
        "b2": np.ones(outputs, np.float32),
        "slope": (np.arange(WIDTH) / 16).astype(np.float32),
        "low": np.array(-1, np.float32),
        "high": np.array(4, np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["z"], transB=1),
        ACTIVATIONS[activation],
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(values, name) for name, values in numbers.items()],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return load(path)


def check(before: Network, after: Network, path: Path) -> None:
    """Assert that a network equals another in rationals on the corner, and so does its file."""
    assert not violations(after)
    some = np.random.default_rng(1).uniform(0.25, 0.75, size=(12, 3))
    wanted = before.evaluate(some, exact=True)
    assert (after.evaluate(some, exact=True) == wanted).all()
    assert not representable(after, "float32")
    save(after, path)
    assert (load(path).evaluate(some, exact=True) == wanted).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("side", [2.5, -40.0])
def test_an_activation_that_is_linear_on_the_region_costs_nothing(activation, side, tmp_path):
    # z lies in 2.5 +- 2.25, where clip is the identity, or below -37, where clip is constant
    before = network(tmp_path / "net.onnx", activation, np.full(WIDTH, side), outputs=2)
    phases = decide_phases(before, CORNER, QUICK)
    assert not phases.count(Unknown)
    assert all(finding.state != 0 for finding in phases.findings)
    found = fold(phases.linearised(), CORNER)
    after = as_relus(found.after, before)
    plain = WIDTH * 3 + WIDTH * 2
    assert found.exact
    check(before, after, tmp_path / "small.onnx")
    assert after.multiply_adds <= plain
    if activation not in ("LeakyRelu", "PRelu") or side > 0:
        assert after.multiply_adds <= 2 * 3, "everything merges"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_neurons_that_are_linear_leave_an_activation_that_is_not(activation, tmp_path):
    bias = np.repeat([2.5, -40.0, 0.0], WIDTH // 3)
    if activation == "Clip":
        bias[-4:] = -1.0  # around its lower limit
    before = network(tmp_path / "net.onnx", activation, bias)
    phases = decide_phases(before, CORNER, QUICK)
    assert not phases.count(Unknown)
    found = fold(phases.linearised(), CORNER)
    after = as_relus(found.after, before)
    assert found.exact
    assert after.neurons <= 4 * len(before.piecewise)
    assert any(step.form != Form.KEPT.value for step in found.steps)
    # no more than the skip edge, and the scales of the four neurons that may be either
    per_neuron = (before.multiply_adds - WIDTH * (3 + 4)) // WIDTH
    assert after.multiply_adds <= 8 * (3 + 4) + 4 * (3 + 4 + per_neuron)
    assert after.multiply_adds < before.multiply_adds
    check(before, after, tmp_path / "small.onnx")


def test_a_leaky_unit_is_never_written_as_a_relu(tmp_path):
    # On the region z < 0, and a = 0.01 z stays a unit because the product would round.
    before = network(tmp_path / "net.onnx", "LeakyRelu", np.full(WIDTH, -40.0))
    phases = decide_phases(before, CORNER, QUICK)
    found = fold(phases.linearised(), CORNER)
    after = as_relus(found.after, before, found.nonnegative)
    assert all((node.layer.state == 3).all() for node in after.piecewise)
    check(before, after, tmp_path / "small.onnx")
    rounded = fold(phases.linearised(), CORNER, tolerance=1e-3)
    assert rounded.after.multiply_adds == 4 * 3
    assert 0 < rounded.distance < 1e-3
    some = np.random.default_rng(1).uniform(0.25, 0.75, size=(12, 3))
    gap = before.evaluate(some, exact=True) - rounded.after.evaluate(some, exact=True)
    assert 0 < max(abs(v) for v in gap.ravel()) <= rounded.distance


def test_a_clip_whose_upper_limit_is_out_of_reach_costs_what_a_relu_costs(tmp_path):
    before = network(tmp_path / "net.onnx", "Clip", np.full(WIDTH, -1.0))
    assert before.multiply_adds > WIDTH * (3 + 4)
    phases = decide_phases(before, CORNER, QUICK)
    found = fold(phases.linearised(), CORNER)
    assert found.exact
    assert found.after.multiply_adds <= WIDTH * (3 + 4)
    assert found.after.neurons <= WIDTH
    check(before, found.after, tmp_path / "small.onnx")


@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
@pytest.mark.parametrize("kept", [1, 4])
def test_a_leaky_relu_of_any_slope_is_saved_while_neurons_are_undecided(tolerance, kept, tmp_path):
    # binary32 does not hold 1 - 0.01, of which the neurons that stay are made
    bias = np.repeat([2.5, -40.0, 0.0], [WIDTH - 2 * kept, kept, kept])
    before = network(tmp_path / "net.onnx", "LeakyRelu", bias)
    phases = decide_phases(before, CORNER, QUICK)
    assert any(finding.state == 0 for finding in phases.findings)
    for linearised in (before, phases.linearised()):
        found = fold(linearised, CORNER, tolerance)
        save(found.after, tmp_path / "small.onnx")
        again = load(tmp_path / "small.onnx")
        some = np.random.default_rng(1).uniform(0.25, 0.75, size=(12, 3))
        stored = found.after.evaluate(some, exact=True)
        assert (again.evaluate(some, exact=True) == stored).all()
        gap = max(abs(v) for v in (stored - before.evaluate(some, exact=True)).ravel())
        assert gap <= found.distance <= tolerance
        assert again.neurons <= found.after.neurons
