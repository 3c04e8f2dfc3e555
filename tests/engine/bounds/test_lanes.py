"""Products and relaxations of blocks: the same as arrays give, at every size, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.bounds import lanes as emitted
from secateur.engine.bounds import lanes_boxes, lanes_plain, lanes_rows
from secateur.engine.bounds.lanes import MOST, ROWS
from secateur.engine.bounds.packed import LOWER, UPPER
from secateur.engine.bounds.vectors import LANES, LINE

SIZES = st.integers(0, 2 * LANES + 3)
blocks = pytest.mark.parametrize("way", [emitted, lanes_plain], ids=["emitted", "by arrays"])
boxes = pytest.mark.parametrize("way", [lanes_boxes, lanes_plain], ids=["emitted", "by arrays"])
rows = pytest.mark.parametrize("way", [lanes_rows, lanes_plain], ids=["emitted", "by arrays"])


@blocks
@given(st.integers(1, MOST), SIZES, SIZES, st.integers(0, 3), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=150)
def test_a_product_is_that_of_arrays_alone(way, lanes, columns, into, gap, more, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    matrix = rng.normal(size=gap + columns * (into + gap))
    block, out = rng.normal(size=1 + columns * step), rng.normal(size=2 + into * step + 3)
    if not more:
        out[2 : 2 + into * step] = np.nan  # what was there does not matter
    before = out.copy()
    way.product(lanes, matrix, gap, into + gap, block, 1, columns, out, 2, into, int(more))
    weights = matrix[gap:].reshape(columns, into + gap)[:, :into]
    wanted = weights.T @ block[1:].reshape(columns, step)
    if more:
        wanted += before[2 : 2 + into * step].reshape(into, step)
    assert np.allclose(out[2 : 2 + into * step].reshape(into, step), wanted, rtol=1e-12, atol=1e-12)
    assert np.array_equal(out[:2], before[:2])
    assert np.array_equal(out[2 + into * step :], before[2 + into * step :])


@blocks
@given(st.integers(1, MOST), SIZES, st.integers(0, 2**31))
@settings(max_examples=150)
def test_coefficients_take_the_line_of_their_sign(way, lanes, columns, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    block = rng.normal(size=(columns, step)) * (rng.random((columns, step)) < 0.9)
    lines, sums = rng.normal(size=(columns, LINE)), rng.normal(size=2 * ROWS)
    room, total = np.concatenate([[7.0], block.ravel(), [8.0]]), sums.copy()
    way.relax(lanes, room, 1, columns, lines.ravel(), 0, total)
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


@boxes
@given(st.integers(1, MOST), SIZES, st.integers(0, 2**31))
@settings(max_examples=60)
def test_each_box_has_lines_of_its_own(way, count, columns, seed):
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(columns, count, LANES)) * (rng.random((columns, count, LANES)) < 0.9)
    lines, sums = rng.normal(size=(columns, LINE, LANES)), rng.normal(size=2 * ROWS)
    together, total = block.ravel().copy(), sums.copy()
    exact = rng.integers(0, 2, columns + 1).astype(np.uint8)
    same = exact[1:] == 1
    lines[same, 0], lines[same, 3:6] = 1.0, lines[same, 0:3]
    lines[same, 3] = 1.0
    way.relax_boxes(count, together, 0, columns, lines.ravel(), 0, exact, 1, total)
    for box in range(LANES):
        room, alone = np.zeros(columns * LANES), np.zeros(2 * ROWS)
        room.reshape(columns, LANES)[:, :count] = block[:, :, box]
        alone[:count] = sums[box : count * LANES : LANES]
        alone[ROWS : ROWS + count] = sums[ROWS + box : ROWS + count * LANES : LANES]
        lanes_plain.relax(1, room, 0, columns, lines[:, :, box].ravel(), 0, alone)
        found = together.reshape(columns, count, LANES)[:, :, box]
        assert np.allclose(found, room.reshape(columns, LANES)[:, :count])
        assert np.allclose(total[box : count * LANES : LANES], alone[:count])
        assert np.allclose(
            total[ROWS + box : ROWS + count * LANES : LANES], alone[ROWS : ROWS + count]
        )


@boxes
@given(st.integers(1, 6), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=30)
def test_numbers_and_parts_are_put_box_by_box(way, inputs, more, seed):
    rng = np.random.default_rng(seed)
    slopes, width = rng.normal(size=(inputs, LANES)), rng.random((inputs, LANES))
    out, value = rng.normal(size=LANES + 2), rng.normal()
    wanted = out.copy()
    wanted[1:-1] = value + more * wanted[1:-1]
    way.put_boxes(out, 1, value, int(more))
    assert np.allclose(out, wanted)
    share = np.zeros(inputs * LANES)
    way.share_boxes(slopes.ravel(), 0, width.ravel(), inputs, 0.5, share, 0)
    parts = np.abs(slopes) * width
    assert np.allclose(share.reshape(inputs, LANES), parts / (parts.sum(axis=0) + 0.5))


@boxes
@given(st.integers(1, MOST), SIZES, st.integers(1, 6), st.integers(0, 2**31))
@settings(max_examples=60)
def test_looseness_is_blamed_on_inputs_box_by_box(way, count, columns, inputs, seed):
    rng = np.random.default_rng(seed)
    block, lines = rng.normal(size=(columns, count, LANES)), rng.normal(size=(columns, LINE, LANES))
    share, out = rng.random((columns, inputs, LANES)), rng.random((inputs, count, LANES))
    gap = np.abs(block) * np.where(block > 0, lines[:, None, 6], lines[:, None, 7])
    wanted = out + np.einsum("jrb,jib->irb", gap, share)
    flat = out.ravel()
    way.blame_boxes(
        count, block.ravel(), 0, columns, lines.ravel(), 0, share.ravel(), 0, inputs, flat, 0
    )
    assert np.allclose(flat.reshape(out.shape), wanted)


@blocks
def test_numbers_too_large_do_not_vanish(way):
    lines = np.zeros(LINE)
    lines[2], lines[5] = 2.0**-600, 2.0**-600
    for size in (np.inf, -np.inf, np.nan):
        block, total = np.full(LANES, size), np.zeros(2 * ROWS)
        way.relax(1, block, 0, 1, lines, 0, total)
        assert not (total[:LANES] + total[ROWS : ROWS + LANES] < np.inf).any()


@blocks
@given(st.integers(1, MOST), SIZES, SIZES, st.integers(0, 3), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=60)
def test_a_forward_product_is_that_of_arrays(way, lanes, columns, into, gap, more, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    matrix = rng.normal(size=gap + into * (columns + gap))
    block, out = rng.normal(size=columns * step), rng.normal(size=into * step)
    weights = matrix[gap:].reshape(into, columns + gap)[:, :columns]
    wanted = weights @ block.reshape(columns, step) + more * out.reshape(into, step)
    way.forward_product(
        lanes, matrix, gap, columns + gap, block, 0, columns, out, 0, into, int(more)
    )
    assert np.allclose(out.reshape(into, step), wanted, rtol=1e-12, atol=1e-12)


@rows
@given(st.integers(1, MOST), st.integers(1, 19), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=60)
def test_rows_are_put_side_by_side_with_their_signs(way, lanes, columns, more, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    matrix = rng.normal(size=3 + 40 * columns + LANES)
    first, count = rng.integers(0, 5), rng.integers(step - LANES + 1, step + 1)
    places, signs = rng.integers(0, 40, first + count), rng.integers(-1, 2, step).astype(float)
    signs[count:] = 0.0
    begins = 3 + columns * places[np.minimum(first + np.arange(step), first + count - 1)]
    out = rng.normal(size=(columns + LANES) * step)
    wanted = signs * np.array([matrix[s : s + columns] for s in begins]).T
    wanted += more * out[: columns * step].reshape(columns, step)
    way.put_rows(lanes, matrix, 3, places, first, first + count, columns, signs, out, 0, int(more))
    assert np.array_equal(out[: columns * step].reshape(columns, step), wanted)


@rows
@given(st.integers(0, 19), st.integers(0, 2**31))
@settings(max_examples=60)
def test_live_columns_are_copied_and_summed(way, columns, seed):
    rng, pitch = np.random.default_rng(seed), 24
    weight, live = rng.normal(size=60), rng.permutation(30)[: max(1, columns)]
    middle, sums = np.zeros((3, pitch)), rng.normal(size=(3, 4))
    middle[:, :columns] = rng.normal(size=(3, columns))
    out, before = np.zeros(columns + LANES), sums.copy()
    way.gather_row(weight, 7, live, 0, columns, out, 0, middle.ravel(), pitch, sums.ravel(), 2, 4)
    row = weight[7:][live[:columns]]
    assert np.array_equal(out[:columns], row)
    more = [
        part @ values
        for part, values in zip((row, abs(row), abs(row)), middle[:, :columns], strict=True)
    ]
    before[:, 2] += more
    assert np.allclose(sums, before)


@blocks
@given(st.integers(0, 2**31), st.booleans())
@settings(max_examples=60)
def test_signs_are_shown_beyond_doubt_alone(way, seed, relu):
    rng = np.random.default_rng(seed)
    values, bias, doubt = rng.normal(size=ROWS + 2), rng.normal(), abs(rng.normal())
    kept, z = values.copy(), values[1:-1] + bias
    signs = way.show(values, 1, bias, doubt, int(relu))
    assert signs == UPPER * (z > doubt).any() + LOWER * (z < -doubt).any()
    assert np.array_equal(values[1:-1], np.maximum(z, 0.0) if relu else z)
    assert (values[[0, -1]] == kept[[0, -1]]).all()
    assert way.show(np.full(ROWS, np.nan), 0, 0.0, 1.0, 0) == 0
    assert way.show(np.full(ROWS, 9.0), 0, 0.0, np.nan, 0) == 0


@blocks
@given(st.integers(1, MOST), SIZES, st.integers(0, 2**31))
@settings(max_examples=60)
def test_gaps_are_those_of_the_line_of_the_coefficients_sign(way, lanes, columns, seed):
    rng, step = np.random.default_rng(seed), LANES * lanes
    block, lines = rng.normal(size=(columns, step)), rng.random((columns, LINE))
    out = np.full(columns * step + 2, 7.0)
    way.gaps(lanes, block.ravel(), 0, columns, lines.ravel(), 0, out, 1)
    wanted = np.where(block > 0.0, block * lines[:, [6]], -block * lines[:, [7]])
    assert np.allclose(out[1:-1].reshape(columns, step), wanted)
    assert out[0] == out[-1] == 7.0
