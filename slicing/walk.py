"""The compiled walk down a tree of cuts, point by point."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..engine.bounds.compiled import njit


@njit(cache=True, nogil=True)
def walk(axis, cut, child, node_cell, least, most, points, cells):
    """Fill the cell of every point; -1 for one that is outside or not finite.

    Args:
        axis: ``(nodes,)`` int64, -1 for a cell.
        cut: ``(nodes,)`` float64; what is below goes to the lower half.
        child: ``(nodes,)`` int64, the lower half; the upper one comes next.
        node_cell: ``(nodes,)`` int64, the number of a cell.
        least: ``(inputs,)`` float64, closed limits inside which the tree is walked.
        most: the same.
        points: ``(points, inputs)`` float32 or float64; comparisons widen exactly.
        cells: ``(points,)`` int64, filled.
    """
    for row in range(points.shape[0]):
        inside = True
        for i in range(least.shape[0]):
            value = np.float64(points[row, i])
            if not (least[i] <= value <= most[i]):  # NaN is not inside either
                inside = False
        if not inside:
            cells[row] = -1
            continue
        node = 0
        while axis[node] >= 0:
            above = np.float64(points[row, axis[node]]) >= cut[node]
            node = child[node] + (1 if above else 0)
        cells[row] = node_cell[node]
