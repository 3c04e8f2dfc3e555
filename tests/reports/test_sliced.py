"""The chapter about a family: what its record says, for eyes and ears, and no more than that."""

import copy
import html
import json

import pytest
from calls import REGION, call, tiny
from pages import Page, needs_nothing, reads_well

from secateur.engine.errors import FormatError
from secateur.engine.formats import save
from secateur.report import Form, build, rendered
from secateur.reports.read import run_of
from secateur.reports.sliced_pictures import SHADES, UNKNOWN, histogram, shade
from secateur.reports.tree import Verdict


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sliced")
    save(tiny(), folder / "f.onnx")
    return folder


@pytest.fixture(scope="module")
def made(folder):
    """Records of a whole family, of a part of one, of one that was late, and of a merge."""
    old = pytest.MonkeyPatch()
    old.chdir(folder)
    cells = ("--region", REGION, "--grid", "3,2,1")
    common = ("slice", "f.onnx", *cells, "--workers", 0, "-q", "--effort", "quick")
    phases = ("--stage", "phases")
    try:
        assert call(*common, *phases, "-o", "a", "--json", "whole.json") == 0
        assert (
            call(*common, "--keep", "argmax", "--cells", "1,4", "-o", "b", "--json", "part.json")
            == 0
        )
        late = ("--seconds", "0.000001", "--cells", "0-2")
        assert call(*common, *phases, *late, "-o", "c", "--json", "late.json") == 20
        assert call("merge", "a.cells", "-o", "d", "--json", "merged.json", "-q") == 0
    finally:
        old.undo()
    names = ("whole", "part", "late", "merged")
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in names}


@pytest.fixture
def records(made):
    return copy.deepcopy(made)


def page_of(record):
    return rendered(build([run_of(record, "r.json", "ab" * 32)]), Form.HTML).decode()


@pytest.mark.parametrize("name", ["whole", "part", "late", "merged"])
def test_the_page_needs_nothing_and_reads_well(records, name):
    text = page_of(records[name])
    needs_nothing(text)
    reads_well(text)
    said = Page(text).text
    for words in (
        *("The question", "The answer", "What is guaranteed", "What was trusted"),
        *("Where the neurons went", "Almost linear and complex cells", "One cell alone"),
        *("How to check it again", "Versions and seed", "secateur export"),
    ):
        assert words in said, words
    assert "None" not in said
    assert "nan" not in said.split()


def test_every_format_is_written(records):
    report = build([run_of(record) for record in records.values()])
    assert "# " in rendered(report, Form.MARKDOWN).decode()
    assert json.loads(rendered(report, Form.JSON))["chapters"]


def test_the_answer_counts_cells_and_neurons(records):
    (chapter,) = build([run_of(records["part"])]).chapters
    said = chapter.answer[0].words
    assert "2 of 6 cells are done; 4 missing." in said
    assert chapter.verdict is Verdict.PROVED
    assert "prefers no other output" in chapter.answer[1].words


def test_late_cells_are_named_with_limits_and_reason(records):
    (chapter,) = build([run_of(records["late"])]).chapters
    assert chapter.verdict is Verdict.UNKNOWN
    text = page_of(records["late"])
    assert "Cells without a result" in text
    assert "not done within" in text
    assert "CELL.family" in text


def test_maps_have_a_tile_for_each_part(records):
    text = page_of(records["whole"])
    assert "3 by 2 tiles" in text
    first = records["whole"]["maps"][0]
    first["tiles"][0] = None
    assert "no cell is done" in page_of(records["whole"])
    first["tiles"].pop()
    with pytest.raises(FormatError, match="another number of tiles"):
        page_of(records["whole"])


def test_words_from_outside_are_escaped(records):
    evil = "</title></svg></style><script>alert(1)</script>"
    record = records["late"]
    record["network"]["path"] += evil
    record["region"]["name"] += evil
    record["guarantee"] += evil
    record["one_cell"] += evil
    for layer in record["layers"]:
        layer["layer"] += evil
    for row in record["troubles"]:
        row["reason"] += evil
    text = page_of(record)
    needs_nothing(text)
    reads_well(text)
    assert html.escape("<script>alert(1)</script>") in text
    assert "<script" not in text


@pytest.mark.parametrize(
    "key",
    ["cells", "outcomes", "layers", "left", "maps", "troubles", "guarantee", "cut", "removed"],
)
def test_a_record_without_a_part_is_refused_by_its_name(records, key):
    del records["whole"][key]
    with pytest.raises(FormatError, match=f"{key} is missing"):
        page_of(records["whole"])


def test_a_family_of_many_cells_is_told_without_its_rows(records):
    records["whole"]["rows"] = None
    assert "cells by seconds" not in page_of(records["whole"])


def test_shades_go_from_none_to_all():
    assert [shade(at / 10 + 0.05) for at in range(10)] == list(SHADES)
    assert shade(1.0) == SHADES[-1]
    assert shade(None) == UNKNOWN


def test_a_histogram_has_every_cell_in_a_column():
    figure = histogram("c", "t", "l", [(0, 3), (299, 2), (300, 1)], whole=True)
    assert figure.description.startswith("0 to 8: 3.")
    assert "297 to 305: 3." in figure.description
    small = histogram("c", "t", "l", [(0, 3), (2, 2)], whole=True)
    assert small.description == "0: 3. 2: 2."
    assert histogram("c", "t", "l", [(0.0, 4)], whole=False).description.endswith(": 4.")
