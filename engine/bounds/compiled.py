"""Compiled functions whose cache can be trusted: it is named after the sources they are made of.

A compiled function holds what it calls, but a compiler's cache asks only whether its own file has
changed. A changed rounding rule would go unnoticed; so each file's functions are kept under the
digest of that file and of all that it imports from this folder. The name says nothing of where the
sources lie: a second checkout, or a second environment, finds what the first one compiled.

What was compiled is loaded by `loaded.py`, without what only a compilation needs.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, disallow-untyped-decorators=False

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

from . import loaded

__all__ = ["njit"]

HERE = Path(__file__).resolve().parent
ALWAYS = (HERE.parent / "rounding.py", HERE.parent / "layers.py")
"""Outside this folder compiled functions take constants from these alone."""

_IMPORT = re.compile(r"^from (\.[\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Return the files of this folder that a file imports."""
    out = []
    for dots, inner, line in _IMPORT.findall(path.read_text()):
        base = path.parent
        for _ in range(len(dots) - len(dots.lstrip(".")) - 1):
            base = base.parent
        stem = base.joinpath(*dots.lstrip(".").split("."))
        names = re.findall(r"\w+", inner or line)
        candidates = (stem.with_suffix(".py"), *(stem / f"{name}.py" for name in names))
        out += [one for one in candidates if one.parent == HERE and one.is_file()]
    return tuple(out)


@cache
def digest(path: Path) -> str:
    """Return a name for the sources that the compiled functions of a file are made of."""
    found, ahead = {path, *ALWAYS}, [path]
    while ahead:
        new = set(_imported(ahead.pop())) - found
        found |= new
        ahead += new
    out = hashlib.sha256(numba.__version__.encode())
    for one in sorted(found, key=lambda one: (one.name, one.parent.name)):
        out.update(one.name.encode())
        out.update(one.read_bytes())
    return out.hexdigest()[:16]


def _base() -> Path:
    """Return where all compiled functions are kept."""
    stated = os.environ.get("SECATEUR_CACHE") or os.environ.get("XDG_CACHE_HOME")
    base = Path(stated) if stated else Path.home() / ".cache"
    return base / "secateur" / "compiled"


class Shelf(caching.UserProvidedCacheLocator):
    """Where the compiled functions of one of our files are kept."""

    def __init__(self, function, file):
        """Take a function and its file."""
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self._digest = digest(Path(file).resolve())
        self._cache_path = str(_base() / self._digest)

    def get_source_stamp(self):
        """Return what must not have changed."""
        return self._digest

    @classmethod
    def from_function(cls, py_func, py_file):
        """Return the shelf; None for a function of others, or where nothing can be written."""
        if os.environ.get("NUMBA_CACHE_DIR"):  # what the user says comes first
            return None
        if py_func.__module__.partition(".")[0] != __name__.partition(".")[0]:
            return None
        try:
            shelf = cls(py_func, py_file)
            Path(shelf._cache_path).mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return shelf


if Shelf not in caching.CacheImpl._locator_classes:
    caching.CacheImpl._locator_classes.insert(0, Shelf)


class Kept:
    """The kept versions of one compiled function, looked for when it is first called.

    It stands where the compiler has its own cache, made with the function. Loading there begins
    with all registries of the compiler, which only compiling needs, and compiling asks for them
    again by itself.
    """

    def __init__(self, function):
        """Take a function."""
        self._function, self._made = function, None

    def __getattr__(self, name):
        """Return what the compiler's own cache has of that name."""
        if self._made is None:
            self._made = caching.FunctionCache(self._function)
        return getattr(self._made, name)

    def load_overload(self, signature, target):
        """Return what was compiled for a signature; None where nothing is kept."""
        loaded.start(target, _base())
        with self._guard_against_spurious_io_errors(), loaded.lean():
            return self._load_overload(signature, target)
        return None


KNOWN = all(hasattr(caching.FunctionCache, name) for name in ("_load_overload", "load_overload"))
"""Whether this version of the compiler keeps functions in the way that `Kept` knows."""


def njit(*, cache: bool = False, **options: Any) -> Any:
    """Return the compiler's decorator of that name; with ``cache`` what it makes is kept."""
    if not (cache and KNOWN):
        return numba.njit(cache=cache, **options)
    plain = numba.njit(**options)

    def decorate(function):
        made = plain(function)
        made._cache = Kept(function)
        return made

    return decorate
