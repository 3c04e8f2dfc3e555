"""Decisions against the truth: never wrong, seldom unknown, whatever the replayers say."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes, fractions
from questions import met, question_of, questions, worst
from strategies import boxes
from twins import twins

from secateur.engine.agreement import Best, same_best, within
from secateur.engine.answer import Effort
from secateur.engine.attack import ascend
from secateur.engine.bounder import Planes, Single, bounder
from secateur.engine.claim import Part
from secateur.engine.decide import decide
from secateur.engine.network import Network
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted, Unknown

EFFORT = Effort(boxes=300, workers=1)


class Honest:
    """Replays a network in float64 of its own; hidden tensors, too."""

    def __init__(self, network):
        self.network = network

    def outputs(self, points):
        return self.network.evaluate(points)

    def hidden(self, points, names):
        trace = self.network.trace(points)
        return {name: trace[name] for name in names}


class Elsewhere(Honest):
    """Gives other values."""

    def outputs(self, points):
        return -7.0 * super().outputs(points) + 3.0


class Nothing(Honest):
    """Gives no numbers."""

    def outputs(self, points):
        return np.full_like(super().outputs(points), np.nan)


class Infinite(Honest):
    """Gives infinities."""

    def outputs(self, points):
        return np.full_like(super().outputs(points), -np.inf)


class Refuses(Honest):
    """Takes no points."""

    def outputs(self, points):
        raise ValueError("no point of mine")


class Short(Honest):
    """Gives an output less."""

    def outputs(self, points):
        return super().outputs(points)[:, 1:]


LIARS = [Elsewhere, Nothing, Infinite, Refuses, Short]


def check(question, answer, undecided=None):
    """Compare an answer with the truth; count those that stay open."""
    match answer.verdict:
        case Proved():
            assert not met(question)
            assert answer.reach <= 0
        case Refuted(witnesses=(witness,)):
            assert worst(question, witness.point)
            values = question.values(witness.point)
            assert question.claim.holds(values)
        case Unknown(reason=reason):
            assert reason
            if undecided is not None:
                undecided.append(answer)


def test_the_answer_is_the_truth_and_seldom_missing():
    open_, asked = [], []

    @given(question=questions())
    @settings(max_examples=50, database=None)
    def every(question):
        asked.append(question)
        check(question, decide(question, EFFORT), open_)

    every()
    # Ties on a face of a region are beyond bounds rounded outward; all else is within reach.
    assert len(open_) <= 0.3 * len(asked)


@pytest.mark.parametrize("liar", LIARS)
@given(question=questions())
@settings(max_examples=12)
def test_what_a_replayer_says_never_makes_an_answer_wrong(liar, question):
    replayers = [liar(source.network) for source in question.sources]
    check(question, decide(question, replace(EFFORT, boxes=60), replayers))


@given(data=st.data())
@settings(max_examples=25)
def test_two_networks_and_a_distance_at_above_and_below_the_largest(data):
    f, g = data.draw(twins(depth=2, width=3))
    lower, upper = data.draw(boxes(2))
    region = Region.box(lower, upper)
    apart = ask(within(f, g, region, 0), [f, g])
    ends = extremes(apart.network, lower, upper, apart.network.output)
    largest = -min(least for least, _ in ends)  # a row is -|f - g| or so, scaled by 1
    assert largest >= 0
    step = largest / 2**45 + Fraction(1, 2**60)
    room = largest / 4 + Fraction(1, 8)
    for epsilon, holds in (
        (largest, True),
        (largest + step, True),
        (largest - step, False),
        (largest + room, True),
        (largest - room, False),
    ):
        if epsilon < 0:
            continue
        question = ask(within(f, g, region, epsilon), [f, g])
        answer = decide(question, EFFORT)
        assert isinstance(answer.verdict, Unknown | (Proved if holds else Refuted))
        check(question, answer)
        if epsilon == largest + room:
            assert isinstance(answer.verdict, Proved)


@pytest.mark.parametrize("best", [Best.MAX, Best.MIN])
@given(data=st.data())
@settings(max_examples=15)
def test_two_networks_and_their_best_output(best, data):
    f, g = data.draw(twins(depth=2, width=3, outputs=data.draw(st.integers(2, 3))))
    region = Region.box(*data.draw(boxes(2)))
    band = data.draw(st.sampled_from([Fraction(0), Fraction(1, 8), Fraction(2)]))
    question = ask(same_best(f, g, region, best, band), [f, g])
    check(question, decide(question, replace(EFFORT, boxes=100)))


@given(question=questions(), share=st.sampled_from([Fraction(1, 8), Fraction(1), Fraction(0)]))
@settings(max_examples=25)
def test_room_for_float_errors_is_left(question, share):
    """Proved with errors is proved with limits moved by them, as exact arithmetic sees it."""
    errors = np.full(question.rows, float(share))
    answer = decide(question, EFFORT, [Honest(question.sources[0].network)], errors)
    moved = replace(question, limits=tuple(limit + share for limit in question.limits))
    match answer.verdict:
        case Proved():
            assert not met(moved)
        case Refuted(witnesses=(witness,)):
            point, network = witness.floats, question.sources[0].network
            assert fractions(point) == list(witness.point)
            found = [*witness.point, *fractions(network.evaluate(point))]
            assert question.claim.holds(found)


@given(question=questions())
@settings(max_examples=10)
def test_with_unbounded_float_errors_or_no_replayer_nothing_is_said(question):
    endless = decide(question, EFFORT, (), np.full(question.rows, np.inf))
    assert isinstance(endless.verdict, Unknown)
    alone = decide(question, EFFORT, (), np.zeros(question.rows))
    assert not isinstance(alone.verdict, Refuted)


def wide(seed=5, inputs=2, width=14):
    generator = np.random.default_rng(seed)
    shapes = [(width, inputs), (width, width), (2, width)]
    return Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )


def least(network, row=0):
    """Return about the least of an output over [-1, 1]."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 400)] * 2), axis=-1).reshape(-1, 2)
    return float(network.evaluate(grid)[:, row].min())


