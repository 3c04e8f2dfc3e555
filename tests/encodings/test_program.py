import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.encodings.program import Draft, Program, Rows, Sense

NONE = np.zeros(0)


def small(**changed):
    """A program of two columns and one row, x0 + 2 x1 in [-1, 3]."""
    fields = {
        "lower": [0.0, -1.0],
        "upper": [2.0, 1.0],
        "integer": [True, False],
        "rows": Rows([-1.0], [3.0], [0, 2], [0, 1], [1.0, 2.0]),
        "objective": [1.0, -1.0],
    }
    return Program(**(fields | changed))


matrices = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0, -2.5]))
)


def rows_of(matrix):
    names = np.broadcast_to(np.arange(matrix.shape[1]), matrix.shape)
    return Rows.full(names, matrix, -np.ones(len(matrix)), np.ones(len(matrix)))


def dense_of(rows, size):
    return np.stack([rows.activity(unit) for unit in np.eye(size)], axis=1)


@given(matrices)
def test_rows_hold_the_matrix_without_its_zeros(matrix):
    rows = rows_of(matrix)
    assert (dense_of(rows, matrix.shape[1]) == matrix).all()
    assert rows.values.size == np.count_nonzero(matrix)


@given(st.lists(matrices, max_size=4))
def test_joined_blocks_stand_one_below_the_other(blocks):
    joined = Rows.join([rows_of(block) for block in blocks])
    wide = [np.pad(block, ((0, 0), (0, 5 - block.shape[1]))) for block in blocks]
    assert joined.count == sum(map(len, blocks))
    assert (dense_of(joined, 5) == np.concatenate([np.zeros((0, 5)), *wide])).all()


@given(matrices)
def test_transposed_is_the_row_vector_times_the_matrix(matrix):
    duals = np.arange(1.0, len(matrix) + 1)
    assert np.allclose(rows_of(matrix).transposed(duals, matrix.shape[1]), duals @ matrix)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lower": [0.0, np.nan]}, "column 1"),
        ({"upper": [-1.0, 1.0]}, "column 0"),
        ({"upper": [np.inf, -np.inf]}, "column 1"),
        ({"lower": [np.inf, 0.0], "upper": [np.inf, 1.0]}, "column 0"),
        ({"lower": [0.0]}, "one of each"),
        ({"objective": [1.0]}, "objective"),
        ({"objective": [1.0, np.inf]}, "objective"),
        ({"offset": np.nan}, "objective"),
        ({"rows": Rows([np.nan], [1.0], [0, 1], [0], [1.0])}, "row 0"),
        ({"rows": Rows([2.0], [1.0], [0, 1], [0], [1.0])}, "row 0"),
        ({"rows": Rows([0.0], [1.0], [0, 1], [0], [np.inf])}, "coefficients"),
        ({"rows": Rows([0.0], [1.0], [0, 1], [2], [1.0])}, "outside"),
        ({"rows": Rows([0.0], [1.0], [0, 1], [-1], [1.0])}, "outside"),
        ({"rows": Rows([0.0], [1.0], [0, 2], [1, 1], [1.0, 1.0])}, "twice"),
        ({"rows": Rows([0.0], [1.0], [0, 3], [1, 0, 1], [1.0, 1.0, 1.0])}, "twice"),
        ({"rows": Rows([0.0], [1.0], [0, 1], [0, 1], [1.0, 1.0])}, "starts"),
        ({"rows": Rows([0.0, 0.0], [1.0, 1.0], [0, 2, 1], [0], [1.0])}, "starts"),
        ({"lower": [[0.0, 1.0]]}, "axis"),
    ],
)
def test_a_program_that_is_not_one_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        small(**changed)


@pytest.mark.parametrize(
    "fields",
    [
        ([0.0], [1.0, 2.0], [0, 0], [], []),
        ([0.0], [1.0], [0], [], []),
        ([0.0], [1.0], [0, 1], [0], []),
    ],
)
def test_rows_whose_sizes_disagree_are_refused(fields):
    with pytest.raises(ValueError, match=r"give one of each|columns for"):
        Rows(*fields)


def test_a_program_keeps_its_own_read_only_arrays():
    lower = np.array([0.0, -1.0])
    values = np.array([1.0, 2.0])
    program = small(lower=lower, rows=Rows([-1.0], [3.0], [0, 2], [0, 1], values))
    lower[0], values[0] = -9.0, 9.0
    assert program.lower[0] == 0.0
    assert program.rows.values[0] == 1.0
    for array in (program.lower, program.objective, program.rows.values, program.rows.columns):
        assert not array.flags.writeable
    moved = program.with_limits(np.array([0], np.int32), np.array([1.0]), np.array([1.0]))
    assert not moved.lower.flags.writeable


def test_violations_name_every_broken_column_and_row():
    program = small()
    assert program.violations(np.array([1.0, 1.0])).tolist() == [0.0, 0.0, 0.0]
    assert program.violations(np.array([2.5, 1.5])).tolist() == [0.5, 0.5, 2.5]
    assert program.violations(np.array([0.5, -1.0])).tolist() == [0.5, 0.0, 0.5]
    assert program.feasible(np.array([1.0, 1.0]), 0.0)
    assert not program.feasible(np.array([0.5, 0.0]), 0.1)
    assert program.relaxed().feasible(np.array([0.5, 0.0]), 0.0)


def test_a_point_with_nan_is_never_feasible():
    assert not small().feasible(np.array([np.nan, 0.0]), 1e9)


def test_variants_change_only_what_they_name():
    program = small(offset=0.5)
    other = program.with_objective(np.array([0.0, 2.0]), 1.0, Sense.MAXIMIZE)
    assert other.value(np.array([1.0, 1.0])) == 3.0
    assert other.rows is program.rows
    assert other.sense is Sense.MAXIMIZE
    moved = program.with_limits(np.array([1], np.int32), np.array([0.0]), np.array([0.5]))
    assert moved.lower.tolist() == [0.0, 0.0]
    assert moved.upper.tolist() == [2.0, 0.5]
    assert program.upper.tolist() == [2.0, 1.0]
    assert moved.value(np.array([1.0, 1.0])) == 0.5
    with pytest.raises(ValueError, match="column 1"):
        program.with_limits(np.array([1], np.int32), np.array([2.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="objective"):
        program.with_objective(np.array([np.nan, 1.0]))


def test_a_draft_numbers_columns_and_rows_in_order():
    draft = Draft()
    assert draft.columns(np.zeros(2), np.ones(2)).tolist() == [0, 1]
    assert draft.columns(np.zeros(1), np.ones(1), integer=True).tolist() == [2]
    assert draft.add(Rows([0.0], [1.0], [0, 1], [2], [1.0])).tolist() == [0]
    assert draft.add(Rows([0.0, 0.0], [1.0, 1.0], [0, 1, 2], [0, 1], [1.0, 1.0])).tolist() == [1, 2]
    program = draft.program()
    assert program.integer.tolist() == [False, False, True]
    assert program.rows.columns.tolist() == [2, 0, 1]
    assert (Draft().program().size, Draft().program().rows.count) == (0, 0)
    assert NONE.size == 0
