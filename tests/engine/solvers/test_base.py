import math

import numpy as np
import pytest

from secateur.encodings.program import Program, Rows, Sense
from secateur.engine.errors import InputError, SolverError
from secateur.engine.solvers import NAMES, solver
from secateur.engine.solvers.base import Options, Outcome, Restart, Status, vetted
from secateur.engine.solvers.highs import Highs


def line(sense=Sense.MINIMIZE):
    """X0 + x1 over the unit square, with x0 + 2 x1 >= 1."""
    rows = Rows([1.0], [np.inf], [0, 2], [0, 1], [1.0, 2.0])
    return Program([0.0, 0.0], [1.0, 1.0], [False, False], rows, [1.0, 1.0], sense=sense)


GOOD = np.array([0.0, 0.5])


def answer(**fields):
    return Outcome(**({"status": Status.OPTIMAL, "primal": GOOD, "bound": 0.5} | fields))


def test_an_honest_answer_passes_with_its_objective_recomputed():
    found = vetted(line(), answer(objective=99.0))
    assert (found.status, found.objective, found.bound) == (Status.OPTIMAL, 0.5, 0.5)


@pytest.mark.parametrize("primal", [np.array([0.0, 0.2]), np.array([0.0, 1.5]), None])
def test_a_point_that_breaks_the_program_is_no_optimum(primal):
    assert vetted(line(), answer(primal=primal)).status is Status.FAILED


def test_a_fraction_is_no_whole_number():
    program = Program([0.0], [1.0], [True], Rows.join([]), [1.0])
    assert vetted(program, answer(primal=np.array([0.5]))).status is Status.FAILED


@pytest.mark.parametrize("field", ["primal", "row_duals", "reduced_costs", "ray"])
def test_arrays_that_are_no_numbers_are_dropped(field):
    size = 1 if field in ("row_duals", "ray") else 2
    found = vetted(line(), answer(**{field: np.full(size, np.nan)}))
    assert getattr(found, field) is None
    assert found.status is (Status.FAILED if field == "primal" else Status.OPTIMAL)


@pytest.mark.parametrize("field", ["primal", "row_duals", "reduced_costs", "ray"])
def test_arrays_of_another_size_are_an_error(field):
    with pytest.raises(SolverError, match=r"shape \(7,\)"):
        vetted(line(), answer(**{field: np.zeros(7)}))


@pytest.mark.parametrize(("sense", "bound"), [(Sense.MINIMIZE, 0.6), (Sense.MAXIMIZE, 0.4)])
def test_a_bound_that_its_own_point_refutes_is_an_error(sense, bound):
    with pytest.raises(SolverError, match="better"):
        vetted(line(sense), answer(bound=bound))


@pytest.mark.parametrize(("sense", "bound"), [(Sense.MINIMIZE, 0.4), (Sense.MAXIMIZE, 0.6)])
def test_an_optimum_away_from_its_bound_is_only_a_limit(sense, bound):
    assert vetted(line(sense), answer(bound=bound)).status is Status.LIMIT


@pytest.mark.parametrize(
    ("sense", "worst"), [(Sense.MINIMIZE, -math.inf), (Sense.MAXIMIZE, math.inf)]
)
def test_no_bound_is_the_worst_bound(sense, worst):
    found = vetted(line(sense), answer(bound=math.nan))
    assert (found.status, found.bound) == (Status.OPTIMAL, worst)


def test_a_status_that_claims_nothing_stays():
    for status in (Status.LIMIT, Status.INFEASIBLE, Status.UNBOUNDED, Status.FAILED):
        assert vetted(line(), Outcome(status)).status is status


def test_a_restarting_session_follows_objective_and_limits():
    session = Restart(Highs(), line())
    assert session.solve(Options()).objective == pytest.approx(0.5)
    session.ask(np.array([1.0, 3.0]), 10.0)
    assert session.solve(Options()).objective == pytest.approx(11.0)
    session.limit(np.array([0], np.int32), np.zeros(1), np.zeros(1))
    assert session.solve(Options()).objective == pytest.approx(11.5)
    session.ask(np.array([1.0, 1.0]), sense=Sense.MAXIMIZE)
    assert session.solve(Options()).objective == pytest.approx(1.0)


def test_an_unknown_solver_is_refused_in_one_line_that_lists_the_known_ones():
    with pytest.raises(InputError) as caught:
        solver("simplex9")
    message = str(caught.value)
    assert "\n" not in message
    assert "'simplex9'" in message
    assert all(name in message for name in NAMES)


def test_a_known_solver_that_is_not_installed_says_so():
    with pytest.raises(SolverError, match="mosek is not installed"):
        solver("mosek")
