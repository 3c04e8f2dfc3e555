"""Proofs of small simplified networks that hold, and whether what a proof says is true."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from proved import Made, written
from truth import Piece, pieces, true

from secateur.engine.agreement import Best
from secateur.engine.formats import load, save
from secateur.engine.network import Network, Origin
from secateur.engine.proofs.form import (
    EMPTY,
    Lemma,
    Limits,
    Proof,
    Query,
    SameBest,
    Subject,
    Within,
)
from secateur.engine.proofs.model import Model
from secateur.engine.proofs.read import digest
from secateur.engine.region import Region
from secateur.redundancy import guarantee as kept
from secateur.redundancy.aim import Aim
from secateur.redundancy.certify import certify
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify

Array = NDArray[np.float64]
EFFORT = Effort(seconds=20.0, samples=200, starts=4, climbs=10, boxes=500, programs=10, workers=1)
GUARANTEES = {
    "equal": kept.Outputs(),
    "within": kept.Outputs(Fraction(1, 4)),
    "argmin": kept.SameBest(Best.MIN),
    "argmax beyond a band": kept.SameBest(Best.MAX, Fraction(1, 8)),
}
CASES = (
    ("equal", "eighths", 1, (2, 5, 4, 3)),
    ("equal", "float32", 2, (2, 4, 3, 2)),
    ("within", "eighths", 2, (2, 4, 3, 2)),
    ("within", "eighths", 4, (2, 5, 4, 3)),
    ("argmin", "eighths", 4, (2, 4, 3, 2)),
    ("argmin", "float32", 1, (2, 5, 4, 3)),
    ("argmax beyond a band", "eighths", 2, (2, 4, 3, 2)),
    ("argmax beyond a band", "eighths", 3, (2, 5, 4, 3)),
)
"""Guarantee, numbers, seed and sizes; between them lines, signs, matches, room and `EQUAL`."""

known: dict[str, bool] = {}
_cut: dict[str, list[Piece]] = {}


@dataclass(frozen=True)
class Simple(Made):
    """A proof of a simplified network, and what its original is made of.

    Attributes:
        weights, biases: of file 0.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def models(self, proof: Proof) -> list[Model]:
        """Return the networks that a proof speaks of; each file is read once."""
        return [replace_name(self.files[file.digest]) for file in proof.files]


@cache
def replace_name(data: bytes) -> Model:
    """Return the network of a file, whatever its name."""
    from secateur.engine.proofs.read import read_model

    return read_model(data, "f.onnx")
