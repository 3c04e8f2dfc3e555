"""The command line: what it answers, what it writes, and that bad input ends in one line."""

import itertools
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import secateur
from secateur.__main__ import run
from secateur.commands.options import How
from secateur.commands.targets import distinct, each_target, slug
from secateur.commands.terminal import above, below
from secateur.engine.formats import load, save
from secateur.engine.formats.nnet import evaluate_raw
from secateur.engine.network import (
    Affine,
    Input,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    State,
)
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region

ROOT = Path(__file__).resolve().parents[1]
REGION = "-1/4:3/4,0:1/2,-1/2:0"


def tiny(dtype="float32", normalisation=None, sizes=(3, 8, 6, 2), seed=3):
    """Return a small network whose numbers are eighths, so every element type holds them."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-4, 5, b) / 8 for b in sizes[1:]]
    return Network.dense(weights, biases, Origin(dtype=dtype), normalisation)


@pytest.fixture
def net(tmp_path):
    save(tiny(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def nnet(tmp_path):
    """A .nnet file whose raw inputs run from 0 to 10."""
    normal = Normalisation(np.zeros(3), np.full(3, 10.0), np.full(3, 5.0), np.full(3, 10.0), 7.5, 3)
    save(tiny("float64", normal), tmp_path / "net.nnet")
    return tmp_path / "net.nnet"


def call(*words):
    return run([str(word) for word in words])


def recorded(path):
    return json.loads(Path(path).read_text())


def state_of(folder):
    """Return the names and the bytes of all files of a folder."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if os.access(path, os.R_OK)
    }


