"""OMLT (Ceccon et al., JMLR 2022) with HiGHS: a network's big-M program as it documents it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .environment import Environment

ENVIRONMENT: Final = Environment("omlt", "1.2.2", more=("highspy",), constraints=())

DRIVER: Final = Path(__file__).parent / "omlt_driver.py"


def command(given: bool) -> list[str]:
    """Return the command that answers questions about neurons, see `warm`.

    Args:
        given: whether pre-activations have the bounds that come with a question.
    """
    # -P, or this file, which has its name, would stand for the library.
    return [str(ENVIRONMENT.python), "-P", str(DRIVER), *(["--bounds"] if given else [])]


def versions() -> str:
    """Return what is in the environment, in words."""
    found = ENVIRONMENT.packages()
    return ", ".join(f"{name} {found[name]}" for name in ("omlt", "pyomo", "highspy"))