def above(network, limit, strict=False):
    """Return the question whether the first output reaches a limit from above."""
    return question_of(network, ([-1, -1], [1, 1]), [[([1, 0], -Fraction(limit), strict)]])


def test_a_proof_takes_boxes_and_says_how_many():
    network = wide()
    answer = decide(above(network, least(network) - 0.01))
    assert isinstance(answer.verdict, Proved)
    assert answer.boxes > 1
    assert answer.verdict.boxes >= 1
    assert not answer.vacuous
    answer = decide(above(network, least(network) + 0.01))
    assert isinstance(answer.verdict, Refuted)
    assert answer.attained >= 0


def hard():
    """Return a question just beyond what an attack reaches: thousands of boxes to prove."""
    network = wide(inputs=6, width=40)
    box = [-1] * 6, [1] * 6
    lattice = Region.box(*box).lattice("float32")
    start = np.random.default_rng(0).uniform(-1, 1, (200, 6))
    first, down = np.zeros(200, np.int64), np.full(200, -1.0)
    _, height = ascend(network, network.output, first, down, start, lattice, 100)
    reached = -Fraction(float(height.max()))
    return question_of(network, box, [[([1, 0], Fraction(1, 64) - reached, False)]])


def test_a_budget_of_boxes_is_kept_and_leaves_bounds():
    answer = decide(hard(), Effort(boxes=40))
    assert answer.verdict == Unknown("the number of boxes")
    assert 40 <= answer.boxes < 40 + 64
    assert -1 < answer.attained < 0 < answer.reach
    assert decide(hard(), Effort(boxes=0)).verdict == Unknown("the number of boxes")


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9])
def test_past_its_deadline_it_says_so(seconds):
    network = wide()
    answer = decide(above(network, least(network) - 1e-6), Effort(seconds=seconds))
    assert isinstance(answer.verdict, Unknown)
    assert answer.verdict.reason.startswith("the time limit")


def test_a_short_deadline_is_met():
    answer = decide(hard(), Effort(seconds=0.1))
    assert answer.verdict == Unknown("the time limit")
    assert 0.1 <= answer.seconds < 3
    assert -1 < answer.attained < 0 < answer.reach


@pytest.mark.parametrize("seed", [0, 3])
def test_a_seed_gives_one_answer(seed):
    question = hard()
    effort = Effort(boxes=400, seed=seed)
    first, second = decide(question, effort), decide(question, replace(effort, workers=1))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert isinstance(first.verdict, Unknown)


