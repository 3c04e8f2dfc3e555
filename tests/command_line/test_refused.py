"""What the command line refuses: in one line, and before anything is written."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from calls import REGION, refused, tiny

import secateur
from secateur.engine.formats import load, save
from secateur.engine.network import Affine, Input, Network, Node, Piecewise
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region


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
