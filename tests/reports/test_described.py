"""The chapters about what a file holds, and about what is installed: what is there, and no more."""

import pytest

from secateur.engine.errors import FormatError
from secateur.report import Form, build, rendered
from secateur.reports.read import run_of
from secateur.reports.tree import Verdict


def chapter_of(record):
    return build([run_of(record, "r.json", "0" * 64)]).chapters[0]


def text_of(record):
    report = build([run_of(record, "r.json", "0" * 64)])
    return rendered(report, Form.MARKDOWN).decode().replace("\u202f", "").replace("\\", "")


def test_a_network_is_told_with_its_layers_and_its_digest(records):
    record = records["info"]
    text = text_of(record)
    assert chapter_of(record).verdict is Verdict.DONE
    assert record["network"]["sha256"] in text
    for layer in record["layers"]:
        assert f"| {layer['name']} | {layer['kind']} |" in text
    assert "8 relu" in text
    assert "No normalisation is stated" in text
    assert "Nothing was proved of the network" in text


def test_raw_units_are_told_where_the_file_states_them(records):
    record = records["info"]
    sides = {"minimum": [0.0, -1.0], "maximum": [1.0, 2.0], "mean": [0.5, 0.1], "range": [1.0, 4.0]}
    record["normalisation"] = sides | {"output_mean": 7.5, "output_range": 373.9}
    text = text_of(record)
    assert "| input 1 | -1.0 | 2.0 | 0.1 | 4.0 |" in text
    assert "Raw output = network output * 373.9 + 7.5." in text
    record["normalisation"]["mean"] = [0.5]
    with pytest.raises(FormatError, match="minimum has another number of inputs"):
        chapter_of(record)


def test_long_lists_of_layers_are_cut_and_that_is_said(records):
    record = records["info"]
    record["layers"] *= 100
    assert "400 of 600 layers are listed" in text_of(record)


def test_an_installation_is_told_part_by_part(records):
    record = records["doctor"]
    text = text_of(record)
    assert chapter_of(record).verdict is Verdict.DONE
    assert "All that is needed is there and works" in text
    for check in record["checks"]:
        assert f"| {check['name']} |" in text


def test_a_part_that_fails_is_named_first_with_what_to_do(records):
    record = records["doctor"]
    record["checks"][3] |= {"ok": False, "needed": True, "mend": "install it again", "name": "core"}
    chapter = chapter_of(record)
    assert chapter.verdict is Verdict.UNKNOWN
    assert [one.words for one in chapter.answer[:2]] == [
        "1 part fails or is missing.",
        "core: install it again.",
    ]
    assert "Each part that proves things settled" not in text_of(record)
