"""Score tables: what each advisory of a controller is worth at the nodes of a grid.

They are what the embedded controllers are trained from, written as NPZ: ``axes`` names the inputs
and their units, ``nodes_0``, ``nodes_1``, ... are the nodes of each in raw units, ``scores`` has
the shape (nodes of axis 0, nodes of axis 1, ..., advisories), and ``winner`` says whether the
largest score (``argmax``) or the smallest (``argmin``) is the advisory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FormatError
from ...engine.network import Normalisation
from .dataset import Dataset, Source
from .table import Table, Units, dataset_of_table

SCORES: Final = ("axes", "scores", "winner")
"""Arrays that make a file a score table."""

DECIMALS: Final = 6
"""Decimals to which the mean of an input's nodes is rounded, as the controllers' files state it."""


def read_scores(
    arrays: Mapping[str, NDArray[Any]], path: Path, source: Source, units: Units
) -> Dataset:
    """Return a row for each node, last input fastest: scores as targets, advisories as labels.

    Args:
        arrays: of the file, by name.
        path: of the file.
        source: of the file.
        units: of a network that the table is for. When None, the table's own, which are those of
            the network that is trained from it: inputs centred on the mean of their nodes and
            divided by the length of their axis, scores by their mean and spread.

    Raises:
        FormatError: arrays that are missing, of another shape than the axes state, or not finite.
    """
    nodes, scores = _checked(arrays, path)
    best = np.argmax if str(arrays["winner"]) == "argmax" else np.argmin
    mesh = np.meshgrid(*nodes, indexing="ij")
    points = np.stack([values.ravel() for values in mesh], axis=-1)
    rows = scores.reshape(len(points), -1)
    table = Table(points, best(rows, axis=1), rows)
    return dataset_of_table(
        table,
        path,
        source,
        rows.shape[1],
        _own_units(nodes, scores) if units is None else units,
        lambda row: f"{path}, node {row}",
    )


def _checked(
    arrays: Mapping[str, NDArray[Any]], path: Path
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the nodes of each axis and the scores."""
    if str(arrays["winner"]) not in ("argmax", "argmin"):
        raise FormatError(f"{path}: winner is {arrays['winner']}: give argmax or argmin")
    names = [f"nodes_{index}" for index in range(len(arrays["axes"]))]
    if missing := [name for name in names if name not in arrays]:
        raise FormatError(f"{path}: holds no {missing[0]}: give the nodes of every axis")
    for name in (*names, "scores"):
        array = arrays[name]
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise FormatError(f"{path}: {name} holds something that is no finite number")
        if name != "scores" and (array.ndim != 1 or len(array) < 2 or (np.diff(array) <= 0).any()):
            raise FormatError(f"{path}: {name} are not two or more nodes that increase strictly")
    nodes = [arrays[name].astype(np.float64) for name in names]
    scores, wanted = arrays["scores"], tuple(len(axis) for axis in nodes)
    if not nodes or scores.shape[:-1] != wanted or not scores.size:
        raise FormatError(
            f"{path}: scores have shape {scores.shape}, the axes state {wanted} and then one for "
            "each advisory: write the table anew"
        )
    return nodes, scores.astype(np.float64)


def _own_units(nodes: list[NDArray[np.float64]], scores: NDArray[np.float64]) -> Normalisation:
    low, high = np.array([axis[0] for axis in nodes]), np.array([axis[-1] for axis in nodes])
    mean = np.round([axis.mean() for axis in nodes], DECIMALS) + 0.0  # -0 would be spelt in files
    spread = float(np.ptp(scores)) or 1.0
    return Normalisation(low, high, mean, high - low, float(scores.mean()), spread)
