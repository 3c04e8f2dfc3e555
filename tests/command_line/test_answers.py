"""What the command line answers: the help, sizes, bounds, its own health, and in which letters."""

import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from calls import REGION, call, recorded
from hypothesis import given
from hypothesis import strategies as st

import secateur
from secateur.commands.options import How
from secateur.commands.terminal import above, below
from secateur.engine.formats import load
from secateur.engine.formats.nnet import evaluate_raw


def test_version_and_help_wait_for_no_library():
    heavy = "{'numpy', 'torch', 'onnx', 'onnxruntime', 'numba', 'highspy', 'networkx', 'jinja2'}"
    for word in ("--version", "--help"):
        code = (
            "import sys; from secateur.__main__ import run; "
            f"assert run([{word!r}]) == 0; print({heavy} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.endswith("set()\n"), done.stdout
    assert done.stderr == ""


def test_the_installed_version_is_printed(capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"{secateur.__version__}\n"


def test_no_verb_prints_the_help(capsys):
    assert call() == 0
    out = capsys.readouterr().out
    for verb in ("demo", "info", "bounds", "simplify", "fetch", "doctor"):
        assert f"\n  {verb} " in out


def test_the_public_face_gives_what_it_names():
    assert secateur.load is load
    assert set(secateur.__all__) <= set(dir(secateur))
    for name in secateur.__all__:
        assert getattr(secateur, name)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = secateur.nothing_of_the_kind


def test_info_states_sizes_and_normalisation(nnet, tmp_path, capsys):
    assert call("info", nnet, "--json", tmp_path / "r.json") == 0
    record = recorded(tmp_path / "r.json")
    network = load(nnet)
    assert record["network"]["neurons"] == network.neurons == 14
    assert record["network"]["parameters"] == network.parameters
    assert record["network"]["sha256"] == network.origin.digest
    assert [layer["size"] for layer in record["layers"]] == [node.size for node in network.nodes]
    assert record["normalisation"]["maximum"] == [10.0] * 3
    assert record["normalisation"]["output_mean"] == 7.5
    assert "14 neurons in 2 hidden layers" in capsys.readouterr().out


def test_json_on_standard_output_is_alone_there(net, capsys):
    assert call("info", net, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "secateur.info/1"


def test_quiet_prints_nothing(net, capsys):
    assert call("bounds", net, "--region", REGION, "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_bounds_hold_at_points_and_dearer_methods_are_tighter(net, tmp_path):
    network = load(net)
    widths = []
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.25, 0, -0.5], [0.75, 0.5, 0], (2000, 3))
    values = network.evaluate(points)
    for method in How:
        assert (
            call(
                "bounds", net, "--region", REGION, "--method", method, "--json", tmp_path / "r.json"
            )
            == 0
        )
        record = recorded(tmp_path / "r.json")
        lower, upper = (
            np.array([output[side] for output in record["outputs"]]) for side in ("lower", "upper")
        )
        assert (lower <= values).all()
        assert (values <= upper).all()
        assert record["layers"] == []
        widths.append(upper - lower)
    for loose, tight in itertools.pairwise(widths):
        assert (tight <= loose + 1e-12).all()
    assert (widths[-1] < widths[0]).any()


def test_raw_bounds_hold_for_raw_outputs(nnet, tmp_path, capsys):
    words = ("--region", "1:4,2,0:10", "--units", "raw", "--hidden", "--json", tmp_path / "r.json")
    assert call("bounds", nnet, *words) == 0
    record = recorded(tmp_path / "r.json")
    points = np.random.default_rng(0).uniform([1, 2, 0], [4, 2, 10], (500, 3))
    values = evaluate_raw(load(nnet), points)
    for index, output in enumerate(record["outputs"]):
        assert output["raw_lower"] <= values[:, index].min()
        assert values[:, index].max() <= output["raw_upper"]
    assert record["region"]["raw_lower"] == [1.0, 2.0, 0.0]
    assert [layer["neurons"] for layer in record["layers"]] == [8, 6]
    assert "upper, raw" in capsys.readouterr().out


def test_bounds_of_a_point_enclose_its_value(net, tmp_path):
    assert call("bounds", net, "--region", "0,1/2,1", "--json", tmp_path / "r.json") == 0
    (value,) = load(net).evaluate([[0.0, 0.5, 1.0]])
    for output, exact in zip(recorded(tmp_path / "r.json")["outputs"], value, strict=True):
        assert output["lower"] <= exact <= output["upper"]
        assert output["upper"] - output["lower"] < 1e-9


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_numbers_for_people_are_rounded_outward(value):
    low, high = float(below(value)), float(above(value))
    assert low <= value <= high or not math.isfinite(low) or not math.isfinite(high)


def test_numbers_stay_whole_on_a_narrow_terminal(nnet, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "25")
    words = ("--region", "1/3:4,2,0:10/7", "--units", "raw", "--json", nnet.with_name("r.json"))
    assert call("bounds", nnet, *words) == 0
    said = capsys.readouterr().out
    for output in recorded(nnet.with_name("r.json"))["outputs"]:
        shown = (below(output["lower"]), above(output["upper"]))
        assert set(shown) <= set(said.split())
        assert {below(output["raw_lower"]), above(output["raw_upper"])} <= set(said.split())


def test_letters_that_a_terminal_lacks_are_spelt_out(net):
    other = net.rename(net.with_name("nä tz.onnx"))
    done = subprocess.run(
        [sys.executable, "-m", "secateur", "info", other],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "n\\xe4 tz.onnx" in done.stdout
    assert done.stderr == ""


def test_infinite_bounds_are_named():
    assert (below(-math.inf), above(math.inf)) == ("-inf", "inf")


def test_doctor_finds_all_that_is_needed(tmp_path, capsys):
    assert call("doctor", "--json", tmp_path / "r.json") == 0
    checks = {check["name"]: check for check in recorded(tmp_path / "r.json")["checks"]}
    assert all(check["ok"] for check in checks.values() if check["needed"])
    assert checks["torch"]["found"]
    assert checks["solver highs"]["ok"]
    assert all(check["mend"] for check in checks.values() if not check["ok"])
    assert "All that is needed is there" in capsys.readouterr().out


def test_doctor_names_a_part_that_is_missing(monkeypatch, tmp_path, capsys):
    from secateur.commands import doctor

    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "no-such-library"))
    monkeypatch.setattr(doctor, "_kernels", lambda seed: 1 / 0)
    assert call("doctor", "--json", tmp_path / "r.json") == 2
    sick = [c for c in recorded(tmp_path / "r.json")["checks"] if c["needed"] and not c["ok"]]
    assert {check["name"].split(":")[0] for check in sick} == {"no-such-library", "self-test"}
    assert "2 needed parts are missing or fail" in " ".join(capsys.readouterr().out.split())