def test_no_input_makes_a_vacuous_proof():
    network = wide()
    question = question_of(network, ([1, 0], [-1, 0]), [[([1, 0], 0, False)]])
    answer = decide(question)
    assert isinstance(answer.verdict, Proved)
    assert answer.vacuous
    assert decide(question, Effort(seconds=0.0)).vacuous


def test_a_claim_about_inputs_alone_has_any_of_them_as_counterexample():
    network = wide()
    question = question_of(network, ([-1, Fraction(1, 3)], [1, Fraction(1, 3)]), [[]])
    answer = decide(question, EFFORT)
    assert isinstance(answer.verdict, Refuted)
    assert answer.verdict.witnesses[0].point[1] == Fraction(1, 3)  # no float is


def test_every_case_counts_in_its_own_box():
    network = wide(width=4)
    low = least(network)
    impossible, easy = ([1, 0], 1 - Fraction(low), False), ([1, 0], -(10**6), False)
    halves = [([-1, -1], [0, 1]), ([0, -1], [1, 1])]
    for cases, kind in (
        ([[impossible], [impossible]], Proved),
        ([[impossible], [easy]], Refuted),
        ([[easy], [impossible]], Refuted),
    ):
        question = question_of(network, halves[0], cases, halves)
        answer = decide(question)
        assert isinstance(answer.verdict, kind)
        check(question, answer)


def test_bounds_that_are_no_numbers_prove_nothing(monkeypatch):
    network = wide()
    question = above(network, least(network) - 0.01)
    bound = Single.bound

    def broken(self, *args):
        planes = bound(self, *args)
        planes.low[:] = np.nan
        planes.base[:] = -np.inf
        return planes

    monkeypatch.setattr(Single, "bound", broken)
    assert isinstance(bounder(question, 1), Single)
    answer = decide(question, Effort(boxes=20))
    assert isinstance(answer.verdict, Unknown)


@pytest.mark.parametrize("strict", [False, True])
def test_a_bound_at_the_limit_settles_a_strict_inequality_alone(strict, monkeypatch):
    network = Network.dense([np.zeros((1, 1))], [np.ones(1)])
    question = question_of(network, ([0], [1]), [[([1], -1, strict)]])
    assert question.limits == (0,)

    def bound(self, lower, upper, stable, wanted, cut, pool):
        there = np.zeros(wanted.shape)  # the row's value everywhere
        rest = (np.zeros((*wanted.shape, 1)),) * 2
        return Planes(there, there, *rest, np.zeros(len(lower), np.bool_), rest[0][:, 0])

    monkeypatch.setattr(Single, "bound", bound)
    answer = decide(question, EFFORT)
    assert isinstance(answer.verdict, Proved if strict else Refuted)


def test_a_counterexample_that_only_floats_lose_is_still_one():
    """The runtime rounds the tie away; the exact point is a counterexample and says so."""
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    question = question_of(network, ([0], [1]), [[([1], 0, False)]])

    class Rounds(Honest):
        def outputs(self, points):
            return super().outputs(points) + 1e-9

    answer = decide(question, Effort(boxes=200), [Rounds(network)])
    assert isinstance(answer.verdict, Refuted)
    assert answer.note
    assert worst(question, answer.verdict.witnesses[0].point)


def test_a_point_on_an_open_side_is_no_counterexample():
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    question = question_of(network, ([0], [1]), [[([1], 0, False)]])
    (case,) = question.alternatives
    shut = replace(question, alternatives=(replace(case, open_sides=((0, False),)),))
    assert isinstance(decide(question, EFFORT).verdict, Refuted)
    assert not isinstance(decide(shut, EFFORT).verdict, Refuted)


def test_hidden_tensors_are_replayed_as_well():
    network = wide(width=3)
    claim = question_of(network, ([-1, -1], [1, 1]), [[([1, 0], -1000, False)]]).claim
    last = claim.tensors[-1]
    node = network.piecewise[0]
    size = node.size
    hidden = replace(
        last, name="H", part=Part.HIDDEN, shape=(size,), first=claim.size, node=node.name
    )
    question = ask(replace(claim, tensors=(*claim.tensors, hidden)), [network])
    answer = decide(question, EFFORT, [Honest(network)])
    assert isinstance(answer.verdict, Refuted)
    assert answer.verdict.witnesses[0].runtime is not None

    class Broken(Honest):
        def hidden(self, points, names):
            raise ValueError("no such tensor")

    assert isinstance(decide(question, EFFORT, [Broken(network)]).verdict, Refuted)
