import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.encodings.program import Program, Rows, Sense
from secateur.engine.bounds.dual import safe_lower_bound
from secateur.engine.errors import SolverError
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs

NEAR = 1e-6


@st.composite
def programs(draw, whole=False):
    """Draw a bounded, feasible program in either sense."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, count = draw(st.integers(1, 5)), draw(st.integers(0, 5))
    matrix = generator.integers(-3, 4, (count, columns)).astype(float)
    lower = generator.integers(-3, 1, columns).astype(float)
    upper = lower + generator.integers(0, 4, columns)
    activity = matrix @ lower
    low = np.where(
        generator.random(count) < 0.4, -np.inf, activity - generator.integers(0, 3, count)
    )
    high = np.where(
        generator.random(count) < 0.4, np.inf, activity + generator.integers(0, 3, count)
    )
    names = np.broadcast_to(np.arange(columns), matrix.shape)
    integer = np.full(columns, whole)
    rows = Rows.full(names, matrix, low, high)
    sense = draw(st.sampled_from(list(Sense)))
    return Program(lower, upper, integer, rows, generator.normal(size=columns), 0.75, sense)


@given(programs())
def test_a_linear_optimum_meets_the_conditions_of_karush_kuhn_and_tucker(program):
    found = Highs().solve(program, Options())
    assert found.status is Status.OPTIMAL
    primal, duals, costs = found.primal, found.row_duals, found.reduced_costs
    assert program.feasible(primal, NEAR)
    # Stationarity.
    stationary = program.objective - program.rows.transposed(duals, program.size)
    assert np.allclose(stationary, costs, atol=NEAR)
    # Signs and complementary slackness: a multiplier lives only at a limit it pushes against.
    activity, sign = program.rows.activity(primal), program.sense.value
    for values, limits, multipliers in (
        (activity, (program.rows.lower, program.rows.upper), sign * duals),
        (primal, (program.lower, program.upper), sign * costs),
    ):
        away_from_lower = values - limits[0] > NEAR
        away_from_upper = limits[1] - values > NEAR
        assert (multipliers[away_from_lower] <= NEAR).all()
        assert (multipliers[away_from_upper] >= -NEAR).all()
    assert found.bound == pytest.approx(found.objective, abs=NEAR)


@given(programs(whole=True))
def test_a_whole_optimum_is_that_of_enumeration(program):
    found = Highs().solve(program, Options())
    grid = np.meshgrid(
        *(np.arange(a, b + 1) for a, b in zip(program.lower, program.upper, strict=True))
    )
    every = np.stack([axis.ravel() for axis in grid], axis=1)
    values = [program.value(point) for point in every if program.feasible(point, 1e-9)]
    best = min(values) if program.sense is Sense.MINIMIZE else max(values)
    assert found.objective == pytest.approx(best, abs=NEAR)
    assert found.bound == pytest.approx(best, abs=NEAR)


@given(programs(), st.data())
def test_a_warm_session_answers_as_a_fresh_solver(program, data):
    session = Highs().session(program)
    now = program
    for _ in range(4):
        seed = data.draw(st.integers(0, 2**32 - 1))
        generator = np.random.default_rng(seed)
        sense = data.draw(st.sampled_from(list(Sense)))
        now = now.with_objective(generator.normal(size=program.size), 0.5, sense)
        session.ask(now.objective, 0.5, sense)
        columns = np.array([generator.integers(program.size)], np.int32)
        limits = program.lower[columns], program.upper[columns]
        if generator.random() < 0.5:
            limits = limits[0], limits[0]
        now = now.with_limits(columns, *limits)
        session.limit(columns, *limits)
        warm, fresh = session.solve(Options()), Highs().solve(now, Options())
        assert warm.status is fresh.status
        if fresh.status is Status.OPTIMAL:
            assert warm.objective == pytest.approx(fresh.objective, abs=NEAR)


def knapsack(size=40, seed=0):
    """A program with whole numbers that takes HiGHS far more than a second."""
    generator = np.random.default_rng(seed)
    weight = generator.integers(1000, 2000, (6, size)).astype(float)
    names = np.broadcast_to(np.arange(size), weight.shape)
    half = np.floor(weight.sum(axis=1) / 2)
    return Program(
        np.zeros(size),
        np.ones(size),
        np.ones(size, bool),
        Rows.full(names, weight, np.full(6, -np.inf), half),
        weight.sum(axis=0) + generator.integers(-100, 100, size),
        sense=Sense.MAXIMIZE,
    )


def test_a_time_limit_is_a_limit_with_both_bounds():
    began = time.perf_counter()
    found = Highs().solve(knapsack(), Options(time_limit=0.3))
    assert time.perf_counter() - began < 5
    assert found.status is Status.LIMIT
    assert found.objective < found.bound < math.inf
    assert found.seconds >= 0.29


def test_the_time_limit_of_a_session_holds_for_each_solve():
    generator = np.random.default_rng(2)
    matrix = generator.normal(size=(120, 150))
    rows = Rows.full(
        np.broadcast_to(np.arange(150), matrix.shape), matrix, -np.ones(120), np.ones(120)
    )
    program = Program(-np.ones(150), np.ones(150), np.zeros(150, bool), rows, np.zeros(150))
    session, spent = Highs().session(program), 0.0
    for _ in range(8):
        session.ask(generator.normal(size=150))
        spent += session.solve(Options()).seconds
    # Were the time counted from the first solve on, nothing would be left of this limit.
    session.ask(np.zeros(150))
    assert session.solve(Options(time_limit=spent / 4)).status is Status.OPTIMAL
    whole = Highs().session(knapsack())
    for _ in range(2):
        assert whole.solve(Options(time_limit=0.2)).seconds >= 0.19


def test_a_target_stops_the_search_once_it_is_decided():
    program = knapsack()
    best = Highs().solve(program, Options(time_limit=0.5))
    for target in (best.bound + 100.0, best.objective - 100.0):
        found = Highs().solve(program, Options(time_limit=20.0, target=target))
        assert found.seconds < 5
        assert found.bound <= target or found.objective > target


def test_an_empty_program_has_a_ray_and_an_endless_one_has_none():
    rows = Rows([3.0], [np.inf], [0, 2], [0, 1], [1.0, 1.0])
    empty = Highs().solve(Program([0.0, 0.0], [1.0, 1.0], [False] * 2, rows, [1.0, 1.0]), Options())
    assert empty.status is Status.INFEASIBLE
    assert empty.ray.shape == (1,)
    rows = Rows([0.0], [np.inf], [0, 2], [0, 1], [1.0, 1.0])
    endless = Program([0.0, 0.0], [np.inf, 1.0], [False] * 2, rows, [-1.0, 0.0])
    assert Highs().solve(endless, Options()).status is Status.UNBOUNDED


def test_a_program_without_rows_is_solved():
    program = Program([-1.0, 0.0], [2.0, 1.0], [False, True], Rows.join([]), [1.0, -1.0])
    assert Highs().solve(program, Options()).objective == -2.0
    assert Highs().solve(program.relaxed(), Options()).objective == -2.0


def test_a_coefficient_too_large_for_highs_is_an_error():
    rows = Rows([0.0], [1.0], [0, 1], [0], [1e16])
    with pytest.raises(SolverError, match="1e15"):
        Highs().solve(Program([0.0], [1.0], [False], rows, [1.0]), Options())


def test_highs_writes_nothing(capfd):
    Highs().solve(knapsack(10), Options(time_limit=1.0))
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_answer():
    answers = [Highs().solve(knapsack(12), Options(seed=7)) for _ in range(2)]
    assert (answers[0].primal == answers[1].primal).all()
    assert answers[0].bound == answers[1].bound


@given(programs(), st.floats(-2.0, 2.0), st.integers(0, 2**32 - 1))
def test_a_linear_program_may_stop_at_its_target_and_says_no_more_than_is_true(
    program, offset, seed
):
    best = Highs().solve(program, Options())
    generator = np.random.default_rng(seed)
    every = np.arange(program.size, dtype=np.int32)
    for target in (best.objective + offset, best.objective - offset):
        session = Highs().session(program)
        session.solve(Options())
        basis = session.basis()
        lower = np.clip(generator.uniform(program.lower - 1, program.upper), None, program.upper)
        lower = np.where(generator.random(program.size) < 0.5, lower, program.lower)
        session.limit(every, lower, program.upper)
        session.begin(basis)
        found = session.solve(Options(target=target))
        again = program.with_limits(every, lower, program.upper)
        true = Highs().solve(again, Options())
        if found.status is Status.OPTIMAL:
            assert found.objective == pytest.approx(true.objective, abs=NEAR)
        elif found.status is Status.LIMIT:  # then the target is decided
            beyond = true.objective - target
            assert true.status is Status.INFEASIBLE or program.sense.value * beyond >= -NEAR
        else:
            assert found.status is true.status is Status.INFEASIBLE


def test_a_solve_that_stops_at_its_target_has_duals_that_prove_it():
    # x + y >= 6 makes the least of x + 2 y + 0.5 at least 6.5, once x is at most 5: 7.5.
    rows = Rows.full(
        np.array([[0, 1]]), np.array([[1.0, 1.0]]), np.array([6.0]), np.array([np.inf])
    )
    limits = np.zeros(2), np.full(2, 10.0)
    program = Program(*limits, np.zeros(2, bool), rows, np.array([1.0, 2.0]), 0.5)
    session = Highs().session(program)
    assert session.solve(Options()).objective == pytest.approx(6.5)
    session.limit(np.array([0], np.int32), np.zeros(1), np.array([5.0]))
    found = session.solve(Options(target=7.0))
    capped = program.with_limits(np.array([0]), np.zeros(1), np.array([5.0]))
    assert found.row_duals is not None
    assert safe_lower_bound(capped, program.objective, found.row_duals, 0.5) >= 7.0
