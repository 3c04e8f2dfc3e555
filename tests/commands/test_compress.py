"""`secateur compress`: what it writes, what it says, and what it refuses."""

import json
import shlex

import numpy as np
import pytest
from calls import REGION, call, recorded, refused, tiny

import secateur
from secateur.compression.files import load_compressed
from secateur.compression.form import Grid, Half, Masked
from secateur.compression.method import Float16, Magnitude
from secateur.compression.packed import pack, unpack
from secateur.engine.formats import load, save
from secateur.engine.network import Network

LIMITS = np.array([-0.25, 0.0, -0.5]), np.array([0.75, 0.5, 0.0])

WAYS = {
    "magnitude": ("--share", "0.3"),
    "random": ("--share", "0.3", "--scope", "tensor"),
    "rows": ("--share", "0.4"),
    "float16": (),
    "int8-weights": (),
    "int8": (),
    "lowrank": ("--rank", "2"),
}


@pytest.fixture
def net(tmp_path):
    save(tiny(sizes=(3, 12, 10, 2)), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.mark.parametrize("way", WAYS)
def test_every_method_writes_what_it_says(net, tmp_path, way):
    out, record_file = tmp_path / "out.onnx", tmp_path / "r.json"
    words = ("--method", way, *WAYS[way], "--region", REGION, "-o", out)
    files = ("--pack", tmp_path / "out.sec", "--json", record_file, "--report", tmp_path / "r.html")
    assert call("compress", net, *words, *files, "-q") == 0
    record = recorded(record_file)
    assert record["schema"] == "secateur.compress/1"
    packed = (tmp_path / "out.sec").read_bytes()
    assert record["after"]["packed_bytes"] == record["pack"]["bytes"] == len(packed)
    assert record["after"]["file_bytes"] == record["output"]["bytes"] == out.stat().st_size
    assert record["after"]["nonzero"] <= record["before"]["nonzero"]
    after = load_compressed(out)
    assert pack(after) == packed
    points = np.random.default_rng(0).uniform(*LIMITS, (1000, 3))
    wanted = after.network.evaluate(points)
    assert (unpack(packed).network.evaluate(points) == wanted).all()
    apart = np.abs(load(net).evaluate(points) - wanted)
    assert record["seen"]["difference"] >= apart.max() * 0.5
    assert way in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("way", "kind"), [("magnitude", Masked), ("float16", Half), ("int8", Grid)]
)
def test_the_file_keeps_the_forms(net, tmp_path, way, kind):
    words = ("--region", REGION, "-o", tmp_path / "out.onnx", "-q")
    assert call("compress", net, "--method", way, *WAYS[way], *words) == 0
    forms = load_compressed(tmp_path / "out.onnx").forms
    assert any(isinstance(form.weight, kind) for form in forms.values())


