"""Claims about graphs of any operators: right answers, honest doubts, exact witnesses."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from secateur.engine.answer import Answer, Effort
from secateur.engine.claim import Claim
from secateur.engine.errors import InputError
from secateur.engine.formats.vnnlib_claims import read_claim
from secateur.engine.general.decide import decide_general
from secateur.engine.verdict import Method, Proved, Refuted, Unknown


def build(path: Path, nodes: list, constants: dict, inputs: dict, outputs: list) -> Path:
    """Write a model; ``inputs`` gives shapes, ``outputs`` names."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 19)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def claim(folder: Path, text: str) -> Claim:
    path = folder / "query.vnnlib"
    path.write_text("(vnnlib-version <2.0>)\n" + text)
    return read_claim(path)


def one(size: int, outputs: int, kind: str = "float32") -> str:
    return (
        f"(declare-network N (declare-input X {kind} [{size}]) "
        f"(declare-output Y {kind} [{outputs}]))\n"
    )


def box(*limits: tuple[object, object]) -> str:
    return "".join(
        f"(assert (>= X[{i}] {low})) (assert (<= X[{i}] {high}))\n"
        for i, (low, high) in enumerate(limits)
    )


def ask(folder: Path, model: Path, text: str, **effort: object) -> Answer:
    query = claim(folder, text)
    files = {network.name: model for network in query.networks}
    return decide_general(query, files, Effort(**{"seconds": 20.0, **effort}))  # type: ignore[arg-type]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a model whose output is its input plus zero, and a hidden tensor twice the input."""
    nodes = [
        helper.make_node("Add", ["x", "zero"], ["y"]),
        helper.make_node("Mul", ["x", "two"], ["h"]),
    ]
    constants = {"zero": np.float32(0), "two": np.float32(2)}
    return build(tmp_path / "copy.onnx", nodes, constants, {"x": [2]}, ["y"])


@pytest.mark.parametrize("kind", ["float32", "real"])
@pytest.mark.parametrize("who", ["X", "Y"])
def test_products_have_their_extremes_at_corners(
    tmp_path: Path, copy: Path, kind: str, who: str
) -> None:
    square = one(2, 2, kind) + box((0, 2), (0, 2))
    far = ask(tmp_path, copy, square + f"(assert (>= (* {who}[0] {who}[1]) 4.5))")
    assert isinstance(far.verdict, Proved)
    assert far.boxes == 1
    assert far.verdict.method is Method.INTERVAL
    corner = ask(tmp_path, copy, square + f"(assert (>= (* {who}[0] {who}[1]) 4.0))")
    assert isinstance(corner.verdict, Refuted)
    assert corner.verdict.witnesses[0].point == (2, 2)


def test_squares_mixed_terms_and_differences(tmp_path: Path, copy: Path) -> None:
    text = one(2, 2) + box((-1, 1), (-1, 1))
    # x^2 + y^2 - x y >= 3.1 has no solution, its maximum is 3 at (1, -1)
    form = "(- (+ (* X[0] X[0]) (* X[1] X[1])) (* X[0] X[1]))"
    assert isinstance(ask(tmp_path, copy, text + f"(assert (>= {form} 3.1))").verdict, Proved)
    found = ask(tmp_path, copy, text + f"(assert (>= {form} 2.9))").verdict
    assert isinstance(found, Refuted)
    x, y = found.witnesses[0].point
    assert x * x + y * y - x * y >= Fraction("2.9")


def test_strict_and_closed_limits_differ_at_the_edge(tmp_path: Path, copy: Path) -> None:
    text = one(2, 2, "real") + box((0, 1), (0, 1))
    closed = ask(tmp_path, copy, text + "(assert (>= (* Y[0] Y[0]) 1))")
    strict = ask(tmp_path, copy, text + "(assert (> (* Y[0] Y[0]) 1))")
    assert isinstance(closed.verdict, Refuted)
    assert isinstance(strict.verdict, Proved)
    assert isinstance(ask(tmp_path, copy, text + "(assert (> X[0] 1))").verdict, Proved)


def test_hidden_tensors_take_part(tmp_path: Path, copy: Path) -> None:
    text = (
        "(declare-network N (declare-input X float32 [2]) "
        '(declare-hidden H float32 [2] "h") (declare-output Y float32 [2]))\n'
    ) + box((0, 1), (0, 1))
    assert isinstance(ask(tmp_path, copy, text + "(assert (>= H[0] 2.1))").verdict, Proved)
    found = ask(tmp_path, copy, text + "(assert (>= H[0] (+ X[0] 0.5)))").verdict
    assert isinstance(found, Refuted)
    assert found.witnesses[0].point[0] >= 0.5


