"""The compiled evaluation of a family whose network is a chain: point by point, from the codes."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.compiled import njit


class Chain(NamedTuple):
    """A chain of dense layers with coded activations between, as flat arrays of one element type.

    Attributes:
        sizes: ``(layers + 2,)`` values: the inputs, those of each coded layer, the outputs.
        weight: all matrices one after the other, the weights of one input together.
        bias: all biases.
        cell_form: ``(cells, layers)`` form of each cell and layer.
        forms: packed states of all forms of all layers.
        form_first: ``(layers,)`` where a layer's forms begin.
        lists: list of lines of all forms.
        list_first: ``(layers,)`` where a layer's begin.
        first: ``(lists + 1,)`` where a list's lines begin.
        lines: ``(lines, 2)`` slope and intercept.
    """

    sizes: NDArray[np.int64]
    weight: NDArray[np.floating]
    bias: NDArray[np.floating]
    cell_form: NDArray[np.unsignedinteger]
    forms: NDArray[np.uint8]
    form_first: NDArray[np.int64]
    lists: NDArray[np.uint32]
    list_first: NDArray[np.int64]
    first: NDArray[np.int64]
    lines: NDArray[np.floating]


@njit(cache=True, nogil=True)
def run(chain, points, cells, order, out):
    """Fill the outputs of points, in the order that `single.py` states, in the arrays' type.

    Values that are 0 are left out of the sums, and those of ZERO neurons always are.

    Args:
        chain: the network, of the points' element type.
        points: ``(points, inputs)`` float32 or float64.
        cells: ``(points,)`` int64, the cell of each.
        order: ``(points,)`` int64, the order to go in: by cells, for a processor's caches.
        out: ``(points, outputs)``, filled.
    """
    sizes, weights, biases = chain.sizes, chain.weight, chain.bias
    depth = sizes.shape[0] - 2
    widest = sizes.max()
    z = np.empty(widest, points.dtype)
    value = np.empty(widest, points.dtype)
    place = np.empty(widest, np.int64)
    for at in range(order.shape[0]):
        row = order[at]
        count = 0
        for i in range(sizes[0]):
            value[count] = points[row, i]
            place[count] = i
            count += 1
        weight, bias = 0, 0
        for layer in range(depth + 1):
            size = sizes[layer + 1]
            z[:size] = biases[bias : bias + size]
            for k in range(count):
                x = value[k]
                begin = weight + place[k] * size
                column = weights[begin : begin + size]
                for j in range(size):
                    z[j] += column[j] * x
            weight += sizes[layer] * size
            bias += size
            if layer == depth:
                for j in range(size):
                    out[row, j] = z[j]
                break
            form = np.int64(chain.cell_form[cells[row], layer])
            code = chain.form_first[layer] + form * ((size + 3) // 4)
            line = chain.first[chain.lists[chain.list_first[layer] + form]]
            count = 0
            for j in range(size):
                state = (chain.forms[code + (j >> 2)] >> np.uint8(2 * (j & 3))) & 3
                y = z[j]
                if state == 3:
                    y = chain.lines[line, 0] * y
                    y = y + chain.lines[line, 1]
                    line += 1
                kept = (state >= 2) | ((state == 0) & (y > 0))
                value[count] = y
                place[count] = j
                count += kept & (y != 0)
