"""Rows that miss their cut by little are raised: never above exact values, and often enough."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs_drawn import corners, corners_of_boxes, exact_rows, pairs, plane, rows_over, sized
from strategies import points

from secateur.engine.bounds.difference import PackedPair, pack_pair, pair_rows
from secateur.engine.bounds.pairs_climb import NEAR
from secateur.engine.bounds.pairs_linear import bound_pairs_linear
from secateur.engine.network import Network
from secateur.engine.stages import stages


def bounds(pair: PackedPair, rows, lower, upper, cut):
    """Return low, base, slopes and parts of all rows."""
    count, asked, inputs = len(lower), len(rows.bias), lower.shape[1]
    stable = np.zeros((count, 2, int(pair.offset[-1])), np.uint8)
    low, base = np.full((2, count, asked), np.nan)
    slopes, parts = np.zeros((2, count, asked, inputs))
    none, doubt = np.zeros(0, np.int64), np.zeros(lower.shape)
    wanted, out = np.ones((count, asked), np.uint8), (low, base, slopes, parts)
    bound_pairs_linear(pair, rows, lower, upper, stable, wanted, cut, *out, none, doubt)
    return out


def near(low, parts, share):
    """Return cuts that all rows of one box miss by a share of what would still be climbed."""
    return low[0] + share * NEAR * parts[0].sum(axis=1)


@given(data=st.data())
@settings(max_examples=60)
def test_raised_bounds_and_planes_lie_below_exact_values(data):
    f, g, _, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    lower, upper = data.draw(corners_of_boxes(2, count=1))
    plain, _, _, parts = bounds(pair, rows, lower, upper, np.full(3, np.inf))
    cut = near(plain, parts, data.draw(st.sampled_from([0.01, 0.5, 0.99])))
    low, base, slopes, _ = bounds(pair, rows, lower, upper, cut)
    assert (low >= np.minimum(plain, cut)).all()
    assert (low == base).all()
    ends = lower[0], upper[0]
    some = np.vstack([data.draw(points(ends, count=4)), corners(*ends)])
    x, y = (network.evaluate(some, exact=True) for network in (f, g))
    for at, place in enumerate(some):
        for row, value in enumerate(exact_rows(rows, x[at], y[at], place)):
            assert low[0, row] <= value
            assert plane(base[0, row], slopes[0, row], *ends, place) <= value


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_many_bounds_that_miss_by_little_reach_their_cut(noise):
    generator = np.random.default_rng(4)
    weights, biases = sized(generator, [3, 20, 20, 20, 2])
    others = [w + noise * generator.normal(size=w.shape) for w in weights]
    pair = pack_pair(*(stages(Network.dense(one, biases)) for one in (weights, others)))
    rows = pair_rows(np.eye(2), -np.eye(2), np.zeros((2, 3)), np.zeros(2))
    reached = better = 0
    for middle in generator.uniform(-0.7, 0.7, (20, 1, 3)):
        box = middle - 0.3, middle + 0.3
        plain, _, _, parts = bounds(pair, rows, *box, np.full(2, np.inf))
        cut = near(plain, parts, 0.2)
        low, *_ = bounds(pair, rows, *box, cut)
        better += int((low > plain).sum())
        reached += int((low >= cut).sum())
    assert better > 32
    assert reached > 10


def test_rows_far_from_their_cut_are_left_as_they_are():
    weights, biases = sized(np.random.default_rng(5), [3, 20, 20, 2])
    others, _ = sized(np.random.default_rng(6), [3, 20, 20, 2])
    pair = pack_pair(*(stages(Network.dense(one, biases)) for one in (weights, others)))
    rows = pair_rows(np.eye(2), -np.eye(2), np.zeros((2, 3)), np.zeros(2))
    box = -np.ones((1, 3)), np.ones((1, 3))
    plain, _, _, parts = bounds(pair, rows, *box, np.full(2, np.inf))
    low, *_ = bounds(pair, rows, *box, np.array([near(plain, parts, 0.1)[0], 1e9]))
    assert np.array_equal(low, plain)
