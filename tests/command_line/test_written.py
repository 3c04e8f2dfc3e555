"""What `simplify` writes: smaller networks, equal on their regions, in files of their own."""

from pathlib import Path

import numpy as np
import pytest
from calls import REGION, call, recorded, tiny

from secateur.commands.targets import distinct, each_target, slug
from secateur.engine.formats import load, save
from secateur.engine.formats.nnet import evaluate_raw
from secateur.engine.region import Region


@pytest.mark.parametrize("ending", ["onnx", "nnet"])
def test_simplify_writes_a_smaller_network_equal_on_the_region(net, tmp_path, ending, capsys):
    out = tmp_path / f"out.{ending}"
    words = ("--region", REGION, "-o", out, "--json", tmp_path / "r.json", "--workers", 1)
    assert call("simplify", net, *words) == 0
    before, after = load(net), load(out)
    region = Region.box([-0.25, 0, -0.5], [0.75, 0.5, 0])
    points = np.random.default_rng(1).integers(-8, 9, (200, 3)) / 32
    points = np.clip(points, region.lower, region.upper)
    assert (before.evaluate(points, exact=True) == after.evaluate(points, exact=True)).all()
    (cut,) = recorded(tmp_path / "r.json")["cuts"]
    assert cut["after"]["neurons"] == after.neurons < before.neurons
    assert cut["exact"]
    assert cut["distance"] == 0.0
    assert sum(cut["phases"].values()) == before.neurons
    assert cut["replayed"]["exact_difference"] == 0.0
    said = capsys.readouterr().out
    assert "Guarantee: The simplified network equals the original" in said
    assert "neurons removed, by layer and step" in said
    assert f"Written:   {out}" in " ".join(said.split("\n"))


def test_simplify_takes_a_nnet_file_in_raw_units(nnet, tmp_path):
    out = tmp_path / "out.onnx"
    assert call("simplify", nnet, "--region", "3:6,2,0:4", "--units", "raw", "-o", out) == 0
    before, after = load(nnet), load(out)
    raw = np.random.default_rng(2).uniform([3, 2, 0], [6, 2, 4], (300, 3))
    np.testing.assert_allclose(evaluate_raw(before, raw), evaluate_raw(after, raw), atol=1e-9)


def test_each_region_gives_a_file_of_its_own(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "left side.csv").write_text("lower,upper\n-1,0\n0,1\n0,1\n")
    words = ("--region", REGION, "--region", "left side.csv", "--json", "r.json", "-q")
    assert call("simplify", net, *words, "-o", "a.onnx", "--report", "r.html") == 0
    assert call("simplify", net, *words, "-o", "b_{region}.nnet") == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"a-region1.onnx", "a-left-side.onnx", "b_region1.nnet", "b_left-side.nnet"} < names
    assert [cut["output"]["path"] for cut in recorded("r.json")["cuts"]] == [
        "b_region1.nnet",
        "b_left-side.nnet",
    ]
    assert "left side.csv" in (tmp_path / "r.html").read_text()
    assert not list(tmp_path.glob("*.part"))


def test_the_same_seed_gives_the_same_network(net, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        words = ("--region", REGION, "--seed", 7, "-q")
        assert call("simplify", net, *words, "-o", tmp_path / name) == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_no_time_keeps_undecided_neurons_and_still_proves(tmp_path, capsys):
    save(tiny(sizes=(6, 40, 40, 3), seed=5), tmp_path / "net.onnx")
    words = ("--region", ",".join(["-1:1"] * 6), "--timeout", 0.001)
    out, record = tmp_path / "out.onnx", tmp_path / "r.json"
    assert call("simplify", tmp_path / "net.onnx", *words, "-o", out, "--json", record) == 0
    (cut,) = recorded(record)["cuts"]
    assert cut["exact"]
    assert len(cut["open"]) == cut["phases"]["open"]
    if cut["open"]:
        assert "stay undecided" in capsys.readouterr().out


def test_names_of_files_are_plain_and_distinct():
    assert slug("Prop 3 (left)/x.y") == "Prop-3-left-x.y"
    assert slug("...") == "region"
    assert distinct(["a", "a", "a-2", "b"]) == ["a", "a-2", "a-2-2", "b"]
    assert each_target(Path("d/o.onnx"), ["a"]) == [Path("d/o.onnx")]
    assert each_target(Path("d/o.onnx"), ["a", "b"]) == [Path("d/o-a.onnx"), Path("d/o-b.onnx")]
    assert each_target(Path("d/{region}.onnx"), ["a"]) == [Path("d/a.onnx")]
