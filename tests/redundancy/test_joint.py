"""What is not proved is not removed, whatever the search answers and however it ends."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest

from secateur.engine.agreement import Best
from secateur.engine.answer import INTERRUPTED, Answer
from secateur.engine.answer import Effort as Search
from secateur.engine.decide import decide
from secateur.engine.network import Network, State
from secateur.engine.region import Region
from secateur.engine.verdict import Method, Proved, Refuted, Unknown
from secateur.engine.witness import Witness
from secateur.redundancy import joint as module
from secateur.redundancy.aim import Aim
from secateur.redundancy.bisect import Tried
from secateur.redundancy.choice import greedy
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.joint import Joint
from secateur.redundancy.leading import leading
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.redundancy.removal import Kind, Removal, without
from secateur.redundancy.screen import Screen

REGION = Region.box([-1.0] * 4, [1.0] * 4)
WEIGHTS = np.array([0.25, 0.25, 0.25, 8.0])
EFFORT = Effort(seconds=20.0, samples=500, starts=8, climbs=10, boxes=2000, programs=20, workers=1)


def network():
    """Return four neurons with an input each; three can be zero together within 1, one cannot."""
    return Network.dense([np.eye(4), WEIGHTS[None]], [np.zeros(4), np.zeros(1)])


def joined(guarantee=None, net=None, region=REGION, points=None):
    net, guarantee = net or network(), guarantee or Outputs(Fraction(1))
    some = np.zeros((1, net.size_in)) if points is None else points
    screen = Screen(net, guarantee, some)
    return Joint(net, region, guarantee, screen, Fraction(0), Search(workers=1))


def zeros(count=4, layer="relu1"):
    return [Removal(layer, at, State.ZERO, Kind.FORWARD) for at in range(count)]


def soon(seconds=20.0):
    return time.monotonic() + seconds


def answering(monkeypatch, verdicts):
    """Let the search answer what a function of the question and the effort says."""
    asked = []

    def answer(question, effort):
        asked.append((question, effort))
        return Answer(verdicts(question, effort))

    monkeypatch.setattr(module, "decide", answer)
    monkeypatch.setattr(module, "bisect", answer)
    return asked


def point(values):
    exact = tuple(Fraction(value) for value in values)
    return Witness(exact, Fraction(0))


def test_the_set_is_corrected_by_counterexamples_until_it_holds():
    joint = joined()
    # At the only point that is seen nothing moves, so that all are tried at first.
    assert joint.extend(zeros(), greedy, soon()) == 3
    assert sorted(one.neuron for one in joint.proved) == [0, 1, 2]
    assert isinstance(joint.answer.verdict, Proved)
    assert joint.tries >= 2
    assert len(joint.screen.points) > 1
    assert joint.screen.removals == joint.proved
    # What is proved stays when more is tried.
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert len(joint.proved) == 3


def test_unknown_removes_nothing(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown("trouble"))
    joint = joined()
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert joint.proved == ()
    assert joint.answer is None
    assert joint.tries == len(asked)


@pytest.mark.parametrize("guarantee", [Outputs(Fraction(1)), SameBest(Best.MAX)])
def test_a_plan_of_unknowns_is_that_of_the_phases(monkeypatch, guarantee):
    answering(monkeypatch, lambda *_: Unknown("trouble"))
    weights = [np.eye(4), np.array([[0.25, 0.25, 0.25, 8.0], [0.0, 0.0, 0.0, -8.0]])]
    net = Network.dense(weights, [np.array([0.0, -2.0, 0.0, 0.0]), np.zeros(2)])
    plan = simplify(net, REGION, EFFORT, aim=Aim(guarantee))
    assert not plan.removals
    assert plan.answer is None
    assert plan.fold.exact
    assert "equals the original" in plan.guarantee
    assert plan.steps[0].removed == 1
    assert not any(tally.removed for tally in plan.steps[1:])


def test_a_refuted_set_is_not_accepted_and_its_point_is_learned(monkeypatch):
    asked = answering(
        monkeypatch, lambda *_: Refuted((point([0.0, 0.0, 0.0, 1.0]),), Method.ATTACK)
    )
    joint = joined()
    # The point refutes what has the fourth neuron; a liar refutes everything else with it as well.
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert (joint.screen.points == [0.0, 0.0, 0.0, 1.0]).all(axis=1).any()
    assert len(asked) < 20


def test_a_counterexample_that_the_screen_cannot_see_ends(monkeypatch):
    """A lead below rounding is no concern of the screen, and yet a claim may fail there."""
    weights = [np.eye(2), np.array([[1.0, 1e-3], [1.0, 0.0]])]
    net = Network.dense(weights, [np.zeros(2), np.array([1e-12, 0.0])])
    region = Region.box([-1.0, -1.0], [1.0, 1.0])
    answering(monkeypatch, lambda *_: Refuted((point([0.0, 0.0]),), Method.ATTACK))
    joint = joined(SameBest(Best.MAX), net, region, np.zeros((1, 2)))
    begun = time.monotonic()
    assert joint.extend(zeros(2), greedy, math.inf) == 0
    assert time.monotonic() - begun < 10.0


def test_what_is_proved_stays_when_time_runs_out(monkeypatch):
    def slow(question, effort):
        answer = decide(question, effort)
        if joint.proved:  # from the second set on, no time is left
            return Unknown("the time limit")
        return answer.verdict

    answering(monkeypatch, slow)
    joint = joined()
    assert joint.extend(zeros(2), greedy, soon()) == 2
    assert joint.extend(zeros(3), greedy, soon()) == 0
    assert [one.neuron for one in joint.proved] == [0, 1]
    assert joint.extend(zeros(4), greedy, time.monotonic() - 1.0) == 0
    assert [one.neuron for one in joint.proved] == [0, 1]


def test_large_sets_that_take_too_long_are_tried_in_parts(monkeypatch):
    sizes = []

    def only_small(question, effort):
        sizes.append(count_removed(question))
        return decide(question, effort).verdict if sizes[-1] <= 2 else Unknown("the time limit")

    def count_removed(question):
        after = question.sources[1].network
        return sum(int((n.layer.state != State.RELU).sum()) for n in after.piecewise)

    answering(monkeypatch, only_small)
    joint = joined()
    assert joint.extend(zeros(3), greedy, soon()) == 2
    assert sizes[0] == 3
    assert sizes[1] == 1


def test_a_part_of_a_set_is_judged_before_it_is_tried(monkeypatch):
    """Together two removals cancel out; one alone breaks the tolerance at a point that is seen."""
    weights = [np.eye(2), np.array([[4.0, -4.0]])]
    net = Network.dense(weights, [np.zeros(2), np.zeros(1)])
    region = Region.box([0.5, 0.5], [1.0, 1.0])
    asked = answering(monkeypatch, lambda *_: Unknown("the time limit"))
    joint = joined(Outputs(Fraction(1)), net, region, np.ones((1, 2)))
    assert joint.extend(zeros(2), lambda _, pool: list(pool), math.inf) == 0
    assert len(asked) == 1  # of both; either alone is seen to break


def test_an_interruption_ends_all_further_tries(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown(INTERRUPTED))
    joint = joined()
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert len(asked) == 1


def test_the_search_is_given_a_share_of_the_time_and_the_seed(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown("the time limit"))
    joint = joined()
    joint.effort = Search(seed=5, workers=1)
    joint.extend(zeros(1), greedy, soon(8.0))
    assert asked[0][1].seed == 5
    assert asked[0][1].workers == 1
    assert asked[0][1].seconds == pytest.approx(2.0, abs=0.5)


def test_what_is_asked_is_the_whole_set_against_the_original(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown("the time limit"))
    joint = joined()
    joint.proved = tuple(zeros(1))
    joint.prove([*joint.proved, zeros(2)[1]], math.inf)
    first, second = (source.network for source in asked[0][0].sources)
    assert (first.evaluate(np.eye(4)) == joint.network.evaluate(np.eye(4))).all()
    expected = without(joint.network, zeros(2)).evaluate(np.eye(4))
    assert (second.evaluate(np.eye(4)) == expected).all()


def test_no_candidates_need_no_proof():
    joint = joined()
    assert joint.extend([], greedy, soon()) == 0
    assert joint.tries == 0


def test_after_some_sets_without_a_proof_a_step_ends(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown("the time limit"))
    joint = joined()
    joint.patience = 2
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert len(asked) == 2
    assert joint.extend(zeros(), greedy, soon()) == 0
    assert len(asked) == 4


def test_a_proof_lets_a_step_go_on(monkeypatch):
    def only_alone(question, effort):
        return decide(question, effort).verdict if len(asked) > 1 else Unknown("the time limit")

    asked = answering(monkeypatch, only_alone)
    joint = joined()
    joint.patience = 2
    assert joint.extend(zeros(3), greedy, soon()) == 3


def test_where_time_is_short_work_is_counted_in_boxes_and_small_sets_get_fewer(monkeypatch):
    asked = answering(monkeypatch, lambda *_: Unknown("the number of boxes"))
    joint = joined()
    joint.prove(zeros(4), soon(1.0))
    joint.prove(zeros(1), soon(1.0))
    many, one = (effort for _, effort in asked)
    assert (many.boxes, one.boxes) == (module.BOXES / 2, module.BOXES / 4)
    assert many.seconds == pytest.approx(1.0, abs=0.2)


def test_those_that_hindered_a_proof_least_are_tried_next(monkeypatch):
    tried = []

    def all_but_the_third(question, effort):
        state = question.sources[1].network.piecewise[0].layer.state
        gone = np.flatnonzero(state != State.RELU).tolist()
        tried.append(gone)
        if 2 not in gone:
            return decide(question, effort)
        # The four inputs come before the neurons; on all boxes left the third one is in doubt.
        doubts = {4 + at: np.array([at == 2, at == 2, at > 0]) for at in gone}
        return Tried(Unknown("too few boxes close"), doubts=doubts)

    monkeypatch.setattr(module, "bisect", all_but_the_third)
    joint = joined(Outputs(Fraction(20)))
    assert joint.extend(zeros(), greedy, soon(1.0)) == 3
    assert sorted(one.neuron for one in joint.proved) == [0, 1, 3]
    assert tried[0] == [0, 1, 2, 3]
    assert len(tried[1]) == 1
    assert tried[1] != [2]


def test_what_keeps_its_sign_where_outputs_tie_is_tried_alone_where_patience_ends(monkeypatch):
    """Output 0 leads where x0 > 0; relu(x0 - 0.5) is in doubt away from there, relu(x1) there."""
    rows = [[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    net = Network.dense(
        [np.array(rows), np.array([[1.0, -1.0, 1.0, 1.0], [0.0] * 4])],
        [np.array([0.0, 0.0, -0.5, 0.0]), np.zeros(2)],
    )
    square, guarantee = Region.box([-1.0] * 2, [1.0] * 2), SameBest(Best.MAX)
    asked = answering(monkeypatch, lambda *_: Unknown("no luck"))
    for patience, others in ((2.0, 0), (math.inf, 1)):
        joint = joined(guarantee, net, square, np.array([[1.0, -1.0]]))
        joint.leading = leading(net, square, guarantee, Fraction(0))
        joint.patience = patience
        joint.extend(zeros(4)[2:], greedy, soon())
        assert [one.neuron for one in joint.proved] == [2]
        assert isinstance(joint.answer.verdict, Proved)
        assert len(asked) == others
