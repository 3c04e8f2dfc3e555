"""What the vector code of `lanes.py` and `lanes_rows.py` computes, by arrays.

It takes its place where nothing is compiled (NUMBA_DISABLE_JIT, as debuggers and coverage want it),
and says what the vector code has to give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .packed import LOWER, UPPER
from .vectors import LANES, LINE

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def _part(flat: Array, at: int, rows: int, pitch: int) -> Array:
    """Return a view of ``(rows, pitch)`` numbers from a place on; short in its last row."""
    return flat[at : at + rows * pitch].reshape(rows, pitch)


def product(
    lanes: int,
    matrix: Array,
    matrix_at: int,
    pitch: int,
    block: Array,
    block_at: int,
    columns: int,
    out: Array,
    out_at: int,
    into: int,
    more: int,
) -> None:
    """Do what `lanes.product` says."""
    at = matrix_at + pitch * np.arange(columns)[None] + np.arange(into)[:, None]
    _multiply(lanes, matrix[at], block, block_at, out, out_at, more)


def forward_product(
    lanes: int,
    matrix: Array,
    matrix_at: int,
    pitch: int,
    block: Array,
    block_at: int,
    columns: int,
    out: Array,
    out_at: int,
    into: int,
    more: int,
) -> None:
    """Do what `lanes.forward_product` says."""
    at = matrix_at + pitch * np.arange(into)[:, None] + np.arange(columns)[None]
    _multiply(lanes, matrix[at], block, block_at, out, out_at, more)


def _multiply(
    lanes: int, weights: Array, block: Array, block_at: int, out: Array, out_at: int, more: int
) -> None:
    step, (into, columns) = LANES * lanes, weights.shape
    found = weights @ _part(block, block_at, columns, step)
    target = _part(out, out_at, into, step)
    target[:] = target + found if more else found


def relax(
    lanes: int, block: Array, block_at: int, columns: int, lines: Array, lines_at: int, sums: Array
) -> None:
    """Do what `lanes.relax` says."""
    step, half = LANES * lanes, len(sums) // 2
    here, line = _part(block, block_at, columns, step), _part(lines, lines_at, columns, LINE)
    slope, shift, charge = (
        np.where(here > 0.0, line[:, [part]], line[:, [3 + part]]) for part in range(3)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        sums[:step] += (here * shift).sum(axis=0)
        sums[half : half + step] += (np.abs(here) * charge).sum(axis=0)
        here *= slope


def gaps(
    lanes: int,
    block: Array,
    block_at: int,
    columns: int,
    lines: Array,
    lines_at: int,
    out: Array,
    out_at: int,
) -> None:
    """Do what `lanes.gaps` says."""
    step = LANES * lanes
    here, line = _part(block, block_at, columns, step), _part(lines, lines_at, columns, LINE)
    gap = np.where(here > 0.0, line[:, [6]], line[:, [7]])
    _part(out, out_at, columns, step)[:] = np.abs(here) * gap


def relax_boxes(
    rows: int,
    block: Array,
    block_at: int,
    columns: int,
    lines: Array,
    lines_at: int,
    exact: NDArray[np.uint8],
    exact_at: int,
    sums: Array,
) -> None:
    """Do what `lanes_boxes.relax_boxes` says; the lines of the identity are no others."""
    half, line = len(sums) // 2, _lines(lines, lines_at, columns)
    here = _part(block, block_at, columns, rows * LANES).reshape(columns, rows, LANES)
    slope, shift, charge = (
        np.where(here > 0.0, line[:, None, part], line[:, None, 3 + part]) for part in range(3)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        sums[: rows * LANES] += (here * shift).sum(axis=0).ravel()
        sums[half : half + rows * LANES] += (np.abs(here) * charge).sum(axis=0).ravel()
        here *= slope


def put_boxes(out: Array, at: int, value: float, more: int) -> None:
    """Do what `lanes_boxes.put_boxes` says."""
    here = out[at : at + LANES]
    here[:] = here + value if more else value


def share_boxes(
    slopes: Array, at: int, width: Array, inputs: int, least: float, share: Array, to: int
) -> None:
    """Do what `lanes_boxes.share_boxes` says."""
    end = inputs * LANES
    parts = (np.abs(slopes[at : at + end]) * width[:end]).reshape(inputs, LANES)
    share[to : to + end] = (parts / (parts.sum(axis=0) + least)).ravel()


def blame_boxes(
    rows: int,
    block: Array,
    block_at: int,
    columns: int,
    lines: Array,
    lines_at: int,
    share: Array,
    share_at: int,
    inputs: int,
    out: Array,
    out_at: int,
) -> None:
    """Do what `lanes_boxes.blame_boxes` says."""
    line = _lines(lines, lines_at, columns)
    here = _part(block, block_at, columns, rows * LANES).reshape(columns, rows, LANES)
    gap = np.abs(here) * np.where(here > 0.0, line[:, None, 6], line[:, None, 7])
    parts = _part(share, share_at, columns, inputs * LANES).reshape(columns, inputs, LANES)
    found = np.einsum("jrb,jib->irb", gap, parts)
    _part(out, out_at, inputs, rows * LANES)[:] += found.reshape(inputs, rows * LANES)


def _lines(lines: Array, at: int, columns: int) -> Array:
    return _part(lines, at, columns, LINE * LANES).reshape(columns, LINE, LANES)


def put_rows(
    lanes: int,
    matrix: Array,
    start: int,
    rows: Integers,
    first: int,
    last: int,
    columns: int,
    signs: Array,
    out: Array,
    out_at: int,
    more: int,
) -> None:
    """Do what `lanes_rows.put_rows` says, and write no more than the columns."""
    step = LANES * lanes
    some = rows[np.minimum(first + np.arange(step), last - 1)]
    found = signs[:step] * matrix[start + some[None] * columns + np.arange(columns)[:, None]]
    target = _part(out, out_at, columns, step)
    target[:] = target + found if more else found


def gather_row(
    weight: Array,
    weight_at: int,
    live: Integers,
    live_at: int,
    columns: int,
    out: Array,
    out_at: int,
    middle: Array,
    pitch: int,
    sums: Array,
    at: int,
    height: int,
) -> None:
    """Do what `lanes_rows.gather_row` says, and write no more than the row."""
    row = weight[weight_at + live[live_at : live_at + columns]]
    out[out_at : out_at + columns] = row
    with np.errstate(over="ignore", invalid="ignore"):
        for part, factor in enumerate((row, np.abs(row), np.abs(row))):
            sums[part * height + at] += factor @ middle[part * pitch : part * pitch + columns]


def show(values: Array, at: int, bias: float, doubt: float, relu: int) -> int:
    """Do what `lanes.show` says; `values` has `lanes.ROWS` numbers from `at` on."""
    here = values[at : at + 3 * LANES]
    here += bias
    signs = UPPER * bool((here > doubt).any()) + LOWER * bool((here < -doubt).any())
    if relu:
        here[here < 0.0] = 0.0
    return signs
