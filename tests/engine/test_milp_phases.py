import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from liars import LIES, Liar
from questions import met, question_of, questions, worst

from secateur.engine import milp_phases
from secateur.engine.bounds.neuron import Effort
from secateur.engine.milp_phases import decide_by_phases
from secateur.engine.network import Network
from secateur.engine.verdict import Method, Proved, Refuted, Unknown


def check(question, decision):
    truth = met(question)
    match decision.verdict:
        case Proved():
            assert not truth
            assert not decision.open
        case Refuted(witnesses=(witness,)):
            assert truth
            assert worst(question, witness.point)
            assert witness.value <= 0
        case Unknown():
            assert decision.open
        case _:
            raise AssertionError(decision)


@pytest.mark.parametrize("by_programs", [False, True])
@settings(max_examples=60)
@given(question=questions())
def test_the_answer_is_the_oracle_s(by_programs, question):
    check(question, decide_by_phases(question, slopes=0, by_programs=by_programs))


@settings(max_examples=30)
@given(questions(width=7, relus=9))
def test_wider_networks_too(question):
    check(question, decide_by_phases(question, slopes=0))


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@settings(max_examples=15)
@given(question=questions())
def test_a_lying_solver_never_gets_a_wrong_verdict(lie, question):
    effort = Effort(solver=Liar(lie), programs=40)
    check(question, decide_by_phases(question, effort, slopes=0, by_programs=True))


@settings(max_examples=30)
@given(st.data(), questions())
def test_some_alternatives_alone_can_be_asked_for(data, question):
    assume(question.alternatives)
    which = data.draw(st.lists(st.integers(0, len(question.alternatives) - 1), unique=True))
    decision = decide_by_phases(question, which=which)
    part = replace(question, alternatives=tuple(question.alternatives[at] for at in which))
    if isinstance(decision.verdict, Unknown):
        assert set(decision.open) <= set(which)
    else:
        assert isinstance(decision.verdict, Refuted) == met(part)


def hard(rows=1, seed=3):
    """A question of one output that takes many leaves, and its threshold."""
    generator = np.random.default_rng(seed)
    shapes = [(12, 3), (12, 12), (2, 12)]
    network = Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )
    values = network.evaluate(np.clip(generator.uniform(-1.5, 1.5, (20_000, 3)), -1, 1))
    least = (values[:, 0] if rows == 1 else values.max(axis=1)).min()

    def at(limit):
        forms = [([1, 0], -limit, False), ([0, 1], -limit, False)][:rows]
        return question_of(network, ([-1] * 3, [1] * 3), [forms])

    return at, float(least)


@pytest.mark.parametrize("by_programs", [False, True])
@pytest.mark.parametrize("rows", [1, 2])
def test_rows_are_decided_on_both_sides_of_their_threshold(rows, by_programs):
    at, least = hard(rows)
    proved = decide_by_phases(at(least - 0.3), by_programs=by_programs)
    assert proved.verdict == Proved(Method.MILP)
    assert proved.programs > 1 or not by_programs
    refuted = decide_by_phases(at(least + 0.05), by_programs=by_programs)
    assert isinstance(refuted.verdict, Refuted)
    assert worst(at(least + 0.05), refuted.verdict.witnesses[0].point)


def test_the_deadline_and_the_number_of_programs_are_kept():
    at, least = hard()
    question = at(least - 1e-3)
    few = decide_by_phases(question, Effort(programs=5), slopes=0, by_programs=True)
    assert isinstance(few.verdict, Unknown)
    assert few.open == (0,)
    assert few.programs <= 7
    assert isinstance(decide_by_phases(question, Effort(programs=5), slopes=0).verdict, Unknown)
    late = decide_by_phases(question, Effort(deadline=1.0, clock=lambda: 2.0))
    assert late.verdict == Unknown("time limit")
    began = time.monotonic()
    decide_by_phases(question, Effort(deadline=began + 0.3), slopes=0)
    assert time.monotonic() < began + 2.0


def test_a_tie_of_strict_rows_at_the_threshold_is_proved_and_of_loose_ones_refuted():
    network = Network.dense([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    box = [Fraction(-1, 3)], [Fraction(2, 3)]
    top = Fraction(2, 3)
    for slope, limit in ((1, Fraction(0)), (-1, -top)):
        strict = question_of(network, box, [[([slope], -limit, True)]])
        loose = question_of(network, box, [[([slope], -limit, False)]])
        assert met(loose)
        assert not met(strict)
        check(strict, decide_by_phases(strict))
        check(loose, decide_by_phases(loose))
    assert isinstance(decide_by_phases(loose).verdict, Refuted)


def test_a_case_without_rows_is_met_anywhere_in_its_box():
    network = Network.dense([[[1.0]]], [[0.0]])
    question = question_of(network, ([Fraction(1, 3)], [Fraction(1, 3)]), [[]])
    decision = decide_by_phases(question)
    assert isinstance(decision.verdict, Refuted)
    assert decision.verdict.witnesses[0].point == (Fraction(1, 3),)


def test_no_alternatives_are_proved():
    network = Network.dense([[[1.0]]], [[0.0]])
    question = question_of(network, ([1], [0]), [[([1], 0, False)]])
    assert question.vacuous
    assert isinstance(decide_by_phases(question).verdict, Proved)


def test_values_too_large_for_floats_stay_unknown():
    network = Network.dense([[[1e200]], [[1e200]], [[1.0]]], [[0.0], [1.0], [0.0]])
    question = question_of(network, ([-1], [1]), [[([1], -(10**300), False), ([-1], 10, False)]])
    assert isinstance(decide_by_phases(question).verdict, Unknown | Refuted)


@settings(max_examples=25)
@given(question=questions(), cuts=st.integers(2, 4))
def test_bounds_from_parts_change_no_answer(question, cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milp_phases, "PARTS", {1: cuts, 32: cuts + 1})
        check(question, decide_by_phases(question, slopes=0))


def test_bounds_from_parts_leave_fewer_programs(monkeypatch):
    at, least = hard()
    question, spent = at(least - 0.3), []
    for parts in ({}, {1: 4}):
        monkeypatch.setattr(milp_phases, "PARTS", parts)
        decision = decide_by_phases(question, slopes=0)
        assert decision.verdict == Proved(Method.MILP)
        spent.append(decision.programs)
    assert spent[1] < spent[0]
