from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import fractions, greatest
from strategies import numbers

from secateur.encodings.program import Program, Rows
from secateur.engine.bounds.dual import safe_infeasible, safe_lower_bound
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs

wild = st.one_of(
    st.floats(-4, 4), st.floats(allow_nan=False), st.sampled_from([0.0, 1e-320, 1e300])
)


@st.composite
def programs(draw, feasible=True):
    """Draw a small linear program over a box; feasible unless asked otherwise."""
    columns, count = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    some = draw(numbers())
    matrix, lower = some(count, columns), some(columns)
    upper = lower + np.abs(some(columns))
    middle = matrix @ (0.5 * lower + 0.5 * upper) if feasible else some(count) - 3.0
    low = np.where(some(count) > 0.5, -np.inf, middle - np.abs(some(count)) - 1e-9)
    high = np.where(some(count) > 0.5, np.inf, middle + np.abs(some(count)) + 1e-9)
    names = np.broadcast_to(np.arange(columns), matrix.shape)
    rows = Rows.full(names, matrix, low, high)
    return Program(lower, upper, np.zeros(columns, bool), rows, some(columns))


def exact_optimum(program):
    """The least objective in rationals, or None where no point is feasible."""
    walls = []
    for row in range(program.rows.count):
        entries = slice(program.rows.starts[row], program.rows.starts[row + 1])
        slope = [Fraction(0)] * program.size
        for value, column in zip(
            program.rows.values[entries], program.rows.columns[entries], strict=True
        ):
            slope[column] = Fraction(float(value))
        if np.isfinite(program.rows.upper[row]):
            walls.append((slope, Fraction(float(program.rows.upper[row]))))
        if np.isfinite(program.rows.lower[row]):
            walls.append(([-a for a in slope], -Fraction(float(program.rows.lower[row]))))
    goal = [-c for c in fractions(program.objective)]
    found = greatest(goal, walls, fractions(program.lower), fractions(program.upper))
    return None if found is None else -found[0]


def exact_bound(program, duals, offset):
    """The bound of Neumaier and Shcherbina in rationals."""
    rows, total = program.rows, Fraction(offset)
    reduced = fractions(program.objective)
    for row, dual in enumerate(fractions(duals)):
        side = rows.lower[row] if dual > 0 else rows.upper[row]
        if not np.isfinite(side):
            continue
        total += dual * Fraction(float(side))
        for entry in range(rows.starts[row], rows.starts[row + 1]):
            reduced[rows.columns[entry]] -= dual * Fraction(float(rows.values[entry]))
    for cost, low, high in zip(
        reduced, fractions(program.lower), fractions(program.upper), strict=True
    ):
        total += min(cost * low, cost * high)
    return total


@given(st.data(), programs())
def test_any_duals_at_all_give_a_bound(data, program):
    duals = data.draw(arrays(np.float64, program.rows.count, elements=wild, fill=st.nothing()))
    offset = data.draw(st.floats(-5, 5))
    found = safe_lower_bound(program, program.objective, duals, offset)
    truth = exact_optimum(program)
    assert truth is not None
    assert found == -np.inf or Fraction(found) <= truth + Fraction(offset)


@given(st.data(), programs())
def test_the_bound_is_the_exact_one_but_for_rounding(data, program):
    duals = data.draw(numbers())(program.rows.count)
    found = safe_lower_bound(program, program.objective, duals, 0.25)
    truth = exact_bound(program, duals, 0.25)
    assert Fraction(found) <= truth
    assert float(truth - Fraction(found)) <= 1e-12


