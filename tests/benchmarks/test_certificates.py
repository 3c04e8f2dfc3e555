"""The benchmarks of certificates, on small networks."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest

from secateur.benchmarks import cell_certificates, certificates
from secateur.benchmarks.pair_instances import Asks, Known, PairInstance
from secateur.benchmarks.redundancy_rows import Subject
from secateur.engine.agreement import Best
from secateur.engine.formats import load, save
from secateur.engine.network import Network
from secateur.engine.region import Region


def network(nudge=0.0):
    rng = np.random.default_rng(3)
    weights = [rng.integers(-8, 9, shape) / 8 for shape in ((5, 2), (4, 5), (3, 4))]
    weights[0][0, 0] += nudge
    return Network.dense(weights, [np.zeros(5), np.full(4, 0.125), np.zeros(3)])


@pytest.fixture
def instance(tmp_path):
    for name, nudge in (("f", 0.0), ("g", 2.0**-6)):
        save(network(nudge), tmp_path / f"{name}.onnx")
    sides = (Fraction(0), Fraction(0)), (Fraction(1, 2), Fraction(1, 2))
    files = tmp_path / "f.onnx", tmp_path / "g.onnx"
    return PairInstance("one", "nnequiv", *files, *sides, Asks.ALL, Fraction(1), None, Known.OPEN)


def test_a_claim_is_proved_recorded_and_checked(instance, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(certificates, "pair_instances", lambda: (instance,))
    words = ["certificates", "--families", "nnequiv", "--limit", "20"]
    monkeypatch.setattr(sys, "argv", [*words, "--json", str(tmp_path / "rows.jsonl")])
    certificates.main()
    certificates.main()  # what is there is not measured again
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert row["result"] == "checked"
    assert row["bytes"] > 100
    assert "| nnequiv | 1 | 1 |" in capsys.readouterr().out


def test_cells_are_certified_and_checked(tmp_path, monkeypatch, capsys):
    save(network(), tmp_path / "f.onnx")
    cells = tuple(Region.box([at, at], [at + 0.25, at + 0.25]) for at in (0.0, 0.25))
    one = Subject("small", load(tmp_path / "f.onnx"), Best.MIN, cells)
    monkeypatch.setattr(cell_certificates, "subject", lambda *given: one)
    words = ["cells", "--nets", "small", "--cells", "2", "--seconds", "5", "--limit", "20"]
    monkeypatch.setattr(sys, "argv", [*words, "--json", str(tmp_path / "rows.jsonl")])
    cell_certificates.main()
    cell_certificates.main()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["result"] for row in rows] == ["checked"] * 2
    assert "| small | argmin 0 | 2 | 2 |" in capsys.readouterr().out
