"""--explain: what was chosen and why, predicted against actual, for people and in the record."""

import itertools
import json

import numpy as np
import pytest

from secateur.__main__ import run
from secateur.engine.formats import save
from secateur.engine.network import Network

KEYS = {
    "way",
    "chosen",
    "predicted_count",
    "predicted_seconds",
    "predicted_bytes",
    "spread",
    "count",
    "seconds",
}


def network(seed, inputs=2, outputs=2, width=40):
    rng = np.random.default_rng(seed)
    sizes = [inputs, width, width, outputs]
    return Network.dense(
        [np.round(64 * rng.normal(size=(b, a))) / 64 for a, b in itertools.pairwise(sizes)],
        [np.round(64 * rng.normal(size=b)) / 64 for b in sizes[1:]],
    )


@pytest.fixture
def files(tmp_path):
    paths = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.onnx"
        save(network(seed), path)
        paths.append(str(path))
    return paths


def judged(explained):
    assert set(explained) == {"figures", "why", "pace", "ways"}
    assert explained["figures"]["neurons"] > 0
    assert explained["pace"] > 0
    for way in explained["ways"]:
        assert set(way) == KEYS
        assert way["predicted_seconds"] > 0
    return explained


def record(capsys, *words):
    code = run([*words, "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def test_verify_says_what_was_chosen(files, tmp_path, capsys):
    model = network(1)
    points = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    limit = float(model.evaluate(points)[:, 0].max()) * 1.05 + 0.05
    lines = [
        *("(declare-const X_0 Real)", "(declare-const X_1 Real)"),
        *("(declare-const Y_0 Real)", "(declare-const Y_1 Real)"),
        *(f"(assert (<= X_{i} 1.0))" for i in range(2)),
        *(f"(assert (>= X_{i} -1.0))" for i in range(2)),
        f"(assert (>= Y_0 {limit}))",
    ]
    query = tmp_path / "query.vnnlib"
    query.write_text("\n".join(lines))
    words = ("verify", str(query), "--network", files[0], "--semantics", "real", "--explain")
    code, found = record(capsys, *words)
    assert code == 0
    assert found["verdict"] == "unsat"
    assert sum(way["chosen"] for way in judged(found["explain"])["ways"]) == 1
    assert run(list(words)) == 0
    assert "Why: " in capsys.readouterr().err
    assert run([*words, "--timeout", "0"]) == 20
    assert "gave the answer" not in capsys.readouterr().err


def test_compare_says_what_boxes_were_predicted_to_take(files, capsys):
    words = ("compare", *files, "--region=-1:1,-1:1", "--gap", "0.2", "--explain")
    _, found = record(capsys, *words)
    (way,) = judged(found["explain"])["ways"]
    assert way["way"] == "boxes, two networks"
    assert way["count"] == found["boxes"]
    run(list(words))
    assert "predicted" in capsys.readouterr().out


def test_simplify_says_what_each_step_was_predicted_to_take(files, tmp_path, capsys):
    words = ("simplify", files[0], "--region=-1:1,-1:1", "--effort", "quick", "--explain")
    _, found = record(capsys, *words, "-o", str(tmp_path / "out.onnx"))
    ways = judged(found["cuts"][0]["explain"])["ways"]
    assert [way["way"] for way in ways][:2] == ["interval bounds", "linear bounds"]
    assert ways[0]["chosen"]
    assert ways[0]["seconds"] > 0


def test_slice_says_what_cells_were_predicted_to_take(files, tmp_path, capsys):
    words = ("slice", files[0], "--region=-1:1,-1:1", "--grid", "2,2", "--stage", "phases")
    words += ("--workers", "0", "--explain", "-o", str(tmp_path / "family"))
    _, found = record(capsys, *words)
    (way,) = judged(found["explain"])["ways"]
    assert way["count"] == 4


def test_without_it_nothing_is_said(files, capsys):
    _, found = record(capsys, "compare", *files, "--region=-1:1,-1:1", "--gap", "0.2")
    assert found["explain"] is None
