"""`secateur supports`: the words of the VNN-LIB standard."""

import pytest


@pytest.mark.parametrize(
    ("capability", "lines"),
    [
        ("--vnnlib-versions", ["1.0", "2.0"]),
        ("--multiple-network-theories", ["SNET", "MENET", "MINET", "MNET"]),
        ("--multiple-input-output-theories", ["SIO", "MIO"]),
        ("--hidden-node-theories", ["NH", "H"]),
        ("--multiple-node-comparison-theories", ["SNC", "MNC"]),
        ("--arithmetic-complexity-theories", ["BND", "OUTC", "LIN", "POLY"]),
        ("--serialise-assignments", ["true"]),
        ("--optimised-disjunctive-reasoning", ["true"]),
        ("--unsat-proofs", ["false"]),
    ],
)
def test_capabilities_are_bare_words(call, capsys, capability, lines):
    assert call("supports", capability) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_capabilities_of_onnx(call, capsys):
    assert call("supports", "--onnx-opset-versions") == 0
    oldest, newest = capsys.readouterr().out.split()
    assert int(oldest) < int(newest)
    assert call("supports", "--onnx-operators") == 0
    operators = capsys.readouterr().out.split()
    assert {"Relu", "Gemm", "Conv", "Sigmoid"} <= set(operators)
    assert operators == sorted(set(operators))
    assert call("supports", "--onnx-element-types") == 0
    assert {"real", "float32"} <= set(capsys.readouterr().out.split())
    assert call("supports", "--colours") == 2
    assert "no such capability; ask for one of --onnx-opset-versions" in capsys.readouterr().err


def test_the_name_is_printed(call, capsys):
    assert call("--name") == 0
    assert capsys.readouterr().out == "secateur\n"
