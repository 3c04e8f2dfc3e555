"""`secateur slice` and `merge`: from a network to a family, stopped, gone on with, and joined."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import secateur
from secateur.benchmarks.controllers import controller
from secateur.commands.slice_progress import Meter, watched
from secateur.commands.terminal import Terminal
from secateur.engine.errors import InputError
from secateur.slicing.cover import cover
from secateur.slicing.evaluate import evaluate
from secateur.slicing.family import Mark
from secateur.slicing.family_file import load_family
from secateur.slicing.stored import Stored
from secateur.slicing.work import Cell, Done, Ended, Late, Result

ROOT = Path(__file__).resolve().parents[2]
ENTRY = controller("horizontal-coc")
NET = ENTRY.network().origin.path
BOX = "0:0.3,-0.1:0.3,-0.2:0.2"
CELLS = ("--region", BOX, "--grid", "2,2,2")
PHASES = ("--stage", "phases", "--effort", "quick")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sliced(call, capsys):
    """Slice; return exit code, record and what was said."""

    def sliced(*words, out="family", workers=0):
        given = ("-o", out, "--json", "r.json", "--workers", workers)
        code = call("slice", NET, *CELLS, *given, *words)
        said, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(Path("r.json").read_text()), " ".join(said.split())

    return sliced


def outcomes(path):
    """Return the code of each cell in a store."""
    with Stored(path) as stored:
        return {row.cell: row.outcome.result.code for row in stored.rows()}


def points(family, cell, count=40, seed=0):
    """Return random points of a cell that are float32 numbers inside it."""
    region = family.region(cell)
    lattice = region.lattice("float32")
    share = np.random.default_rng(seed).random((count, region.size))
    return lattice.snap(lattice.lower + share * (lattice.upper - lattice.lower))


def test_from_a_network_to_a_family_that_computes_the_same(sliced, here):
    code, record, said = sliced(*PHASES, "--report", "r.html")
    assert code == 0
    assert record["schema"] == "secateur.slice/1"
    assert record["outcomes"] == {**dict.fromkeys(record["outcomes"], 0), "done": 8}
    assert record["cells"] == record["asked"] == 8
    assert "8 cells: 8 done." in said
    family, network = load_family("family"), ENTRY.network()
    assert record["output"]["bytes"] == (here / "family").stat().st_size
    assert family.said["guarantee"] == record["guarantee"] == "equals the original"
    for cell in range(family.count):
        some = np.vectorize(Fraction)(points(family, cell, 6))
        before = network.evaluate(some, exact=True)
        assert (family.materialise(cell).evaluate(some, exact=True) == before).all()
    every = np.concatenate([points(family, cell) for cell in range(family.count)])
    assert np.allclose(evaluate(family, every), network.evaluate(every), atol=1e-12)
    left = sum(one["left"] * one["cells"] for one in record["left"])
    assert left == record["neurons"] - sum(record["removed"].values())
    assert left == int((network.neurons - family.removed.sum(axis=1)).sum())
    assert [len(one["tiles"]) for one in record["maps"]] == [4, 4, 4]
    mean = np.mean([np.mean(one["tiles"]) for one in record["maps"]])
    assert mean == pytest.approx(sum(record["removed"].values()) / record["neurons"])
    assert "How small" in (here / "r.html").read_text()


def test_the_best_output_stays_on_every_cell(sliced):
    code, record, _ = sliced(
        "--keep", "argmax", "--effort", "quick", "--seconds", 60, "--cells", "2,5-6"
    )
    assert code == 0
    assert record["outcomes"]["done"] == 3
    assert record["outcomes"]["missing"] == 5
    assert record["removed"]["result-preserving"] > 0
    family, network = load_family("family"), ENTRY.network()
    assert family.marked(Mark.MISSING).tolist() == [0, 1, 3, 4, 7]
    for cell in (2, 5, 6):
        some = points(family, cell, 400, cell)
        before, after = network.evaluate(some), family.materialise(cell).evaluate(some)
        best = before.argmax(axis=1)
        rows = np.arange(len(some))
        clear = np.sort(before, axis=1)[:, -1] - np.sort(before, axis=1)[:, -2] > 1e-9
        assert (after[rows, best] >= after.max(axis=1) - 1e-12)[clear].all()
    assert family.materialise(0).neurons == network.neurons


def test_outputs_stay_within_the_tolerance(sliced):
    words = ("--tolerance", "1", "--effort", "quick", "--seconds", 60, "--cells", "6")
    code, record, _ = sliced(*words)
    assert code == 0
    assert record["removed"]["forward"] + record["removed"]["relaxed"] > 0
    family, network = load_family("family"), ENTRY.network()
    some = points(family, 6, 2000)
    apart = np.abs(family.materialise(6).evaluate(some) - network.evaluate(some))
    assert apart.max() <= 1.0
    assert record["multiply_adds"]["after"] < record["multiply_adds"]["before"]


def test_cells_of_bisection_are_lent_by_their_store(call, here, capsys, monkeypatch):
    words = (
        "slice",
        NET,
        "--region",
        BOX,
        "--adaptive",
        6,
        *PHASES,
        "-o",
        "family",
        "--workers",
        0,
    )
    assert call(*words, "-q", "--cells", "0-2") == 0
    first = load_family("family")
    assert first.count == 6
    monkeypatch.setattr("secateur.commands.slice_job.adaptive", None)
    assert call(*words, "-q", "--resume") == 0
    second = load_family("family")
    assert second.slices.digest == first.slices.digest
    assert not len(second.marked(Mark.MISSING))


def test_a_time_limit_ends_bisection_with_cells_that_cover_the_region(call, here, capsys):
    words = ("slice", NET, "--region", BOX, "--adaptive", 4000, *PHASES, "-o", "family")
    assert call(*words, "--workers", 0, "--timeout", 0.02) == 20
    said = capsys.readouterr()
    assert "in place of 4000" in said.out + said.err
    assert call(*words, "-q", "--workers", 0, "--resume") == 0
    family = load_family("family")
    assert 1 <= family.count < 4000
    cover(family.slices)


def test_a_time_limit_keeps_what_is_done_and_says_how_to_go_on(sliced, here):
    code, record, said = sliced(*PHASES, "--timeout", "0.000001")
    assert code == 20
    assert record["stopped"]
    assert record["output"] is None
    assert not (here / "family").exists()
    assert "--resume" in said
    code, record, _ = sliced(*PHASES, "--resume")
    assert code == 0
    assert not record["stopped"]
    assert (here / "family").exists()


def started(here, *words):
    """Return a process that slices, once some cells are in its store."""
    given = ("slice", NET, "--region", BOX, "-o", "family", "--workers", "0", "--json", "r.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "secateur", *given, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while process.poll() is None:
        if (here / "family.cells").exists():
            try:
                with Stored("family.cells") as stored:
                    if stored.progress().done:
                        break
            except InputError:  # its tables are not there yet
                pass
        time.sleep(0.01)
    return process


MANY = ("--grid", "16,16,16", "--stage", "phases", "--effort", "quick")
COUNT = 16**3
"""So many that a run is not done before it is interrupted."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_done(here, number):
    process = started(here, *MANY)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 20, (out, err)
    assert b"To go on:" in out
    assert err == b""
    record = json.loads((here / "r.json").read_text())
    assert record["stopped"]
    assert 0 < record["outcomes"]["done"] < COUNT


