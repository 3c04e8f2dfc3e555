"""`secateur repair`: files that are what was certified, records that say so, and refusals."""

import json
from fractions import Fraction

import numpy as np
import pytest
from formed import PLANTED, compressed, cut_input, dense
from pages import needs_nothing

import secateur
from secateur.commands import repair as command
from secateur.compression.files import load_compressed, save_compressed
from secateur.compression.form import Compressed, Grid, LayerForm, Masked
from secateur.compression.method import Int8, SeenRanges
from secateur.compression.packed import pack
from secateur.compression.repair_moves import Policy
from secateur.compression.schooling import Training
from secateur.compression.sums import exact_sums
from secateur.engine.answer import Effort
from secateur.engine.errors import MismatchError
from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.network import Network

BOX = "-0.5:0.5,-0.5:0.5,-0.5:0.5"
QUICK = ("--iterations", 2, "--boxes", 300, "--steps", 40, "--rate", "0.01", "--workers", 1)


@pytest.fixture
def files(tmp_path):
    """An original and a compressed network with a mask, as files."""
    network = dense(5)
    save(network, tmp_path / "f.onnx")
    save_compressed(compressed(network, "masked"), tmp_path / "g.onnx")
    return tmp_path / "f.onnx", tmp_path / "g.onnx"


@pytest.fixture
def repaired(call, tmp_path, capsys):
    """Repair; return exit code, record, the network written and what was said."""

    def repaired(*words, box=BOX, name="out.onnx"):
        out, record = tmp_path / name, tmp_path / "r.json"
        code = call("repair", *words, "--region", box, "-o", out, "--json", record)
        said, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(record.read_text()), load_compressed(out), " ".join(said.split())

    return repaired


def test_what_is_written_is_what_was_certified(files, repaired, call, tmp_path, capsys):
    code, record, made, said = repaired(*files, "--tolerance", 100, *QUICK)
    assert code == 0
    assert record["schema"] == "secateur.repair/1"
    assert record["verdict"] == "proved"
    assert not record["improved"]
    assert "Proved: no output is farther than 100" in said
    code, record, made, said = repaired(*files, "--tolerance", "1e-9", *QUICK)
    assert code == 20
    assert record["verdict"] == "unknown"
    assert "No network of this format is known that comes nearer than" in said
    assert record["after"]["proved"] <= record["before"]["proved"]
    assert len(record["iterations"]) >= 2
    start = load_compressed(files[1])
    for name, form in start.forms.items():
        assert type(made.forms[name].weight) is type(form.weight)
        if isinstance(form.weight, Masked):
            held = made.network.by_name[name].layer.operator.weight
            assert not held[~form.weight.kept].any()
    assert record["packed_bytes"]["repaired"] == len(pack(made))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (300, 3)).astype(np.float32).astype(float)
    apart = np.abs(load(files[0]).evaluate(points) - made.network.evaluate(points)).max(axis=0)
    assert (apart <= [one["proved"] for one in record["after"]["outputs"]]).all()
    # The command that it names certifies the file again.
    words = record["certify"][0].split()[1:]
    capsys.readouterr()
    assert call(*words, "--timeout", 20, "--json", tmp_path / "c.json") in (0, 20)
    again = json.loads((tmp_path / "c.json").read_text())
    for one, two in zip(again["outputs"], record["after"]["outputs"], strict=True):
        assert one["attained"] <= two["proved"] + 1e-12
        assert two["attained"] <= one["proved"]


def test_a_planted_case_is_proved_from_files(tmp_path, repaired):
    network, start, _, least = cut_input()
    save(network, tmp_path / "f.onnx")
    save_compressed(start, tmp_path / "g.onnx")
    mask = load_compressed(tmp_path / "g.onnx").forms["affine1"].weight
    assert isinstance(mask, Masked)
    words = ("--tolerance", "21/40", "--boxes", 2000, "--workers", 1, "--rate", "0.005")
    code, record, _, _ = repaired(tmp_path / "f.onnx", tmp_path / "g.onnx", *words, box="-1:1,-1:1")
    assert code == 0
    assert least * (1 - 1e-6) <= record["after"]["proved"] <= 0.525
    assert Fraction(record["tolerance"]) == Fraction(21, 40)
    assert set(PLANTED) > {"cut input"}


def test_a_fixed_point_network_is_repaired_and_runs_bit_for_bit(tmp_path, repaired):
    network = dense(3)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))
    save(network, tmp_path / "f.onnx")
    start = secateur.compress(network, Int8(SeenRanges(points)))
    save_compressed(start, tmp_path / "g.onnx")
    _, record, made, _ = repaired(
        tmp_path / "f.onnx", tmp_path / "g.onnx", "--tolerance", "0.001", *QUICK
    )
    assert record["after"]["proved"] <= record["before"]["proved"]
    assert exact_sums(start)
    assert exact_sums(made)
    some = points[:64].astype(np.float32).astype(float)
    assert np.array_equal(Runtime(tmp_path / "out.onnx").outputs(some), made.network.evaluate(some))
    for form in made.forms.values():
        assert isinstance(form.weight, Grid)


