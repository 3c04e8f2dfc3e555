"""`secateur forget exemplars` and `forget disagreement`: records, pictures, reports, refusals."""

import json

import numpy as np
import pytest

from secateur.engine.formats import load, save
from secateur.engine.network import Network
from secateur.report import Form, build, read_runs, rendered


@pytest.fixture
def table(tmp_path):
    """A table of three clouds of points."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    centres = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
    inputs = centres[labels] + 0.5 * rng.normal(size=(120, 2))
    lines = [f"{a:.6f},{b:.6f},{c}" for (a, b), c in zip(inputs, labels, strict=True)]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["a,b,label", *lines]) + "\n")
    return path


@pytest.fixture
def pictures(tmp_path):
    """Small pictures of two classes: a bright left half, or a bright right one."""
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2
    levels = rng.integers(0, 130, (80, 6, 6))
    for row, label in enumerate(labels):
        levels[row, :, 3 * label : 3 * label + 3] += 60
    levels = levels.astype(np.uint8)[:, None]
    np.savez(tmp_path / "halves.npz", inputs=levels, labels=labels)
    return tmp_path / "halves.npz"


@pytest.fixture
def forget(call, tmp_path, capsys):
    """Run a verb of forget; return code, record and what was said."""

    def forget(*words):
        record = tmp_path / "r.json"
        code = call("forget", *words, "--json", record)
        out, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(record.read_text()), " ".join(out.split())

    return forget


SMALL = ("--hidden", "8", "--models", 2, "--epochs", 6, "--batch", 20, "--rate", 0.02)


def test_populations_of_a_table_and_a_second_call_that_goes_on(forget, table, tmp_path):
    words = ("exemplars", "--data", table, *SMALL, "--quantize", "float16", "-o", tmp_path / "pop")
    code, record, out = forget(*words, "--sparsities", "0,0.9", "--severities", "3")
    assert code == 0
    assert record["schema"] == "secateur.exemplars/1"
    assert [one["name"] for one in record["populations"]] == ["pruned-0", "pruned-0.9", "float16"]
    assert (record["plan"]["networks"], record["plan"]["missing"]) == (8, 0)
    for one in record["populations"]:
        rows = one["exemplars"] + one["undecided"] + one["kept"]
        assert rows == record["data"]["test"] == one["overall"]["rows"]
        assert len(one["classes"]) == 3
        assert [case["kind"] for case in one["corruptions"]] == ["noise", "missing"]
        assert len(one["gallery"]) == min(24, one["exemplars"])
        assert all(len(shown["values"]) == 2 for shown in one["gallery"])
    assert "exemplars" in out
    made = {path: path.read_bytes() for path in (tmp_path / "pop").rglob("*.onnx")}
    assert len(made) == 8
    first = sorted(made)[3]
    first.unlink()
    code, again, _ = forget(*words, "--sparsities", "0,0.9", "--severities", "3", "--resume")
    assert code == 0
    assert first.read_bytes() == made[first]
    assert again["populations"] == record["populations"]


def test_pictures_have_a_sheet_and_a_report_in_every_form(forget, pictures, tmp_path):
    page = tmp_path / "r.html"
    code, record, _ = forget(
        *("exemplars", "--data", pictures, *SMALL, "--models", 3, "--sparsities", "0.999"),
        *("-o", tmp_path / "pop", "--severities", "5", "--report", page),
    )
    assert code == 0
    one = record["populations"][0]
    assert len(one["corruptions"]) == 7
    text = page.read_text()
    assert "What compression forgot" in text
    sheet = tmp_path / "pop" / "exemplars-pruned-0.999.svg"
    assert sheet.exists() == bool(one["exemplars"])
    assert one["exemplars"], "the sheet is tested with exemplars on it"
    assert sheet.read_text().count("data:image/png;base64,") == min(24, one["exemplars"])
    report = build(read_runs([tmp_path / "r.json"]))
    for form in (Form.MARKDOWN, Form.JSON, Form.HTML):
        assert b"pruned-0.999" in rendered(report, form)


def test_a_network_gives_the_layers(forget, table, tmp_path):
    sizes = [2, 5, 4, 3]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype(np.float32).astype(float) for shape in shapes]
    save(Network.dense(weights, [np.zeros(rows) for rows, _ in shapes]), tmp_path / "net.onnx")
    code, record, _ = forget(
        *("exemplars", tmp_path / "net.onnx", "--data", table, "--models", 2, "--epochs", 1),
        *("--sparsities", "0.5", "-o", tmp_path / "pop", "--severities", "none"),
    )
    assert code == 0
    assert record["plan"]["neurons"] == 9
    network = load(tmp_path / "pop" / "models" / "original" / "000.onnx")
    assert [node.name for node in network.piecewise] == ["relu1", "relu2"]


def test_a_time_limit_leaves_networks_to_go_on_with(forget, table, tmp_path):
    code, record, out = forget(
        *("exemplars", "--data", table, "--hidden", "8", "--models", 30, "--epochs", 500),
        *("--sparsities", "0.5", "-o", tmp_path / "pop", "--timeout", "2"),
    )
    assert code == 20
    assert record["populations"] == []
    assert "--resume" in record["reason"]
    assert "Not complete" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hidden", "8", "--sparsities", "0.5,x"), "--sparsities x"),
        (("--hidden", "8", "--quantize", "int4"), "take float16, int8-weights, int8"),
        (("--hidden", "8,0"), "numbers of 1 or more"),
        (("--hidden", "8", "--severities", "9"), "numbers from 1 to 5, or none"),
        (("--hidden", "8", "--models", "1"), "two or more"),
        (("--hidden", "8", "--sparsities", "1"), "from 0 to below 1"),
        (("--hidden", "8", "--test", "1"), "above 0 and below 1"),
        ((), "--hidden 64,32"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(refused, table, tmp_path, words, said):
    line = refused("forget", "exemplars", "--data", table, "-o", tmp_path / "pop", *words)
    assert said in line


# --- regions --------------------------------------------------------------------------------------


@pytest.fixture
def halves(tmp_path):
    """Two files: class 0 where x >= 0, and where x >= 1/4."""
    for name, offset in (("f", 0.0), ("g", -0.25)):
        network = Network.dense([np.array([[1.0, 0.0], [0.0, 0.0]])], [np.array([offset, 0.0])])
        save(network, tmp_path / f"{name}.onnx")
    return tmp_path / "f.onnx", tmp_path / "g.onnx"


def test_the_share_the_map_and_the_witness_of_two_half_spaces(forget, halves, tmp_path):
    page = tmp_path / "d.html"
    words = (*halves, "--region=-1:1,0:1", "--workers", 1, "--report", page)
    code, record, out = forget("disagreement", *words)
    assert code == 0
    assert record["share"]["least"] <= 0.125 <= record["share"]["most"]
    assert record["gap_reached"]
    assert record["changes"][0]["from"] == 0
    assert record["changes"][0]["to"] == 1
    witness = record["sampled"]["witness"]
    assert 0 <= witness["input"][0] < 0.25
    assert (witness["first"], witness["second"]) == (0, 1)
    assert record["sampled"]["differ"] / record["sampled"]["points"] == pytest.approx(
        0.125, abs=0.02
    )
    assert record["map"]["across"]["input"] == 0
    for left, right, bottom, top in record["map"]["boxes"]["differ"]:
        assert 0 <= left < right <= 0.25
        assert 0 <= bottom < top <= 1
    assert all(one["lower"][0] >= 0 and one["upper"][0] <= 0.25 for one in record["largest"])
    assert "by proof" in out
    assert "Where classes differ" in page.read_text()


def test_the_smallest_output_and_networks_that_agree(forget, halves):
    one, other = halves
    code, record, out = forget("disagreement", one, one, "--region=-1:1,0:1", "--best", "min")
    assert (code, record["share"]) == (0, {"least": 0.0, "most": 0.0})
    assert "same class on all" in out
    code, record, _ = forget(
        "disagreement", one, other, "--region=-1:1,0:1", "--best", "min", "--workers", 1
    )
    assert record["share"]["least"] <= 0.125 <= record["share"]["most"]
    assert (record["changes"][0]["from"], record["changes"][0]["to"]) == (1, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--region=-1:1,0:1", "--seconds", "0"), "seconds above 0"),
        (("--region=-1:1,0:1", "--gap", "1"), "from 0 to below 1"),
        (("--region=-1:1",), "limits"),
    ],
)
def test_numbers_and_regions_that_are_none_are_refused(refused, halves, words, said):
    assert said in refused("forget", "disagreement", *halves, *words)
