"""Counterexamples of any solver, replayed in onnxruntime and judged in exact rationals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...engine.claim import Claim, Part
from ...engine.errors import InputError
from ...engine.formats.onnx_runtime import Runtime
from ...engine.formats.vnnlib_claims import read_claim


def miss(query: Path, networks: Mapping[str, Path], witness: Sequence[float]) -> float:
    """Return how far a point is from being a counterexample: 0 if it is one.

    The point is rounded to the files' element type, run through onnxruntime, and the file's
    inequalities are evaluated in rationals, without any tolerance. Else the result is the smallest
    amount, over the formula's cases, by which the worst inequality fails; where only a strict one
    fails, at equality, the smallest positive float.

    Args:
        query: VNN-LIB file.
        networks: for each declared network its ONNX file.
        witness: values of the inputs of the first network; the others are given the same.

    Raises:
        InputError: another number of values than inputs, or files that cannot be used.
    """
    claim = read_claim(query)
    values = _values(claim, list(networks.values()), witness)
    if claim.holds(values):
        return 0.0
    excess = min(max(atom.form.at(values) for atom in case) for case in claim.cases)
    return max(float(excess), np.finfo(np.float64).tiny.item())


def _values(claim: Claim, files: Sequence[Path], witness: Sequence[float]) -> list[Fraction]:
    """Return the exact values of all variables of a claim at a point."""
    out = [Fraction(0)] * claim.size
    for index, file in enumerate(files):
        runtime = Runtime(file)
        inputs = sum(tensor.size for tensor in claim.of(index, Part.INPUT))
        if inputs != len(witness):
            raise InputError(
                f"{claim.name}: a witness of {len(witness)} numbers for {inputs} inputs of {file}: "
                "give one for each input"
            )
        point = np.array([witness], dtype=runtime.file.dtype).astype(np.float64)
        found = {Part.INPUT: point[0], Part.OUTPUT: runtime.outputs(point)[0]}
        for part, row in found.items():
            first = 0
            for tensor in claim.of(index, part):
                stop = first + tensor.size
                out[tensor.first : tensor.first + tensor.size] = map(Fraction, row[first:stop])
                first = stop
    return out
