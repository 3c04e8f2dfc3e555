"""`secateur selfcompress`: files, records and reports, resumed runs, and refusals."""

import json
import xml.etree.ElementTree as Tree
from pathlib import Path

import numpy as np
import pytest
from pages import needs_nothing
from pictures_drawn import pictures

from secateur.compression.data import load_data
from secateur.compression.safety_file import load_safety
from secateur.compression.selfcompress_file import load_packed
from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.network import Affine, Network

QUICK = ("--float-epochs", 3, "--batch", 16, "--rate", "0.005", "--gamma", "0.05")
FRESH = ("--channels", "4", "--hidden", "8")


@pytest.fixture(autouse=True)
def data_file(tmp_path, monkeypatch):
    """A folder in which commands run, with data."""
    monkeypatch.chdir(tmp_path)
    drawn = pictures()
    np.savez("bars.npz", inputs=drawn.inputs.reshape(-1, 1, 6, 6), labels=drawn.labels)


@pytest.fixture
def trained(call, capsys):
    """Train; return exit code, record and what was said."""

    def trained(*words, start=FRESH, epochs=4):
        given = ("--data", "bars.npz", "-o", "out.onnx", "--json", "r.json", "--epochs", epochs)
        code = call("selfcompress", *start, *given, *QUICK, *words)
        said, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(Path("r.json").read_text()), " ".join(said.split())

    return trained


def test_files_hold_the_network_that_is_spoken_of(trained):
    code, record, said = trained(
        *("--pack", "out.sec", "--original", "f.onnx", "--report", "r.html"),
        *("--safety", 9, "--images", "s.npz", "--radius", "0.01", "--seconds", 5),
    )
    assert code == 0
    assert record["schema"] == "secateur.selfcompress/1"
    network, packed = load("out.onnx"), load_packed("out.sec").network()
    numbers = [
        [node.layer for node in one.nodes if isinstance(node.layer, Affine)]
        for one in (network, packed)
    ]
    for first, second in zip(*numbers, strict=True):
        assert np.array_equal(first.operator.weight, second.operator.weight)
        assert np.array_equal(first.bias, second.bias)
    assert record["packed_bytes"] == Path("out.sec").stat().st_size == record["pack"]["bytes"]
    assert record["curve"][-1]["bytes"] == record["packed_bytes"]
    assert [look["epoch"] for look in record["curve"]] == [0, 1, 2, 3, 4]
    points = pictures(seed=9).inputs[:20]
    outputs = Runtime(Path("out.onnx")).outputs(points.astype(float))
    assert np.allclose(outputs, packed.evaluate(points), atol=1e-4)
    assert load("f.onnx").size_in == 36
    data = load_data("bars.npz")
    assert len(load_safety("s.npz", data)) == 9
    Tree.fromstring(Path("s.svg").read_text())
    kept = record["certified"]
    assert kept["proved"] + kept["refuted"] + kept["unknown"] == 9
    assert f"proved for {kept['proved']}" in said
    assert record["certify"] == "secateur compare f.onnx out.onnx --region REGION"
    page = Path("r.html").read_text()
    needs_nothing(page)
    assert "How few bits" in page
    assert "The safety set" in page


def test_a_report_can_be_made_of_the_record(trained, call):
    trained()
    assert call("report", "r.json", "-o", "again.md") == 0
    text = Path("again.md").read_text()
    assert "Epoch by epoch" in text
    assert "The safety set" not in text


def test_a_network_from_a_file_is_what_it_begins_with(trained):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype("f4") * 0.3 for shape in ((8, 36), (3, 8))]
    save(Network.dense(weights, [np.zeros(8), np.zeros(3)]), "net.onnx")
    code, record, _ = trained(start=("net.onnx",))
    assert code == 0
    assert record["network"]["path"] == "net.onnx"
    assert record["layers"][0]["channels"] == 8
    assert record["accuracy"]["test"]["compressed"] > record["accuracy"]["test"]["original"]


def test_a_run_goes_on_from_its_checkpoint(trained):
    _, whole, _ = trained(epochs=3)
    first = Path("out.onnx").read_bytes()
    code, part, said = trained("--checkpoint", "c", "--resume", "--timeout", "1e-6", epochs=3)
    assert code == 20
    assert not part["complete"]
    assert "--resume go on" in said
    code, done, _ = trained("--checkpoint", "c", "--resume", epochs=3)
    assert code == 0
    assert Path("out.onnx").read_bytes() == first
    assert done["curve"] == whole["curve"]
    trained("--checkpoint", "c", "--resume", epochs=3)
    assert Path("out.onnx").read_bytes() == first


def test_what_cannot_be_used_is_refused_in_a_line(refused):
    given = ("--data", "bars.npz", "-o", "out.onnx")
    cases = (
        ((), "name a network"),
        (("none.onnx", "--hidden", "4"), "one of them"),
        (("--hidden", "4,x"), "whole numbers"),
        (("--hidden", "0"), "whole numbers"),
        ((*FRESH, "--gamma", "-1"), "at least 0"),
        ((*FRESH, "--bits", "0"), "above 0"),
        ((*FRESH, "--radius", "1"), "goes with --safety"),
        ((*FRESH, "--safety", "9", "--radius", "x"), "--radius"),
        ((*FRESH, "--safety", "0"), "1 image"),
        ((*FRESH, "--safety", "900", "--epochs", "1"), "safety set of 900"),
        ((*FRESH, "--resume"), "--checkpoint"),
        ((*FRESH, "--threshold", "2", "--safety", "3"), "threshold"),
        ((*FRESH, "--lambda", "-1", "--safety", "3"), "--lambda"),
    )
    for words, said in cases:
        assert said in refused("selfcompress", *words, *given)
    assert "is no data set" in refused("selfcompress", *FRESH, "--data", "bars", "-o", "out.onnx")
    save(Network.dense([np.eye(2)], [np.zeros(2)]), "two.onnx")
    assert "36 features" in refused("selfcompress", "two.onnx", *given)