def test_a_run_that_was_killed_goes_on_to_the_same_family(call, here):
    process = started(here, *MANY)
    process.kill()
    process.communicate(timeout=120)
    assert not (here / "family").exists()
    words = ("slice", NET, "--region", BOX, *MANY, "--workers", 0, "-q")
    with Stored("family.cells") as stored:
        done = stored.progress().done
    assert 0 < done < COUNT
    assert call(*words, "-o", "family", "--resume") == 0
    assert call(*words, "-o", "other") == 0
    assert (here / "family").read_bytes() == (here / "other").read_bytes()


def test_shards_joined_are_the_whole(sliced, call, here, capsys):
    assert sliced(*PHASES)[0] == 0
    for index in (1, 2):
        code, record, said = sliced(*PHASES, "--shard", f"{index}/2", out="part")
        assert code == 0
        assert record["output"] is None
        assert record["asked"] == 4
        assert "secateur merge" in said
    assert not (here / "part").exists()
    parts = ("part.1-of-2.cells", "part.2-of-2.cells")
    assert call("merge", parts[0], "-o", "half", "--json", "m.json") == 20
    assert json.loads((here / "m.json").read_text())["outcomes"]["missing"] == 4
    assert call("merge", *parts, "-o", "joined", "--json", "m.json", "--report", "m.html") == 0
    record = json.loads((here / "m.json").read_text())
    assert record["schema"] == "secateur.merge/1"
    assert record["outcomes"]["done"] == 8
    assert (here / "joined").read_bytes() == (here / "family").read_bytes()
    assert outcomes("joined.cells") == outcomes("family.cells")
    assert "How small" in (here / "m.html").read_text()


