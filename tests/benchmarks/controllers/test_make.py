"""Making controllers: what is written can be read, agrees with its list, and is the same twice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from secateur.benchmarks.controllers.catalogue import catalogue
from secateur.benchmarks.controllers.encounter import Advisory
from secateur.benchmarks.controllers.make import agreement, main, make
from secateur.benchmarks.controllers.problem import ACAS_LIKE, HORIZONTAL, Schedule
from secateur.benchmarks.controllers.regions import SITUATIONS, Situation
from secateur.benchmarks.controllers.table import Winner
from secateur.engine.network import Network

SHORT = Schedule(epochs=1, batch=2048)
PROBLEMS = [
    replace(HORIZONTAL.tiny(), previous=(Advisory.COC, Advisory.SL), dwell=10, schedule=SHORT),
    replace(ACAS_LIKE.tiny(), angles=12, dwell=10, widths=(6, 6), schedule=SHORT),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controllers")
    make(PROBLEMS, 5, folder, "as in the test")
    return folder


def test_what_was_made_is_listed_and_reads_back(folder):
    made = catalogue(folder)
    assert [c.name for c in made] == ["horizontal-coc", "horizontal-sl", "acas-like"]
    assert [c.previous for c in made] == [Advisory.COC, Advisory.SL, Advisory.COC]
    assert [c.winner for c in made] == [Winner.LARGEST, Winner.LARGEST, Winner.SMALLEST]
    assert [c.network().size_in for c in made] == [3, 3, 5]
    assert [c.units for c in made[1:]] == [
        ("ft", "rad", "rad"),
        ("ft", "rad", "rad", "ft/s", "ft/s"),
    ]
    assert {path.name for path in folder.iterdir()} == {c.path.name for c in made} | {
        "networks.json"
    }


def test_the_list_states_the_agreement_that_the_file_has(folder):
    tables = PROBLEMS[0].tables()
    for controller in catalogue(folder)[:2]:
        found = agreement(controller.network(), tables[controller.previous], seed=5)
        assert found["nodes"] == controller.agreement
        assert found["between"] == controller.agreement_between


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    make(PROBLEMS[:1], 5, tmp_path, "as in the test")
    for path in tmp_path.glob("*.onnx"):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    first, again = (json.loads((f / "networks.json").read_text()) for f in (folder, tmp_path))
    assert again["problems"]["horizontal"] == first["problems"]["horizontal"]
    assert again["networks"] == first["networks"][:2]


def test_a_network_that_never_changes_its_mind_agrees_as_often_as_the_commonest():
    table = replace(PROBLEMS[0]).tables()[Advisory.COC]
    normal = table.normalisation()
    bias = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    network = Network.dense([np.zeros((5, 3))], [bias], normalisation=normal)
    found = agreement(network, table, seed=0)
    assert found["nodes"] == found["commonest"]


def test_the_tiny_run_from_the_command_line(tmp_path, monkeypatch):
    for name, problem in zip(("HORIZONTAL", "ACAS_LIKE"), PROBLEMS, strict=True):
        monkeypatch.setattr(f"secateur.benchmarks.controllers.make.{name}", problem)
    main(["--out", str(tmp_path), "--tiny", "--seed", "2"])
    held = json.loads((tmp_path / "networks.json").read_text())
    assert held["seed"] == 2
    assert held["command"].endswith("--tiny --seed 2")
    assert len(catalogue(tmp_path)) == 3


def test_region_names_are_unique_within_a_problem():
    for situations in SITUATIONS.values():
        names = [situation.name for situation in situations]
        assert len(set(names)) == len(names)
        assert "whole-domain" in names


def test_a_region_outside_the_domain_is_refused():
    axes = HORIZONTAL.tiny().axes()
    with pytest.raises(ValueError, match="leaves its axis"):
        Situation("too-far", "beyond the last node", distance=(1000.0, 1e6)).box(axes)
