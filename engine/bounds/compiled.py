"""Compiled functions whose cache can be trusted: it is named after the sources of all of them.

A compiled function holds what it calls, but a compiler's cache asks only whether its own file has
changed. A changed rounding rule would go unnoticed; so each set of sources has a cache of its own.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numba
from numba import njit

__all__ = ["njit"]


def _digest() -> str:
    """Return a name for the sources that compiled functions are made of."""
    here = Path(__file__).resolve().parent
    found = hashlib.sha256(numba.__version__.encode())
    for path in [
        *sorted(here.glob("*.py")),
        here.parent / "rounding.py",
        here.parent / "layers.py",
    ]:
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _folder() -> Path:
    """Return where this set of sources keeps its compiled functions."""
    stated = os.environ.get("SECATEUR_CACHE") or os.environ.get("XDG_CACHE_HOME")
    base = Path(stated) if stated else Path.home() / ".cache"
    return base / "secateur" / "compiled" / _digest()


if not os.environ.get("NUMBA_CACHE_DIR"):  # what the user says comes first
    numba.config.CACHE_DIR = str(_folder())  # type: ignore[attr-defined]