def test_the_same_seed_gives_the_same_bytes(net, tmp_path):
    words = ("compress", net, "--method", "random", "--share", "0.5", "-q", "-o")
    files = [tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        assert call(*words, file, "--seed", seed) == 0
    one, two, three = (load(file).nodes[1].layer.operator.weight for file in files)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (one == two).all()
    assert not (one == three).all()


def test_the_command_that_certifies_runs_and_bounds_what_was_seen(net, tmp_path, capsys):
    out, record = tmp_path / "out.onnx", tmp_path / "r.json"
    words = ("--method", "float16", "--region", REGION, "-o", out, "--json", record, "-q")
    assert call("compress", net, *words) == 0
    found = recorded(record)
    line = shlex.split(found["certify"])
    assert line[:2] == ["secateur", "compare"]
    assert call(*line[1:], "--timeout", 20, "--json", tmp_path / "c.json", "-q") == 0
    proved = recorded(tmp_path / "c.json")["norms"]["inf"]["proved"]
    assert proved >= found["seen"]["difference"]
    capsys.readouterr()


def test_what_was_lost_is_told(net, tmp_path, capsys):
    words = ("--method", "magnitude", "--share", "0.5", "--region", REGION)
    assert call("compress", net, *words, "-o", tmp_path / "out.onnx") == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("packed file, bytes", "network file, bytes", "seen and not proved"):
        assert part in said
    assert f"secateur compare {net} {tmp_path / 'out.onnx'} --region" in said


def test_without_a_region_nothing_is_looked_at(net, tmp_path, capsys):
    out, record = tmp_path / "out.onnx", tmp_path / "r.json"
    assert call("compress", net, "--method", "float16", "-o", out, "--json", record) == 0
    assert recorded(record)["seen"] is None
    assert "Nothing was looked at" in capsys.readouterr().out
    assert call("report", record, "-o", tmp_path / "r.md", "-q") == 0
    assert "Nothing was looked at" in (tmp_path / "r.md").read_text()


def test_the_region_that_a_network_states_is_taken(nnet, tmp_path):
    record = tmp_path / "r.json"
    words = ("--method", "int8", "-o", tmp_path / "out.onnx", "--json", record, "-q")
    assert call("compress", nnet, *words) == 0
    found = recorded(record)
    assert found["seen"]["points"] > 0
    assert "--region net" in found["certify"]
    again = load(tmp_path / "out.onnx")
    assert (again.normalisation.maximum == load(nnet).normalisation.maximum).all()


@pytest.fixture
def nnet(tmp_path):
    from secateur.engine.network import Normalisation

    normal = Normalisation(np.zeros(3), np.full(3, 10.0), np.full(3, 5.0), np.full(3, 10.0), 7.5, 3)
    save(tiny("float64", normal), tmp_path / "net.nnet")
    return tmp_path / "net.nnet"


def test_data_calibrate_and_tell_the_accuracy(net, tmp_path, capsys):
    network = load(net)
    inputs = np.random.default_rng(0).uniform(*LIMITS, (200, 3)).astype(np.float32)
    labels = network.evaluate(inputs).argmax(axis=1)
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels, classes=np.array(2))
    record = tmp_path / "r.json"
    words = ("--data", tmp_path / "data.npz", "-o", tmp_path / "out.onnx", "--json", record)
    assert call("compress", net, "--method", "int8", *words) == 0
    found = recorded(record)
    assert found["seen"]["accuracy"]["before"] == 1.0
    assert found["seen"]["accuracy"]["after"] > 0.9
    assert found["data"]["rows"] == 200
    assert "Accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--method magnitude", "--share"),
        ("--method magnitude --share 1", "--share 1"),
        ("--method magnitude --share=-0.1", "--share -0.1"),
        ("--method rows --share nan", "--share nan"),
        ("--method magnitude --share 0", "without loss"),
        ("--method magnitude --share 0.3 --rank 2", "goes with --method lowrank"),
        ("--method float16 --share 0.3", "--share 0.3"),
        ("--method float16 --fit cover", "goes with --method int8"),
        ("--method lowrank", "--rank or --share"),
        ("--method lowrank --rank 2 --share 0.5", "one of them"),
        ("--method lowrank --rank 0", "--rank 0"),
        ("--method lowrank --rank 99", "more than 10"),
        ("--method int8", "--region, or --data"),
        ("--method int8 --ranges proved", "--region"),
        ("--method int8 --ranges proved --fit squares --region 0:1,0:1,0:1", "--fit squares"),
        ("--method int8 --region 0:1", "limits 1 inputs"),
        ("--method float16 --region 0:1,0:1", "limits 2 inputs"),
        ("--method int8 --data nothing.csv", "nothing.csv"),
        ("--method gzip", "gzip"),
    ],
)
def test_bad_words_are_refused_in_one_line(net, tmp_path, capsys, words, said):
    given = ("compress", net, *words.split(), "-o", tmp_path / "out.onnx")
    assert said in refused(capsys, tmp_path, *given)


def test_only_onnx_holds_compressed_networks(net, tmp_path, capsys):
    words = ("compress", net, "--method", "float16", "-o")
    assert "--output" in refused(capsys, tmp_path, *words, tmp_path / "out.nnet")
    assert "the input" in refused(capsys, tmp_path, *words, net)


def test_a_network_that_rounds_already_is_refused(net, tmp_path, capsys):
    words = ("--region", REGION, "-o", tmp_path / "out.onnx", "-q")
    assert call("compress", net, "--method", "int8", *words) == 0
    again = ("compress", tmp_path / "out.onnx", "--method", "float16", "-o", tmp_path / "b.onnx")
    assert "rounds its values already" in refused(capsys, tmp_path, *again)


def test_the_record_is_described(net, tmp_path):
    from pathlib import Path

    record = tmp_path / "r.json"
    words = ("--method", "int8", "--region", REGION, "-o", tmp_path / "o.onnx", "--json", record)
    assert call("compress", net, *words, "-q") == 0
    text = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
    start = text.index("## `secateur.compress/1`")
    chapter = text[start : text.index("\n## ", start)]
    found = json.loads(record.read_text())
    envelope = {"schema", "command", "made", "versions", "seed", "device", "timeout", "exit"}
    for key in found.keys() - envelope - {"seconds"}:
        assert f"`{key}`" in chapter, key
    for part in ("method", "before", "seen"):
        for key in found[part].keys() - {"neurons", "parameters", "multiply_adds"}:
            assert f"`{key}`" in chapter, key


def test_the_public_face_takes_files_and_networks(net):
    from_file = secateur.compress(net, Magnitude(0.5))
    from_network = secateur.compress(load(net), Magnitude(0.5))
    assert pack(from_file) == pack(from_network)
    half = secateur.compress(str(net), Float16())
    assert isinstance(half.network, Network)
