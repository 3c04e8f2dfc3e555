from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, points

from secateur.encodings.pool import contenders, exact, relaxed
from secateur.encodings.program import Draft, Sense
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs


def pooled(lower, upper, whole):
    """Columns x, y and what the encoding adds."""
    draft = Draft()
    x = draft.columns(lower, upper)
    y = int(draft.columns(np.array([lower.max()]), np.array([upper.max()]))[0])
    if whole:
        size = contenders(lower, upper).size
        s = draft.columns(np.zeros(size), np.ones(size), integer=True)
        draft.add(exact(y, x, s, lower, upper))
    else:
        draft.add(relaxed(y, x, lower, upper))
    return draft.program()


def ends(program, count, point=None):
    if point is not None:
        program = program.with_limits(np.arange(count, dtype=np.int32), point, point)
    goal = np.zeros(program.size)
    goal[count] = 1.0
    found = []
    for sense in Sense:
        outcome = Highs().solve(program.with_objective(goal, 0.0, sense), Options())
        assert outcome.status is Status.OPTIMAL
        found.append(outcome.objective)
    return found


@settings(max_examples=60)
@given(st.data(), st.integers(1, 4))
def test_at_a_fixed_input_y_is_the_maximum_and_the_relaxation_contains_it(data, count):
    lower, upper = data.draw(boxes(count))
    point = data.draw(points((lower, upper), 1))[0]
    truth = point.max()
    assert ends(pooled(lower, upper, True), count, point) == pytest.approx([truth] * 2, abs=1e-6)
    low, high = ends(pooled(lower, upper, False), count, point)
    assert low == pytest.approx(truth, abs=1e-6)
    assert high >= truth - 1e-6
    loose, tight = (ends(pooled(lower, upper, whole).relaxed(), count) for whole in (False, True))
    assert loose[1] == pytest.approx(upper.max(), abs=1e-6)
    assert tight[0] == pytest.approx(lower.max(), abs=1e-6)


@settings(max_examples=200)
@given(st.data(), st.integers(1, 4))
def test_the_relaxation_holds_the_maximum_in_exact_arithmetic(data, count):
    lower, upper = data.draw(boxes(count))
    point = data.draw(points((lower, upper), 1))[0]
    x = np.arange(count, dtype=np.int32)
    rows = relaxed(count, x, lower, upper)
    values = [*(Fraction(v) for v in point.tolist()), Fraction(float(point.max()))]
    for row in range(rows.count):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        total = sum(
            Fraction(float(v)) * values[c]
            for v, c in zip(rows.values[entries], rows.columns[entries], strict=True)
        )
        assert not total < rows.lower[row]
        assert not total > rows.upper[row]


def test_inputs_that_never_matter_have_no_row_above():
    lower, upper = np.array([0.0, -5.0, 1.0]), np.array([2.0, 1.0, 3.0])
    assert contenders(lower, upper).tolist() == [0, 2]
    x = np.arange(3, dtype=np.int32)
    assert 1 not in relaxed(3, x, lower, upper).columns
    with pytest.raises(ValueError, match="selectors for 2 contenders"):
        exact(3, x, np.array([4], np.int32), lower, upper)


@pytest.mark.parametrize(("low", "high"), [(-np.inf, 1.0), (0.0, np.nan), (1.0, 0.0)])
def test_there_is_no_default_big_m(low, high):
    with pytest.raises(ValueError, match="no default big-M"):
        contenders(np.array([0.0, low]), np.array([1.0, high]))
    with pytest.raises(ValueError, match="no bounds"):
        contenders(np.zeros(0), np.zeros(0))
