"""Markdown: what a reader of it shows is the words as they stand, and nothing else."""

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from secateur.report import Form, build, read_runs, rendered
from secateur.reports.markdown import escaped
from secateur.reports.wording import clean

READER = MarkdownIt("commonmark").enable("table")

MARKS = "-+=1.)#>*_ \\`|[]()<&!:/"

EVIL = (
    *("# not a heading", "- no list", "1. no list", "2) no list", "+", "---", "===", "> quote"),
    *("<b>x</b>", "[a](http://e.x)", "![a](b)", "`code`", "*a* _b_ ~~c~~", "| a | b |", "&amp;"),
    *("a\\", "\\*", "[figure-1]: x", "$x$", "a@b.c", "www.e.x", "https://e.x", "    code", "***"),
)


def words_of(text):
    """Return the words that a reader shows of a text, which must be one plain paragraph."""
    tokens = READER.parse(text)
    if not tokens:
        return ""
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], text
    parts = tokens[1].children
    assert {part.type for part in parts} <= {"text", "text_special"}, (text, parts)
    return "".join(part.content for part in parts)


@settings(max_examples=300)
@given(
    st.text(max_size=40) | st.sampled_from(EVIL) | st.text("-+=1.)#>*_ \\`|[]()<&!:/", max_size=9)
)
def test_any_words_are_shown_as_they_stand(text):
    line = clean(text)
    assert words_of(escaped(line)) == line.strip()


@settings(max_examples=150)
@given(st.lists(st.sampled_from(EVIL) | st.text(max_size=12), min_size=1, max_size=4))
def test_any_words_are_a_cell_of_a_table(cells):
    cells = [clean(cell) for cell in cells]
    bar = "|".join("--" for _ in cells)
    text = f"| {' | '.join(map(escaped, cells))} |\n|{bar}|\n"
    tokens = READER.parse(text)
    assert tokens[0].type == "table_open"
    shown = [token for token in tokens if token.type == "inline"]
    assert len(shown) == len(cells)
    for token, cell in zip(shown, cells, strict=True):
        parts = token.children
        assert {part.type for part in parts} <= {"text", "text_special"}
        assert "".join(part.content for part in parts) == cell.strip()


@pytest.mark.parametrize("name", ["sat", "distance", "simplify", "batch", "bounds"])
def test_every_picture_is_in_the_file_and_is_described(paths, name):
    report = build(read_runs([paths[name]]))
    text = rendered(report, Form.MARKDOWN).decode()
    (chapter,) = report.chapters
    assert text.startswith("# ")
    used = re.findall(r"!\[[^\n]*\]\[(figure-\d+)\]\n", text)
    given = dict(re.findall(r"^\[(figure-\d+)\]: data:image/svg\+xml;base64,(\S+)$", text, re.M))
    assert used == list(given)
    assert used
    for data in given.values():
        svg = base64.b64decode(data).decode()
        assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "<desc>" in svg
    levels = [len(mark) for mark in re.findall(r"^(#+) ", text, re.M)]
    assert levels.count(1) == 1
    for token in READER.parse(text):
        assert token.type != "html_block"
        for part in token.children or ():
            assert part.type not in {"html_inline", "link_open"}
    for section in chapter.sections:
        assert f"# {escaped(section.title)}\n" in text
