"""PDF: made where WeasyPrint is installed, refused in a line where it is not."""

import re
import sys
import types
import zlib

import pytest

from secateur.engine.errors import InputError
from secateur.report import Form, build, read_runs, rendered
from secateur.reports.paper import writer


def test_without_weasyprint_a_line_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(InputError, match=r"pip install 'secateur\[pdf\]'"):
        Form.of(tmp_path / "r.pdf")


def test_without_a_library_of_the_system_a_line_says_so(monkeypatch, tmp_path):
    (tmp_path / "weasyprint.py").write_text("raise OSError('no libpango-1.0-0\\nsee the docs')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    with pytest.raises(InputError, match=r"lacks a library .*no libpango-1.0-0\): install Pango"):
        writer()


def test_what_is_fetched_is_in_the_page_alone(monkeypatch, paths):
    asked = {}

    class Html:
        def __init__(self, string, url_fetcher):
            asked.update(string=string, fetcher=url_fetcher)

        def write_pdf(self, **words):
            asked.update(words)
            return b"%PDF-fake"

    def fetcher(**words):
        return words

    fake = types.SimpleNamespace(HTML=Html, urls=types.SimpleNamespace(URLFetcher=fetcher))
    monkeypatch.setitem(sys.modules, "weasyprint", fake)
    report = build(read_runs([paths["bounds"]]))
    assert rendered(report, Form.PDF) == b"%PDF-fake"
    assert asked["string"].encode() == rendered(report, Form.HTML)
    assert asked["fetcher"] == {"allowed_protocols": ("data",)}
    assert asked["pdf_variant"] == "pdf/ua-1"


def test_a_report_is_a_pdf_with_its_title_and_its_words(paths):
    try:
        writer()
    except InputError as error:
        pytest.skip(str(error))
    report = build(read_runs([paths["sat"]]))
    data = rendered(report, Form.PDF)
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data == rendered(report, Form.PDF)
    said = b"".join(inflated(data))
    assert b"/StructTreeRoot" in said
    assert b"pdfuaid" in said


def inflated(data):
    """Yield the streams of a PDF, taken out of their compression where they are in one."""
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            yield found[1]
