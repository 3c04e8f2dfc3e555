"""The templates: every word from outside is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .wording import short, thousands


@cache
def environment() -> Environment:
    """Return the environment of the templates that ship with the package."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters |= {"thousands": thousands, "short": short, "at": lambda value: f"{value:.2f}"}
    return found
