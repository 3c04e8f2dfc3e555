"""The benchmark of certificates of image networks, on tiny networks and invented images."""

import gzip
import json
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.benchmarks import image_certificates, image_redundancy
from secateur.benchmarks.image_certificates import classes, stays
from secateur.engine.formats import save
from secateur.engine.network import Network
from secateur.engine.region import Region


def network(inputs, outputs, seed=0):
    """Two hidden layers; weights are small dyadic numbers."""
    rng = np.random.default_rng(seed)
    sizes = ((6, inputs), (5, 6), (outputs, 5))
    weights = [rng.integers(-8, 9, size) / 16 for size in sizes]
    return Network.dense(weights, [rng.integers(-8, 9, size[0]) / 8 for size in sizes])


@given(st.integers(0, 20), st.integers(0, 2), st.data())
def test_the_claim_is_refuted_where_another_output_is_as_large(seed, digit, data):
    region = Region.box([Fraction(1, 3)] * 2, [Fraction(2, 3)] * 2, "box")
    claim = stays(network(2, 3, seed), region, digit)
    point = [data.draw(st.fractions(0, 1, max_denominator=6)) for _ in range(2)]
    values = [data.draw(st.integers(-2, 2).map(Fraction)) for _ in range(3)]
    others = [value for at, value in enumerate(values) if at != digit]
    inside = all(Fraction(1, 3) <= one <= Fraction(2, 3) for one in point)
    assert claim.holds([*point, *values]) == (inside and max(others) >= values[digit])


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """A folder with a few images and a network in place of a trained one."""
    monkeypatch.setattr(image_redundancy, "TRAIN", 3)
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.integers(0, 256, (6, 784)), rng.integers(0, 10, (6, 1))], 1)
    with gzip.open(tmp_path / "images.csv.gz", "wt") as stream:
        np.savetxt(stream, rows, fmt="%d", delimiter=",")
    save(network(784, 10), tmp_path / "dense-seed0.onnx")
    return tmp_path


def told(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["image_certificates", *map(str, words)])
    image_certificates.main()
    return capsys.readouterr()


@pytest.mark.parametrize("keep", ["class", "outputs"])
def test_classes_and_cuts_are_certified_and_checked(ready, monkeypatch, capsys, keep):
    rows = ready / "rows.jsonl"
    words = (
        *("--images", ready / "images.csv.gz", "--networks", ready, "--nets", "dense"),
        *("--radii", "0.0001,0.5", "--cut-radii", "0.0001", "--pictures", 1, "--seconds", 5),
        *("--json", rows, "--keep", keep, "--tolerance", "0.25"),
    )
    said = told(monkeypatch, capsys, *words)
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["kind"] for row in found] == ["class", "class", "cut"]
    assert [row["result"] for row in found] == ["checked", "refuted", "checked"]
    for row in (found[0], found[2]):
        assert row["nodes"] == 2 * (row["halved"] + row["fixed"]) + row["lemmas"]
        assert 0 <= row["helped"] <= row["entries"]
        assert min(row["bytes"], row["checked"]) > 0
    assert found[0]["entries"] == 9
    assert "| dense | 0.0001 | 1 | 1 | 0 | 0 | 1 (100%) | 1 | 0 | 0 | 9 | 0 |" in said.out
    assert "| dense | 0.5 | 1 | 0 | 1 | 0 | - |" in said.out
    assert "no certificate because" not in said.out
    told(monkeypatch, capsys, *words)  # what is there is not measured again
    assert len(rows.read_text().splitlines()) == 3


def test_what_is_proved_and_not_recorded_is_counted():
    row = {"kind": "class", "network": "n", "radius": 0.1, "result": "not recorded"}
    (line,) = classes([row, row | {"result": "open"}])
    assert (line["asked"], line["proved"], line["open"]) == (2, 1, 1)
    assert line["certified"] == "0 (0%)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--radii", "x"), "--radii x"),
        (("--cut-radii", "2"), "each must be above 0"),
        (("--nets", "none"), "there is no network"),
        (("--json", "rows.jsonl"), "without --networks"),
        (("--pictures", "0"), "--pictures"),
    ],
)
def test_a_wrong_option_is_one_line(ready, monkeypatch, capsys, words, said):
    with pytest.raises(SystemExit):
        told(monkeypatch, capsys, "--images", ready / "images.csv.gz", *words)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
