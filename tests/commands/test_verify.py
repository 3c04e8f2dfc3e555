"""`secateur verify` and `secateur supports`: answers, assignments, files, and what is refused."""

import json
from fractions import Fraction

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx.helper import make_node, make_opsetid, make_tensor_value_info
from oracle import extremes
from strategies import dense_networks

from secateur.engine.formats import load, save
from secateur.engine.formats.decimals import written
from secateur.engine.network import Network, Origin

FLOAT = onnx.TensorProto.FLOAT
ABSOLUTE = Network.dense(
    [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])], [np.zeros(2), np.zeros(1)]
)
ONE = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= -1 X_0 2))"
TWO = """\
(vnnlib-version <2.0>)
(declare-network f (declare-input X {0} [1]) (declare-output Y {0} [1]))
(assert (>= X[0] -1.0)) (assert (<= X[0] 2.0))
"""


def graph(path, nodes, inputs, outputs, constants=()):
    tensors = [
        onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in dict(constants).items()
    ]
    ends = [
        [make_tensor_value_info(name, FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    made = onnx.helper.make_graph(nodes, "g", *ends, tensors)
    opsets = [make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(made, opset_imports=opsets, ir_version=8), path)
    return path


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".onnx", ".nnet"])
@pytest.mark.parametrize(
    ("atom", "word", "code"),
    [("(>= Y_0 2)", "sat", 10), ("(>= Y_0 2.001)", "unsat", 0), ("(<= Y_0 -1)", "unsat", 0)],
)
def test_version_one_and_a_plain_file(ask, tmp_path, ending, atom, word, code):
    save(ABSOLUTE, tmp_path / f"abs{ending}")
    found, out, err = ask(ONE + f"(assert {atom})", tmp_path / f"abs{ending}")
    assert (found, out[0]) == (code, word)
    assert ("Refuted" if word == "sat" else "Proved") in err
    if word == "sat":
        assert out[1:] == ["X real [1]", "2.0", "Y real [1]", "2.0"]


@pytest.mark.parametrize("element", ["real", "float32"])
def test_version_two_declares_element_types(ask, absolute, element):
    text = TWO.format(element).replace("[1])", "[1,1])").replace("X[0]", "X[0,0]")
    code, out, _ = ask(text + "(assert (> Y[0,0] 1.5))", f"f={absolute}")
    assert (code, out[0], out[1], out[3]) == (10, "sat", f"X {element} [1,1]", f"Y {element} [1,1]")
    assert float(out[4]) == abs(float(out[2])) > 1.5
    assert ask(text + "(assert (> Y[0,0] 2.5))", absolute)[:2] == (0, ["unsat"])


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dense_networks(inputs=2, depth=2, width=3, outputs=1))
def test_answers_agree_with_exact_enumeration(ask, tmp_path, network):
    network = Network(network.nodes, network.output, Origin(dtype="float64"))
    path = tmp_path / "net.onnx"
    save(network, path)
    network = load(path)
    low, high = np.array([-0.5, 0.0]), np.array([0.5, 1.0])
    least, most = extremes(network, low, high, network.output)[0]
    box = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)"
    box += "(assert (<= -0.5 X_0 0.5))(assert (<= 0 X_1 1))"
    span = max(most - least, Fraction(1, 64))
    for limit, word in ((most + span / 8, "unsat"), (most - span / 8, "sat")):
        limit = Fraction(float(limit))
        _, out, _ = ask(box + f"(assert (>= Y_0 {written(limit)}))", path)
        assert out[0] == word
        if word == "sat":
            point = [Fraction(value) for value in out[2:4]]
            assert network.evaluate(point, exact=True)[0] >= limit
            assert -0.5 <= point[0] <= 0.5


def test_two_networks_copies_and_products(ask, tmp_path, absolute):
    net = (
        "(declare-network {0} {1} (declare-input X{0} real [1,1])(declare-output Y{0} real [1,1]))"
    )
    limits = "".join(f"(assert (<= {s} 2.0))(assert (>= {s} -1.0))" for s in ("Xa[0,0]", "Xb[0,0]"))
    twice = Network.dense(
        [np.array([[1.0], [-1.0]]), np.array([[2.0, 2.0]])], [np.zeros(2), np.zeros(1)]
    )
    save(twice, tmp_path / "twice.onnx")
    files = [f"a={absolute}", f"b={tmp_path / 'twice.onnx'}"]
    text = net.format("a", "") + net.format("b", "") + limits + "(assert (== Xa[0,0] Xb[0,0]))"
    assert ask(text + "(assert (> Ya[0,0] (+ Yb[0,0] 0.001)))", *files)[1] == ["unsat"]
    code, out, _ = ask(text + "(assert (< (+ Ya[0,0] 1.0) Yb[0,0]))", *files)
    assert (code, out[0]) == (10, "sat")
    xa, ya, xb, yb = (float(value) for value in out[2::2])
    assert xa == xb
    assert yb == 2 * ya == 2 * abs(xa)
    text = net.format("a", "") + net.format("b", "(equal-to a)") + limits
    code, out, _ = ask(text + "(assert (> (* Xa[0,0] Yb[0,0]) 3.99))", files[0])
    assert (code, out[0]) == (10, "sat")
    assert Fraction(out[2]) * abs(Fraction(out[6])) > Fraction("3.99")
    product = text + "(assert (> (* Xa[0,0] Yb[0,0]) 4.5))"
    assert ask(product, files[0])[1] == ["unsat"]