def test_softmax_adds_up_to_one(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "square"], ["r"]),
        helper.make_node("Softmax", ["r"], ["s"], axis=1),
        helper.make_node("Reshape", ["s", "flat"], ["y"]),
    ]
    constants = {"square": np.array([2, 2]), "flat": np.array([4])}
    model = build(tmp_path / "softmax.onnx", nodes, constants, {"x": [4]}, ["y"])
    text = one(4, 4, "real") + box(*[(-10, 10)] * 4)
    proved = ask(tmp_path, model, text + "(assert (> (+ Y[0] Y[1]) 1.0001))")
    assert isinstance(proved.verdict, Proved)
    assert proved.boxes == 1
    other = ask(tmp_path, model, text + "(assert (> (+ Y[0] Y[2]) 1.9))").verdict
    assert isinstance(other, Refuted)


def test_several_networks_inputs_and_outputs(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["a", "b"], ["p"]),
        helper.make_node("Sigmoid", ["p"], ["q"]),
    ]
    model = build(tmp_path / "two.onnx", nodes, {}, {"a": [1], "b": [1]}, ["p", "q"])
    text = "".join(
        f"(declare-network {n} {relation} (declare-input {n}A float32 [1]) "
        f"(declare-input {n}B float32 [1]) (declare-output {n}P float32 [1]) "
        f"(declare-output {n}Q float32 [1]))\n"
        for n, relation in (("M", ""), ("K", "(equal-to M)"))
    )
    for name in ("MA", "MB", "KA", "KB"):
        text += f"(assert (>= {name}[0] 0)) (assert (<= {name}[0] 1))\n"
    query = claim(tmp_path, text + "(assert (>= MQ[0] (+ KQ[0] 0.25)))")
    assert isinstance(decide_general(query, {"M": model}).verdict, Proved)
    query = claim(tmp_path, text + "(assert (>= MQ[0] (+ KQ[0] 0.2)))")
    found = decide_general(query, {"M": model}).verdict
    assert isinstance(found, Refuted)
    assert len(found.witnesses[0].point) == 4


def test_integers_and_jumps(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT64),
    ]
    model = build(tmp_path / "cast.onnx", nodes, {}, {"x": [1]}, ["y"])
    text = "(declare-network N (declare-input X float32 [1]) (declare-output Y int64 [1]))\n"
    text += box((-2.5, 2.5))
    assert isinstance(ask(tmp_path, model, text + "(assert (>= Y[0] 3))").verdict, Proved)
    found = ask(tmp_path, model, text + "(assert (== Y[0] -2))").verdict
    assert isinstance(found, Refuted)
    # between -1 and 1 exclusive lies zero alone
    apart = "(assert (> X[0] -1)) (assert (< X[0] 1)) (assert (!= Y[0] 0))"
    assert isinstance(ask(tmp_path, model, text + apart).verdict, Proved)


