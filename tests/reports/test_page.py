"""The page: one file that anybody can read, on a screen, on paper and by ear."""

import html
import re

import pytest
from browser import complaints, look
from pages import Page, needs_nothing, reads_well, styles, variables

from secateur.report import Form, build, read_runs, rendered
from secateur.reports import colours
from secateur.reports.read import run_of

NAMES = (
    *("sat", "unsat", "late", "distance", "near", "far", "best", "floats", "unknown"),
    *("bounds", "simplify", "argmin", "batch", "checked", "unproved", "hasty", "cut"),
    *("info", "doctor"),
)


def page_of(*records):
    runs = [run_of(record, f"{i}.json", "ab" * 32) for i, record in enumerate(records)]
    return rendered(build(runs), Form.HTML).decode()


@pytest.mark.parametrize("name", NAMES)
def test_every_record_gives_a_page_that_needs_nothing_and_reads_well(paths, name):
    (run,) = read_runs([paths[name]])
    text = rendered(build([run]), Form.HTML).decode()
    needs_nothing(text)
    reads_well(text)
    said = Page(text).text
    for words in (
        *("The question", "The answer", "What is guaranteed", "What was trusted"),
        *("How to check it again", "Versions and seed", run.sha256, run.schema),
        f"numpy {run.part.part('versions').words('numpy')}",
        run.part.words("command"),
    ):
        assert words in said, words
    assert "None" not in said
    assert "nan" not in said.split()


def test_several_records_are_chapters_with_a_table_before_them(records):
    text = page_of(*records.values())
    needs_nothing(text)
    reads_well(text)
    page = Page(text)
    assert len([one for one in page.named("section") if one["class"] == "chapter"]) == len(NAMES)
    for number in range(1, len(NAMES) + 1):
        assert f"{number}. " in page.text
    assert "not decided in full" in page.text


def test_the_same_record_gives_the_same_bytes(paths):
    texts = {rendered(build(read_runs([paths["simplify"]])), Form.HTML) for _ in range(3)}
    assert len(texts) == 1


def test_words_from_outside_are_escaped_everywhere(records):
    evil = "</title></svg></style><script>alert(1)</script>\" onload='x' <img src=http://e.x/>"

    def poisoned(value):
        if isinstance(value, dict):
            return {key: poisoned(one) for key, one in value.items()}
        if isinstance(value, list):
            return [poisoned(one) for one in value]
        free = isinstance(value, str) and value not in WORDS and not value.startswith("secateur.")
        return f"{value} {evil}" if free else value

    for record in map(poisoned, records.values()):
        text = page_of(record)
        needs_nothing(text)
        reads_well(text)
        assert html.escape("<script>alert(1)</script>") in text
        assert "<script" not in text


WORDS = {
    *("sat", "unsat", "unknown", "timed-out", "proved", "refuted", "real", "float32", "computed"),
    *("mixed", "outputs", "argmin", "argmax", "done", "failed", "min", "max"),
    *("not-proved", "within", "same-best", "limits", "query"),
}
"""The texts of records that are one of a few words."""


def test_words_can_be_told_from_what_is_behind_them(records):
    text = page_of(records["simplify"])
    named = variables(text)
    assert {"ink", "soft", "line", "tint", "key"} <= set(named)
    for word in ("ink", "soft", "key"):
        for behind in ("#ffffff", named["tint"]):
            assert colours.contrast(named[word], behind) >= 4.5, (word, behind)
    for _, _, colour in colours.KINDS:
        assert colours.contrast(colours.words_on(colour), colour) >= 4.5
    assert colours.contrast(colours.LIMIT, colours.PAPER) >= 4.5
    assert colours.contrast(colours.INK, colours.PAPER) >= 4.5
    used = set(re.findall(r"[^-]color:\s*([^;}]+)", "".join(styles(text))))
    assert used <= {"var(--ink)", "var(--soft)", "var(--key)", " var(--ink)"}, used


def test_contrast_is_that_of_the_standard():
    assert colours.contrast("#000000", "#ffffff") == 21.0
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert colours.contrast("#ff0000", "#00ff00") == colours.contrast("#00ff00", "#ff0000")


def test_words_in_pictures_take_the_colour_that_can_be_read(records):
    text = page_of(records["simplify"], records["batch"])
    assert not re.search(r"svg[^{]*\{[^}]*fill", "".join(styles(text)))
    fills = set(re.findall(r'<text[^>]*fill="(#\w+)"', text))
    assert fills <= {colours.INK, colours.PAPER, colours.LIMIT}


def test_paper_has_its_own_style(records):
    (style,) = styles(page_of(records["unsat"]))
    printed = style[style.index("@media print") :]
    for rule in ("break-before: page", "break-inside: avoid", "break-after: avoid", "@page"):
        assert rule in printed


def test_a_browser_shows_it_without_a_complaint_or_a_request(records, tmp_path):
    path = tmp_path / "all.html"
    path.write_text(page_of(*records.values()), encoding="utf-8")
    picture, said, asked = look(path, tmp_path)
    assert complaints(said) == []
    assert asked == []
    seen = {tuple(pixel) for pixel in picture.reshape(-1, 3)[::7].tolist()}
    assert len(seen) > 20
    blank = (picture == 255).all(axis=-1)
    assert 0.3 < blank.mean() < 0.99
    assert (~blank).any(axis=1).mean() > 0.3


def test_a_browser_draws_the_bars_in_their_colours(records, tmp_path):
    path = tmp_path / "bounds.html"
    path.write_text(page_of(records["distance"]), encoding="utf-8")
    picture, _, _ = look(path, tmp_path, (560, 760))
    wanted = [int(colours.SURE[i : i + 2], 16) for i in (1, 3, 5)]
    assert (picture == wanted).all(axis=-1).sum() > 500


def test_the_browser_would_have_told_of_requests_and_complaints(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(
        '<!DOCTYPE html><title>x</title><img src="http://127.0.0.1:9/x.png">'
        "<script>console.error('boo')</script>"
    )
    picture, said, asked = look(path, tmp_path, (300, 200))
    assert picture.shape == (200, 300, 3)
    assert asked == ["http://127.0.0.1:9/x.png"]
    assert any("boo" in line for line in said)
