"""Compiled functions are kept under the digest of what they are made of, wherever that lies."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import CacheImpl

from secateur.engine.bounds import compiled, kernels
from secateur.engine.bounds.compiled import HERE, Shelf, digest


@pytest.fixture
def fresh():
    """Forget what was read of the sources, before and after."""
    compiled._imported.cache_clear()
    digest.cache_clear()
    yield
    compiled._imported.cache_clear()
    digest.cache_clear()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, fresh):
    """A copy of the sources somewhere else."""
    shutil.copytree(HERE, tmp_path / "engine" / "bounds")
    for path in compiled.ALWAYS:
        shutil.copy(path, tmp_path / "engine")
    here = tmp_path / "engine" / "bounds"
    monkeypatch.setattr(compiled, "HERE", here)
    always = tuple(tmp_path / "engine" / path.name for path in compiled.ALWAYS)
    monkeypatch.setattr(compiled, "ALWAYS", always)
    return here


def changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n# changed\n")


def test_the_same_sources_elsewhere_have_the_same_name(elsewhere):
    names = "from secateur.engine.bounds.compiled import HERE, digest"
    code = f"{names}; print(digest(HERE / 'kernels.py'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert digest(elsewhere / "kernels.py") == told.stdout.strip()


@pytest.mark.parametrize(
    "which", ["kernels.py", "substitute.py", "difference.py", "../rounding.py"]
)
def test_a_change_in_what_a_function_is_made_of_changes_its_name(elsewhere, which):
    """`difference.py` is reached through `grid_lines.py` alone."""
    before = digest(elsewhere / "kernels.py")
    changed((elsewhere / which).resolve())
    digest.cache_clear()
    compiled._imported.cache_clear()
    assert digest(elsewhere / "kernels.py") != before


def test_a_change_elsewhere_does_not(elsewhere):
    before = digest(elsewhere / "kernels.py")
    changed(elsewhere / "pairs.py")
    digest.cache_clear()
    compiled._imported.cache_clear()
    assert digest(elsewhere / "kernels.py") == before


def test_only_our_own_functions_lie_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_CACHE", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    ours = kernels.bound_boxes.py_func
    shelf = Shelf.from_function(ours, kernels.__file__)
    assert Path(shelf.get_cache_path()).parent == tmp_path / "secateur" / "compiled"
    assert Shelf.from_function(changed, __file__) is None
    assert CacheImpl._locator_classes[0] is Shelf
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert Shelf.from_function(ours, kernels.__file__) is None


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SECATEUR_CACHE", str(blocked))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert Shelf.from_function(kernels.bound_boxes.py_func, kernels.__file__) is None


KEPT = """
import numpy as np
from secateur.engine.bounds.compiled import njit


@njit(cache=True)
def product(first, second):
    out = np.empty(first.shape[0])
    np.dot(first, second, out)
    return out
"""

CALLED = """
import json, sys
import numpy as np
import kept
found = kept.product(np.arange(6.0).reshape(2, 3), np.ones(3)).tolist()
hits = sum(kept.product.stats.cache_hits.values())
names = ["numba.typed.typeddict", "numba.np.arrayobj", "numpy.ma", "scipy.linalg"]
print(json.dumps([found, hits, [name in sys.modules for name in names]]))
import scipy.linalg.cython_blas
import scipy.linalg
print(float(scipy.linalg.norm(np.array([3.0, 4.0]))))
print(kept.njit()(lambda x: 2 * x)(21))
"""


def test_what_is_kept_is_loaded_without_what_compiling_needs(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    told = [
        subprocess.run(
            [sys.executable, "-c", CALLED], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert json.loads(told[0][0]) == [[3.0, 12.0], 0, [True, True, False, False]]
    assert json.loads(told[1][0]) == [[3.0, 12.0], 1, [False, False, False, False]]
    # What was left out is there for whoever asks for it.
    assert told[0][1:] == told[1][1:] == ["5.0", "42"]


REFUSED = """
import numpy as np
import kept
try:
    kept.product(np.ma.masked_array(np.ones((2, 2))), np.ones(2))
except Exception as error:
    print("masked" in str(error).lower())
print(kept.product(np.ones((2, 2), order="F"), np.ones(2)).tolist())
fixed = np.ones((2, 2))
fixed.flags.writeable = False
print(kept.product(fixed, np.ones(2)).tolist(), len(kept.product.signatures))
"""


def test_types_of_arrays_are_the_compiler_s_own(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    told = subprocess.run(
        [sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert told.stdout.splitlines() == ["True", "[2.0, 2.0]", "[2.0, 2.0] 2"]


def test_the_compiler_s_runtime_is_kept_and_made_again_where_it_is_broken(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    env = os.environ | {"SECATEUR_CACHE": str(tmp_path / "kept")}
    env.pop("NUMBA_CACHE_DIR", None)

    def run():
        return subprocess.run(
            [sys.executable, "-c", CALLED],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=env,
        ).stdout.splitlines()

    first = run()
    (runtime,) = (tmp_path / "kept").rglob("runtime-*")
    whole = runtime.read_bytes()
    assert run() == run()
    assert runtime.read_bytes() == whole
    runtime.write_bytes(whole[: len(whole) // 2])
    assert run()[1:] == first[1:]
    assert len(runtime.read_bytes()) == len(whole)
