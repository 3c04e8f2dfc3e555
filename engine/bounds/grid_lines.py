"""Lines of activations that are rounded to a grid, neuron by neuron; compiled.

A grid of step s takes an activation a to ``clip(a) +- s / 2``, clip being the cut to its least and
most multiple. All lines are rounded outward; a quotient by a step that is no power of two is moved
outward before it is rounded, so the multiple is never one too far in.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import math

import numpy as np

from ..network import State
from ..rounding import INSIDE, UNDERFLOW, UNIT
from .compiled import njit
from .difference import CONSTANT, KAPPA, OF_A, OF_B, OF_D, OF_H, OF_X, OF_Y, line_of

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)

# What is known of a rounded neuron's two activations, before they are rounded.
APART, BETWEEN, MOVED = 1.0, 2.0, 3.0  # nothing; D lies between 0 and d; D is d


@njit(cache=True, nogil=True)
def ends(state, slope, intercept, low, high):
    """Return the bounds of an activation over [low, high], before it is rounded to a grid."""
    if state == _ZERO:
        return 0.0, 0.0
    if state == _RELU:
        return max(low, 0.0), max(high, 0.0)
    if state == _IDENTITY:
        return low, high
    one, two = slope * low, slope * high
    spare = (abs(one) + abs(two) + abs(intercept)) * (4.0 * UNIT) + UNDERFLOW
    return min(one, two) + intercept - spare, max(one, two) + intercept + spare


@njit(cache=True, nogil=True)
def on_grid(low, high, step, least, most):
    """Return the bounds, exact multiples of the step, of values in [low, high] on a grid."""
    one, two = low / step, high / step
    if math.frexp(step)[0] != 0.5:
        one, two = np.nextafter(one, -np.inf), np.nextafter(two, np.inf)
    one = min(max(np.rint(one), least), most)
    two = min(max(np.rint(two), least), most)
    return step * one + 0.0, step * two + 0.0


@njit(cache=True, nogil=True)
def cut_off(state, slope, intercept, low, high, step, least, most):
    """Return whether a grid may cut activations off: tighter bounds then make better lines."""
    if not step > 0.0:
        return False
    below, above = ends(state, slope, intercept, low, high)
    return below < (least - INSIDE) * step or above > (most + INSIDE) * step


@njit(cache=True, nogil=True)
def moved(low, high, step, least, most):
    """Return the bounds of what a grid adds to a value in [low, high]."""
    bottom, top = on_grid(low, high, step, least, most)
    down = 0.5 * step + max(0.0, high - step * most)
    up = 0.5 * step + max(0.0, step * least - low)
    down, up = down * (1.0 + 8.0 * UNIT), up * (1.0 + 8.0 * UNIT)
    return (
        max(-down, np.nextafter(bottom - high, -np.inf)),
        min(up, np.nextafter(top - low, np.inf)),
    )


@njit(cache=True, nogil=True)
def _cut(state, low, high, bottom, top):
    """Return slope, shift and half of ``clip(act(z))``, act the identity or a ReLU, by its chord.

    Between its corners the function is linear, so it is farthest from the chord's slope at one.
    """
    corner = 0.0 if state == _RELU else bottom
    at = np.array([low, high, min(max(corner, low), high), min(max(top, low), high)])
    values = np.empty(4)
    for i in range(4):
        act = max(at[i], 0.0) if state == _RELU else at[i]
        values[i] = min(max(act, bottom), top)
    slope = (values[1] - values[0]) / (high - low)
    least, most, size = np.inf, -np.inf, 0.0
    for i in range(4):
        away = values[i] - slope * at[i]
        least, most = min(least, away), max(most, away)
        size = max(size, abs(values[i]) + abs(slope * at[i]))
    spare = 8.0 * UNIT * size + UNDERFLOW
    return slope, least - spare, (0.5 * (most - least) + spare) * (1.0 + 8.0 * UNIT) + UNDERFLOW


@njit(cache=True, nogil=True)
def grid_line(state, slope, intercept, low, high, step, least, most):
    """Return an activation on a grid over [low, high] as ``slope z + shift + half (1 + symbol)``.

    Args:
        state: as `State`.
        slope: of a LINEAR neuron.
        intercept: of a LINEAR neuron.
        low: proved lower bound of the pre-activation.
        high: proved upper bound.
        step: of the grid, above 0.
        least: its least multiple.
        most: its greatest.

    Returns:
        slope, shift, half; slope and half are 0 where the value is one and the same.
    """
    below, above = ends(state, slope, intercept, low, high)
    bottom, top = on_grid(below, above, step, least, most)
    if bottom == top:
        return 0.0, bottom, 0.0
    flat = 0.5 * (top - bottom)
    if below >= (least - INSIDE) * step and above <= (most + INSIDE) * step:
        steep, shift, half = line_of(state, slope, intercept, low, high)
    elif state in (_RELU, _IDENTITY):
        steep, shift, half = _cut(state, low, high, step * least, step * most)
    else:
        return 0.0, bottom, flat
    spare = (abs(shift) + half + step) * (8.0 * UNIT)
    shift, half = shift - 0.5 * step - spare, half + 0.5 * step + 2.0 * spare
    if not half < flat:
        return 0.0, bottom, flat
    return steep, shift, half


@njit(cache=True, nogil=True)
def kinship(state1, low1, state2, low2):
    """Return what is known of the difference of two activations, before they are rounded."""
    on1 = state1 == _IDENTITY or (state1 == _RELU and low1 >= 0.0)
    on2 = state2 == _IDENTITY or (state2 == _RELU and low2 >= 0.0)
    if on1 and on2:
        return MOVED
    if state1 == _RELU and state2 == _RELU:
        return BETWEEN
    return APART


@njit(cache=True, nogil=True)
def grid_rule(one, two, low, high, down, up, kin, rule):
    """Fill the linear rule of D for a pair of neurons of which one or both are rounded.

    Args:
        one: slope, shift and half of f's line.
        two: the same of g's.
        low: proved lower bound of d.
        high: proved upper bound of d.
        down: least that rounding adds to D.
        up: most that it adds.
        kin: what is known of D before it.
        rule: as `pair_rule` fills it.
    """
    slope1, shift1, half1 = one
    slope2, shift2, half2 = two
    rule[:] = 0.0
    if half1 > 0.0 and half2 > 0.0 and kin != APART:
        slope, least, most = 1.0, 0.0, 0.0
        if kin == BETWEEN:
            share = 1.0 if low >= 0.0 else (0.0 if high <= 0.0 else high / (high - low))
            slope = min(share, 1.0 - share)
            most = max(0.0, max(-slope * low, (1.0 - slope) * high))
            least = min(0.0, min((1.0 - slope) * low, -slope * high))
        radius = 0.5 * ((most - least) + (up - down)) * (1.0 + 16.0 * UNIT) + UNDERFLOW
        if radius <= KAPPA * (half1 + half2):
            rule[OF_D], rule[OF_H] = slope, radius
            rule[CONSTANT] = 0.5 * (most + least) + 0.5 * (up + down)
            return
    if half1 == 0.0 and half2 > 0.0 and slope1 != 0.0:
        rule[OF_D], rule[OF_Y] = slope1, slope1 - slope2
    elif slope1 == 0.0:
        rule[OF_Y] = -slope2
    elif slope2 == 0.0:
        rule[OF_X] = slope1
    else:
        rule[OF_D], rule[OF_X] = slope2, slope1 - slope2
    rule[CONSTANT] = (shift1 + half1) - (shift2 + half2)
    rule[OF_A], rule[OF_B] = half1, -half2