def refused(capsys, folder, *words):
    """Run a command that must be refused; return its one line."""
    before = state_of(folder)
    code = call(*words)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert err.startswith("secateur: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert out == ""
    assert state_of(folder) == before
    return err


# What is answered


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


# What is written


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


def test_names_of_files_are_plain_and_distinct():
    assert slug("Prop 3 (left)/x.y") == "Prop-3-left-x.y"
    assert slug("...") == "region"
    assert distinct(["a", "a", "a-2", "b"]) == ["a", "a-2", "a-2-2", "b"]
    assert each_target(Path("d/o.onnx"), ["a"]) == [Path("d/o.onnx")]
    assert each_target(Path("d/o.onnx"), ["a", "b"]) == [Path("d/o-a.onnx"), Path("d/o-b.onnx")]
    assert each_target(Path("d/{region}.onnx"), ["a"]) == [Path("d/a.onnx")]


# The schema

COMMON = {
    "schema": str,
    "command": str,
    "made": str,
    "versions": dict,
    "seed": int,
    "device": str,
    "timeout": (float, type(None)),
    "exit": int,
    "seconds": float,
}
NETWORK = {
    "path": str,
    "format": str,
    "sha256": str,
    "dtype": str,
    "input_shape": [int],
    "output_shape": [int],
    "neurons": int,
    "parameters": int,
    "multiply_adds": int,
}
LIMITS = {"lower": [float], "upper": [float], "exact_lower": [str], "exact_upper": [str]}
RAW = {"raw_lower": (list, type(None)), "raw_upper": (list, type(None))}
BOX = {"name": str, "title": str, **LIMITS, **RAW}
COUNTS = dict.fromkeys(("zero", "identity", "active", "open"), int)
SIZES = {"neurons": int, "parameters": int, "multiply_adds": int}
TIMES = {"latency_us": float, "batch_us": float}
POINT = {"input": [float], "exact_input": [str], "value": float, "runtime": (float, type(None))}
BOUND = (float, type(None))
STEPS = dict.fromkeys(("phase", "forward", "result-preserving", "relaxed"), int)
LEFT = {"active": int, "open": int}
CUT = {
    "region": BOX,
    "constant": bool,
    "exact": bool,
    "distance": BOUND,
    "guarantee": str,
    "phases": COUNTS,
    "removed": STEPS,
    "left_out": int,
    "layers": [
        {"layer": str, "neurons": int, **COUNTS, "removed": STEPS, "left": LEFT, "form": str}
    ],
    "steps": [
        {
            "step": str,
            **dict.fromkeys(("asked", "removed", "tries", "boxes"), int),
            "seconds": float,
        }
    ],
    "proof": (dict, type(None)),
    "error": (dict, type(None)),
    "neurons": [
        {
            "layer": str,
            "neuron": int,
            "kind": str,
            "state": str,
            "slope": BOUND,
            "intercept": BOUND,
            "evidence": str,
            "cost": BOUND,
        }
    ],
    "methods": dict,
    "step_seconds": dict,
    "boxes": int,
    "before": SIZES | TIMES,
    "after": SIZES | TIMES,
    "speedup": float,
    "batch_speedup": float,
    "batch_points": int,
    "replayed": {
        "exact_points": int,
        "exact_difference": float,
        "float_points": int,
        "float_difference": BOUND,
        "disagreements": (int, type(None)),
    },
    "witnesses": [{"layer": str, "neuron": int, "method": str, "points": [POINT]}],
    "open": [{"layer": str, "neuron": int, "lower": BOUND, "upper": BOUND, "reason": str}],
    "output": {"path": str, "sha256": str},
    "seconds": float,
}
EDITIONS = {"simplify": 2, "demo": 2}
SHAPES = {
    "info": {
        "network": NETWORK,
        "layers": [
            {"name": str, "kind": str, "shape": [int], "size": int, "reads": [str], "states": dict}
        ],
        "normalisation": (dict, type(None)),
    },
    "bounds": {
        "network": NETWORK,
        "region": BOX,
        "method": str,
        "complete": bool,
        "outputs": [
            {"index": int, **dict.fromkeys(("lower", "upper", "raw_lower", "raw_upper"), BOUND)}
        ],
        "layers": [
            {
                "layer": str,
                "neurons": int,
                "lower": BOUND,
                "upper": BOUND,
                "zero": int,
                "identity": int,
                "open": int,
            }
        ],
    },
    "simplify": {
        "network": NETWORK,
        "keep": str,
        "tolerance": float,
        "tolerance_units": str,
        "exact_tolerance": str,
        "order": str,
        "lines": str,
        "effort": str,
        "cuts": [CUT],
    },
    "demo": {
        "controllers": [{"name": str, "title": str, "network": NETWORK, "cuts": [CUT]}],
        "report": str,
    },
    "fetch": {
        "collection": str,
        "folder": str,
        "source": str,
        "files": [{"name": str, "sha256": str, "kept": bool}],
    },
    "doctor": {
        "checks": [{"name": str, "found": str, "needed": bool, "ok": bool, "mend": str}],
    },
}


def fits(value, shape, place="record"):
    """Check that a JSON value has a shape: all its keys and no others."""
    match shape:
        case dict():
            assert isinstance(value, dict), place
            assert set(value) == set(shape), place
            for key, part in shape.items():
                fits(value[key], part, f"{place}.{key}")
        case [part]:
            assert isinstance(value, list), place
            for index, item in enumerate(value):
                fits(item, part, f"{place}[{index}]")
        case _:
            assert isinstance(value, shape), f"{place} is {value!r}"
            assert isinstance(value, bool) == (shape is bool), place


@pytest.mark.parametrize("verb", ["info", "bounds", "simplify", "doctor"])
def test_a_record_has_the_documented_shape(net, tmp_path, verb):
    words = {
        "info": ("info", net),
        "bounds": ("bounds", net, "--region", REGION, "--hidden"),
        "simplify": ("simplify", net, "--region", REGION, "-o", tmp_path / "out.onnx"),
        "doctor": ("doctor",),
    }[verb]
    assert call(*words, "--json", tmp_path / "r.json", "-q") == 0
    record = recorded(tmp_path / "r.json")
    fits(record, COMMON | SHAPES[verb])
    assert record["schema"] == f"secateur.{verb}/{EDITIONS.get(verb, 1)}"
    assert record["exit"] == 0


def test_the_documentation_names_every_key():
    text = (ROOT / "docs" / "json.md").read_text()

    def keys(shape):
        match shape:
            case dict():
                for key, part in shape.items():
                    yield key
                    yield from keys(part)
            case [part]:
                yield from keys(part)

    for verb, shape in SHAPES.items():
        assert f"`secateur.{verb}/{EDITIONS.get(verb, 1)}`" in text
        missing = {key for key in keys(COMMON | shape) if f"`{key}`" not in text}
        assert not missing


# What is refused


def with_nan(path):
    """Write the tiny network with one weight that is not a number."""
    save(tiny(), path)
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] = np.nan
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, path)


