"""A staged network as flat arrays, as the compiled loops take it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stages import Stage, Stages

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

UPPER: Final = 1
"""Bit of a wish or a sign: the upper bound of a pre-activation; as a sign, it is <= 0."""

LOWER: Final = 2
"""Bit of a wish or a sign: the lower bound of a pre-activation; as a sign, it is >= 0."""

GUIDED: Final = 32
"""Up to this many inputs, the choice of the input to bisect looks through the relaxations."""


class Packed(NamedTuple):
    """A staged network as flat arrays; stage 0 is the input.

    Attributes:
        sizes: neurons a stage.
        offset: first neuron of each stage in flat vectors over all stages; one more at the end.
        bias, state, slope, intercept: of each neuron.
        step, least, most: the grid that each activation is rounded to; a step of 0 where it is not.
        edge_first: first edge of each stage; one more at the end.
        edge_source: the stage each edge reads.
        edge_start: where each edge's matrix begins in `weight`, row after row.
        weight: all matrices.
        operations: a bound on the number of roundings on the way of one row to the input.
    """

    sizes: Integers
    offset: Integers
    bias: Array
    state: NDArray[np.int8]
    slope: Array
    intercept: Array
    step: Array
    least: Array
    most: Array
    edge_first: Integers
    edge_source: Integers
    edge_start: Integers
    weight: Array
    operations: int


def grids(steps: Sequence[Stage]) -> tuple[Array, Array, Array]:
    """Return step, least and most multiple of every neuron's grid; steps of 0 where it has none."""
    none = [np.zeros(stage.size) for stage in steps]
    pairs = list(zip(steps, none, strict=True))
    return (
        np.concatenate([zero if one.grid is None else one.grid.scale for one, zero in pairs]),
        np.concatenate([zero if one.grid is None else one.grid.low for one, zero in pairs]),
        np.concatenate([zero if one.grid is None else one.grid.high for one, zero in pairs]),
    )


def pack(staged: Stages) -> Packed:
    """Return the staged network as flat arrays."""
    steps = staged.stages
    sizes = np.array([stage.size for stage in steps], dtype=np.int64)
    edges = [edge for stage in steps for edge in stage.edges]
    lengths = [edge.weight.size for edge in edges]
    weight = np.concatenate([edge.weight.ravel() for edge in edges])
    step, least, most = grids(steps)
    return Packed(
        sizes=sizes,
        offset=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        bias=np.concatenate([stage.bias for stage in steps]),
        state=np.concatenate([stage.layer.state for stage in steps]),
        slope=np.concatenate([stage.layer.slope for stage in steps]),
        intercept=np.concatenate([stage.layer.intercept for stage in steps]),
        step=step,
        least=least,
        most=most,
        edge_first=np.concatenate([[0], np.cumsum([len(s.edges) for s in steps])]).astype(np.int64),
        edge_source=np.array([edge.source for edge in edges], dtype=np.int64),
        edge_start=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        weight=weight,
        operations=int(8 * sizes.sum() + 4 * sum(int(sizes[e.source]) for e in edges) + 64),
    )
