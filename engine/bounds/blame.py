"""Which inputs are to be blamed for what difference zonotopes leave open, compiled."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import UNDERFLOW
from .compiled import njit
from .difference import OF_H
from .zonotopes import HALF1, HALF2


@njit(cache=True, nogil=True)
def shares(rows, inputs, known, into):
    """Fill, in parts of 1, how much each input is to be blamed for a column's radius.

    Args:
        rows: `(inputs + symbols,)` one column of a zonotope.
        inputs: number of input symbols.
        known: `(symbols, inputs)` the same of each symbol.
        into: `(inputs,)` filled.
    """
    into[:] = 0.0
    for i in range(inputs):
        into[i] = abs(rows[i])
    for s in range(known.shape[0]):
        size = abs(rows[inputs + s])
        if size > 0.0:
            for i in range(inputs):
                into[i] += size * known[s, i]
    total = UNDERFLOW
    for i in range(inputs):
        total += into[i]
    for i in range(inputs):
        into[i] /= total


@njit(cache=True, nogil=True)
def blame_symbols(pair, k, live, count, inputs, x, y, d, symbols, so_far, places, rules, t, share):
    """Fill the shares of stage k's unstable neurons, and note the symbols that they add.

    `symbols` ``(3, neurons)`` holds the neurons of f's, g's and the difference's symbols, `so_far`
    their numbers before this stage, `share` ``(3, neurons, inputs)`` the shares of the neurons' x,
    y and d; all else is as in `concretise` and `lines`.
    """
    begin = pair.offset[k]
    of_f, of_g, of_d = so_far
    by_f = share[0][symbols[0, :of_f]][:, :inputs]
    by_g = share[1][symbols[1, :of_g]][:, :inputs]
    known = np.zeros((of_f + of_g + of_d, inputs))
    known[:of_g] = by_g
    known[of_g : of_g + of_f] = by_f
    known[of_g + of_f :] = share[2][symbols[2, :of_d]][:, :inputs]
    f, g, h = of_f, of_g, of_d
    for j in range(count[k]):
        n, p = begin + live[begin + j], places[j]
        if t[HALF1, n] > 0.0:
            shares(x[:, p], inputs, by_f, share[0, n, :inputs])
            symbols[0, f] = n
            f += 1
        if t[HALF2, n] > 0.0:
            shares(y[:, p], inputs, by_g, share[1, n, :inputs])
            symbols[1, g] = n
            g += 1
        if t[HALF1, n] > 0.0 and t[HALF2, n] > 0.0:
            shares(d[:, p], inputs, known, share[2, n, :inputs])
            if rules[OF_H, j] > 0.0:
                symbols[2, h] = n
                h += 1
