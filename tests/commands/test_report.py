"""`secateur report`: one file from records, or one line about what is wrong with them."""

import json
import os
from pathlib import Path

import pytest
from calls import tiny
from pages import Page, needs_nothing, reads_well

from secateur.engine.formats import save


@pytest.fixture
def record(call, tmp_path, monkeypatch):
    """The record of some bounds."""
    monkeypatch.chdir(tmp_path)
    save(tiny(), tmp_path / "f.onnx")
    words = ("f.onnx", "--region", "0:1,0:1,0:1", "--method", "interval", "-q")
    assert call("bounds", *words, "--json", "r.json") == 0
    return tmp_path / "r.json"


def changed(record, **keys):
    found = json.loads(record.read_text()) | keys
    record.write_text(json.dumps(found))
    return record


@pytest.mark.parametrize("ending", [".html", ".htm", ".HTML", ".md", ".json"])
def test_a_report_is_written_by_its_ending(call, capsys, record, ending):
    out = record.with_name(f"out{ending}")
    assert call("report", record, "-o", out) == 0
    said, err = capsys.readouterr()
    assert err == ""
    assert "Report:" in said
    text = out.read_text()
    if ending == ".json":
        assert json.loads(text)["schema"] == "secateur.report/1"
    elif ending == ".md":
        assert text.startswith("# What f.onnx can give over")
    else:
        needs_nothing(text)
        reads_well(text)


def test_the_record_of_a_report_is_the_report_as_data(call, record):
    from secateur.reports.tree import report_record

    assert call("report", record, "-o", "o.json", "--json", "p.json", "-q") == 0
    assert call("report", record, "-o", "o.html", "-q") == 0
    found = json.loads(record.with_name("o.json").read_text())
    assert found == json.loads(record.with_name("p.json").read_text())
    (chapter,) = found["chapters"]
    assert set(chapter) == {
        *("title", "subtitle", "verdict", "record", "question", "answer", "guarantee", "trusted"),
        *("sections", "again"),
    }
    assert chapter["record"]["schema"] == "secateur.bounds/1"
    page = Page(record.with_name("o.html").read_text()).text
    for line in (*chapter["question"], *chapter["answer"], chapter["title"]):
        assert " ".join(line.split()) in page
    kinds = {block["kind"] for one in chapter["sections"] for block in one["blocks"]}
    assert kinds >= {"table", "figures"}
    from secateur.report import build, read_runs

    assert report_record(build(read_runs([record])))["chapters"] == found["chapters"]


def test_the_record_of_a_report_is_documented():
    text = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
    own = text[text.index("`secateur.report/1`") : text.index("`secateur.fetch/1`")]
    keys = ("title", "subtitle", "verdict", "record", "question", "answer", "guarantee", "trusted")
    kinds = ("text", "points", "facts", "command", "table", "legend", "figures")
    for word in (*keys, "sections", "again", *kinds):
        assert f"`{word}`" in own, word


def test_json_alone_goes_to_standard_output(call, capsys, record):
    assert call("report", record, "-o", "o.md", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "secateur.report/1"


def test_a_certificate_that_a_record_names_is_checked_by_its_name(call, record):
    changed(record, proof_file="a proof; rm -rf.cert")
    assert call("report", record, "-o", "o.html", "-q") == 0
    text = Page(record.with_name("o.html").read_text()).text
    assert "secateur check 'a proof; rm -rf.cert'" in text
    for proof, said in (
        ({"path": "p.cert", "sha256": "5ha256", "reason": None}, ("check p.cert", "5ha256")),
        ({"path": None, "reason": "it was late"}, ("was not written: it was late.",)),
        (None, ("names no certificate",)),
    ):
        changed(record, proof_file=proof)
        assert call("report", record, "-o", "o.html", "-q") == 0
        text = Page(record.with_name("o.html").read_text()).text
        assert all(words in text for words in said), said


def test_no_network_is_loaded_for_a_report(call, record, monkeypatch):
    record.with_name("f.onnx").unlink()
    monkeypatch.setattr("secateur.engine.formats.load", None)
    assert call("report", record, record, "-o", "o.html", "-q") == 0
    assert "2 answers" in record.with_name("o.html").read_text()


def test_what_cannot_be_used_is_refused_and_nothing_is_written(refused, record, tmp_path):
    whole = json.loads(record.read_text())
    files = {
        "text.json": "no json",
        "nan.json": json.dumps(whole | {"seconds": float("nan")}),
        "inf.json": record.read_text().replace('"seed": 0', '"seed": 1e999'),
        "less.json": json.dumps({k: v for k, v in whole.items() if k != "outputs"}),
        "bytes.json": b"\xff\xfe",
        "deep.json": "[" * 5000 + "]" * 5000,
        "fetch.json": json.dumps(whole | {"schema": "secateur.fetch/1"}),
        "list.json": "[1]",
        "null.json": json.dumps(whole | {"network": None}),
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "large.json").write_bytes(b"{")
    os.truncate(tmp_path / "large.json", 100_000_000)
    (tmp_path / "folder").mkdir()
    for words, said in (
        (("missing.json", "-o", "o.html"), "there is no such file"),
        (("folder", "-o", "o.html"), "this is a folder"),
        (("text.json", "-o", "o.html"), "line 1, column 1: this is no JSON"),
        (("nan.json", "-o", "o.html"), "NaN is no number"),
        (("inf.json", "-o", "o.html"), "1e999 is no finite number"),
        (("less.json", "-o", "o.html"), "outputs is missing"),
        (("bytes.json", "-o", "o.html"), "not UTF-8"),
        (("deep.json", "-o", "o.html"), "deep.json: "),
        (("large.json", "-o", "o.html"), "larger than 64 MiB"),
        (("fetch.json", "-o", "o.html"), "no report is made of secateur.fetch/1"),
        (("list.json", "-o", "o.html"), "a single value or a list"),
        (("null.json", "-o", "o.html"), "network is null"),
        ((record, "text.json", "-o", "o.html"), "text.json"),
        ((record, "-o", "o.txt"), ".txt is no format to write"),
        ((record, "-o", "o"), "no ending is no format"),
        ((record, "-o", record), "this is the input"),
        ((record, "-o", "folder"), "this is a folder"),
        ((record, "-o", "none/o.html"), "there is no folder"),
        ((record, "-o", "o.html", "--json", "o.html"), "this is what --output writes too"),
        ((record, "-o", "o.html", "--seed", -1), "--seed -1"),
        ((*[record] * 101, "-o", "o.html"), "give at most 100"),
        (("-o", "o.html"), "RUN"),
        ((record,), "--output"),
    ):
        assert said in refused("report", *words), words


def test_a_full_disk_is_one_line(refused, record):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    Path("full.html").symlink_to("/dev/full")
    assert "the disk is full" in refused("report", record, "-o", "full.html")


def test_the_help_names_the_verb(call, capsys):
    call("--help")
    assert "\n  report " in capsys.readouterr().out
