"""Reports as PDF, by WeasyPrint, which is not installed with secateur unless it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from ..engine.errors import InputError
from .page import page
from .tree import Report

INSTALL = "python -m pip install 'secateur[pdf]'"


def paper(report: Report) -> bytes:
    """Return a report as PDF; nothing is fetched while it is made.

    Raises:
        InputError: WeasyPrint or a library that it needs is not installed.
    """
    weasyprint = writer()
    inside = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    html = weasyprint.HTML(string=page(report), url_fetcher=inside)
    found: bytes = html.write_pdf(pdf_variant="pdf/ua-1")
    return found


def writer() -> Any:
    """Return WeasyPrint.

    Raises:
        InputError: it or a library that it needs is not installed.
    """
    try:
        return importlib.import_module("weasyprint")
    except ImportError as error:
        raise InputError(
            f".pdf: WeasyPrint is not installed: {INSTALL}, or end the name in .html and print it"
        ) from error
    except OSError as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f".pdf: WeasyPrint lacks a library of the system ({why}): install Pango, or end the "
            "name in .html and print it"
        ) from error
