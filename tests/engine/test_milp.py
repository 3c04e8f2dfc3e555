import numpy as np
import pytest
from hypothesis import given, settings
from liars import LIES, Liar
from questions import met, question_of, questions, worst

from secateur.engine.bounds.neuron import Effort
from secateur.engine.milp import decide_by_milp
from secateur.engine.network import Network
from secateur.engine.verdict import Proved, Refuted, Unknown


def check(question, decision, trust=False):
    match decision.verdict:
        case Proved():
            assert not met(question)
            assert trust or not decision.trusted
        case Refuted(witnesses=(witness,)):
            assert worst(question, witness.point)
        case Unknown():
            assert decision.open
        case _:
            raise AssertionError(decision)


@pytest.mark.parametrize("trust", [False, True])
@settings(max_examples=30)
@given(question=questions())
def test_the_answer_is_the_oracle_s(trust, question):
    check(question, decide_by_milp(question, slopes=0, trust=trust), trust)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@settings(max_examples=8)
@given(question=questions())
def test_a_lying_solver_never_gets_a_wrong_verdict(lie, question):
    effort = Effort(solver=Liar(lie), programs=30)
    check(question, decide_by_milp(question, effort, slopes=0))


def wide(seed=5):
    generator = np.random.default_rng(seed)
    shapes = [(10, 2), (8, 10), (2, 8)]
    network = Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )
    values = network.evaluate(generator.uniform(-1, 1, (20_000, 2)))
    return network, values.min(axis=0), values.max(axis=0)


def test_several_cases_of_a_box_are_one_program_and_a_proof_is_not_the_solver_s():
    network, low, high = wide()

    def question(room):
        forms = [([1, 0], room - low[0]), ([0, 1], room - low[1]), ([-1, 0], room + high[0])]
        return question_of(network, ([-1, -1], [1, 1]), [[(*form, False)] for form in forms])

    proved = decide_by_milp(question(0.15))
    assert isinstance(proved.verdict, Proved)
    assert not proved.trusted
    trusted = decide_by_milp(question(0.15), trust=True)
    assert isinstance(trusted.verdict, Proved)
    assert trusted.trusted
    assert trusted.programs == 1
    assert proved.programs > 1
    refuted = decide_by_milp(question(-0.05))
    check(question(-0.05), refuted)
    assert isinstance(refuted.verdict, Refuted)


def test_past_the_deadline_nothing_is_known():
    network, low, _ = wide()
    question = question_of(network, ([-1, -1], [1, 1]), [[([1, 0], 0.01 - low[0], False)]])
    decision = decide_by_milp(question, Effort(deadline=1.0, clock=lambda: 2.0))
    assert decision.verdict == Unknown("time limit")
