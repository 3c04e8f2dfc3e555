"""Bounds of networks that round their activations: every value sampled lies within them."""

from fractions import Fraction

import numpy as np
import pytest
from grids import chain, grid, moved, places, rounded
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.difference import pack_pair, pair_rows
from secateur.engine.bounds.grid import band
from secateur.engine.bounds.grid_lines import grid_line
from secateur.engine.bounds.grid_lines import moved as shift_of
from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.linear import linear
from secateur.engine.bounds.packed import pack
from secateur.engine.bounds.pairs import bound_pairs
from secateur.engine.bounds.pairs_linear import bound_pairs_linear
from secateur.engine.bounds.rational import rational_bound
from secateur.engine.bounds.rows import bound_rows
from secateur.engine.network import Network, Node, Piecewise, Quantize, State
from secateur.engine.region import Region
from secateur.engine.stages import stages

seeds = st.integers(0, 2**32 - 1)


def box(rng, size):
    """Return a box, tiny, small or wide, and points in it."""
    centre = np.round(rng.uniform(-1, 1, size) * 16) / 16
    width = rng.choice([0.0, 1e-6, 0.05, 0.5, 2.0])
    lower, upper = centre - width * rng.random(size), centre + width * rng.random(size)
    return lower, upper, places(rng, lower, upper, 24)


@given(seeds)
@settings(max_examples=200, deadline=None)
def test_lines_of_a_neuron_enclose_its_values(seed):
    rng = np.random.default_rng(seed)
    one = grid(rng, 1, 1.0)
    state, slope, shift = rng.integers(0, 4), rng.normal(), rng.normal()
    layer = Piecewise(np.array([state]), np.array([slope]), np.array([shift]))
    low = rng.normal() * rng.choice([0.01, 1.0])
    high = low + rng.exponential() * rng.choice([0.0, 1e-9, 0.05, 1.0])
    if rng.random() < 0.3:  # ends on ties
        low, high = (float(one.scale[0] * (np.round(v / one.scale[0]) + 0.5)) for v in (low, high))
    setting = float(one.scale[0]), float(one.low[0]), float(one.high[0])
    if low == high:
        return
    steep, at, half = grid_line(int(state), slope, shift, low, high, *setting)
    down, up = shift_of(low, high, *setting)
    flat = band(one, np.array([low]), np.array([high]))
    for z in (low, high, *rng.uniform(low, high, 20)):
        given_ = layer(np.array([z]))
        ((value,),) = ([Fraction(float(v))] for v in one(given_))
        if np.frexp(setting[0])[0] != 0.5 or state == State.LINEAR:
            value = _exact(one, layer, z)
        line = Fraction(steep) * Fraction(float(z)) + Fraction(at)
        assert line <= value <= line + 2 * Fraction(half)
        added = _exact(one, None, z) - Fraction(float(z))
        assert Fraction(down) <= added <= Fraction(up)
        base = Fraction(float(flat[0][0])) * Fraction(float(z))
        assert base + Fraction(float(flat[1][0])) <= added + Fraction(float(z))
        assert added + Fraction(float(z)) <= base + Fraction(float(flat[2][0]))


def _exact(one, layer, z):
    """Return the value of one neuron in Fractions."""
    a = Fraction(float(z))
    if layer is not None:
        match State(int(layer.state[0])):
            case State.RELU:
                a = max(a, Fraction(0))
            case State.ZERO:
                a = Fraction(0)
            case State.LINEAR:
                a = Fraction(float(layer.slope[0])) * a + Fraction(float(layer.intercept[0]))
            case State.IDENTITY:
                pass
    scale = Fraction(float(one.scale[0]))
    return scale * min(max(round(a / scale), int(one.low[0])), int(one.high[0]))


