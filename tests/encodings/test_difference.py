from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.encodings.difference import NONE, Parts, coupled, difference
from secateur.encodings.program import Program, Rows

some = st.one_of(
    st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-300, -1e-12, 1e-9]), st.integers(-4, 4)
)
ends = st.tuples(some, some).map(sorted).map(lambda pair: [float(v) for v in pair])


def array(*values):
    return np.array(values, dtype=float)


def columns(*names):
    return np.array(names, np.int32)


def holds(rows, point):
    """Whether exact values of all columns meet the rows, in rationals."""
    for row in range(rows.count):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        total = sum(
            (
                Fraction(float(v)) * point[c]
                for v, c in zip(rows.values[entries], rows.columns[entries], strict=True)
            ),
            Fraction(0),
        )
        if total < rows.lower[row] or total > rows.upper[row]:
            return False
    return True


def parts_of(value):
    return [max(value, Fraction(0)), max(-value, Fraction(0))]


def shown(first, second, box):
    """The columns of p, n, q, m, with NONE for the parts that are 0 over the whole box."""
    names = [0, 1, 2, 3]
    for side, (low, high) in enumerate(box):
        if low >= 0:
            names[2 * side + 1] = NONE
        elif high <= 0:
            names[2 * side] = NONE
    assert first.shape == second.shape == (2,)
    return Parts(columns(names[0]), columns(names[1])), Parts(columns(names[2]), columns(names[3]))


@st.composite
def pairs(draw):
    """Draw boxes of x and y, bounds of x - y, and x, y within all of them."""
    x, y = (Fraction(float(draw(some))) for _ in range(2))
    room = [Fraction(abs(float(draw(some)))) for _ in range(6)]
    box = [(float(x - room[0]), float(x + room[1])), (float(y - room[2]), float(y + room[3]))]
    bounds = float(x - y - room[4]), float(x - y + room[5])
    if bounds[0] > x - y or bounds[1] < x - y:
        bounds = np.nextafter(bounds[0], -np.inf), np.nextafter(bounds[1], np.inf)
    box = [(np.nextafter(a, -np.inf), np.nextafter(b, np.inf)) for a, b in box]
    return x, y, box, bounds


@settings(max_examples=400)
@given(pairs())
def test_true_activations_satisfy_the_rows_in_exact_arithmetic(case):
    x, y, box, (low, high) = case
    first, second = shown(array(*box[0]), array(*box[1]), box)
    rows = difference(first, second, array(low), array(high))
    assert rows.count == 3
    assert holds(rows, [*parts_of(x), *parts_of(y)])


@settings(max_examples=400)
@given(pairs())
def test_true_phases_satisfy_the_coupled_rows_in_exact_arithmetic(case):
    x, y, box, (low, high) = case
    if any(a >= 0 or b <= 0 for a, b in box):
        return
    rows = coupled(
        Parts(columns(0), columns(1)),
        Parts(columns(2), columns(3)),
        columns(4),
        columns(5),
        tuple(array(end) for pair in box for end in pair),
        array(low),
        array(high),
    )
    point = [*parts_of(x), *parts_of(y), Fraction(x > 0), Fraction(y > 0)]
    assert holds(rows, point)


def program(rows, box):
    (l1, u1), (l2, u2) = box
    lower = array(0, 0, 0, 0)
    upper = array(max(u1, 0), max(-l1, 0), max(u2, 0), max(-l2, 0))
    return Program(lower, upper, np.zeros(4, bool), rows, np.zeros(4))


@pytest.mark.parametrize(
    ("low", "high", "cut"),
    [(-1.0, 2.0, (1.5, 0.5, 0.0, 0.0)), (0.5, 1.0, (0.2, 0.0, 0.4, 0.7)), (-2, -1, (1, 0, 0, 1))],
)
def test_points_off_the_hull_are_cut_off(low, high, cut):
    """At d = 1 and D = 1.5 > 2/3 (d + 1) = 4/3; D < 0 where d > 0; D > 0 where d < 0."""
    rows = difference(
        Parts(columns(0), columns(1)), Parts(columns(2), columns(3)), array(low), array(high)
    )
    point = np.array(cut)
    broken = program(rows, [(-3, 3), (-3, 3)]).violations(point)[4:]
    assert broken.max() > 1e-3


def test_the_rows_are_the_hull_of_the_difference():
    low, high = -1.0, 3.0
    rows = difference(
        Parts(columns(0), columns(1)), Parts(columns(2), columns(3)), array(low), array(high)
    )
    for d in np.linspace(low, high, 9):
        top, bottom = high * (d - low) / (high - low), -low * (d - high) / (high - low)
        for change in (top, bottom):
            # p = 5 + change and q = 5 with n - m = change - d
            lack = change - d
            point = array(5 + change, max(lack, 0), 5, max(-lack, 0))
            assert rows.activity(point)[1:] == pytest.approx(
                rows.activity(point)[1:].clip(max=rows.upper[1:]), abs=1e-12
            )
            beyond = point + (1e-6 if change == top else -1e-6) * array(1, 1, 0, 0)
            beyond = beyond + (array(0, 1, 0, 1) if (beyond < 0).any() else 0)
            assert (rows.activity(beyond)[1:] > rows.upper[1:]).any()


def test_bounds_above_zero_order_the_phases():
    rows = coupled(
        Parts(columns(0), columns(1)),
        Parts(columns(2), columns(3)),
        columns(4),
        columns(5),
        (array(-2), array(3), array(-3), array(2)),
        array(0.5),
        array(1.5),
    )
    allowed = set()
    for t, s in product((0, 1), repeat=2):
        for x, y in ((1, 0.25), (0.25, -0.5), (-1, -2)):
            point = array(max(x, 0), max(-x, 0), max(y, 0), max(-y, 0), t, s)
            if ((rows.activity(point) <= rows.upper) & (rows.activity(point) >= rows.lower)).all():
                allowed.add((t, s))
    assert (0, 1) not in allowed
    assert {(1, 1), (0, 0), (1, 0)} <= allowed


def test_no_coefficient_is_small_enough_for_a_solver_to_drop():
    low, high = array(-1e-14, -5.0, -1e-200), array(3.0, 1e-13, 1e-200)
    names = [columns(*range(at, 12, 4)) for at in range(4)]
    rows = difference(Parts(names[0], names[1]), Parts(names[2], names[3]), low, high)
    assert isinstance(rows, Rows)
    assert (np.abs(rows.values) > 1e-9).all()


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (-np.inf, 0.0), (0.0, np.nan)])
def test_bounds_of_no_interval_are_refused(low, high):
    with pytest.raises(ValueError, match="pair 0"):
        difference(
            Parts(columns(0), columns(1)), Parts(columns(2), columns(3)), array(low), array(high)
        )
