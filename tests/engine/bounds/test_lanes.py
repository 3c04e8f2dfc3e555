"""Products and relaxations of blocks: the same as arrays give, at every size, and nowhere else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.bounds.lanes import LANES, LINE, MOST, ROWS, product, relax

SIZES = st.integers(0, 2 * LANES + 3)


@given(st.integers(1, MOST), SIZES, SIZES, st.integers(0, 3), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=150)
def test_a_product_is_that_of_arrays_alone(lanes, columns, into, gap, more, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    matrix = rng.normal(size=gap + columns * (into + gap))
    block, out = rng.normal(size=1 + columns * step), rng.normal(size=2 + into * step + 3)
    if not more:
        out[2 : 2 + into * step] = np.nan  # what was there does not matter
    before = out.copy()
    product(lanes, matrix, gap, into + gap, block, 1, columns, out, 2, into, int(more))
    weights = matrix[gap:].reshape(columns, into + gap)[:, :into]
    wanted = weights.T @ block[1:].reshape(columns, step)
    if more:
        wanted += before[2 : 2 + into * step].reshape(into, step)
    assert np.allclose(out[2 : 2 + into * step].reshape(into, step), wanted, rtol=1e-12, atol=1e-12)
    assert np.array_equal(out[:2], before[:2])
    assert np.array_equal(out[2 + into * step :], before[2 + into * step :])


@given(st.integers(1, MOST), SIZES, st.integers(0, 2**31))
@settings(max_examples=150)
def test_coefficients_take_the_line_of_their_sign(lanes, columns, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    block = rng.normal(size=(columns, step)) * (rng.random((columns, step)) < 0.9)
    lines, sums = rng.normal(size=(columns, LINE)), rng.normal(size=2 * ROWS)
    room, total = np.concatenate([[7.0], block.ravel(), [8.0]]), sums.copy()
    relax(lanes, room, 1, columns, lines.ravel(), 0, total)
    slope, shift, charge = (
        np.where(block > 0.0, lines[:, [part]], lines[:, [3 + part]]) for part in range(3)
    )
    assert np.allclose(room[1:-1].reshape(columns, step), block * slope)
    assert room[0] == 7.0
    assert room[-1] == 8.0
    wanted = sums.copy()
    wanted[:step] += (block * shift).sum(axis=0)
    wanted[ROWS : ROWS + step] += (np.abs(block) * charge).sum(axis=0)
    assert np.allclose(total, wanted)


def test_numbers_too_large_do_not_vanish():
    lines = np.zeros(LINE)
    lines[2], lines[5] = 2.0**-600, 2.0**-600
    for size in (np.inf, -np.inf, np.nan):
        block, total = np.full(LANES, size), np.zeros(2 * ROWS)
        relax(1, block, 0, 1, lines, 0, total)
        assert not (total[:LANES] + total[ROWS : ROWS + LANES] < np.inf).any()
