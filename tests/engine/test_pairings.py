"""Alternatives judged side by side are judged as each of them alone."""

import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from questions import questions
from strategies import boxes, numbers

from secateur.engine.bounder import Planes, bounder
from secateur.engine.branch import Boxes
from secateur.engine.cases import Cases
from secateur.engine.halves import Half, contracted, exclusive
from secateur.engine.pairings import Group, grouped
from secateur.engine.replayed import Replays
from secateur.engine.rounding import up


def planes_of(low, base, slopes):
    none = np.zeros((len(low), slopes.shape[2]))
    return Planes(low, base, slopes, np.abs(slopes), np.zeros(len(low), np.bool_), none)


@st.composite
def settings_of(draw):
    """Draw boxes, planes of rows that are right on them, and alternatives with 0 to 3 rows."""
    some = draw(numbers())
    count, rows, inputs = (draw(st.integers(1, most)) for most in (4, 4, 3))
    lower, upper = zip(*[draw(boxes(inputs)) for _ in range(count)], strict=True)
    base, slopes = some(count, rows), some(count, rows, inputs)
    low = base + draw(st.sampled_from([0.0, 0.25]))  # a bound may be better than its plane
    for at in draw(st.sets(st.integers(0, count * rows - 1), max_size=2)):
        low.flat[at] = draw(st.sampled_from([-np.inf, np.nan, -0.0]))
        if not np.isfinite(low.flat[at]):
            base.flat[at] = -np.inf
    sizes = draw(st.lists(st.integers(0, min(3, rows)), min_size=1, max_size=5))
    chosen = [
        np.array(draw(st.permutations(range(rows)))[:size], np.int64).reshape(size)
        for size in sizes
    ]
    cuts = [some(size) for size in sizes]
    bits = st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes))
    open_ = np.array([draw(bits) for _ in range(count)], np.uint8)
    return np.array(lower), np.array(upper), planes_of(low, base, slopes), chosen, cuts, open_


def alone(box, rows, cuts, lower, upper, planes):
    """Return row, how much is missing and the box that is left, of one alternative on one box.

    None where it is settled by a bound.
    """
    low, high = lower[[box]], upper[[box]]
    if not rows.size:
        return -1, np.inf, low, high
    missing = [
        np.inf if np.isnan(cut - planes.low[box, row]) else cut - planes.low[box, row]
        for row, cut in zip(rows, cuts, strict=True)
    ]
    nearest = int(np.argmin(missing))
    if missing[nearest] <= 0:
        return None
    halves = [
        Half(planes.base[[box], row], planes.slopes[[box], row], float(cut))
        for row, cut in zip(rows, cuts, strict=True)
    ]
    left = contracted(low, high, halves)
    if len(halves) > 1 and exclusive(low, high, halves, left)[0]:
        left = np.full_like(low, np.inf), np.full_like(high, -np.inf)
    return rows[nearest], missing[nearest], *left


@given(settings_of())
def test_pairs_are_judged_as_each_alternative_on_each_box_alone(drawn):
    lower, upper, planes, chosen, cuts, open_ = drawn
    seen = set()
    for group in grouped(chosen, cuts):
        found = group.pair(open_, lower, upper, planes)
        empty = found.empty()
        for at, (box, index) in enumerate(zip(found.box, found.alternative, strict=True)):
            assert open_[box, index]
            seen.add((int(box), int(index)))
            row, missing, low, high = alone(box, chosen[index], cuts[index], lower, upper, planes)
            assert (found.row[at], found.missing[at]) == (row, missing)
            np.testing.assert_array_equal(found.lower[at], low[0])
            np.testing.assert_array_equal(found.upper[at], high[0])
            assert empty[at] == (low > high).any()
    for box, index in zip(*np.nonzero(open_), strict=True):
        if (int(box), int(index)) not in seen:  # settled by a bound
            assert alone(box, chosen[index], cuts[index], lower, upper, planes) is None