def test_sums_that_round_are_seen():
    network = dense(3)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    start = secateur.compress(network, Int8(SeenRanges(points)))
    (name, layer), *_ = [
        (node.name, node.layer)
        for node in start.network.nodes
        if start.forms.get(node.name) and isinstance(start.forms[node.name].bias, Grid)
    ]
    form = start.forms[name].bias
    bias = layer.bias.copy()
    bias[0] = 2.0**24 * form.scale[0]
    moved = start.network.with_layers({name: type(layer)(layer.operator, bias)})
    assert exact_sums(start)
    assert not exact_sums(Compressed(moved, start.forms))


def test_data_are_trained_beside_and_a_part_is_held_out(files, repaired, tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (200, 3)).astype(np.float32)
    labels = load(files[0]).evaluate(inputs.astype(float)).argmax(axis=1)
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels)
    report = tmp_path / "r.html"
    words = ("--tolerance", "0", "--data", tmp_path / "data.npz", "--report", report)
    code, record, _, said = repaired(*files, *words, *QUICK)
    assert code == 20
    assert record["data"]["rows"] == {"train": 160, "test": 40}
    assert record["accuracy"]["train"]["original"] == 1.0
    assert record["accuracy"]["test"]["original"] == 1.0
    assert record["iterations"][0]["accuracy"] == record["accuracy"]["train"]["compressed"]
    assert "Rows with the right label" in said
    text = report.read_text()
    assert "held out" in text
    assert "trained on" in text
    needs_nothing(text)


def test_a_repair_goes_on_from_its_state(files, repaired, tmp_path):
    state = tmp_path / "state"
    common = ("--tolerance", "0", "--state", state)
    short = ("--iterations", 1, *QUICK[2:])
    repaired(*files, *common, *short)
    assert state.exists()
    _, resumed, one, _ = repaired(*files, *common, *QUICK, "--resume")
    _, whole, two, _ = repaired(*files, "--tolerance", "0", *QUICK)
    assert pack(one) == pack(two)
    assert [i["proved"] for i in resumed["iterations"]] == [
        i["proved"] for i in whole["iterations"]
    ]


def test_a_tolerance_that_no_number_can_meet_is_refused(files, refused, tmp_path, monkeypatch):
    start = load_compressed(files[1])
    fixed = {name: LayerForm(*_fixed()) for name in start.forms}
    monkeypatch.setattr(command, "load_compressed", lambda path: Compressed(start.network, fixed))
    said = refused(
        "repair", *files, "--region", BOX, "--tolerance", 0, "-o", tmp_path / "out.onnx", *QUICK
    )
    assert "no number of" in said
    assert "give that or more" in said


def _fixed():
    from secateur.compression.form import Fixed

    return Fixed(), Fixed()


def test_a_file_that_holds_another_network_is_not_written(
    files, call, tmp_path, monkeypatch, capsys
):
    other = compressed(dense(8), "masked")
    monkeypatch.setattr(command, "save_compressed", lambda _, path: save_compressed(other, path))
    words = ("--region", BOX, "--tolerance", 100, "-o", tmp_path / "out.onnx", *QUICK)
    assert call("repair", *files, *words) != 0
    assert "read otherwise than it was written" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()
    assert issubclass(MismatchError, RuntimeError)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tolerance", "-1"), "at least 0"),
        (("--tolerance", "nan"), "finite"),
        (("--tolerance", "1", "--resume"), "--state"),
        (("--tolerance", "1", "--seconds", "0"), "seconds above 0"),
        (("--tolerance", "1", "--damping", "0.5"), "damping"),
        (("--tolerance", "1", "--steps", "-1"), "steps"),
        (("--tolerance", "1", "--boxes", "0"), "boxes"),
        (("--tolerance", "1", "--workers", "0"), "--workers"),
        (("--tolerance", "1", "--data", "nothing.txt"), "no data set"),
        (("--tolerance", "1", "--region", "0:1"), "region"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(files, refused, tmp_path, words, said):
    given = words if "--region" in words else (*words, "--region", BOX)
    assert said in refused("repair", *files, "-o", tmp_path / "out.onnx", *given)


def test_networks_that_share_no_input_size_are_refused(files, refused, tmp_path):
    save(dense(1, (4, 3, 2)), tmp_path / "h.onnx")
    words = ("--region", BOX, "--tolerance", 1, "-o", tmp_path / "out.onnx")
    assert "inputs" in refused("repair", tmp_path / "h.onnx", files[1], *words)


def test_the_python_face_takes_files_and_networks(files):
    method = Policy(iterations=1, boxes=200, training=Training(steps=20))
    one = secateur.repair(*files, BOX, 0, effort=Effort(workers=1), method=method)
    network: Network = load(files[0])
    start = load_compressed(files[1])
    region = secateur.compare(network, start.network, BOX).outputs and BOX
    two = secateur.repair(network, start, region, 0, effort=Effort(workers=1), method=method)
    assert pack(one.compressed) == pack(two.compressed)
