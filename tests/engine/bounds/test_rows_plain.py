"""Rows bounded by arrays: what the compiled loops find, and proved all the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs_drawn import corners, corners_of_boxes, plane
from strategies import networks

from secateur.engine.bounds import rows, rows_plain
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.network import Network
from secateur.engine.rounding import LARGEST
from secateur.engine.stages import stages

seeds = st.integers(0, 2**32 - 1)


def bounded(bound, net, lower, upper, stable=None, wanted=None, cut=None):
    """Return low, base, slopes, parts and flags, by one of both."""
    count, asked = len(lower), int(net.sizes[-1])
    flags = np.zeros((count, 1, int(net.offset[-1])), np.uint8) if stable is None else stable.copy()
    wanted = np.ones((count, asked), np.uint8) if wanted is None else wanted
    cut = np.full(asked, np.inf) if cut is None else cut
    low, base = np.full((2, count, asked), -np.inf)
    slopes, parts = np.zeros((2, count, asked, lower.shape[1]))
    bound(net, lower, upper, flags, wanted, cut, low, base, slopes, parts)
    return low, base, slopes, parts, flags


def drawn(seed, layers=(2, 4)):
    """Return a chain of dense layers, some boxes, and what is asked of them."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, rng.integers(*layers) + 1)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    network = Network.dense(
        [rng.normal(size=shape) for shape in shapes], [rng.normal(size=b) for b, _ in shapes]
    )
    middle = rng.normal(size=(rng.integers(1, 5), sizes[0]))
    radius = rng.choice([0.01, 0.3, 2.0]) * rng.random(middle.shape)
    return rng, network, pack(stages(network)), middle - radius, middle + radius


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_both_find_the_same(seed):
    rng, _, net, lower, upper = drawn(seed)
    wanted = rng.integers(0, 2, (len(lower), net.sizes[-1])).astype(np.uint8)
    cut = rng.normal(size=int(net.sizes[-1]))
    found = [
        bounded(one.bound_rows, net, lower, upper, wanted=wanted, cut=cut)
        for one in (rows_plain, rows)
    ]
    for plain, compiled in zip(*found, strict=True):
        assert np.allclose(plain, compiled, rtol=1e-7, atol=1e-9)


@given(networks, st.data())
@settings(max_examples=60, deadline=None)
def test_bounds_and_planes_lie_below_the_values_and_signs_hold(network, data):
    lower, upper = data.draw(corners_of_boxes(network.size_in))
    staged = stages(network)
    net = pack(staged)
    low, base, slopes, parts, flags = bounded(rows_plain.bound_rows, net, lower, upper)
    assert not np.isnan(low).any()
    assert (parts >= 0.0).all()
    for box in range(len(lower)):
        places = np.concatenate([corners(lower[box], upper[box]), (lower + upper)[[box]] / 2])
        trace = {name: v.fractions() for name, v in network.trace_exact(places).items()}
        for at, place in enumerate(places):
            for row, value in enumerate(trace[network.output][at]):
                assert value >= Fraction(float(low[box, row])) or low[box, row] == -np.inf
                if np.isfinite(base[box, row]):
                    ends = lower[box], upper[box]
                    assert value >= plane(base[box, row], slopes[box, row], *ends, place)
            known = [z for stage in staged.stages for z in trace[stage.name][at]]
            for z, sign in zip(known, flags[box, 0], strict=True):
                assert not sign & UPPER or z <= 0
                assert not sign & LOWER or z >= 0


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_signs_that_are_known_make_halves_no_looser(seed):
    _, _, net, lower, upper = drawn(seed)
    low, *_, flags = bounded(rows_plain.bound_rows, net, lower, upper)
    half = lower + 0.5 * (upper - lower)
    again, *_, more = bounded(rows_plain.bound_rows, net, lower, half, stable=flags)
    assert ((more & flags) == flags).all()
    blank, *_ = bounded(rows_plain.bound_rows, net, lower, half)
    assert (again >= blank - 1e-9 * (1 + np.abs(blank))).all()
    assert np.isfinite(low).all()


def test_a_box_with_numbers_that_are_too_large_spoils_no_other():
    network = Network.dense(
        [np.array([[1.0], [2.0]]), np.array([[1.0, 1.0]]), np.array([[1.0]])],
        [np.zeros(2), np.zeros(1), np.zeros(1)],
    )
    net, upper = pack(stages(network)), np.array([[1.0], [2.0 * LARGEST], [1.0]])
    low, base, *_ = bounded(rows_plain.bound_rows, net, -upper, upper)
    assert low[1] == base[1] == -np.inf
    assert np.isfinite(low[[0, 2]]).all()
    assert low[0] == low[2]


def test_many_boxes_at_once_are_taken_in_parts(monkeypatch):
    _, _, net, lower, upper = drawn(5)
    whole = bounded(rows_plain.bound_rows, net, lower, upper)
    monkeypatch.setattr(rows_plain, "HELD", 1)
    for one, two in zip(whole, bounded(rows_plain.bound_rows, net, lower, upper), strict=True):
        assert np.allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize(("size", "boxes"), [(1, rows_plain.MOST), (300, 1), (400, 0)])
def test_arrays_are_for_few_boxes_and_for_activations_that_are_not_rounded(size, boxes):
    weights = [np.ones((size, size))] * 3
    net = pack(stages(Network.dense(weights, [np.zeros(size)] * 3)))
    assert rows_plain.few(net) == boxes
    assert rows_plain.few(net._replace(step=np.ones_like(net.step))) == 0
