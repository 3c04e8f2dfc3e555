from types import SimpleNamespace

import numpy as np
import pulp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.encodings.program import Program, Rows, Sense
from secateur.engine.bounds.dual import safe_lower_bound
from secateur.engine.errors import SolverError
from secateur.engine.solvers import solver
from secateur.engine.solvers.base import Options, Status

NEAR = 1e-5


def drawn(seed, whole):
    """A bounded program, feasible or not, in either sense."""
    generator = np.random.default_rng(seed)
    columns, count = generator.integers(1, 6), generator.integers(0, 6)
    matrix = generator.integers(-3, 4, (count, columns)).astype(float)
    lower = generator.integers(-3, 1, columns).astype(float)
    upper = lower + generator.integers(0, 4, columns)
    middle = matrix @ (lower + upper) / 2 + generator.normal(size=count)
    low = np.where(generator.random(count) < 0.4, -np.inf, middle - generator.random(count))
    high = np.where(generator.random(count) < 0.4, np.inf, middle + generator.random(count))
    names = np.broadcast_to(np.arange(columns), matrix.shape)
    integer = generator.random(columns) < 0.6 if whole else np.zeros(columns, bool)
    rows = Rows.full(names, matrix, low, high)
    sense = [Sense.MINIMIZE, Sense.MAXIMIZE][seed % 2]
    return Program(lower, upper, integer, rows, generator.normal(size=columns), 0.75, sense)


@pytest.mark.parametrize("whole", [False, True], ids=["linear", "whole"])
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_cbc_and_highs_agree(whole, seed):
    program = drawn(seed, whole)
    cbc, highs = (solver(name).solve(program, Options()) for name in ("cbc", "highs"))
    assert cbc.status is highs.status
    if highs.status is Status.OPTIMAL:
        assert cbc.objective == pytest.approx(highs.objective, abs=NEAR)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_duals_of_cbc_give_the_optimum_in_either_sense(seed):
    program = drawn(seed, whole=False)
    found = solver("cbc").solve(program, Options())
    if found.status is not Status.OPTIMAL:
        return
    sign = program.sense.value
    bound = sign * safe_lower_bound(
        program, sign * program.objective, sign * found.row_duals, sign * program.offset
    )
    assert bound == pytest.approx(found.objective, abs=NEAR)
    assert sign * bound <= sign * found.objective + NEAR
    stationary = program.objective - program.rows.transposed(found.row_duals, program.size)
    assert np.allclose(stationary, found.reduced_costs, atol=NEAR)


def knapsack(size=40):
    generator = np.random.default_rng(0)
    weight = generator.integers(1000, 2000, (6, size)).astype(float)
    rows = Rows.full(
        np.broadcast_to(np.arange(size), weight.shape),
        weight,
        np.full(6, -np.inf),
        np.floor(weight.sum(axis=1) / 2),
    )
    worth = weight.sum(axis=0) + generator.integers(-100, 100, size)
    return Program(
        np.zeros(size), np.ones(size), np.ones(size, bool), rows, worth, sense=Sense.MAXIMIZE
    )


def test_a_run_that_met_its_time_limit_is_no_optimum_and_states_no_bound():
    found = solver("cbc").solve(knapsack(), Options(time_limit=1.0))
    assert found.status is Status.LIMIT
    assert found.bound == np.inf
    assert found.seconds < 10


SMALL = Program([0.0], [1.0], [True], Rows.join([]), [1.0])


class Fake:
    """A back end of PuLP that answers what it is told, in the manner of PuLP 3 or 4."""

    def __init__(self, answer, status=0, sol_status=0, value=0.0):
        self.answer, self.status, self.sol_status, self.value = answer, status, sol_status, value

    def available(self):
        return True

    def actualSolve(self, problem):  # noqa: N802 - PuLP's own name
        for variable in problem.variables():
            variable.varValue = self.value
        problem.status, problem.sol_status = self.status, self.sol_status
        return self.answer


def stats(**fields):
    return SimpleNamespace(**({"status": 1, "has_solution": True, "best_bound": None} | fields))


@pytest.mark.parametrize(
    ("fake", "status"),
    [
        (Fake(1, 1, 1), Status.OPTIMAL),
        (Fake(1, 1, 2), Status.LIMIT),
        (Fake(1, 1, 0), Status.LIMIT),
        (Fake(0, 0, 0), Status.LIMIT),
        (Fake(-1, -1, -1), Status.INFEASIBLE),
        (Fake(-2, -2, -2), Status.UNBOUNDED),
        (Fake(-3, -3, 0), Status.FAILED),
        (Fake(1, 1, 1, value=0.5), Status.FAILED),
        (Fake(1, 1, 1, value=np.nan), Status.FAILED),
        (Fake(1, 1, 1, value=None), Status.FAILED),
        (Fake(stats()), Status.OPTIMAL),
        (Fake(stats(has_solution=False)), Status.LIMIT),
        (Fake(stats(status=-4)), Status.LIMIT),
        (Fake(stats(status=-1, has_solution=False)), Status.INFEASIBLE),
        (Fake(stats(status=-12)), Status.FAILED),
        (Fake(stats(best_bound=-1.0)), Status.LIMIT),
        (Fake(stats(best_bound=0.0)), Status.OPTIMAL),
    ],
)
def test_status_codes_of_both_versions_are_read_with_care(monkeypatch, fake, status):
    monkeypatch.setattr(pulp, "getSolver", lambda name, **settings: fake)
    assert solver("glpk").solve(SMALL, Options()).status is status


def test_a_stated_bound_beyond_the_point_is_an_error(monkeypatch):
    fake = Fake(stats(best_bound=5.0))
    monkeypatch.setattr(pulp, "getSolver", lambda name, **settings: fake)
    with pytest.raises(SolverError, match="better"):
        solver("glpk").solve(SMALL, Options())


def test_a_claim_that_took_the_whole_time_is_a_limit(monkeypatch):
    monkeypatch.setattr(pulp, "getSolver", lambda name, **settings: Fake(1, 1, 1))
    assert solver("glpk").solve(SMALL, Options(time_limit=0.0)).status is Status.LIMIT


def test_a_solver_that_does_not_run_is_an_error(monkeypatch):
    class Broken(Fake):
        def actualSolve(self, problem):  # noqa: N802 - PuLP's own name
            raise pulp.PulpSolverError("no licence")

    monkeypatch.setattr(pulp, "getSolver", lambda name, **settings: Broken(0))
    with pytest.raises(SolverError, match="glpk did not run: no licence"):
        solver("glpk").solve(SMALL, Options())