def test_worker_processes_give_the_same_family(sliced, here):
    assert sliced(*PHASES)[0] == 0
    assert sliced(*PHASES, out="two", workers=2)[0] == 0
    assert (here / "two").read_bytes() == (here / "family").read_bytes()


def test_python_gives_the_family_of_the_command_line(sliced, here):
    sliced(*PHASES)
    box = {"grid": (2, 2, 2), "stage": "phases", "effort": "quick"}
    told = []
    family = secateur.slice(NET, BOX, progress=told.extend, **box)
    kept = load_family("family")
    assert family.said == dict(kept.said)
    assert (family.removed == kept.removed).all()
    assert len(told) == 8
    again = secateur.slice(ENTRY.network(), BOX, store="cells", cells="0-3", **box)
    assert len(again.marked(Mark.MISSING)) == 4
    whole = secateur.slice(ENTRY.network(), BOX, store="cells", resume=True, **box)
    assert (whole.removed == kept.removed).all()
    half = secateur.slice(ENTRY.network(), BOX, shard="2/2", **box)
    assert half.marked(Mark.MISSING).tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"grid": (2, 2)}, "one for each"),
        ({}, "give one of"),
        ({"grid": (2, 2, 2), "adaptive": 4}, "give one of"),
        ({"grid": (2, 2, 2), "stage": "all"}, "'phases', 'simplify'"),
        ({"grid": (2, 2, 2), "keep": "argmax", "stage": "phases"}, "keeps every output"),
        ({"grid": (2, 2, 2), "tolerance": float("inf")}, "finite"),
    ],
)
def test_python_refuses_what_makes_no_sense(given, words):
    with pytest.raises(InputError, match=words):
        secateur.slice(NET, BOX, **given)


WRONG = {
    "--grid 2,2": "2 numbers for 3 inputs",
    "--grid 2,x,2": "whole number",
    "--grid 0,2,2": "at least 1",
    "--grid 99999,99999,1": "more than",
    "": "give one of --grid",
    "--grid 2,2,2 --adaptive 5": "give one of --grid",
    "--adaptive 0": "from 1 to",
    "--grid 2,2,2 --cells 8": "among the 8 cells",
    "--grid 2,2,2 --cells random:9": "from 1 to 8",
    "--grid 2,2,2 --shard 3/2": "1 <= i <= n",
    "--grid 2,2,2 --seconds 0": "above 0",
    "--grid 2,2,2 --workers -1": "from 0",
    "--grid 2,2,2 --retry": "goes with --resume",
    "--grid 2,2,2 --resume": "no store to resume",
    "--grid 2,2,2 --stage phases --keep argmax": "--stage phases",
    "--grid 2,2,2 --stage phases --proof": "take the stage simplify",
    "--grid 2,2,2 --tolerance=-1": "0 or more",
    "--grid 2,2,2 --report r.txt": "--report",
    "--grid 2,2,2 --store nowhere/cells": "no folder",
}


@pytest.mark.parametrize(("words", "said"), WRONG.items())
def test_bad_input_is_one_line_and_leaves_nothing(refused, words, said):
    assert said in refused("slice", NET, "--region", BOX, "-o", "family", *words.split())


