"""Lines that serve the outputs are no worse at the points than the nearest ones, and are stored."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, points

from secateur.engine.agreement import Best
from secateur.engine.network import Network, State
from secateur.redundancy import relaxed
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.relaxed import output_lines
from secateur.redundancy.removal import Kind, Removal, line
from secateur.redundancy.screen import Screen


def lines_of(network, layers, low=-1.0, high=1.0):
    return [
        Removal(node.name, at, State.LINEAR, Kind.RELAXED, *line(low, high))
        for node in network.piecewise
        if node.name in layers
        for at in range(node.size)
    ]


@given(st.data())
@settings(max_examples=30)
def test_lines_leave_no_less_slack_than_they_had(data):
    network = data.draw(dense_networks(outputs=3))
    at = data.draw(points(data.draw(boxes(2))))
    guarantee = data.draw(st.sampled_from([Outputs(Fraction(1)), SameBest(Best.MIN)]))
    screen = Screen(network, guarantee, at)
    some = lines_of(network, {node.name for node in network.piecewise})
    others = [Removal(some[0].layer, some[0].neuron, State.ZERO, Kind.FORWARD)]
    before = screen.take([*others, *some[1:]])
    served = output_lines(screen, others, some[1:])
    assert screen.removals == (*others, *served)
    assert screen.take([*others, *served]) >= before
    assert [one.place for one in served] == [one.place for one in some[1:]]
    assert [one.state for one in served] == [State.LINEAR] * len(served)
    for one in served:
        for value in (one.slope, one.intercept):
            assert np.isfinite(value)
            assert value in (float(np.float32(value)), *line(-1.0, 1.0))


def test_errors_that_meet_in_an_output_make_up_for_each_other():
    # relu(x) - relu(-x) = x: lines with slopes that add up to 1 err nowhere.
    weights = [np.array([[1.0], [-1.0]]), np.array([[1.0, -1.0], [0.0, 0.0]])]
    network = Network.dense(weights, [np.zeros(2), np.zeros(2)])
    screen = Screen(network, Outputs(Fraction(1)), np.linspace(-1, 1, 21)[:, None])
    some = lines_of(network, {"relu1"}, -1.0, 0.25)
    assert screen.take(some) < 0.5
    served = output_lines(screen, [], some)
    assert screen.take(served) == pytest.approx(0.9, abs=1e-6)
    assert sum(one.slope for one in served) == pytest.approx(1.0, abs=1e-6)


def test_nothing_asked_or_nothing_removed_leaves_the_lines():
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    tied = Screen(network, SameBest(Best.MAX), np.ones((3, 2)))  # ties alone: nothing is asked
    some = lines_of(network, {"relu1"})
    tied.take(some)
    assert output_lines(tied, [], some) == some
    tied.take([])
    assert output_lines(tied, [], []) == []


@pytest.mark.parametrize("primal", [None, np.array([np.nan] * 5)])
def test_a_solver_that_fails_leaves_the_lines(monkeypatch, primal):
    class Lying:
        def solve(self, program, options):
            class Outcome:
                pass

            Outcome.primal = primal
            return Outcome()

    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    screen = Screen(network, Outputs(Fraction(1)), np.ones((3, 2)))
    some = lines_of(network, {"relu1"})
    screen.take(some)
    monkeypatch.setattr(relaxed, "Highs", Lying)
    assert output_lines(screen, [], some) == some


def test_no_program_is_solved_when_the_time_is_over(monkeypatch):
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    screen = Screen(network, Outputs(Fraction(1)), np.ones((3, 2)))
    some = lines_of(network, {"relu1"})
    monkeypatch.setattr(relaxed, "_SECONDS", -1.0)
    monkeypatch.setattr(relaxed, "Highs", lambda: pytest.fail("solved"))
    assert output_lines(screen, [], some) == some