def broken(folder):
    """Write every kind of network file that cannot be used; return their names."""
    save(tiny(), folder / "good.onnx")
    save(tiny("float64"), folder / "good.nnet")
    for ending in ("onnx", "nnet"):
        whole = (folder / f"good.{ending}").read_bytes()
        (folder / f"truncated.{ending}").write_bytes(whole[: len(whole) // 2])
        (folder / f"foreign.{ending}").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        (folder / f"empty.{ending}").write_bytes(b"")
        (folder / f"folder.{ending}").mkdir()
    text = (folder / "good.nnet").read_text().splitlines()
    text[8] = "nan," + text[8].split(",", 1)[1]
    (folder / "nan.nnet").write_text("\n".join(text) + "\n")
    with_nan(folder / "nan.onnx")
    (folder / "net.txt").write_text("no network")
    kinds = ("truncated", "foreign", "empty", "folder", "nan", "missing")
    return [f"{kind}.{ending}" for kind in kinds for ending in ("onnx", "nnet")] + ["net.txt"]


def test_a_network_file_that_cannot_be_used_is_refused(tmp_path, capsys):
    for name in broken(tmp_path):
        path = tmp_path / name
        for words in (
            ("info", path),
            ("bounds", path, "--region", REGION),
            ("simplify", path, "--region", REGION, "-o", tmp_path / "out.onnx"),
        ):
            assert str(path) in refused(capsys, tmp_path, *words)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("0:1", "limits 1 inputs"),
        ("0:1,0:1,0:1,0:1", "limits 4 inputs"),
        ("0:1,1:0,0:1", "input 1 has lower limit 1 above its upper limit 0"),
        ("0:1,0:inf,0:1", "inf is no limit"),
        ("-inf:0,0:1,0:1", "-inf is no limit"),
        ("0:1,nan:1,0:1", "nan"),
        ("0:1,0:,0:1", "the upper limit is missing"),
        ("", "limit is missing"),
        ("0:1,a:b,0:1", "a"),
        ("nowhere.json", "there is no such file"),
        ("nowhere.vnnlib", "there is no such file"),
        ("net", "states no normalisation"),
    ],
)
def test_a_region_that_cannot_be_used_is_refused(net, tmp_path, capsys, region, said):
    for words in (
        ("bounds", net, "--region", region),
        ("simplify", net, "--region", region, "-o", tmp_path / "out.onnx"),
    ):
        assert said in refused(capsys, tmp_path, *words)


def test_a_single_point_cannot_be_simplified(net, tmp_path, capsys):
    words = ("--region", REGION, "--region", "0,1,2", "-o", tmp_path / "out.onnx")
    assert "is a single point" in refused(capsys, tmp_path, "simplify", net, *words)


@pytest.mark.parametrize("region", ["0:11,0:1,0:1", "0:1,-0.001:1,0:1"])
def test_a_raw_region_outside_the_stated_range_is_refused(nnet, tmp_path, capsys, region):
    words = ("--region", region, "--units", "raw")
    assert "the network states 0 to 10" in refused(capsys, tmp_path, "bounds", nnet, *words)


def test_raw_units_without_a_normalisation_are_refused(net, tmp_path, capsys):
    words = ("bounds", net, "--region", REGION, "--units", "raw")
    assert "states no normalisation" in refused(capsys, tmp_path, *words)


def unwritable(folder):
    """Return a place in which nobody, root included, can make a file."""
    place = folder / "locked"
    place.mkdir()
    place.chmod(0o500)
    if not os.access(place, os.W_OK):
        return place
    if not Path("/proc/self").is_dir():
        pytest.skip("runs as root on a system without /proc: every folder can be written")
    return Path("/proc/self")


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    net, tmp_path, capsys, monkeypatch
):
    from secateur.commands import simplify

    def work(*_args, **_options):
        raise AssertionError("the work has started")

    monkeypatch.setattr(simplify, "make_cut", work)
    good = ("simplify", net, "--region", REGION)
    (tmp_path / "a-folder.onnx").mkdir()
    locked = unwritable(tmp_path)
    for path, said in (
        (tmp_path / "missing" / "out.onnx", "there is no folder"),
        (tmp_path / "a-folder.onnx", "this is a folder"),
        (net / "out.onnx", "there is no folder"),
        (locked / "out.onnx", "cannot be written"),
        (tmp_path / "out.pt", ".pt is no format to write"),
        (tmp_path / "out", "no ending is no format to write"),
        (net, "this is the input"),
    ):
        assert said in refused(capsys, tmp_path, *good, "-o", path)
    fine = tmp_path / "out.onnx"
    for option, name in (("--json", "r.json"), ("--report", "r.html")):
        for folder in (tmp_path / "missing", locked):
            refused(capsys, tmp_path, *good, "-o", fine, option, folder / name)
        refused(capsys, tmp_path, *good, "-o", fine, option, tmp_path)
    same = ("--json", tmp_path / "x.html", "--report", tmp_path / "x.html")
    assert "this is what --report" in refused(capsys, tmp_path, *good, "-o", fine, *same)