def test_a_store_that_is_there_is_not_written_over(sliced, refused):
    sliced(*PHASES)
    words = ("slice", NET, *CELLS, "-o", "family", "--workers", 0)
    assert "--resume" in refused(*words, *PHASES)
    other = refused(*words, "--resume", "--stage", "phases", "--effort", "usual")
    assert "option boxes" in other
    moved = ("slice", NET, "--region", "0:1,0:1,0:1", "--grid", "2,2,2", "-o", "family")
    assert "region" in refused(*moved, *PHASES, "--resume", "--workers", 0)


def test_what_is_no_store_is_not_merged(sliced, refused, here):
    assert "no such store" in refused("merge", "nothing.cells", "-o", "joined")
    (here / "text.cells").write_text("no store")
    assert "no store" in refused("merge", "text.cells", "-o", "joined")


def test_the_records_keys_are_documented(sliced, call, here):
    sliced(*PHASES)
    assert call("merge", "family.cells", "-o", "other", "--json", "m.json", "-q") == 0
    assert call("export", "family", "--to", "c", "-o", "f.c", "--json", "e.json", "-q") == 0
    text = (ROOT / "docs" / "json.md").read_text()
    every = text[text.index("## Every verb") : text.index("## `secateur.info/1`")]
    for name, schema in (("r", "slice"), ("m", "merge"), ("e", "export")):
        record = json.loads((here / f"{name}.json").read_text())
        start = text.index(f"secateur.{schema}/1`", text.index("## `secateur.slice/1`"))
        section = text[start : text.find("\n## ", start)]
        missing = [key for key in record if f"`{key}`" not in section + every]
        assert not missing, schema


def test_a_meter_says_how_far_a_run_is():
    meter = Meter(10, 2)
    result = Result({"layers": [[8, 3, 0, 1, 4, 0, 4]], "left": 4})
    meter.take([Ended(Cell(0, "", None), Done(result), 1, 0.1)])
    meter.take([Ended(Cell(1, "", None), Late("not done"), 1, 0.1)])
    assert meter.settled == 4
    assert meter.words() == "4/10 cells, 1 late, 50.0 % of neurons removed"
    assert Meter(3).words() == "0/3 cells"


def test_a_bar_shows_what_comes_in(monkeypatch):
    terminal = Terminal()
    terminal.err = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    meter = Meter(4)
    result = Result({"layers": [[8, 3, 0, 1, 4, 0, 4]], "left": 4})
    with watched(meter, terminal) as take:
        take([])
        take([Ended(Cell(0, "", None), Done(result), 1, 0.1)])
    said = terminal.err.file.getvalue()
    assert "workers begin" in said
    assert "1/4 cells, 50.0 % of neurons removed" in said


def test_cells_are_compressed_and_repaired_with_a_bound_that_holds(sliced, call, here):
    words = ("--effort", "quick", "--seconds", 60, "--cells", "5-6", "--compress", "int8")
    code, record, said = sliced(*words, "--repair", "5", "--report", "cells.html")
    pressed = record["compression"]
    assert pressed["cells"] == 2
    assert (code == 0) == (pressed["failures"] == 0)
    assert pressed["attained"] <= pressed["proved"] <= max(5, pressed["before"])
    assert "Compressed: 2 cells" in said
    assert "error bound of the family" in Path("cells.html").read_text()
    family, network = load_family("family"), ENTRY.network()
    for cell in (5, 6):
        assert call("export", "family.cells", "--cell", cell, "-o", f"{cell}.onnx", "-q") == 0
        some = points(family, cell, 2000)
        small, original = secateur.load(f"{cell}.onnx"), network.evaluate(some)
        assert np.abs(small.evaluate(some) - original).max() <= pressed["distance"]


def test_compression_of_cells_is_asked_for_in_full(call, here, capsys):
    words = ("slice", NET, "--region", BOX, "--grid", "2,2,2", "-o", "family")
    for more, why in {
        ("--repair", "0.1"): "by --compress too",
        ("--share", "0.5"): "by --compress too",
        ("--compress", "magnitude"): "--share",
        ("--compress", "int8", "--repair", "0"): "above 0",
        ("--compress", "int8", "--repair", "x"): "--repair",
        ("--compress", "int8", "--stage", "phases"): "stage simplify",
    }.items():
        assert call(*words, *more) == 2
        assert why in capsys.readouterr().err
