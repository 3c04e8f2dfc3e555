"""Calls of the command line, and a small network to call it on."""

import itertools
import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from secateur.__main__ import run
from secateur.engine.network import Network, Normalisation, Origin

REGION = "-1/4:3/4,0:1/2,-1/2:0"


def tiny(
    dtype: Literal["float16", "float32", "float64"] = "float32",
    normalisation: Normalisation | None = None,
    sizes: tuple[int, ...] = (3, 8, 6, 2),
    seed: int = 3,
) -> Network:
    """Return a small network whose numbers are eighths, so every element type holds them."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-4, 5, b) / 8 for b in sizes[1:]]
    return Network.dense(weights, biases, Origin(dtype=dtype), normalisation)


def call(*words: object) -> int:
    """Run a command; return its exit code."""
    return run([str(word) for word in words])


def recorded(path: Path | str) -> Any:
    """Return the record in a file."""
    return json.loads(Path(path).read_text())


def state_of(folder: Path) -> dict[Path, bytes | None]:
    """Return the names and the bytes of all files of a folder."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if os.access(path, os.R_OK)
    }


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *words: object) -> str:
    """Run a command that must be refused; return its one line."""
    before = state_of(folder)
    code = call(*words)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert err.startswith("secateur: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert out == ""
    assert state_of(folder) == before
    return err
