"""Attacks: points on the lattice, margins as the atoms define them, near the best there is."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import extremes
from questions import question_of, questions
from strategies import boxes, dense_networks

from secateur.engine.falsify import Margins, climb, falsify
from secateur.engine.network import Network

LATTICE = "float32"


def attack(question, seed=0, deadline=math.inf):
    """Attack the alternatives over the first box."""
    first = question.alternatives[0].region
    margins = Margins.of(question, question.alternatives)
    members = np.array(
        [
            at
            for at, one in enumerate(question.alternatives)
            if (one.region.exact_lower, one.region.exact_upper)
            == (first.exact_lower, first.exact_upper)
        ]
    )
    lattice = first.lattice(LATTICE)
    rng = np.random.default_rng(seed)
    return margins, lattice, falsify(question, margins, members, lattice, rng, deadline)


@given(question=questions())
@settings(max_examples=20)
def test_points_lie_on_the_lattice_and_their_margins_are_those_of_the_atoms(question):
    assume(question.alternatives)
    _, lattice, (which, points, height) = attack(question)
    assert (height[1:] <= height[:-1]).all()
    assert np.array_equal(points, lattice.snap(points))
    for index, place, found in list(zip(which, points, height, strict=True))[:4]:
        one = question.alternatives[index]
        if not lattice.pins:
            assert one.region.contains(place)
        rows = question.network.evaluate(place)
        slack = [float(question.limits[row]) - rows[row] for row, _ in one.atoms]
        assert found == pytest.approx(np.min(slack, initial=np.inf), rel=1e-9, abs=1e-9)


@given(data=st.data())
@settings(max_examples=15)
def test_the_best_point_is_near_the_exact_extreme(data):
    network = data.draw(dense_networks(depth=1, width=3))
    lower, upper = data.draw(boxes(2))
    upper = np.maximum(upper, lower + 0.25)
    ends = [list(map(Fraction, side.tolist())) for side in (lower, upper)]
    question = question_of(network, ends, [[([1, 0], 0, False)]])
    if not question.alternatives[0].atoms:
        return
    row = question.network.output
    (least, most), *_ = extremes(question.network, lower, upper, row)
    *_, height = attack(question)[2]
    best = float(question.limits[0]) - float(least)
    assert best - 0.1 * float(most - least) - 1e-5 <= height[0] <= best + 1e-9 * (1 + abs(best))


def ramp():
    return Network.dense([np.array([[1.0, 2.0]]), np.ones((1, 1))], [np.full(1, 5.0), np.zeros(1)])


def test_alternatives_without_atoms_or_with_different_numbers_of_them_go_together():
    forms = [([1], -3, False), ([-1], 3, True)]
    question = question_of(ramp(), ([-1, -1], [1, 1]), [[], forms[:1], forms])
    margins, _, (which, _, height) = attack(question)
    assert set(which.tolist()) == {0, 1, 2}
    assert (height[which == 0] == np.inf).all()
    values = question.network.evaluate(np.zeros((1, 2)))
    alone = margins.of_one(values, 1)[0]
    assert margins.of_one(values, 2)[0] <= alone


def test_climbing_never_loses_and_stays_inside():
    question = question_of(ramp(), ([-1, -1], [1, 1]), [[([1], 0, False)]])
    margins = Margins.of(question, question.alternatives)
    lattice = question.alternatives[0].region.lattice(LATTICE)
    start = np.random.default_rng(1).uniform(-1, 1, (20, 2))
    which = np.zeros(20, np.int64)
    before = margins.of_one(question.network.evaluate(lattice.snap(start)), 0)
    points, height = climb(question, margins, which, start, lattice, 30, math.inf)
    assert (height >= before).all()
    assert (np.abs(points) <= 1).all()
    assert np.allclose(points, -1.0)
    same, low = climb(question, margins, which, start, lattice, 30, time.monotonic() - 1)
    assert np.array_equal(same, lattice.snap(start))
    assert np.array_equal(low, before)


def test_a_seed_gives_the_same_points():
    question = question_of(ramp(), ([-1, -1], [1, 1]), [[([1], 0, False)]])
    first, again, other = (attack(question, seed)[2] for seed in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[1].shape == other[1].shape
