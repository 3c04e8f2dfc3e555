"""`secateur export` and `info` of families: one cell or all, as ONNX, .nnet and C that agree."""

import ctypes
import json
import shutil
import subprocess

import numpy as np
import pytest

from secateur.benchmarks.controllers import controller
from secateur.engine.formats import load
from secateur.slicing.evaluate import evaluate
from secateur.slicing.family import Mark
from secateur.slicing.family_file import load_family
from secateur.slicing.single import evaluate_single

ENTRY = controller("horizontal-coc")
NET = ENTRY.network().origin.path
CC = shutil.which("cc")
COMPILED = pytest.mark.skipif(CC is None, reason="there is no C compiler `cc` on the path")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A family of four cells, of which one is missing."""
    from secateur.__main__ import run

    folder = tmp_path_factory.mktemp("family")
    path = folder / "family"
    words = ("--grid", "2,2,1", "--stage", "phases", "--effort", "quick", "--workers", "0")
    box = ("--region", "0:0.3,-0.1:0.3,-0.2:0.2", "--cells", "0-2")
    assert run(["slice", NET, *box, *words, "-o", str(path), "-q"]) == 0
    return path


def compiled(folder, source):
    """Return the library of a C source."""
    flags = ("-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
    target = folder / "made.so"
    subprocess.run([CC, *flags, "-shared", "-fPIC", str(source), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def called(function, points, outputs):
    """Return the outputs of a C function and what it returned, at points of float32."""
    points = np.ascontiguousarray(points, np.float32)
    out = np.zeros((len(points), outputs), np.float32)
    ends = [
        function(ctypes.c_void_p(points[row].ctypes.data), ctypes.c_void_p(out[row].ctypes.data))
        for row in range(len(points))
    ]
    return out, ends


def inside(family, cell, count=30):
    """Return float32 points of a cell."""
    lattice = family.region(cell).lattice("float32")
    share = np.random.default_rng(cell).random((count, len(lattice.lower)))
    return lattice.snap(lattice.lower + share * (lattice.upper - lattice.lower)).astype(np.float32)


@COMPILED
def test_files_of_one_cell_agree_with_each_other_and_with_the_original(call, made, tmp_path):
    family = load_family(made)
    some = inside(family, 2)
    for name in ("cell.onnx", "cell.nnet", "cell.c"):
        assert call("export", made, "--cell", 2, "-o", tmp_path / name, "-q") == 0
    small, chain = load(tmp_path / "cell.onnx"), load(tmp_path / "cell.nnet")
    before = ENTRY.network().evaluate(some.astype(float))
    assert small.neurons < family.base.neurons
    for network in (small, chain):
        assert np.allclose(network.evaluate(some.astype(float)), before, atol=1e-5)
    library = compiled(tmp_path, tmp_path / "cell.c")
    out, ends = called(library.network, some, family.base.size_out)
    assert set(ends) == {2}
    assert np.allclose(out, before, atol=1e-4)
    assert (out == evaluate_single(small, some)).all()


@COMPILED
def test_the_c_source_of_a_family_routes_and_computes_as_it_does(call, made, tmp_path):
    family = load_family(made)
    target = tmp_path / "all.c"
    assert call("export", made, "--to", "c", "--name", "all", "-o", target, "-q") == 0
    some = np.concatenate([inside(family, cell) for cell in range(family.count)])
    out, _ = called(compiled(tmp_path, target).all, some, family.base.size_out)
    assert (out == evaluate(family, some, "float32")).all()


def test_a_cell_is_found_by_an_input(call, made, tmp_path):
    record = tmp_path / "r.json"
    words = ("-o", tmp_path / "cell.onnx", "-q", "--json", record)
    assert call("export", made, "--at", "0.2,0.2,0", *words) == 0
    said = json.loads(record.read_text())
    assert said["schema"] == "secateur.export/1"
    assert said["cell"] == 3
    assert said["mark"] == "missing"
    assert load(tmp_path / "cell.onnx").neurons == ENTRY.network().neurons


def test_a_network_changes_its_format(call, tmp_path):
    assert call("export", NET, "-o", tmp_path / "net.nnet", "-q") == 0
    assert call("export", NET, "-o", tmp_path / "net.c", "-q") == 0
    assert load(tmp_path / "net.nnet").neurons == ENTRY.network().neurons
    assert "network" in (tmp_path / "net.c").read_text()


def test_info_says_what_a_family_holds(call, made, tmp_path, capsys):
    record = tmp_path / "r.json"
    assert call("info", made, "--json", record) == 0
    said = json.loads(record.read_text())["family"]
    family = load_family(made)
    assert said["cells"] == 4
    assert said["marks"]["simplified"] == 3
    assert said["marks"]["missing"] == len(family.marked(Mark.MISSING)) == 1
    left = family.base.neurons - family.removed.sum(axis=1)[:3]
    assert said["left"] == {"mean": left.mean(), "least": left.min(), "most": left.max()}
    assert "a family of 4 networks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "x.onnx"), "name a cell by --cell or --at"),
        (("-o", "x.nnet"), "name a cell by --cell or --at"),
        (("--cell", 4, "-o", "x.onnx"), "no cell 4"),
        (("--cell", 1, "--at", "0,0,0", "-o", "x.onnx"), "both name a cell"),
        (("--at", "9,9,9", "-o", "x.onnx"), "above its limit"),
        (("--at", "0,0", "-o", "x.onnx"), "3 inputs"),
        (("--at", "0,x,0", "-o", "x.onnx"), "--at"),
        (("-o", "x.txt"), "no format to write"),
        (("--to", "c", "-o", "x.onnx"), "files that end in .c"),
        (("--name", "for", "-o", "x.c"), "no name for a function"),
    ],
)
def test_exports_that_make_no_sense_are_refused(refused, made, monkeypatch, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("export", made, *words)


def test_a_network_has_no_cells(refused, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "of families" in refused("export", NET, "--cell", 0, "-o", "x.onnx")
    assert "there is no" in refused("export", "nothing.onnx", "-o", "x.onnx")


def test_the_certificate_of_a_cell_comes_out_of_the_store_and_is_judged(
    call, refused, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    cells = ("--region", "0:0.3,-0.1:0.3,-0.2:0.2", "--grid", "2,2,2", "--cells", "2")
    words = ("--keep", "argmax", "--proof", "--seconds", 30, "--effort", "quick", "--workers", 0)
    assert call("slice", NET, *cells, *words, "-o", "family", "--json", "r.json", "-q") == 0
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["certificates"]["written"] == 1
    assert call("export", "family.cells", "--cell", 2, "-o", "cell.proof", "--json", "e.json") == 0
    said = json.loads((tmp_path / "e.json").read_text())
    assert said["check"] in capsys.readouterr().out.replace("\n", " ")
    assert call("check", "cell.proof", "--network", NET, "--network", "cell.onnx") == 0
    capsys.readouterr()
    assert "has no network.onnx" in refused("export", "family.cells", "--cell", 1, "-o", "x.proof")
    assert "in the store" in refused("export", "family", "--cell", 2, "-o", "x.proof")
    assert call("export", "family.cells", "-o", "all.proof", "--json", "e.json") == 0
    words = ("check", "all.proof", "--network", NET, "--cells", "family.cells.blobs")
    assert call(*words, "--json", "c.json") == 0
    found = json.loads((tmp_path / "c.json").read_text())["cells"]
    assert found["proved"] == found["named"] >= 1
    assert found["count"] > found["named"]
