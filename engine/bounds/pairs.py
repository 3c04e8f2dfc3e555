"""Bounds of rows over the outputs of two networks on many boxes, by difference zonotopes.

A row is ``z = f x + g y + d (x - y) + i input + bias`` over the outputs x of f and y of g. Its
lower bound comes from the zonotopes of the outputs and, where these leave it open, from a pass
backwards through the lines and difference rules of every stage (`pairs_back.py`).
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .blame import blame_symbols
from .compiled import njit
from .difference import OF_A, OF_B, OF_D, OF_H, OF_X, OF_Y
from .packed import GUIDED
from .pairs_back import back, load_rows
from .zonotopes import (
    CENTRE,
    ERROR,
    HALF1,
    HALF2,
    SCALARS,
    SIZE,
    SLOPE1,
    SLOPE2,
    activate_scalars,
    affine_scalars,
    charge_scalars,
    compact,
    concretise,
    gather,
    known_dead,
    lines,
    mixed,
    mixed_three,
    note_signs,
    scaled,
)

Array = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _activate(inputs, count, t, begin, live, places, rules, old, new, of_f, of_g, of_d):
    """Write the zonotopes of the activations: old rows mixed, then a row for each new symbol.

    `old` and `new` are x, y, d. The rows of d are inputs, symbols of g, of f, of the difference.
    """
    x, y, d = old
    xn, yn, dn = new
    at = places[:count]
    one, two = np.empty(count), np.empty(count)
    for j in range(count):
        n = begin + live[begin + j]
        one[j], two[j] = t[SLOPE1, n], t[SLOPE2, n]
    xn[:], yn[:], dn[:] = 0.0, 0.0, 0.0
    scaled(x, xn, at, one)
    scaled(y, yn, at, two)
    od, ox, oy = rules[OF_D, :count], rules[OF_X, :count], rules[OF_Y, :count]
    mixed_three(d[:inputs], dn[:inputs], at, od, x[:inputs], ox, y[:inputs], oy)
    stop = inputs + of_g
    mixed(d[inputs:stop], dn[inputs:stop], at, od, y[inputs:], oy)
    added_g = yn.shape[0] - y.shape[0]
    added_f = xn.shape[0] - x.shape[0]
    first = stop + added_g
    mixed(d[stop : stop + of_f], dn[first : first + of_f], at, od, x[inputs:], ox)
    last = first + of_f + added_f
    scaled(d[stop + of_f :], dn[last : last + of_d], at, od)
    f, g, h = 0, 0, 0
    for j in range(count):
        n = begin + live[begin + j]
        if t[HALF1, n] > 0.0:
            xn[inputs + of_f + f, j] = t[HALF1, n]
            dn[first + of_f + f, j] = rules[OF_A, j]
            f += 1
        if t[HALF2, n] > 0.0:
            yn[inputs + of_g + g, j] = t[HALF2, n]
            dn[stop + g, j] = rules[OF_B, j]
            g += 1
        if rules[OF_H, j] > 0.0:
            dn[last + of_d + h, j] = rules[OF_H, j]
            h += 1


@njit(cache=True, nogil=True)
def _row_bounds(rows, wanted, active, inputs, x, y, d, xs, ys, ds, box_low, box_high, charge, low):
    """Take over lower bounds of the wanted rows from the zonotopes of the outputs."""
    of_g, of_f = y.shape[0] - inputs, x.shape[0] - inputs
    outputs = x.shape[1]
    total = np.zeros(d.shape[0])
    for r in range(low.shape[0]):
        if not wanted[r]:
            continue
        total[:] = 0.0
        centre, error, size = rows.bias[r], 0.0, abs(rows.bias[r])
        for j in range(outputs):
            a, b, c = rows.first[r, j], rows.second[r, j], rows.apart[r, j]
            centre += a * xs[CENTRE, j] + b * ys[CENTRE, j] + c * ds[CENTRE, j]
            error += abs(a) * xs[ERROR, j] + abs(b) * ys[ERROR, j] + abs(c) * ds[ERROR, j]
            size += abs(a) * xs[SIZE, j] + abs(b) * ys[SIZE, j] + abs(c) * ds[SIZE, j]
            if c != 0.0:
                for s in range(d.shape[0]):
                    total[s] += c * d[s, j]
            if b != 0.0:
                for s in range(inputs + of_g):
                    total[s] += b * y[s, j]
            if a != 0.0:
                for s in range(inputs):
                    total[s] += a * x[s, j]
                for s in range(of_f):
                    total[inputs + of_g + s] += a * x[inputs + s, j]
        for i in range(box_low.shape[0]):
            middle = 0.5 * box_low[i] + 0.5 * box_high[i]
            centre += rows.direct[r, i] * middle
            size += abs(rows.direct[r, i]) * max(abs(box_low[i]), abs(box_high[i]))
        for i in range(inputs):
            n = active[i]
            half = 0.5 * (box_high[n] - box_low[n]) * (1.0 + 4.0 * UNIT)
            total[i] += rows.direct[r, n] * half
            error += abs(rows.direct[r, n]) * half * 8.0 * UNIT
        radius = 0.0
        for s in range(d.shape[0]):
            radius += abs(total[s])
        # An input without width is its own middle up to a rounding, charged by `size`.
        spare = (error + 2.0 * charge * size) * SLACK + UNDERFLOW
        low[r] = max(low[r], np.nextafter(centre - radius * (1.0 + charge) - spare, -np.inf))


@njit(cache=True, nogil=True)
def bound_pairs(pair, rows, box_low, box_high, stable, wanted, cut, deep, low, base, slopes, parts):
    """Bound rows from below on every box.

    Args:
        pair: `PackedPair`.
        rows: `PairRows`.
        box_low: `(boxes, inputs)`.
        box_high: `(boxes, inputs)`.
        stable: `(boxes, 2, neurons)` uint8, bits UPPER and LOWER: signs of pre-activations of f and
            g that are known to hold on the box; more are set on return.
        wanted: `(boxes, rows)` uint8, which rows to bound.
        cut: `(rows,)` a row whose bound reaches its cut is not followed further.
        deep: whether to pass backwards.
        low: `(boxes, rows)` filled with proved lower bounds, rounded outward.
        base: `(boxes, rows)` filled for rows that were followed backwards, -inf elsewhere; on the
            box z is at least base plus the sum of |slope| times the distance from the corner where
            the slopes are least.
        slopes: `(boxes, rows, inputs)` filled with the slopes of that plane.
        parts: `(boxes, rows, inputs)` filled with how much each input is to be blamed.
    """
    total, stages, size_in = pair.offset[-1], pair.sizes.shape[0], pair.sizes[0]
    widest = 1
    for k in range(1, stages):
        widest = max(widest, pair.sizes[k])
    hidden = total - size_in - pair.sizes[stages - 1]
    high = size_in + 3 * hidden + 1
    wide = max(widest, size_in)
    xb, yb = np.empty((2, (size_in + hidden) * wide)), np.empty((2, (size_in + hidden) * wide))
    db = np.empty((2, high * wide))
    spare = np.empty((size_in + hidden) * wide)
    first = np.empty(pair.first.shape[0])
    second, change = np.empty_like(first), np.empty_like(first)
    both = np.empty(2 * first.shape[0])
    t = np.zeros((SCALARS, total))
    scalars, fresh = np.zeros((3, 3, wide)), np.zeros((3, 4, wide))
    live, count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    places, rules = np.zeros(wide, np.int64), np.zeros((7, wide))
    guide = size_in <= GUIDED
    share = np.zeros((3, total if guide else 1, size_in))
    symbols = np.zeros((3, total), np.int64)
    bias = np.zeros((3, wide))
    active = np.zeros(size_in, np.int64)
    asked = low.shape[1]
    work, box_now = np.zeros((4, 2 * asked * wide)), np.zeros((2, size_in))
    constant, error, bounds = np.zeros(asked), np.zeros(asked), np.zeros(asked)
    direct, planes = np.zeros((asked, size_in)), np.zeros((asked, size_in))
    blame, which = np.zeros((asked, size_in)), np.zeros(asked, np.int64)
    charge = pair.operations * UNIT / (1.0 - pair.operations * UNIT) * SLACK
    for box in range(box_low.shape[0]):
        low[box], base[box] = -np.inf, -np.inf
        inputs = 0
        for i in range(size_in):
            if box_high[box, i] > box_low[box, i]:
                active[inputs] = i
                inputs += 1
        live[:size_in] = np.arange(size_in)
        count[0] = size_in
        of_f, of_g, of_d = 0, 0, 0
        x = xb[0, : inputs * size_in].reshape(inputs, size_in)
        y = yb[0, : inputs * size_in].reshape(inputs, size_in)
        d = db[0, : inputs * size_in].reshape(inputs, size_in)
        x[:], d[:] = 0.0, 0.0
        scalars[:] = 0.0
        for i in range(size_in):
            middle = 0.5 * box_low[box, i] + 0.5 * box_high[box, i]
            scalars[0, CENTRE, i] = middle
            biggest = max(abs(box_low[box, i]), abs(box_high[box, i]))
            scalars[0, ERROR, i] = 4.0 * UNIT * biggest + UNDERFLOW
            scalars[0, SIZE, i] = 2.0 * biggest * SLACK + UNDERFLOW
        for i in range(inputs):
            n = active[i]
            x[i, n] = 0.5 * (box_high[box, n] - box_low[box, n])
        y[:] = x
        scalars[1] = scalars[0]
        whole = True
        for k in range(1, stages):
            begin, output = pair.offset[k], k == stages - 1
            made = 0
            for i in range(pair.sizes[k]):
                if output or not known_dead(pair, begin + i, stable[box]):
                    live[begin + made] = i
                    made += 1
            count[k] = made
            rows_in = count[k - 1]
            start, stop = gather(pair, k, live, count, first, second, change, both)
            w1 = first[start:stop].reshape(rows_in, made)
            w2 = second[start:stop].reshape(rows_in, made)
            wd = change[start:stop].reshape(rows_in, made)
            for j in range(made):
                n = begin + live[begin + j]
                bias[0, j], bias[1, j] = pair.bias1[n], pair.bias2[n]
                bias[2, j] = pair.change_bias[n]
            xs, ys, ds = fresh[0, :, :made], fresh[1, :, :made], fresh[2, :, :made]
            fresh[:] = 0.0
            affine_scalars(scalars[0, :, :rows_in], w1, bias[0, :made], xs)
            affine_scalars(scalars[1, :, :rows_in], w2, bias[1, :made], ys)
            affine_scalars(scalars[2, :, :rows_in], w1, bias[2, :made], ds)
            affine_scalars(scalars[1, :, :rows_in], wd, np.zeros(made), ds)
            charge_scalars(xs, charge)
            charge_scalars(ys, charge)
            charge_scalars(ds, charge)
            height_x, height_y, height_d = x.shape[0], y.shape[0], d.shape[0]
            xp = xb[1, : height_x * made].reshape(height_x, made)
            yp = yb[1, : height_y * made].reshape(height_y, made)
            dp = db[1, : height_d * made].reshape(height_d, made)
            if rows_in > 0 and made > 0:
                np.dot(x, w1, xp)
                np.dot(y, w2, yp)
                np.dot(d, w1, dp)
                more = spare[: height_y * made].reshape(height_y, made)
                np.dot(y, wd, more)
                dp[:height_y] += more
            else:
                xp[:], yp[:], dp[:] = 0.0, 0.0, 0.0
            largest = concretise(
                pair, k, live, count, inputs, xp, yp, dp, xs, ys, ds, stable[box], t, charge
            )
            if not largest < LARGEST:
                whole = False
                break
            if output:
                _row_bounds(
                    rows,
                    wanted[box],
                    active,
                    inputs,
                    xp,
                    yp,
                    dp,
                    xs,
                    ys,
                    ds,
                    box_low[box],
                    box_high[box],
                    charge,
                    low[box],
                )
                break
            note_signs(pair, k, live, count, t, stable[box])
            f, g, h = lines(pair, k, live, count, t, places, rules)
            kept = count[k]
            if guide:
                so_far = (of_f, of_g, of_d)
                blame_symbols(
                    pair,
                    k,
                    live,
                    count,
                    inputs,
                    xp,
                    yp,
                    dp,
                    symbols,
                    so_far,
                    places,
                    rules,
                    t,
                    share,
                )
            if kept < made:
                compact(start, rows_in, made, places, kept, first, second, both)
            x = xb[0, : (height_x + f) * kept].reshape(height_x + f, kept)
            y = yb[0, : (height_y + g) * kept].reshape(height_y + g, kept)
            d = db[0, : (height_d + f + g + h) * kept].reshape(height_d + f + g + h, kept)
            _activate(
                inputs,
                kept,
                t,
                begin,
                live,
                places,
                rules,
                (xp, yp, dp),
                (x, y, d),
                of_f,
                of_g,
                of_d,
            )
            activate_scalars(
                pair,
                k,
                live,
                count,
                t,
                places,
                rules,
                xs,
                ys,
                ds,
                scalars[0],
                scalars[1],
                scalars[2],
            )
            of_f, of_g, of_d = of_f + f, of_g + g, of_d + h
        if not whole or not deep:
            continue
        number = 0
        for r in range(asked):
            if wanted[box, r] and low[box, r] < cut[r]:
                which[number] = r
                number += 1
        outputs = count[stages - 1]
        load_rows(rows, which[:number], outputs, work, direct, constant, error)
        box_now[0], box_now[1] = box_low[box], box_high[box]
        back(
            pair,
            stages - 1,
            number,
            work,
            constant,
            error,
            direct,
            box_now,
            live,
            count,
            t,
            first,
            both,
            share,
            active,
            inputs,
            charge,
            False,
            guide,
            bounds,
            planes,
            blame,
        )
        for at in range(number):
            r = which[at]
            base[box, r], slopes[box, r] = bounds[at], planes[at]
            low[box, r] = max(low[box, r], bounds[at])
            for i in range(size_in):
                width = box_high[box, i] - box_low[box, i]
                parts[box, r, i] = blame[at, i] if guide else abs(planes[at, i]) * width
