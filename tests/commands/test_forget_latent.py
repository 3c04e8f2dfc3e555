"""`secateur forget latent`: the whole study, resumed, stopped, and what it refuses."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from secateur.compression.architectures import Architecture, Plan
from secateur.compression.architectures.build import fresh
from secateur.engine.formats import save
from secateur.engine.network import Network
from secateur.reports.latent import meant

QUICK = ("--epochs", 2, "--snapshots", 3, "--every", 1, "--batch", 8, "--sparsities", "0.5,0.9")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a data set of small pictures and one of numbers with targets."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    light = rng.random((60, 8, 8)) * 0.5
    light[labels == 1, 4:] += 0.5
    light[labels == 0, :4] += 0.5
    np.savez("pictures.npz", inputs=light[:, None].astype(np.float32), labels=labels)
    points = rng.random((60, 3)).astype(np.float32)
    np.savez("table.npz", inputs=points, targets=points[:, :2].astype(np.float64) ** 2)
    return tmp_path


def small(call, *words):
    return call(
        *("forget", "latent", "--architecture", "small", "--width", "0.5"),
        *("--data", "pictures.npz", *QUICK, *words),
    )


def read(name):
    return json.loads(Path(name).read_text())


def test_a_study_is_written_shown_and_resumed(call, capsys):
    words = ("--covariance", "diagonal,lowrank,fisher", "--rank", "2", "--general")
    words += ("--fine-tune", "1", "-o", "out", "--report", "out.html")
    assert small(call, *words, "--json", "one.json") == 0
    shown = capsys.readouterr().out
    assert "6 layers, 60 rows" in shown
    assert "all methods" in shown
    one = read("one.json")
    assert one["schema"] == "secateur.latent/1"
    assert one["complete"] is True
    assert len(one["rows"]) == 60
    assert len(one["fine_tuning"]) == 10
    assert {group["rank"] for group in one["correlations"]} == {"spearman", "kendall"}
    page = Path("out.html").read_text()
    assert "What predicts the damage" in page
    assert meant("ap2 none") in page or "ap2 none" in page
    assert call("report", "one.json", "-o", "again.md") == 0
    # The last rows are lost and a line is broken: only they are made again, and come out the same.
    lines = Path("out/rows.jsonl").read_text().splitlines(keepends=True)
    Path("out/rows.jsonl").write_text("".join(lines[:55]) + lines[55][:20])
    assert small(call, *words, "--resume", "--json", "two.json") == 0
    two = read("two.json")
    for key in ("rows", "correlations", "fine_tuning", "before"):
        assert one[key] == two[key]


def test_a_study_that_runs_out_of_time_goes_on(call, capsys):
    words = ("--methods", "lowest,random", "-o", "out")
    assert small(call, *words, "--timeout", "0.001", "--json", "one.json") == 20
    assert "--resume goes on" in capsys.readouterr().out
    one = read("one.json")
    assert one["complete"] is False
    assert one["correlations"] == []
    assert call("report", "one.json", "-o", "one.md") == 0
    assert small(call, *words, "--resume", "--json", "two.json") == 0
    assert read("two.json")["rows"][: len(one["rows"])] == one["rows"]
    assert len(read("two.json")["rows"]) == 24


def test_seeds_are_samples_too(call):
    words = ("--methods", "lowest", "--seeds", "-o", "out", "--json", "one.json")
    assert small(call, *words, "--quiet") == 0
    assert read("one.json")["samples"]["kind"] == "seeds"


def test_a_state_dict_is_taken_as_it_is(call):
    module = fresh(Plan(Architecture.SMALL, 2, 1, 0.5), 8, 3)
    torch.save(module.state_dict(), "state.pt")
    words = ("forget", "latent", "--architecture", "small", "--state", "state.pt")
    words += ("--data", "pictures.npz", "--batch", "8", "--covariance", "fisher")
    assert call(*words, "--methods", "rows", "-o", "out", "--json", "one.json") == 0
    one = read("one.json")
    assert one["training"]["epochs"] == 0
    assert one["network"]["sha256"] is not None
    assert len(one["rows"]) == 18


def test_a_network_file_with_targets_is_certified(call):
    rng = np.random.default_rng(1)
    sizes = (3, 6, 5, 2)
    weights = [rng.normal(size=(b, a)).astype(np.float32) for a, b in itertools.pairwise(sizes)]
    network = Network.dense(
        [one.astype(np.float64) for one in weights], [np.zeros(len(one)) for one in weights]
    )
    save(network, "net.onnx")
    words = ("forget", "latent", "net.onnx", "--data", "table.npz", "--batch", "8")
    words += ("--snapshots", "3", "--every", "1", "--methods", "lowest", "--sparsities", "0.5")
    words += ("--certify", "--region", "0:1,0:1,0:1", "--json", "one.json")
    assert call(*words, "-o", "out") == 0
    one = read("one.json")
    assert one["before"]["accuracy"] is None
    assert len(one["rows"]) == 3
    for row in one["rows"]:
        assert 0 < row["certified"]["attained"] <= row["certified"]["proved"]
    assert "certified" in one["correlations"][0]["each"]
    assert "ap2 none" in one["correlations"][0]["over_certified"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--methods", "best"), "--methods best"),
        (("--sparsities", "1.5"), "sparsity 1.5"),
        (("--sparsities", "half"), "--sparsities"),
        (("--covariance", "identity"), "--covariance identity"),
        (("--covariance", "lowrank", "--rank", "3"), "--rank 3"),
        (("--general",), "add fisher"),
        (("--state", "absent.pt", "--width", "1"), "absent.pt"),
        (("--region", "0:1"), "--certify"),
        (("--certify", "--radius", "0"), "--radius 0"),
        (("--rows", "5"), "--rows"),
        (("--snapshots", "1"), "--snapshots 1"),
        (("--rate", "0"), "learning rate"),
        (("--batch", "1"), "batches of 1"),
    ],
)
def test_what_cannot_be_asked_is_one_line(call, capsys, words, said):
    assert small(call, "-o", "out", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_network_or_an_architecture(call, capsys):
    words = ("forget", "latent", "--data", "pictures.npz", "-o", "out")
    assert call(*words) == 2
    assert "--architecture" in capsys.readouterr().err
    assert call(*words, "net.onnx", "--architecture", "small") == 2


def test_a_folder_of_another_study_is_refused(call, capsys):
    words = ("--methods", "lowest", "--quiet")
    assert small(call, *words, "-o", "out") == 0
    assert small(call, *words, "-o", "out") == 2
    assert "--resume" in capsys.readouterr().err
    assert small(call, *words, "-o", "out", "--resume", "--seed", "1") == 2
    assert "seed" in capsys.readouterr().err
    assert small(call, "--methods", "rows", "-o", "out", "--resume") == 2
    assert "settings disagree" in capsys.readouterr().err