@given(seeds, st.booleans())
@settings(max_examples=80, deadline=None)
def test_bounds_of_one_network_contain_its_values(seed, tight):
    rng = np.random.default_rng(seed)
    network = rounded(rng, chain(rng))
    lower, upper, points = box(rng, network.size_in)
    exact = network.trace_exact(points)
    for find in (interval, linear):
        bounds = find(network, lower[None], upper[None])
        for name, (low, high) in bounds.items():
            for value in exact[name].fractions():
                assert (np.vectorize(Fraction)(low[0]) <= value).all()
                assert (value <= np.vectorize(Fraction)(high[0])).all()
    region = Region.box(lower, upper)
    row = rng.normal(size=network.size_out)
    most = rational_bound(network, region, network.output, row, bounds)
    weights = np.vectorize(Fraction)(row)
    assert all((weights * value).sum() <= most for value in exact[network.output].fractions())


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_bounds_of_rows_contain_their_values(seed):
    rng = np.random.default_rng(seed)
    network = rounded(rng, chain(rng))
    lower, upper, points = box(rng, network.size_in)
    net = pack(stages(network, grids=True))
    rows = network.size_out
    low, base = np.zeros((1, rows)), np.zeros((1, rows))
    slopes, parts = np.zeros((1, rows, lower.size)), np.zeros((1, rows, lower.size))
    stable = np.zeros((1, 1, int(net.offset[-1])), np.uint8)
    wanted, cut = np.ones((1, rows), np.uint8), np.full(rows, np.inf)
    bound_rows(net, lower[None], upper[None], stable, wanted, cut, low, base, slopes, parts)
    found = network.evaluate(points, exact=True)
    for value in found:
        assert all(value[r] >= Fraction(float(low[0, r])) for r in range(rows))
    _on_planes(found, points, lower, upper, base, slopes)


def _on_planes(found, points, lower, upper, base, slopes):
    for value, point in zip(found, points, strict=True):
        for r in np.flatnonzero(np.isfinite(base[0])):
            plane = base[0, r] + sum(
                abs(a) * (x - low if a > 0 else high - x)
                for a, x, low, high in zip(slopes[0, r], point, lower, upper, strict=True)
            )
            assert float(value[r]) >= plane - 1e-9 * (1 + abs(plane))


@pytest.mark.parametrize("kernel", ["shallow", "deep", "linear"])
@given(seeds)
@settings(max_examples=120, deadline=None)
def test_bounds_of_pairs_contain_the_difference(kernel, seed):
    rng = np.random.default_rng(seed)
    plain = chain(rng)
    other = moved(rng, plain, float(rng.choice([0.0, 0.01, 0.3])))
    first = plain if rng.random() < 0.5 else rounded(rng, plain)
    second = rounded(rng, other)
    if rng.random() < 0.2:
        second = _same_grids(first, other)
    chains = aligned(stages(first, grids=True), stages(second, grids=True))
    assert chains is not None
    pair = pack_pair(*chains)
    lower, upper, points = box(rng, first.size_in)
    size = first.size_out
    left = np.concatenate([np.eye(size), -np.eye(size), np.zeros((size, size))])
    right = np.concatenate([-np.eye(size), np.eye(size), np.eye(size)])
    direct, bias = np.zeros((3 * size, lower.size)), rng.normal(size=3 * size)
    rows = pair_rows(left, right, direct, bias)
    asked = len(bias)
    low, base = np.zeros((1, asked)), np.zeros((1, asked))
    slopes, parts = np.zeros((1, asked, lower.size)), np.zeros((1, asked, lower.size))
    stable = np.zeros((1, 2, int(pair.offset[-1])), np.uint8)
    wanted, cut = np.ones((1, asked), np.uint8), np.full(asked, np.inf)
    out = (low, base, slopes, parts)
    given_ = (pair, rows, lower[None], upper[None], stable, wanted, cut)
    if kernel == "linear":
        bound_pairs_linear(*given_, *out, np.zeros(0, np.int64), np.zeros((1, lower.size)))
    else:
        bound_pairs(*given_, kernel == "deep", *out)
    x, y = (network.evaluate(points, exact=True) for network in (first, second))
    exact = [np.vectorize(Fraction)(m) for m in (left, right)]
    found = x @ exact[0].T + y @ exact[1].T + np.vectorize(Fraction)(bias)
    assert np.isfinite(low).all()
    for value in found:
        assert all(value[r] >= Fraction(float(low[0, r])) for r in range(asked))
    _on_planes(found, points, lower, upper, base, slopes)


def _same_grids(first, other):
    """Return the other network with the grids of the first."""
    layers = {node.name: node.layer for node in other.nodes}
    nodes = [Node(n.name, layers.get(n.name, n.layer), n.sources) for n in first.nodes]
    return Network(tuple(nodes), first.output)


def test_a_box_of_equal_values_is_bounded_by_them():
    network = Network(
        (
            *Network.dense([np.array([[1.0, 2.0]])], [np.zeros(1)]).nodes,
            Node("grid", Quantize.uniform(1, 0.5, -128, 127), ("affine1",)),
        ),
        "grid",
    )
    corner = np.array([[0.125, 0.25]])
    low, high = interval(network, corner, corner)["grid"]
    assert low.tolist() == high.tolist() == [[0.5]]