@given(programs())
def test_the_duals_of_the_solver_give_its_optimum(program):
    outcome = Highs().solve(program, Options())
    assert outcome.status is Status.OPTIMAL
    found = safe_lower_bound(program, program.objective, outcome.row_duals)
    assert found == pytest.approx(outcome.objective, rel=1e-6, abs=1e-6)
    assert found <= outcome.objective + 1e-9


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_reduced_cost_that_only_rounds_to_zero_is_charged(sign):
    rows = Rows([0.0], [0.0], [0, 1], [0], [sign * 0.1])
    program = Program([0.0], [1e9], [False], rows, [sign * 1.0])
    # The float 0.1 is more than a tenth: 1 - 10 x 0.1 is -5.6e-17, which rounds to 0.
    for duals in (np.array([10.0]), np.array([30.0]) / 3):
        found = safe_lower_bound(program, program.objective, duals)
        assert Fraction(found) <= exact_bound(program, duals, 0)
        assert found > -1e-5


@pytest.mark.parametrize("dual", [np.nan, np.inf, -np.inf])
def test_a_dual_that_is_no_number_gives_no_bound(dual):
    rows = Rows([0.0, 0.0], [1.0, 1.0], [0, 1, 2], [0, 0], [1.0, 1.0])
    program = Program([0.0], [1.0], [False], rows, [1.0])
    assert safe_lower_bound(program, program.objective, np.array([0.0, dual])) == -np.inf
    assert not safe_infeasible(program, np.array([0.0, dual]))


def test_magnitudes_past_the_largest_give_no_bound():
    rows = Rows([-1.0, -1.0], [1.0, 1.0], [0, 1, 2], [0, 0], [1e300, -1e300])
    program = Program([-1.0], [1.0], [False], rows, [1.0])
    assert safe_lower_bound(program, program.objective, np.array([1e300, 1e300])) == -np.inf
    assert safe_lower_bound(program, np.array([1e200]), np.zeros(2)) == -np.inf


def test_columns_without_limits_need_a_reduced_cost_of_a_sure_sign():
    rows = Rows([2.0], [np.inf], [0, 2], [0, 1], [1.0, 1.0])
    program = Program([0.0, 0.0], [np.inf, 3.0], [False, False], rows, [1.0, 2.0])

    def bound(dual):
        return safe_lower_bound(program, program.objective, np.array([dual]))

    assert bound(0.5) == pytest.approx(1.0)
    assert bound(0.5) <= 1.0
    assert bound(1.5) == -np.inf
    assert bound(-1.0) == pytest.approx(0.0)
    free = Program([-np.inf], [np.inf], [False], Rows.join([]), [0.0])
    assert safe_lower_bound(free, np.zeros(1), np.zeros(0)) == pytest.approx(0.0)
    assert safe_lower_bound(free, np.ones(1), np.zeros(0)) == -np.inf


def test_a_dual_too_small_to_multiply_still_counts_on_an_endless_column():
    rows = Rows([0.0], [1.0], [0, 1], [0], [1e-10])
    program = Program([-np.inf], [np.inf], [False], rows, [0.0])
    assert safe_lower_bound(program, np.zeros(1), np.array([1e-320])) == -np.inf


@given(st.data(), programs(feasible=False))
def test_only_programs_without_points_are_proved_empty(data, program):
    truth = exact_optimum(program)
    duals = data.draw(arrays(np.float64, program.rows.count, elements=wild, fill=st.nothing()))
    assert not (safe_infeasible(program, duals) and truth is not None)
    outcome = Highs().solve(program, Options())
    if outcome.status is Status.INFEASIBLE and outcome.ray is not None:
        assert truth is None or not safe_infeasible(program, outcome.ray)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_farkas_ray_of_either_sign_proves_emptiness(sign, scale):
    rows = Rows([3.0], [np.inf], [0, 2], [0, 1], [1.0, 1.0])
    program = Program([0.0, 0.0], [1.0, 1.0], [False, False], rows, [0.0, 0.0])
    outcome = Highs().solve(program, Options())
    assert outcome.status is Status.INFEASIBLE
    assert safe_infeasible(program, sign * scale * outcome.ray)
    assert not safe_infeasible(program, np.zeros(1))