def test_several_tensors_hidden_ones_and_names(ask, tmp_path):
    nodes = [
        make_node("Sub", ["a", "b"], ["inside"]),
        make_node("Relu", ["inside"], ["up"]),
        make_node("Neg", ["inside"], ["down"]),
    ]
    ends = {"a": [1], "b": [1]}
    path = graph(tmp_path / "m.onnx", nodes, ends, {"up": [1], "down": [1]})
    text = """
    (declare-network f
        (declare-input B float32 [1] "b") (declare-input A float32 [1] "a")
        (declare-hidden H float32 [1] "inside")
        (declare-output D float32 [1] "down") (declare-output U float32 [1] "up"))
    (assert (>= A[0] 0.0)) (assert (<= A[0] 1.0)) (assert (>= B[0] 2.0)) (assert (<= B[0] 3.0))
    """
    code, out, _ = ask(text + "(assert (<= H[0] -1.5))(assert (<= U[0] 0.0))", f"f={path}")
    assert (code, out[0]) == (10, "sat")
    assert [line.split()[0] for line in out[1::2]] == ["B", "A", "H", "D", "U"]
    b, a, hidden, down, up = (float(value) for value in out[2::2])
    assert (hidden, down, up) == (a - b, b - a, 0.0)
    assert hidden <= -1.5
    assert ask(text + "(assert (>= U[0] 0.5))", path)[1] == ["unsat"]


def test_operators_outside_the_networks_go_to_the_general_engine(ask, tmp_path):
    path = graph(tmp_path / "s.onnx", [make_node("Sigmoid", ["x"], ["y"])], {"x": [1]}, {"y": [1]})
    record = tmp_path / "r.json"
    text = TWO.format("float32")
    words = ("--json", record)
    code, out, _ = ask(text + "(assert (>= Y[0] 0.75))", f"f={path}", words=words)
    assert (code, out[0], float(out[4]) >= 0.75) == (10, "sat", True)
    assert json.loads(record.read_text())["engine"] == "general"
    assert ask(text + "(assert (>= Y[0] 0.9))", f"f={path}", words=words)[1] == ["unsat"]


def test_an_empty_input_set_is_reported(ask, absolute, tmp_path):
    record = tmp_path / "r.json"
    text = ONE + "(assert (>= X_0 3)) (assert (>= Y_0 0))"
    code, out, err = ask(text, absolute, words=("--json", record))
    assert (code, out) == (0, ["unsat"])
    assert "No input satisfies what the query says of inputs alone" in err
    assert json.loads(record.read_text())["vacuous"] is True


def test_assignments_are_stored_as_tensors(ask, absolute, tmp_path):
    folder = tmp_path / "found"
    for element, kind in (("float32", np.float32), ("real", np.float64)):
        text = TWO.format(element).replace("[1])", "[1,1])").replace("X[0]", "X[0,0]")
        words = ("--serialise-assignments", folder)
        code, out, _ = ask(text + "(assert (>= Y[0,0] 1.5))", absolute, words=words)
        assert (code, out) == (10, ["sat"])
        x, y = (
            onnx.numpy_helper.to_array(onnx.load_tensor(folder / f"{name}.pb")) for name in "XY"
        )
        assert x.shape == y.shape == (1, 1)
        assert x.dtype == y.dtype == kind
        assert y == abs(x)


def test_a_decimal_that_no_float_holds_is_no_float32(ask, absolute):
    text = "(assert (== X[0,0] 0.1)) (assert (<= Y[0,0] 0.1))"
    declared = "(declare-network f (declare-input X {0} [1,1]) (declare-output Y {0} [1,1]))"
    code, out, _ = ask(declared.format("real") + text, absolute)
    assert (code, out[:3]) == (10, ["sat", "X real [1,1]", "0.1"])
    assert ask(declared.format("float32") + text, absolute, words=("--timeout", 5))[0] != 10
