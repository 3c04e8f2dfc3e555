"""Reports as one page of HTML: no file beside it, no script, nothing fetched."""

from __future__ import annotations

from typing import assert_never

from markupsafe import Markup

from .environment import environment
from .tree import Block, Code, Facts, Gallery, Legend, Points, Report, Table, Text

NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'
"""What a picture needs in a file of its own, and not on a page."""


def page(report: Report) -> str:
    """Return a report as HTML."""
    template = environment().get_template("report.html.j2")
    return template.render(report=report, kind=kind_of, inline=inline)


def inline(svg: str) -> Markup:
    """Return a picture of ours, in which all words are escaped already, as a page holds it."""
    return Markup(svg.replace(NAMESPACE, "", 1).strip())


def kind_of(block: Block) -> str:
    """Return the name that the template knows a block by."""
    match block:
        case Text():
            return "text"
        case Points():
            return "points"
        case Facts():
            return "facts"
        case Code():
            return "code"
        case Table():
            return "table"
        case Legend():
            return "legend"
        case Gallery():
            return "gallery"
        case _ as never:
            assert_never(never)
