"""Loads what was compiled without what only a compilation needs.

That is the compiler's implementations of Python and numpy, the making of its own runtime, masked
arrays, and all of scipy's linear algebra for the sake of one library: most of the time in which a
command starts. Whatever is left out is there for whoever asks for it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, disallow-untyped-decorators=False

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import numba
import numpy as np
from numba.core import environment, errors, types
from numba.core.runtime import nrtdynmod
from numba.core.runtime.nrt import rtsys
from numba.core.typing.typeof import typeof_impl
from numba.np.numpy_support import from_dtype, map_layout

__all__ = ["lean", "start"]

KNOWN = all(
    hasattr(*place)
    for place in (
        (environment, "_rebuild_env"),
        (environment, "lookup_environment"),
        (nrtdynmod, "compile_nrt_functions"),
        (nrtdynmod, "create_nrt_module"),
        (rtsys, "_init"),
    )
)
"""Whether this version of the compiler is made in the way that is known here."""

BLAS = "scipy.linalg.cython_blas"
"""Where compiled functions find the addresses of BLAS."""


def start(target: Any, base: Path) -> None:
    """Start what compiled functions stand on.

    Args:
        target: the compiler's, of which the functions are.
        base: where its own runtime, too, is kept.
    """
    _lone_blas()
    if not KNOWN or rtsys._init or os.environ.get("NUMBA_CACHE_DIR"):
        rtsys.initialize(target)
        return
    made = nrtdynmod.compile_nrt_functions
    nrtdynmod.compile_nrt_functions = lambda context: _runtime(context, base)
    try:
        rtsys.initialize(target)
    finally:
        nrtdynmod.compile_nrt_functions = made


def _runtime(context: Any, base: Path) -> Any:
    """Return the compiler's own runtime: the kept one, or made and kept."""
    codegen = context.codegen()
    versions = numba.__version__, llvmlite.__version__, sys.version, codegen.magic_tuple()
    file = base / f"runtime-{hashlib.sha256(repr(versions).encode()).hexdigest()[:16]}"
    with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
        return codegen.unserialize_library(pickle.loads(file.read_bytes()))
    module, library = nrtdynmod.create_nrt_module(context)
    library.enable_object_caching()
    library.add_ir_module(module)
    library.finalize()
    with suppress(OSError):
        base.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=base, delete=False) as out:
            out.write(pickle.dumps(library.serialize_using_object_code()))
        Path(out.name).replace(file)
    return library


@contextmanager
def lean() -> Iterator[None]:
    """Load functions without the compiler's modules that parts of them come from.

    A compiled part holds the globals of its module for what runs as Python, and none does.
    """
    if not KNOWN:
        yield
        return
    usual = environment._rebuild_env

    def rebuilt(module: str, consts: list[Any], name: str) -> Any:
        if not module.startswith("numba.") or module in sys.modules:
            return usual(module, consts, name)
        found = environment.lookup_environment(name)
        if found is None:
            found = environment.Environment({"__name__": module})
            found.consts[:] = consts
            found.env_name = name
            environment.Environment._memo[name] = found
        return found

    environment._rebuild_env = rebuilt
    try:
        yield
    finally:
        environment._rebuild_env = usual


_type_of = typeof_impl.dispatch(np.ndarray)


@typeof_impl.register(np.ndarray)
def _type_of_array(value, context):
    """Return the type of an array, as the compiler does, which asks for masked arrays first."""
    if type(value) is not np.ndarray:
        return _type_of(value, context)
    try:
        dtype = from_dtype(value.dtype)
    except errors.NumbaNotImplementedError:
        return _type_of(value, context)
    return types.Array(dtype, value.ndim, map_layout(value), readonly=not value.flags.writeable)


@cache
def _lone_blas():
    """Load the file with BLAS alone: importing it by its name brings all of scipy's linear algebra.

    Where it cannot be found or loaded nothing happens, and the first product imports it all.
    """
    scipy = find_spec("scipy")
    if BLAS in sys.modules or scipy is None or scipy.origin is None:
        return
    folder = Path(scipy.origin).parent / "linalg"
    for suffix in EXTENSION_SUFFIXES:
        file = folder / f"cython_blas{suffix}"
        spec = spec_from_file_location(BLAS, file) if file.is_file() else None
        if spec is not None and spec.loader is not None:
            with suppress(ImportError):
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
                sys.modules.setdefault(BLAS, module)
            return
