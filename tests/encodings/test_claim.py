import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import numbers

from secateur.encodings.claim import alternative, conjunction, selected
from secateur.encodings.program import Draft, Sense
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs

REACH = 50.0


def optimum(draft, margin):
    program = draft.program()
    goal = np.zeros(program.size)
    goal[margin] = 1.0
    outcome = Highs().solve(program.with_objective(goal, 0.0, Sense.MAXIMIZE), Options())
    assert outcome.status is Status.OPTIMAL
    return outcome.objective


def begun(point):
    draft = Draft()
    x = draft.columns(point, point)
    t = draft.columns(np.array([-REACH]), np.array([REACH]))
    return draft, x, int(t[0])


@settings(max_examples=60)
@given(st.data())
def test_at_a_fixed_point_the_margin_is_that_of_the_best_case(data):
    some = data.draw(numbers())
    point = some(3)
    cases = [
        (some(n, 3), some(n))
        for n in data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    ]
    truth = max(-(weight @ point + shift).max() for weight, shift in cases)
    draft, x, t = begun(point)
    chosen = draft.columns(np.zeros(len(cases)), np.ones(len(cases)), integer=True)
    draft.add(selected(chosen))
    for (weight, shift), s in zip(cases, chosen.tolist(), strict=True):
        most = np.full(shift.size, 2 * REACH)
        draft.add(alternative(weight, x, shift, np.zeros(shift.size), t, s, most))
    assert optimum(draft, t) == pytest.approx(truth, abs=1e-6)
    if len(cases) == 1:
        draft, x, t = begun(point)
        draft.add(conjunction(*cases[0][:1], x, cases[0][1], np.zeros(cases[0][1].size), t))
        assert optimum(draft, t) == pytest.approx(truth, abs=1e-8)


def test_errors_widen_and_bounds_that_cannot_be_broken_need_no_selector():
    weight, shift = np.array([[1.0], [2.0]]), np.array([0.5, -0.25])
    x = np.array([0], np.int32)
    rows = conjunction(weight, x, shift, np.array([0.0, 0.125]), 1)
    assert rows.upper[0] == -0.5
    assert 0.375 < rows.upper[1] < 0.375 + 1e-15
    rows = alternative(weight, x, shift, np.zeros(2), 1, 2, np.array([-1.0, 4.0]))
    assert np.diff(rows.starts).tolist() == [2, 3]
    assert rows.upper[0] == -0.5
    assert 4.25 <= rows.upper[1] < 4.25 + 1e-14


@pytest.mark.parametrize("most", [np.inf, np.nan])
def test_there_is_no_default_big_m(most):
    none = np.zeros(1)
    with pytest.raises(ValueError, match="no default big-M"):
        alternative(np.ones((1, 1)), np.array([0], np.int32), none, none, 1, 2, np.array([most]))