def test_a_network_that_nnet_cannot_hold_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    from secateur.commands import simplify

    monkeypatch.setattr(simplify, "make_cut", None)
    kernel = Convolution(np.ones((1, 1, 2, 2)), (1, 3, 3))
    nodes = (
        Node("x", Input((1, 3, 3))),
        Node("c", Affine(kernel, np.zeros(4)), ("x",), (1, 2, 2)),
        Node("r", Piecewise.relu(4), ("c",)),
        Node("d", Affine(Dense(np.ones((2, 4))), np.zeros(2)), ("r",)),
    )
    save(Network(nodes, "d"), tmp_path / "conv.onnx")
    words = ("--region", ",".join(["0:1"] * 9), "-o", tmp_path / "out.nnet")
    said = refused(capsys, tmp_path, "simplify", tmp_path / "conv.onnx", *words)
    assert "write ONNX instead" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tolerance", "-1"), "--tolerance -1"),
        (("--tolerance", "nan"), "--tolerance nan"),
        (("--tolerance", "inf"), "--tolerance inf"),
        (("--tolerance", "much"), "--tolerance"),
        (("--keep", "everything"), "--keep"),
        (("--effort", "none"), "--effort"),
        (("--workers", "0"), "--workers 0"),
        (("--timeout", "0"), "--timeout 0"),
        (("--timeout", "-5"), "--timeout -5"),
        (("--timeout", "nan"), "--timeout nan"),
        (("--seed", "-1"), "--seed -1"),
        (("--seed", "x"), "--seed"),
        (("--units", "feet"), "--units"),
        (("--device", "tpu"), "--device"),
        (("--no-such-option",), "--no-such-option"),
        (("surplus",), "surplus"),
    ],
)
def test_options_that_make_no_sense_are_refused(net, tmp_path, capsys, words, said):
    good = ("simplify", net, "--region", REGION, "-o", tmp_path / "out.onnx")
    assert said in refused(capsys, tmp_path, *good, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "guess"), "'guess' is not one of 'interval'"),
        (("--solver", "abacus"), "--solver abacus: unknown; take one of highs"),
        (("--method", "lp", "--solver", "xpress"), "the solver xpress is not installed"),
    ],
)
def test_an_unknown_method_or_solver_is_refused(net, tmp_path, capsys, words, said, monkeypatch):
    import pulp

    monkeypatch.setattr(pulp.XPRESS, "available", lambda self: False)
    monkeypatch.setattr(pulp.XPRESS_PY, "available", lambda self: False)
    assert said in refused(capsys, tmp_path, "bounds", net, "--region", REGION, *words)


@pytest.mark.parametrize("words", [("conquer",), ("info",), ("bounds", "x.onnx"), ("--nothing",)])
def test_wrong_usage_is_one_line_too(tmp_path, capsys, words):
    assert "ask secateur --help" in refused(capsys, tmp_path, *words)


def test_the_public_bounds_refuse_unknown_names(net):
    network, region = load(net), Region.box([0] * 3, [1] * 3)
    for options in ({"method": "guess"}, {"solver": "abacus"}):
        with pytest.raises(ValueError, match="unknown"):
            secateur.bounds(network, region, **options)


def test_cuda_is_refused_where_there_is_none(net, tmp_path, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refused(capsys, tmp_path, "info", net, "--device", "cuda")
    assert "sees no CUDA device" in said


def test_cuda_says_that_it_is_not_used_yet(net, tmp_path, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert call("info", net, "--device", "cuda", "--json", tmp_path / "r.json") == 0
    assert "runs on the CPU so far" in capsys.readouterr().err
    assert recorded(tmp_path / "r.json")["device"] == "cpu"


def test_a_full_disk_is_one_line(net, tmp_path, capsys):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert "the disk is full" in refused(capsys, tmp_path, "info", net, "-q", "--json", "/dev/full")


def test_a_file_that_disagrees_with_the_original_is_never_put_in_place(
    net, tmp_path, capsys, monkeypatch
):
    from secateur.redundancy.plan import Plan

    wrong = load(net)
    states = {
        node.name: replace(node.layer, state=np.full(node.size, State.ZERO))
        for node in wrong.piecewise
    }
    monkeypatch.setattr(Plan, "network", property(lambda self: wrong.with_layers(states)))
    words = ("--region", REGION, "-o", tmp_path / "out.onnx")
    assert "nothing was written" in refused(capsys, tmp_path, "simplify", net, *words)


def test_unexpected_file_errors_and_mistakes_are_one_line(net, capsys, monkeypatch):
    from secateur.commands import info

    for error, code, said in (
        (
            PermissionError(13, "Permission denied", "/somewhere"),
            2,
            "/somewhere: Permission denied",
        ),
        (MemoryError(), 2, "memory does not suffice"),
        (RuntimeError("odd\nthing"), 1, "a mistake in secateur itself (RuntimeError: odd thing)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):

        def fail(*_args, error=error):
            raise error

        monkeypatch.setattr(info, "load", fail)
        assert call("info", net) == code
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_debugging_shows_the_traceback(net, capsys, monkeypatch):
    monkeypatch.setenv("SECATEUR_DEBUG", "1")
    assert call("info", net.with_name("missing.onnx")) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "secateur: error: " in err.splitlines()[-1]
