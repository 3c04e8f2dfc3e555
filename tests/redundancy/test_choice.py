"""Choices respect the guarantee at the points that are seen, and are as large as they can say."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, points

from secateur.engine.agreement import Best
from secateur.engine.network import Network, State
from secateur.redundancy import choice
from secateur.redundancy.choice import CHOICES, Order, budget, greedy, milp
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.removal import Kind, Removal, without
from secateur.redundancy.screen import Screen

GUARANTEES = [
    Outputs(Fraction(1, 10)),
    Outputs(Fraction(2)),
    SameBest(Best.MAX),
    SameBest(Best.MIN, Fraction(1, 2)),
]


def flat(network):
    """Return both ways of removing every neuron flatly."""
    return [
        Removal(node.name, at, state, Kind.FORWARD)
        for node in network.piecewise
        for at in range(node.size)
        for state in (State.ZERO, State.IDENTITY)
    ]


@st.composite
def screens(draw):
    network = draw(dense_networks(outputs=3))
    at = draw(points(draw(boxes(2))))
    return Screen(network, draw(st.sampled_from(GUARANTEES)), at)


@pytest.mark.parametrize("order", Order)
@given(screen=screens())
@settings(max_examples=25)
def test_a_choice_holds_at_the_points_and_takes_a_neuron_once(order, screen):
    candidates = flat(screen.network)
    chosen = CHOICES[order](screen, candidates)
    assert len({one.place for one in chosen}) == len(chosen)
    assert set(chosen) <= set(candidates)
    outputs = without(screen.network, chosen).evaluate(screen.points)
    assert screen.guarantee.slack(screen.outputs, outputs).min() >= -1e-9 or not chosen


@given(screens())
@settings(max_examples=25)
def test_nothing_that_fits_alone_on_top_is_left_by_the_greedy_choice(screen):
    candidates = flat(screen.network)
    chosen = greedy(screen, candidates, rounds=1000)
    screen.take(chosen)
    assume(screen.slack().min() >= 0)
    gone = {one.place for one in chosen}
    rest = [one for one in candidates if one.place not in gone]
    assert (screen.judge(rest) < 0).all()


def test_several_rounds_take_what_others_made_possible():
    # One neuron is cancelled by another: neither goes alone, but after the first went, the rest.
    weights = [np.ones((3, 1)), np.array([[0.05, 1.0, -1.0]])]
    network = Network.dense(weights, [np.zeros(3), np.zeros(1)])
    screen = Screen(network, Outputs(Fraction(1, 10)), np.array([[1.0]]))
    zero = [Removal("relu1", at, State.ZERO, Kind.FORWARD) for at in range(3)]
    assert [one.neuron for one in budget(screen, zero)] == [0]
    screen.take([])
    assert [one.neuron for one in greedy(screen, zero)] == [0]


def separate(costs):
    """Return a network in which each neuron costs so much at its own point, all in one output."""
    size = len(costs)
    return Network.dense([np.eye(size), np.array([costs])], [np.zeros(size), np.zeros(1)])


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 40))
@settings(max_examples=25)
def test_the_program_chooses_the_largest_set_within_the_budget(costs, tolerance):
    network = separate([float(cost) for cost in costs])
    every = np.ones((1, len(costs)))
    screen = Screen(network, Outputs(Fraction(tolerance)), every)
    zero = [Removal("relu1", at, State.ZERO, Kind.FORWARD) for at in range(len(costs))]
    chosen = milp(screen, zero)
    # What is held in reserve is taken off the chosen set again, by the greedy thinning.
    spent = sum(costs[one.neuron] for one in chosen)
    assert spent <= 0.9 * tolerance + 1e-9
    most = max(
        len(some)
        for size in range(len(costs) + 1)
        for some in itertools.combinations(costs, size)
        if sum(some) <= 0.9 * tolerance + 1e-9
    )
    assert len(chosen) >= most - 1
    assert len(greedy(Screen(network, screen.guarantee, every), zero)) == most


def test_a_solver_that_finds_nothing_leaves_the_greedy_choice(monkeypatch):
    class Silent:
        def solve(self, program, options):
            class Nothing:
                primal = None

            return Nothing()

    screen = Screen(separate([1.0, 2.0]), Outputs(Fraction(2)), np.ones((1, 2)))
    zero = [Removal("relu1", at, State.ZERO, Kind.FORWARD) for at in range(2)]
    monkeypatch.setattr(choice, "Highs", Silent)
    assert milp(screen, zero) == greedy(screen, zero)


@pytest.mark.parametrize("order", Order)
def test_nothing_to_choose_from_is_nothing_chosen(order):
    screen = Screen(separate([1.0]), Outputs(Fraction(2)), np.ones((1, 1)))
    assert CHOICES[order](screen, []) == []
