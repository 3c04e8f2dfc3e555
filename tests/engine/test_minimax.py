"""The program of a minimax fit: its optimum is the least largest miss."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.minimax import minimax
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs
from secateur.engine.solvers.pulp import Pulp


def drawn(seed, rows=12, numbers=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, numbers)), rng.normal(size=rows)


def miss(matrix, goal, v):
    return np.abs(goal - matrix @ np.asarray(v)).max()


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_no_other_numbers_miss_by_less(seed):
    matrix, goal = drawn(seed)
    far = np.full(2, 3.0)
    program = minimax(matrix, goal, -far, far, np.zeros(2, bool))
    outcome = Highs().solve(program, Options())
    assert outcome.status is Status.OPTIMAL
    assert miss(matrix, goal, outcome.primal[:-1]) == pytest.approx(outcome.objective, abs=1e-7)
    for other in np.random.default_rng(seed).uniform(-3, 3, (200, 2)):
        assert miss(matrix, goal, other) >= outcome.objective - 1e-7


@pytest.mark.parametrize("solver", [Highs(), Pulp("cbc")])
def test_whole_numbers_are_the_best_of_all(solver):
    matrix, goal = drawn(1)
    far = np.full(2, 2.0)
    program = minimax(matrix, goal, -far, far, np.array([True, True]))
    outcome = solver.solve(program, Options())
    least = min(miss(matrix, goal, k) for k in itertools.product(range(-2, 3), repeat=2))
    assert outcome.objective == pytest.approx(least, abs=1e-7)
