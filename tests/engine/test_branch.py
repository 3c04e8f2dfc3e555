"""The search over boxes: what is open covers what may be violated; budgets and ends are kept."""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, points

from secateur.engine.bounder import Planes
from secateur.engine.branch import Judged, Limits, Search


class Nobody:
    """Bounds nothing: the goals below judge boxes by themselves."""

    flags = (1, 1)

    def bound(self, lower, upper, stable, wanted, cut, pool):
        shape = wanted.shape
        nothing = np.full(shape, -np.inf)
        rest = (np.zeros((*shape, lower.shape[1])),) * 2
        return Planes(nothing, nothing.copy(), *rest, np.zeros(len(lower), np.bool_), rest[0][:, 0])


@dataclass
class Near:
    """Leaves each of some questions open on boxes that a ball around its centre meets."""

    centres: np.ndarray
    radius: float
    stop: int = 10**9
    cut: np.ndarray = field(init=False)
    seen: list = field(default_factory=list)

    def __post_init__(self):
        self.cut = np.full(1, np.inf)
        self.scale = np.ones(len(self.centres))

    def wanted(self, open_):
        return np.ones((len(open_), 1), np.uint8)

    def judge(self, boxes_, planes):
        near = [np.clip(c, boxes_.lower, boxes_.upper) - c for c in self.centres]
        reach = self.radius - np.stack([np.abs(d).max(axis=1) for d in near], axis=1)
        open_ = ((reach >= 0) & (boxes_.open > 0)).astype(np.uint8)
        lower, upper = boxes_.lower.copy(), boxes_.upper.copy()
        return Judged(open_, reach, upper - lower, lower, upper, 0.5 * lower + 0.5 * upper)

    def visit(self, places, boxes_):
        boxes_.promise[:] = 0.0
        self.seen.append(places)
        return len(self.seen) >= self.stop


def covered(search, place, question):
    return any(
        ((part.lower <= place) & (place <= part.upper))
        .all(axis=1)[part.open[:, question] > 0]
        .any()
        for part in search.open_boxes()
    )


@given(data=st.data())
@settings(max_examples=25)
def test_points_where_a_question_is_violated_stay_in_an_open_box(data):
    found = [data.draw(boxes(2)) for _ in range(2)]
    lower, upper = (np.array([box[side] for box in found]) for side in (0, 1))
    centres = np.stack([data.draw(points(box, count=1))[0] for box in found])
    goal = Near(centres, data.draw(st.sampled_from([0.0, 0.1])))
    frontier = data.draw(st.sampled_from([3, 40_000]))
    search = Search(Nobody(), goal, Limits(frontier=frontier, workers=1))
    search.start(lower, upper, np.eye(2, dtype=np.uint8))
    for budget in (1, 2, 5, 60, 150):
        search.run(budget)
        for question in range(2):
            assert covered(search, centres[question], question)
    assert search.waiting == sum(len(part) for part in search.open_boxes())
    assert (search.reach(2) >= 0).all()


def test_what_is_settled_is_closed_and_counted():
    goal = Near(np.array([[5.0, 5.0]]), 1.0)  # outside: every box is settled at once
    search = Search(Nobody(), goal, Limits(workers=1))
    search.start(np.zeros((3, 2)), np.ones((3, 2)), np.ones((3, 1), np.uint8))
    assert search.waiting == 3
    search.run()
    assert (search.bounded, search.closed, search.waiting, search.stuck) == (3, 3, 0, 0)
    assert (search.reach(1) == -np.inf).all()


def test_boxes_that_cannot_be_bisected_are_stuck_and_stay_open():
    goal = Near(np.array([[0.25, 0.5]]), 0.0)
    least = np.array([[0.25, 0.5]])
    search = Search(Nobody(), goal, Limits(workers=1))
    search.start(least, np.nextafter(least, 1.0), np.ones((1, 1), np.uint8))
    search.run()
    assert search.waiting == search.stuck == 1
    assert covered(search, least[0], 0)


def test_the_goal_may_end_the_search_and_its_boxes_are_kept():
    goal = Near(np.array([[0.3, 0.3]]), 0.1, stop=4)
    search = Search(Nobody(), goal, Limits(workers=1))
    search.start(np.zeros((1, 2)), np.ones((1, 2)), np.ones((1, 1), np.uint8))
    search.run()
    assert search.ended
    assert len(goal.seen) == 4
    assert covered(search, goal.centres[0], 0)
    search.run()
    assert len(goal.seen) == 4


def test_budget_and_deadline_end_the_search():
    goal = Near(np.array([[0.3, 0.3]]), 0.2)
    search = Search(Nobody(), goal, Limits(workers=1))
    search.start(np.zeros((1, 2)), np.ones((1, 2)), np.ones((1, 1), np.uint8))
    search.run(boxes=10)
    assert 10 <= search.bounded <= 10 + 64
    before = search.bounded
    search.run(deadline=time.monotonic() - 1)
    assert search.bounded == before
    search.run(deadline=time.monotonic() + 0.05)
    assert search.bounded > before
    assert search.deepest > 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_blame_that_is_no_number_does_not_stop_the_bisection(bad):
    class Odd(Near):
        def judge(self, boxes_, planes):
            found = super().judge(boxes_, planes)
            found.blame[:] = bad
            return found

    goal = Odd(np.array([[0.3, 0.3]]), 0.1)
    search = Search(Nobody(), goal, Limits(workers=1))
    search.start(np.zeros((1, 2)), np.array([[1.0, 0.0]]) + 1.0, np.ones((1, 1), np.uint8))
    search.run(boxes=50)
    assert search.deepest > 2
    assert covered(search, goal.centres[0], 0)


def test_a_search_without_a_clock_is_the_same_again():
    def places():
        goal = Near(np.array([[0.3, 0.4], [0.7, 0.1]]), 0.05)
        search = Search(Nobody(), goal, Limits(workers=1))
        search.start(np.zeros((1, 2)), np.ones((1, 2)), np.ones((1, 2), np.uint8))
        search.run(boxes=300)
        return np.concatenate(goal.seen)

    assert np.array_equal(places(), places())
