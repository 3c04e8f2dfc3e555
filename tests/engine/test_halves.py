"""Half-spaces cut off nothing that they leave, and exclude nothing that they share."""

from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, eighths, floats, points

from secateur.engine.halves import Half, contracted, exclusive

slopes = st.one_of(eighths, floats, st.sampled_from([0.0, 1e-12, -1e-12, 1e9, -1e9, 1 / 3]))
INPUTS = 3


def holds(half, box, lower, upper, place):
    """Return whether a half-space holds at a point, in rationals."""
    if half.base[box] == -np.inf:
        return True
    total = Fraction(float(half.base[box]))
    for at in range(INPUTS):
        slope = float(half.slopes[box, at])
        corner = lower[box, at] if slope > 0 else upper[box, at]
        total += Fraction(abs(slope)) * abs(place[at] - Fraction(float(corner)))
    return half.limit == np.inf or total <= Fraction(half.limit)


def spots(draw, lower, upper):
    """Return exact points of a box, its corners among them."""
    some = [[Fraction(float(v)) for v in row] for row in draw(points((lower, upper), count=6))]
    ends = [(Fraction(float(a)), Fraction(float(b))) for a, b in zip(lower, upper, strict=True)]
    return [*some, *map(list, product(*ends))]


@st.composite
def halved(draw):
    """Draw boxes and half-spaces, some of which pass through a point of the box exactly."""
    found = [draw(boxes(INPUTS)) for _ in range(2)]
    lower, upper = (np.array([box[side] for box in found]) for side in (0, 1))
    halves = []
    for _ in range(draw(st.integers(1, 3))):
        steep = np.array([[draw(slopes) for _ in range(INPUTS)] for _ in range(2)])
        base = np.array([draw(st.one_of(floats, st.just(-np.inf))) for _ in range(2)])
        limit = draw(st.one_of(floats, st.sampled_from([np.inf, 1e300])))
        if draw(st.booleans()):  # the limit at the middle of the first box
            width = upper[0] - lower[0]
            room = float((np.abs(steep[0]) * width).sum()) / 2
            base[0] = 0.5 if room + 0.5 == room else 0.25
            limit = base[0] + room
        halves.append(Half(base, steep, float(limit)))
    return lower, upper, halves


@given(data=st.data())
@settings(max_examples=100)
def test_what_is_cut_off_satisfies_not_all_half_spaces(data):
    lower, upper, halves = data.draw(halved())
    low, high = contracted(lower, upper, halves)
    assert not np.isnan(low).any()
    assert not np.isnan(high).any()
    out = exclusive(lower, upper, halves, (low, high))
    for box in range(2):
        empty = (low[box] > high[box]).any()
        if not empty:
            assert (low[box] >= lower[box]).all()
            assert (high[box] <= upper[box]).all()
        for place in spots(data.draw, lower[box], upper[box]):
            if not all(holds(half, box, lower, upper, place) for half in halves):
                continue
            assert not empty
            ends = zip(low[box], place, high[box], strict=True)
            assert all(Fraction(float(a)) <= x <= Fraction(float(b)) for a, x, b in ends)
            assert not out[box]


@given(data=st.data())
@settings(max_examples=60)
def test_exclusion_from_a_whole_box_is_true_of_its_points(data):
    lower, upper, halves = data.draw(halved())
    out = exclusive(lower, upper, halves, (lower, upper))
    for box in np.flatnonzero(out):
        for place in spots(data.draw, lower[box], upper[box]):
            assert not all(holds(half, box, lower, upper, place) for half in halves)


def plane(base, slopes, limit):
    return Half(np.array([base]), np.array([slopes]), limit)


def test_a_half_space_cuts_a_box_to_its_share():
    lower, upper = np.zeros((1, 2)), np.ones((1, 2))
    low, high = contracted(lower, upper, [plane(0.0, [2.0, -4.0], 1.0)])
    assert np.allclose(low, [[0.0, 0.75]], atol=1e-12)
    assert np.allclose(high, [[0.5, 1.0]], atol=1e-12)
    low, high = contracted(lower, upper, [plane(1.5, [2.0, -4.0], 1.0)])
    assert (low > high).all()


def test_what_one_half_space_cuts_off_is_cut_off_for_the_next():
    lower, upper = np.zeros((1, 2)), np.ones((1, 2))
    least = plane(0.0, [-1.0, 0.0], 0.5)  # x >= 0.5
    sum_ = plane(0.0, [1.0, 1.0], 0.75)  # x + y <= 0.75
    _, high = contracted(lower, upper, [least, sum_])
    assert np.allclose(high, [[0.75, 0.25]], atol=1e-12)


def test_half_spaces_without_a_common_point_are_found():
    lower, upper = np.zeros((2, 2)), np.ones((2, 2))
    one = Half(np.zeros(2), np.array([[1.0, 1.0]] * 2), 0.9)  # x + y <= 0.9
    two = Half(np.zeros(2), np.array([[-1.0, -1.0]] * 2), 0.9)  # x + y >= 1.1
    assert exclusive(lower, upper, [one, two], (lower, upper)).all()
    free = Half(np.zeros(2), np.array([[-1.0, -1.0]] * 2), 1.1)  # x + y >= 0.9
    assert not exclusive(lower, upper, [one, free], (lower, upper)).any()
    none = Half(np.array([-np.inf, 0.0]), np.array([[-1.0, -1.0]] * 2), 0.9)
    assert exclusive(lower, upper, [one, none], (lower, upper)).tolist() == [False, True]


def test_the_remains_of_an_empty_box_make_no_noise():
    lower, upper = np.zeros((1, 2)), np.ones((1, 2))
    low, high = contracted(lower, upper, [plane(2.0, [1.0, 0.0], 1.0), plane(0.0, [0.0, 1.0], 0.5)])
    assert (low > high).all()
