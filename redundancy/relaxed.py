"""Lines for relaxed neurons that serve the outputs, where the nearest line serves the neuron.

The nearest line to each ReLU is right for one neuron alone. Many errors meet in an output: chosen
together, lines can make up for each other. At points, and as long as no other neuron changes its
side, an output is a linear function of all slopes and intercepts, so the lines of least largest
error, or of most kept lead, are a linear program. What it chooses is judged again on the network
itself, and proved like any other choice.

Source of the problem: Lahav and Katz, FMCAD 2021, who leave the choice open.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..encodings.program import Program, Rows, Sense
from ..engine.agreement import Best
from ..engine.solvers.base import Options
from ..engine.solvers.highs import Highs
from .guarantee import Outputs
from .removal import Removal, stored
from .screen import Screen

Array = NDArray[np.float64]

_POINTS = 200
"""Points of least slack that the program looks at."""

_SECONDS = 3.0
"""Wall time for all programs of one choice; each one may end early, at what it has."""

_PROGRAMS = 8
"""Programs solved one after the other, each around the lines of the one before."""

_REACH = 0.25
"""How far a slope may move in the first program; in each one that gains nothing, a quarter."""


def output_lines(
    screen: Screen,
    others: Sequence[Removal],
    removals: Sequence[Removal],
    deadline: float = math.inf,
) -> list[Removal]:
    """Return removals with lines that leave more slack at the screen's points, or as they are.

    Args:
        screen: whose network so far is that of both afterwards.
        others: removals that stay as they are.
        removals: all of them `LINEAR`; their lines may change.
        deadline: on `time.monotonic`, looked at between two programs.
    """
    best, reach = list(removals), _REACH
    least = screen.take([*others, *best])
    until = min(time.monotonic() + _SECONDS, deadline)
    for _ in range(_PROGRAMS if best else 0):
        if time.monotonic() > until:
            break
        trial = _moved(screen, best, reach)
        level = screen.take([*others, *trial])
        if level > least:
            best, least = trial, level
        else:
            reach /= 4.0
            screen.take([*others, *best])
    return best


def _moved(screen: Screen, removals: list[Removal], most: float) -> list[Removal]:
    """Return removals with the best lines that are near to theirs, or as they are.

    The outputs as a function of the lines are known around the lines of the network so far alone,
    so slopes move by `most` at most, and intercepts by that part of the neurons' values.
    """
    slack = screen.slack()
    asked = np.flatnonzero(np.isfinite(slack))
    chosen = asked[np.argsort(slack[asked], kind="stable")[:_POINTS]]
    if not chosen.size:
        return removals
    slopes = screen.derivatives({one.layer for one in removals})
    pulls = np.stack([slopes[one.layer][chosen, :, one.neuron] for one in removals], axis=-1)
    z = np.stack([screen.values(one.layer)[chosen, one.neuron] for one in removals], axis=-1)
    line = np.array([[one.slope, one.intercept] for one in removals])
    # Outputs as a function of the lines: constant + matrix @ (slopes, intercepts).
    matrix = np.concatenate([pulls * z[:, None], pulls], axis=-1)
    constant = screen.now[chosen] - matrix @ line.T.ravel()
    rows, least = _rows(screen, chosen, matrix, constant)
    middle = line.T.ravel()
    bound = most * np.concatenate([np.ones(len(removals)), np.abs(z).max(axis=0)])
    program = Program(
        lower=np.concatenate([middle - bound, [-np.inf]]),
        upper=np.concatenate([middle + bound, [np.inf]]),
        integer=np.zeros(bound.size + 1, np.bool_),
        rows=Rows.full(
            np.broadcast_to(np.arange(bound.size + 1), rows.shape),
            rows,
            least,
            np.full(len(least), np.inf),
        ),
        objective=np.concatenate([np.zeros(bound.size), [1.0]]),
        sense=Sense.MAXIMIZE,
    )
    primal = Highs().solve(program, Options(time_limit=_SECONDS)).primal
    if primal is None or not np.isfinite(primal).all():
        return removals
    steep, offset = primal[: len(removals)], primal[len(removals) : -1]
    return [
        replace(one, slope=stored(a, screen.network), intercept=stored(b, screen.network))
        for one, a, b in zip(removals, steep, offset, strict=True)
    ]


def _rows(
    screen: Screen, chosen: NDArray[np.int64], matrix: Array, constant: Array
) -> tuple[Array, Array]:
    """Return rows over lines and a last column t, and their least values: t is to be large.

    For outputs, t is minus the largest distance; for the best one, the least part of the original's
    lead that is kept.
    """
    first = screen.outputs[chosen]
    guarantee = screen.guarantee
    if isinstance(guarantee, Outputs):
        flat, apart = matrix.reshape(-1, matrix.shape[-1]), (first - constant).ravel()
        level = np.full((len(flat), 1), -1.0)
        both = np.concatenate([np.hstack([flat, level]), np.hstack([-flat, level])])
        return both, np.concatenate([apart, -apart])
    sign = 1.0 if guarantee.best is Best.MAX else -1.0
    winner, lead = guarantee.leads(first)
    every = np.arange(len(chosen))
    rows, least = [], []
    for other in range(first.shape[1]):
        asked = np.flatnonzero(winner != other)
        here = every[asked]
        gap = matrix[here, winner[asked]] - matrix[here, other]
        rows.append(np.hstack([sign * gap, -lead[asked, None]]))
        least.append(-sign * (constant[here, winner[asked]] - constant[here, other]))
    return np.concatenate(rows), np.concatenate(least)
