"""Networks that compute one thing in real numbers and another in float32: both are answered."""

import numpy as np
import pytest

from secateur.engine.formats import save
from secateur.engine.network import Affine, Input, Network, Node, Origin, Quantize
from secateur.engine.operators import Dense

QUERY = """(vnnlib-version <2.0>)
(declare-network f
  (declare-input X float32 [1,1])
  (declare-output Y float32 [1,1])
)
(assert (>= X[0,0] {0}))
(assert (<= X[0,0] {1}))
(assert {2})
"""


def dense(*layers):
    weights, biases = zip(*layers, strict=True)
    return Network.dense(list(weights), list(biases), Origin(dtype="float32"))


def absorbed(big):
    """x + big - big: x in real numbers, and 0 in float32, whose numbers there are far apart."""
    return dense(([[1.0]], [big]), ([[1.0]], [-big]))


CASES = {
    "a bias of 2^24 absorbs the input": (absorbed(2.0**24), "0.25", "0.75", "(<= Y[0,0] 0.125)"),
    "a bias of 2^57 absorbs the input": (absorbed(2.0**57), "0.25", "0.75", "(<= Y[0,0] 0.125)"),
    "a pair of 1e17 absorbs a bias": (
        # relu(1e17 + x) - 1e17 + 1, the 1 added inside the first neuron
        dense(
            ([[1.0], [0.0]], [float(np.float32(1e17)), 1.0]),
            ([[1.0, 1.0]], [-float(np.float32(1e17))]),
        ),
        "0.5",
        "0.75",
        "(<= Y[0,0] 0.75)",
    ),
    "a weight of 2^25 loses a unit": (
        dense(([[2.0**25], [1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [-(2.0**25)])),
        "1.0",
        "1.0",
        "(<= Y[0,0] 0.5)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_semantics_are_answered_and_both_are_right(name, ask, tmp_path):
    network, low, high, wrong = CASES[name]
    save(network, tmp_path / "f.onnx")
    text = QUERY.format(low, high, wrong)
    code, out, _ = ask(text, f"f={tmp_path / 'f.onnx'}", words=("--semantics", "real"))
    assert (code, out) == (0, ["unsat"])
    code, out, _ = ask(text, f"f={tmp_path / 'f.onnx'}", words=("--semantics", "float32"))
    assert (code, out[0]) == (10, "sat")


@pytest.mark.parametrize("big", [2.0**24, 2.0**57])
def test_what_holds_of_floats_alone_is_refuted_of_real_numbers(big, ask, tmp_path):
    save(absorbed(big), tmp_path / "f.onnx")
    text = QUERY.format("0.25", "0.375", "(>= Y[0,0] 0.3)")
    words = ("--semantics", "real", "--timeout", "5")
    code, out, _ = ask(text, f"f={tmp_path / 'f.onnx'}", words=words)
    assert (code, out[0]) != (0, "unsat")


def test_rounded_activations_are_answered_in_real_numbers_and_else_refused(ask, tmp_path):
    nodes = (
        Node("input", Input((1,))),
        Node("grid", Quantize.uniform(1, 0.25, -8, 8), ("input",)),
        Node("twice", Affine(Dense(np.full((1, 1), 2.0)), np.zeros(1)), ("grid",)),
    )
    save(Network(nodes, "twice", Origin(dtype="float32")), tmp_path / "f.onnx")
    text = QUERY.format("0.3", "0.35", "(<= Y[0,0] 0.4)")
    code, out, _ = ask(text, f"f={tmp_path / 'f.onnx'}", words=("--semantics", "real"))
    assert (code, out) == (0, ["unsat"])
    code, _, err = ask(text, f"f={tmp_path / 'f.onnx'}")  # the file declares float32
    assert (code, len(err.splitlines())) == (2, 1)
    assert "f.onnx" in err
    assert "--semantics real" in err
