"""The chapter about a repair: what its record says, for eyes and ears, and no more than that."""

import copy
import html
import json

import numpy as np
import pytest
from calls import call
from formed import compressed, dense
from pages import needs_nothing, reads_well

from secateur.compression.files import save_compressed
from secateur.engine.errors import FormatError
from secateur.engine.formats import load, save
from secateur.report import Form, build, rendered
from secateur.reports.read import run_of
from secateur.reports.tree import Verdict

BOX = "-0.5:0.5,-0.5:0.5,-0.5:0.5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records of a repair that was proved, and of one with data that was not."""
    folder = tmp_path_factory.mktemp("repaired")
    old = pytest.MonkeyPatch()
    old.chdir(folder)
    save(dense(5), folder / "f.onnx")
    save_compressed(compressed(dense(5), "grid"), folder / "g.onnx")
    inputs = np.random.default_rng(0).uniform(-1, 1, (100, 3)).astype(np.float32)
    labels = load(folder / "f.onnx").evaluate(inputs.astype(float)).argmax(axis=1)
    np.savez(folder / "data.npz", inputs=inputs, labels=labels)
    quick = ("--iterations", 1, "--boxes", 200, "--steps", 20, "--workers", 1, "-q")
    common = ("repair", "f.onnx", "g.onnx", "--region", BOX, *quick)
    try:
        assert call(*common, "--tolerance", 50, "-o", "a.onnx", "--json", "proved.json") == 0
        more = ("--region", "-0.5:0,0:0.5,0:0", "--data", "data.npz")
        words = ("--tolerance", "0", *more, "-o", "b.onnx", "--json", "open.json")
        assert call(*common, *words) == 20
    finally:
        old.undo()
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("proved", "open")}


@pytest.fixture
def records(made):
    return copy.deepcopy(made)


def chapter_of(record):
    return build([run_of(record, "r.json", "ab" * 32)])


def page_of(record):
    return rendered(chapter_of(record), Form.HTML).decode()


@pytest.mark.parametrize("name", ["proved", "open"])
def test_the_page_needs_nothing_and_reads_well(records, name):
    text = page_of(records[name])
    needs_nothing(text)
    reads_well(text)


def test_what_is_proved_is_said_and_what_is_not_is_not(records):
    proved, left = chapter_of(records["proved"]), chapter_of(records["open"])
    assert proved.chapters[0].verdict is Verdict.PROVED
    assert left.chapters[0].verdict is Verdict.UNKNOWN
    said = [" ".join(text.words for text in one.chapters[0].answer) for one in (proved, left)]
    assert said[0].startswith("Proved on ")
    assert "Proved" not in said[1]
    assert "comes nearer than" in said[1]


def test_rounds_labels_and_sizes_are_shown(records):
    text = html.unescape(page_of(records["open"]))
    for words in ("as it came in", "round 1", "held out", "secateur compare", "attained before"):
        assert words in text
    for size in records["open"]["packed_bytes"].values():
        assert str(size) in text.replace("\u202f", "")


def test_a_record_without_a_bound_is_shown(records):
    record = records["open"]
    for one in (record["before"], record["after"], *record["iterations"]):
        one["proved"] = None
    for side in ("before", "after"):
        for output in record[side]["outputs"]:
            output["proved"] = None
    assert "no bound" in page_of(record)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: r.pop("verdict"), "verdict is missing"),
        (lambda r: r.update(networks=r["networks"][:1]), "another number than two"),
        (lambda r: r.update(regions=[]), "no region"),
        (lambda r: r.update(iterations=[]), "no round"),
        (lambda r: r["after"].update(outputs=[]), "another number of outputs"),
        (lambda r: r.update(verdict="maybe"), "none of"),
    ],
)
def test_a_record_that_lacks_something_is_refused(records, spoil, said):
    record = records["open"]
    spoil(record)
    with pytest.raises(FormatError, match=said):
        page_of(record)
