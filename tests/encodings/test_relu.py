from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.encodings.affine import affine
from secateur.encodings.program import Draft, Program, Sense
from secateur.encodings.relu import Phase, big_m, linear, partitioned, parts, phases, triangle
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs

below = st.floats(-1e12, -1e-12)
above = st.floats(1e-12, 1e12)
shares = st.floats(0, 1)
ZERO, ONE = np.zeros(1), np.ones(1)


def one_neuron(lower, upper, encode):
    """The program of one neuron with the columns z, p, n and what `encode` adds."""
    draft = Draft()
    z = draft.columns(np.array([lower]), np.array([upper]))
    p, n = draft.columns(ZERO, np.array([upper])), draft.columns(ZERO, np.array([-lower]))
    draft.add(affine(np.eye(1), z, ZERO, p, n))
    draft.add(encode(draft, p, n))
    return draft.program()


def with_triangle(lower, upper):
    return one_neuron(
        lower, upper, lambda _, p, n: triangle(p, n, np.array([lower]), np.array([upper]))
    )


def with_big_m(lower, upper):
    def encode(draft, p, n):
        t = draft.columns(ZERO, ONE, integer=True)
        return big_m(p, n, t, np.array([lower]), np.array([upper]))

    return one_neuron(lower, upper, encode)


def ends(program, z):
    """The least and the greatest output at a fixed pre-activation."""
    fixed = program.with_limits(np.array([0], np.int32), np.array([z]), np.array([z]))
    unit = np.zeros(program.size)
    unit[1] = 1.0
    found = []
    for sense in (Sense.MINIMIZE, Sense.MAXIMIZE):
        outcome = Highs().solve(fixed.with_objective(unit, 0.0, sense), Options())
        assert outcome.status is Status.OPTIMAL
        found.append(outcome.objective)
    return found


@given(below, above, shares)
def test_the_triangle_holds_the_relu_in_exact_arithmetic(lower, upper, share):
    rows = triangle(np.array([0]), np.array([1]), np.array([lower]), np.array([upper]))
    z = min(max(lower + share * (upper - lower), lower), upper)
    for at in (Fraction(z), Fraction(lower), Fraction(upper), Fraction(0)):
        parts_of = (max(at, Fraction(0)), max(-at, Fraction(0)))
        total = sum(
            Fraction(float(value)) * parts_of[column]
            for value, column in zip(rows.values, rows.columns, strict=True)
        )
        assert total <= Fraction(float(rows.upper[0]))


@given(below, above, shares)
def test_big_m_holds_the_relu_in_exact_arithmetic(lower, upper, share):
    rows = big_m(np.array([0]), np.array([1]), np.array([2]), np.array([lower]), np.array([upper]))
    z = Fraction(min(max(lower + share * (upper - lower), lower), upper))
    point = (max(z, Fraction(0)), max(-z, Fraction(0)), Fraction(z > 0))
    for row in range(2):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        total = sum(
            Fraction(float(value)) * point[column]
            for value, column in zip(rows.values[entries], rows.columns[entries], strict=True)
        )
        assert total <= Fraction(float(rows.upper[row]))


@pytest.mark.parametrize("z", [-2.0, -0.5, 0.0, 0.75, 3.0])
def test_big_m_gives_the_relu_at_a_fixed_input(z):
    assert ends(with_big_m(-2.0, 3.0), z) == pytest.approx([max(z, 0.0)] * 2, abs=1e-8)


@pytest.mark.parametrize("z", [-2.0, -0.5, 0.0, 0.75, 3.0])
def test_the_triangle_and_relaxed_big_m_are_the_convex_hull(z):
    hull = [max(z, 0.0), 3.0 / 5.0 * (z + 2.0)]
    assert ends(with_triangle(-2.0, 3.0), z) == pytest.approx(hull, abs=1e-8)
    assert ends(with_big_m(-2.0, 3.0).relaxed(), z) == pytest.approx(hull, abs=1e-8)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [(-np.inf, 1.0), (-1.0, np.inf), (-np.inf, np.inf), (np.nan, 1.0), (-1.0, np.nan), (0.0, 1.0)],
)
def test_an_unbounded_or_stable_neuron_is_refused(lower, upper):
    index, low, high = np.array([0]), np.array([lower]), np.array([upper])
    with pytest.raises(ValueError, match="unstable neuron 0"):
        triangle(index, index, low, high)
    with pytest.raises(ValueError, match="no default big-M"):
        big_m(index, index, index, low, high)