def test_a_claim_within_rounding_is_neither_proved_nor_refuted(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sigmoid", ["x"], ["y"])]
    model = build(tmp_path / "sigmoid.onnx", nodes, {}, {"x": [1]}, ["y"])
    text = one(1, 1) + box((0, 1))
    bound = 1 / (1 + np.exp(-1.0)) + 1e-7
    answer = ask(tmp_path, model, text + f"(assert (>= Y[0] {bound:.12f}))", seconds=3.0)
    assert isinstance(answer.verdict, Unknown)
    real = ask(tmp_path, model, text + f"(assert (>= Y[0] {bound:.12f}))", semantics="real")
    assert isinstance(real.verdict, Proved)
    assert real.note == ""
    wide = ask(tmp_path, model, text + "(assert (>= Y[0] 0.74))")
    assert isinstance(wide.verdict, Proved)
    assert "rounds each elementary operation" in wide.note


def test_inputs_without_points(tmp_path: Path, copy: Path) -> None:
    empty = one(2, 2) + box((1, 0), (0, 1)) + "(assert (>= Y[0] 0))"
    answer = ask(tmp_path, copy, empty)
    assert isinstance(answer.verdict, Proved)
    assert answer.vacuous
    gap = one(2, 2) + box((0.1, 0.1), (0, 1)) + "(assert (>= Y[0] 0))"
    answer = ask(tmp_path, copy, gap)  # 0.1 is no float32 number
    assert isinstance(answer.verdict, Unknown)
    assert "no float32 number" in answer.note
    real = one(2, 2, "real") + box((0.1, 0.1), (0, 1)) + "(assert (>= (* Y[0] Y[0]) 0.009))"
    found = ask(tmp_path, copy, real).verdict
    assert isinstance(found, Refuted)
    assert found.witnesses[0].point[0] == Fraction(1, 10)


def test_inputs_without_limits(tmp_path: Path, copy: Path) -> None:
    half = one(2, 2, "real") + "(assert (>= X[0] 0)) (assert (<= Y[0] -1))"
    assert isinstance(ask(tmp_path, copy, half).verdict, Unknown)
    reachable = one(2, 2, "real") + "(assert (>= Y[0] 1)) (assert (<= Y[1] 0))"
    assert isinstance(ask(tmp_path, copy, reachable).verdict, Refuted)


@pytest.mark.parametrize("kind", ["real", "float32"])
def test_large_limits_are_kept(tmp_path: Path, copy: Path, kind: str) -> None:
    text = one(2, 2, kind) + box((-1e9, 1e9), (0, 1)) + "(assert (<= Y[0] -900000000))"
    assert isinstance(ask(tmp_path, copy, text).verdict, Refuted)
    far = one(2, 2, kind) + "(assert (>= X[1] 1e9)) (assert (<= X[1] 2e9)) (assert (<= Y[0] -2e4))"
    assert not isinstance(ask(tmp_path, copy, far).verdict, Proved)


def test_time_and_seed(tmp_path: Path, copy: Path) -> None:
    text = one(2, 2) + box((0, 2), (0, 2)) + "(assert (>= (* X[0] Y[1]) 3))"
    assert isinstance(ask(tmp_path, copy, text, seconds=0.0).verdict, Unknown)
    first, second = (ask(tmp_path, copy, text, seed=4).verdict for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (one(2, 2, "float16"), "declared float16"),
        (one(3, 2), r"shape \[3\]"),
        (one(2, 2).replace("Y float32", "Y int64"), "declared int64"),
        (
            one(2, 2).replace("(declare-output", "(declare-input Z float32 [1]) (declare-output"),
            "2",
        ),
    ],
)
def test_declarations_that_do_not_fit_are_refused(
    tmp_path: Path, copy: Path, text: str, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        ask(tmp_path, copy, text + "(assert (>= X[0] 0))")


def test_a_network_without_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--network N=FILE"):
        decide_general(claim(tmp_path, one(2, 2) + "(assert (>= X[0] 0))"), {})


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 1.3))
def test_random_graphs_against_sampling(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float
) -> None:
    folder, rng = tmp_path_factory.mktemp("random"), np.random.default_rng(seed)
    kinds = ["Sigmoid", "Tanh", "Relu", "Exp", "Abs"]
    nodes, constants, x = [], {}, "x"
    for layer in range(int(rng.integers(1, 4))):
        constants[f"w{layer}"] = rng.normal(size=(2, 2)).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [x, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node(str(rng.choice(kinds)), [f"m{layer}"], [f"k{layer}"]))
        x = f"k{layer}"
    nodes.append(helper.make_node("Mul", [x, "x"], ["y"]))
    model = build(folder / "net.onnx", nodes, constants, {"x": [1, 2]}, ["y"])
    session = onnxruntime.InferenceSession(model)
    points = rng.uniform(-1, 1, (200, 1, 2)).astype(np.float32)
    values = np.array([session.run(None, {"x": p})[0][0] for p in points], dtype=np.float64)
    sums = (values[:, 0] - 0.5 * values[:, 1]) * values[:, 0]
    bound = sums.min() + share * (sums.max() - sums.min()) + 1e-3
    text = "(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))\n"
    text += "".join(f"(assert (>= X[0,{i}] -1)) (assert (<= X[0,{i}] 1))\n" for i in (0, 1))
    text += f"(assert (>= (* (- Y[0,0] (* 0.5 Y[0,1])) Y[0,0]) {bound:.9f}))"
    verdict = ask(folder, model, text, seconds=1.0).verdict
    assert not (isinstance(verdict, Proved) and sums.max() >= bound)
    assert not (isinstance(verdict, Unknown) and sums.max() >= bound + 0.01)
    if isinstance(verdict, Refuted):
        point = np.array([float(v) for v in verdict.witnesses[0].point], dtype=np.float32)
        first, second = (Fraction(float(v)) for v in session.run(None, {"x": point[None]})[0][0])
        assert (first - second / 2) * first >= Fraction(f"{bound:.9f}")
