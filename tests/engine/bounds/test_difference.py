"""Rules and lines of differences, against their definitions in rationals."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import eighths, floats, graph_networks, points
from twins import chain, staged_trace, twins

from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.difference import (
    CONSTANT,
    OF_A,
    OF_B,
    OF_D,
    OF_H,
    OF_X,
    OF_Y,
    line_of,
    pack_pair,
    pair_rows,
    pair_rule,
)
from secateur.engine.bounds.pairs_relax import below_difference, below_relu, reduced
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State
from secateur.engine.operators import Dense
from secateur.engine.rounding import UNIT
from secateur.engine.stages import stages

ROUNDING = Fraction(8 * UNIT)
TINY = Fraction(1, 2**550)

tiny = st.sampled_from([2.0**-1074, 1e-300, 1e-160, 1e-13, 1e-9])
sizes = st.one_of(eighths, floats, tiny, tiny.map(lambda x: -x), st.sampled_from([1e9, -1e9, 0.0]))


def act(state, slope, intercept, z):
    """Return the activation of a rational."""
    match State(state):
        case State.RELU:
            return max(z, Fraction(0))
        case State.ZERO:
            return Fraction(0)
        case State.IDENTITY:
            return z
    return Fraction(slope) * z + Fraction(intercept)


@st.composite
def neurons(draw, phase=None):
    """Draw state, slope, intercept and bounds of a neuron; `phase` is of a ReLU."""
    low, high = sorted([draw(sizes), draw(sizes)])
    if phase is None:
        return draw(st.sampled_from([1, 2, 3])), draw(sizes), draw(sizes), low, high
    match phase:
        case "dead":
            low, high = -max(abs(low), abs(high)), -min(abs(low), abs(high))
        case "live":
            low, high = min(abs(low), abs(high)), max(abs(low), abs(high))
        case "unstable":
            low, high = -abs(low), abs(high)
            assume(low < 0.0 < high)
    return 0, draw(sizes), draw(sizes), low, high


def places(draw, low, high):
    """Return rationals of an interval, its ends and 0 among them."""
    low, high = Fraction(low), Fraction(high)
    inner = [low + Fraction(draw(st.integers(0, 64)), 64) * (high - low) for _ in range(2)]
    return [low, high, *inner, *([Fraction(0)] if low <= 0 <= high else [])]


def symbol(state, slope, intercept, line, z):
    """Return the symbol of a line at z, as it is defined."""
    steep, shift, half = map(Fraction, line)
    rest = act(state, slope, intercept, z) - steep * z - shift
    if half == 0:
        size = abs(steep * z) + abs(shift)
        assert abs(rest) <= ROUNDING * size
        return Fraction(0)
    found = (rest - half) / half
    assert abs(found) <= 1
    return found


PHASES = ["dead", "live", "unstable"]


@pytest.mark.parametrize(
    ("one", "two"), [*product(PHASES, PHASES), (None, None), (None, "unstable"), ("unstable", None)]
)
@given(data=st.data())
@settings(max_examples=25)
def test_the_rule_of_a_pair_holds_as_its_symbols_are_defined(one, two, data):
    f, g = data.draw(neurons(one)), data.draw(neurons(two))
    line1, line2 = line_of(*f), line_of(*g)
    xs, ys = places(data.draw, f[3], f[4]), places(data.draw, g[3], g[4])
    x, y = xs[2], ys[2]
    # Bounds of d that hold at one point at least, so that some are tight and of any signs.
    least, most = sorted([float(x - y), data.draw(sizes)])
    least, most = np.nextafter(least, -np.inf), np.nextafter(most, np.inf)
    rule = np.zeros(7)
    pair_rule(*line1, *line2, least, most, rule)
    assert np.isfinite(rule).all()
    assert rule[OF_H] >= 0
    r = [Fraction(float(entry)) for entry in rule]
    more = [(x, x - Fraction(end)) for x in xs for end in (least, most)]
    for x, y in [*product(xs, ys), *more]:
        d = x - y
        if not (Fraction(least) <= d <= Fraction(most) and g[3] <= y <= g[4]):
            continue
        a, b = symbol(*f[:3], line1, x), symbol(*g[:3], line2, y)
        parts = [r[OF_D] * d, r[OF_X] * x, r[OF_Y] * y, r[CONSTANT], r[OF_A] * a, r[OF_B] * b]
        truth = act(*f[:3], x) - act(*g[:3], y)
        at_stake = sum(map(abs, parts)) + sum(abs(Fraction(v)) for v in (*line1[1:], *line2[1:]))
        room = r[OF_H] + ROUNDING * at_stake + TINY
        assert abs(truth - sum(parts)) <= room


@given(data=st.data())
@settings(max_examples=100)
def test_lines_lie_below_a_weighted_difference(data):
    weight, ends = data.draw(sizes), sorted([data.draw(sizes), data.draw(sizes)])
    steep, shift, _ = below_difference(weight, *ends)
    for d in places(data.draw, *ends):
        for x in [Fraction(0), d, d / 2, Fraction(10**10), -Fraction(10**10)]:
            truth = max(x, Fraction(0)) - max(x - d, Fraction(0))
            line = Fraction(steep) * d + Fraction(shift)
            spare = ROUNDING * (abs(Fraction(steep) * d) + abs(Fraction(shift))) + TINY
            assert line - spare <= Fraction(weight) * truth


@given(data=st.data())
@settings(max_examples=100)
def test_lines_lie_below_a_weighted_relu(data):
    weight, neuron = data.draw(sizes), data.draw(neurons("unstable"))
    slope, _, half = line_of(*neuron)
    steep, shift, _ = below_relu(weight, neuron[3], neuron[4], slope, half)
    for z in places(data.draw, neuron[3], neuron[4]):
        line = Fraction(steep) * z + Fraction(shift)
        spare = ROUNDING * (abs(Fraction(steep) * z) + abs(Fraction(shift))) + TINY
        assert line - spare <= Fraction(weight) * max(z, Fraction(0))


@given(st.tuples(*[st.integers(-50, 50)] * 3))
def test_reduced_coefficients_are_the_same_form_exactly_on_integers(form):
    a, b, c = form
    p, q, r = (int(v) for v in reduced(float(a), float(b), float(c)))
    assert (p + r, q - r) == (a + c, b - c)
    assert abs(p) + abs(q) + abs(r) <= abs(a) + abs(b) + abs(c)
    assert 0 in (p, q, r)
    assert p * r >= 0
    assert q * r <= 0


@given(st.tuples(*[st.one_of(floats, sizes, st.sampled_from([1e16, -1e16, 1 / 3]))] * 3))
def test_reduced_coefficients_are_each_rounded_once(form):
    """What the bounds charge for: an error relative to the coefficient that is left."""
    a, b, c = map(Fraction, form)
    found = [Fraction(float(v)) for v in reduced(*map(float, form))]

    def near(move):
        exact = (a + move, b - move, c - move)
        return all(
            abs(x - y) <= Fraction(UNIT) * abs(y) + TINY for x, y in zip(exact, found, strict=True)
        )

    assert any(near(move) for move in (Fraction(0), -a, b, c))


@given(st.data())
@settings(max_examples=40)
def test_aligned_chains_compute_what_the_networks_do(data):
    f, g = data.draw(twins())
    found = aligned(stages(f), stages(g))
    if found is None:
        shifted = [len(stages(one).stages) for one in (f, g)]
        assert shifted[0] != shifted[1]
        return
    assert len(found[0].stages) == len(found[1].stages)
    some = data.draw(points((-np.ones(2), np.ones(2)), count=2))
    for network, staged in zip((f, g), found, strict=True):
        exact = network.evaluate(some, exact=True)
        for place, values in zip(some, exact, strict=True):
            assert staged_trace(staged, place)[-1] == list(values)


def test_a_shift_of_one_network_s_input_is_a_stage_of_both():
    some = np.random.default_rng(0).normal
    shapes = [(3, 2), (4, 3), (2, 4)]
    weights, biases = [some(size=s) for s in shapes], [some(size=s[0]) for s in shapes]
    layers = [Piecewise.relu(3), Piecewise.relu(4)]
    plain, moved = (chain(weights, biases, layers, shift) for shift in (None, np.ones(2) / 3))
    for f, g in ((plain, moved), (moved, plain), (moved, moved)):
        found = aligned(stages(f), stages(g))
        assert found is not None
        assert [stage.size for stage in found[0].stages] == [2, 2, 3, 4, 2]
        pair = pack_pair(*found)
        assert pair.sizes.tolist() == [2, 2, 3, 4, 2]
        assert np.allclose(pair.change, pair.first - pair.second)


def factored(weights, biases, ranks):
    """Return a network whose matrices are products of two where a rank is given."""
    nodes = [Node("input", Input((weights[0].shape[1],)))]
    for place, (weight, bias, rank) in enumerate(zip(weights, biases, ranks, strict=True)):
        parts = [weight]
        if rank:
            u, s, v = np.linalg.svd(weight, full_matrices=False)
            parts = [v[:rank], u[:, :rank] * s[:rank]]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            layer = Affine(Dense(part), bias if last else np.linspace(0, 1, len(part)))
            nodes.append(Node(f"affine{place}.{number}", layer, (nodes[-1].name,)))
        if place < len(weights) - 1:
            size = len(bias)
            nodes.append(Node(f"relu{place}", Piecewise.relu(size), (nodes[-1].name,)))
    return Network(tuple(nodes), nodes[-1].name)


@pytest.mark.parametrize("ranks", [(1, 0, 0), (0, 2, 0), (0, 0, 1), (2, 1, 1), (0, 0, 0)])
@pytest.mark.parametrize("both", [False, True])
def test_a_factor_of_low_rank_is_a_part_of_a_stage_of_both(ranks, both):
    some = np.random.default_rng(3).normal
    shapes = [(4, 3), (5, 4), (2, 5)]
    weights, biases = [some(size=s) for s in shapes], [some(size=s[0]) for s in shapes]
    f = factored(weights, biases, ranks[::-1] if both else (0, 0, 0))
    g = factored(weights, biases, ranks)
    for one, two in ((f, g), (g, f)):
        found = aligned(stages(one), stages(two))
        assert found is not None
        points = np.vectorize(Fraction)(some(size=(3, 3)))
        for network, staged in zip((one, two), found, strict=True):
            exact = network.evaluate(points, exact=True)
            for place, values in zip(points, exact, strict=True):
                assert staged_trace(staged, place)[-1] == list(values)


def test_networks_that_are_no_chains_of_the_same_sizes_are_not_aligned():
    some = np.random.default_rng(0).normal

    def dense(*sizes):
        shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
        layers = [Piecewise.relu(size) for size in sizes[1:-1]]
        return stages(
            chain([some(size=s) for s in shapes], [some(size=s[0]) for s in shapes], layers)
        )

    assert aligned(dense(2, 3, 2), dense(2, 4, 2)) is None
    assert aligned(dense(2, 3, 2), dense(2, 3, 3, 2)) is None
    assert aligned(dense(2, 3, 2), dense(2, 3, 2)) is not None


@given(st.data())
@settings(max_examples=20)
def test_networks_with_skips_are_not_aligned(data):
    staged = stages(data.draw(graph_networks()))
    chains = all([e.source for e in s.edges] == [at] for at, s in enumerate(staged.stages[1:]))
    assert (aligned(staged, staged) is None) != chains


@given(st.data())
@settings(max_examples=50)
def test_rows_said_of_differences_are_the_same_rows(data):
    coefficient = st.one_of(st.integers(-9, 9).map(float), eighths, floats, sizes)
    first, second = (np.array([[data.draw(coefficient) for _ in range(3)]]) for _ in range(2))
    rows = pair_rows(first, second, np.zeros((1, 2)), np.zeros(1))
    for at in range(3):
        a, b, c = (Fraction(float(m[0, at])) for m in (rows.first, rows.second, rows.apart))
        assert (a + c, b - c) == (Fraction(float(first[0, at])), Fraction(float(second[0, at])))