def test_phases_are_told_from_bounds():
    lower = np.array([0.0, -2.0, -1.0, 0.0, 1.0, -1.0])
    upper = np.array([1.0, -1.0, 0.0, 0.0, 2.0, 1.0])
    stable = [Phase.ACTIVE, Phase.INACTIVE, Phase.INACTIVE, Phase.INACTIVE, Phase.ACTIVE]
    assert phases(lower, upper).tolist() == [*stable, Phase.UNSTABLE]


@pytest.mark.parametrize(("lower", "upper"), [(np.nan, 1.0), (0.0, np.nan), (1.0, 0.0)])
def test_phases_of_no_interval_are_refused(lower, upper):
    with pytest.raises(ValueError, match="neuron 0"):
        phases(np.array([lower]), np.array([upper]))


def test_a_linear_neuron_is_a_line():
    rows = linear(np.array([1]), np.array([0]), np.array([-0.5]), np.array([0.25]))
    assert rows.activity(np.array([2.0, -0.75])).tolist() == [0.25]
    assert rows.lower.tolist() == rows.upper.tolist() == [0.25]


WEIGHT = np.array([[1.0, -2.0, 0.5, 1.5]])
BIAS = np.array([0.25])


def spread(count: int | None) -> Program:
    """One neuron over four inputs in [-1, 1]; its inputs in `count` parts, or big-M alone."""
    reach = np.abs(WEIGHT).sum()
    lower, upper = BIAS - reach, BIAS + reach
    draft = Draft()
    x = draft.columns(-np.ones(4), np.ones(4))
    p, n, t = (draft.columns(ZERO, limit) for limit in (upper, -lower, ONE))
    draft.add(affine(WEIGHT, x, BIAS, p, n))
    draft.add(big_m(p, n, t, lower, upper))
    if count is not None:
        group = np.argsort(np.argsort(WEIGHT, axis=1), axis=1) * count // 4
        limit = np.array([[np.abs(WEIGHT[group == part]).sum() for part in range(count)]])
        unit = np.ldexp(1.0, np.arange(-1, count - 1))[None, :]
        most = (limit / unit).ravel()
        on, off = (draft.columns(-most, most).reshape(1, count) for _ in range(2))
        draft.add(parts(WEIGHT, x, group, on, off, ZERO, unit))
        draft.add(partitioned(p, n, t, on, off, BIAS, -limit, limit, unit))
    program = draft.program()
    whole = np.zeros(program.size, dtype=bool)
    whole[t] = True
    return Program(program.lower, program.upper, whole, program.rows, program.objective)


def optimum(program, goal):
    """The least value of a goal over the four inputs and the output."""
    objective = np.zeros(program.size)
    objective[:5] = goal
    outcome = Highs().solve(program.with_objective(objective), Options())
    assert outcome.status is Status.OPTIMAL
    return outcome.objective


GOALS = np.random.default_rng(5).normal(size=(25, 5))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_partition_is_exact_with_whole_phases(count):
    for goal in GOALS:
        truth = optimum(spread(None), goal)
        assert optimum(spread(count), goal) == pytest.approx(truth, abs=1e-7)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_relaxed_partitions_lie_between_the_triangle_and_the_truth(count):
    coarser = None if count == 1 else count // 2
    gained = 0.0
    for goal in GOALS:
        loose, tight = (optimum(spread(n).relaxed(), goal) for n in (coarser, count))
        assert loose <= tight + 1e-7
        assert tight <= optimum(spread(None), goal) + 1e-7
        gained = max(gained, tight - loose)
    assert gained > 1e-3 or count == 1


def test_one_part_an_input_is_ideal():
    for goal in GOALS:
        truth = optimum(spread(4), goal)
        assert optimum(spread(4).relaxed(), goal) == pytest.approx(truth, abs=1e-7)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_partition_gives_the_relu_at_fixed_inputs(count):
    generator = np.random.default_rng(count)
    for point in generator.uniform(-1, 1, (10, 4)):
        fixed = spread(count).with_limits(np.arange(4, dtype=np.int32), point, point)
        truth = max(float((WEIGHT @ point + BIAS)[0]), 0.0)
        for sign in (1.0, -1.0):
            goal = np.array([0.0, 0.0, 0.0, 0.0, sign])
            assert sign * optimum(fixed, goal) == pytest.approx(truth, abs=1e-7)