@given(settings_of())
def test_what_is_cut_off_holds_no_point_of_an_alternative(drawn):
    lower, upper, planes, chosen, cuts, open_ = drawn
    rng = np.random.default_rng(0)
    left = {}
    for group in grouped(chosen, cuts):
        found = group.pair(open_, lower, upper, planes)
        for at in range(found.box.size):
            key = int(found.box[at]), int(found.alternative[at])
            left[key] = found.lower[at], found.upper[at]
    for box, index in zip(*np.nonzero(open_), strict=True):
        rows = chosen[index]
        points = lower[box] + rng.random((50, lower.shape[1])) * (upper[box] - lower[box])
        points = np.concatenate([np.clip(points, lower[box], upper[box]), lower[[box]]])
        slopes = planes.slopes[box, rows]
        away = np.where(slopes > 0, points[:, None] - lower[box], upper[box] - points[:, None])
        values = planes.base[box, rows] + (np.abs(slopes) * away).sum(axis=2)
        values = np.maximum(values, np.nan_to_num(planes.low[box, rows], nan=-np.inf))
        inside = points[(values < cuts[index] - 1e-9).all(axis=1)]
        if len(inside):
            low, high = left[int(box), int(index)]
            assert (inside >= low).all()
            assert (inside <= high).all()


def test_alternatives_are_grouped_by_their_number_of_rows():
    rows = [np.array([0, 1]), np.array([], np.int64), np.array([2, 0]), np.array([1])]
    cuts = [np.array([1.0, 2.0]), np.array([]), np.array([3.0, 4.0]), np.array([5.0])]
    groups = {group.rows.shape[1]: group for group in grouped(rows, cuts)}
    assert sorted(groups) == [0, 1, 2]
    assert groups[2].members.tolist() == [0, 2]
    assert groups[2].cuts.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert groups[0].rows.shape == (1, 0)
    assert all(isinstance(group, Group) for group in groups.values())


def one_by_one(goal, batch, planes):
    """Return open alternatives, and the part of each box that they leave, judged one at a time."""
    open_ = batch.open.copy()
    lower, upper = np.full(batch.lower.shape, np.inf), np.full(batch.lower.shape, -np.inf)
    reach = np.full(open_.shape, -np.inf)
    question = goal.question
    for index, case in enumerate(question.alternatives):
        rows = np.array([row for row, _ in case.atoms], np.int64)
        cuts = np.array([goal._cut(row, strict) for row, strict in case.atoms])
        for box in np.flatnonzero(open_[:, index]):
            found = alone(box, rows, cuts, batch.lower, batch.upper, planes)
            if found is None or (found[2] > found[3]).any():
                open_[box, index] = 0
                continue
            reach[box, index] = up(np.array(found[1]))
            lower[box] = np.minimum(lower[box], found[2][0])
            upper[box] = np.maximum(upper[box], found[3][0])
    return open_, lower, upper, reach


@given(questions(), st.data())
@settings(max_examples=60)
def test_a_judgement_is_that_of_the_alternatives_one_by_one(question, data):
    assume(question.alternatives)
    rng = np.random.default_rng(0)
    goal = Cases(question, Replays(question, ()), None, time.monotonic(), math.inf, rng)
    goal._near[:] = -1.0  # ties are taken to rationals beyond what is compared here
    lower, upper, open_ = goal.roots()
    share = rng.random((2, 5, *lower.shape))
    lower, upper = (
        np.concatenate([ends, *(lower + part * (upper - lower))])
        for ends, part in ((lower, share.min(axis=0)), (upper, share.max(axis=0)))
    )
    open_ = np.concatenate([open_] * 6)
    bound = bounder(question, 1)
    stable = np.zeros((len(lower), *bound.flags), np.uint8)
    batch = Boxes(
        lower,
        upper,
        stable,
        open_,
        np.full(open_.shape, np.inf),
        np.zeros(len(lower), np.int32),
        np.full(len(lower), -np.inf),
    )
    with ThreadPoolExecutor(1) as pool:
        wanted = goal.wanted(open_)
        planes = bound.bound(lower, upper, stable, wanted, goal.cut, pool)
    judged = goal.judge(batch, planes)
    expected = one_by_one(goal, batch, planes)
    np.testing.assert_array_equal(judged.open, expected[0])
    some = expected[0].any(axis=1)
    np.testing.assert_array_equal(judged.lower[some], expected[1][some])
    np.testing.assert_array_equal(judged.upper[some], expected[2][some])
    held = expected[0] > 0
    np.testing.assert_array_equal(judged.reach[held], expected[3][held])
    assert (judged.corners[some] >= lower[some]).all()
    assert (judged.corners[some] <= upper[some]).all()
    assert (judged.blame >= 0).all()
