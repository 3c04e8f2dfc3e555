"""Cost laws: powers as stated, choices that follow them, and answers that no choice changes."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine import cost
from secateur.engine import decide as deciding
from secateur.engine.agreement import within
from secateur.engine.answer import Effort
from secateur.engine.cost import BISECTED, Choice, Figures, Law, Way, boxes_or_phases, few
from secateur.engine.cost_table import LAWS, SHARED, YARDSTICK
from secateur.engine.decide import decide
from secateur.engine.network import Network
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted, Unknown

figures = st.builds(
    Figures,
    inputs=st.integers(1, 800),
    neurons=st.integers(1, 5000),
    weights=st.integers(1, 10**7),
    unstable=st.integers(0, 5000),
    tight=st.floats(1.0, 1e3),
    workers=st.integers(1, 64),
    cases=st.integers(1, 100),
)


def test_a_law_is_a_product_of_powers():
    law = Law(math.log(3.0), {"inputs": 2.0, "weights": -1.0}, 1.5, 10)
    assert math.isclose(law.at(Figures(4, 1, 8, 1)), 3.0 * 16 / 8)
    assert law.at(Figures(0, 0, 0, 0)) == law.at(Figures(1, 1, 1, 1))


def test_the_table_has_what_is_asked_of_it():
    for way in Way:
        for of in ("seconds", "bytes"):
            assert cost.law(way, of).spread >= 1.0
    for way in (Way.BOXES, Way.PHASES):
        for of in ("count", "settle"):
            assert cost.law(way, of).runs >= 20
    assert 0.0 <= SHARED <= 1.0
    assert YARDSTICK > 0.0
    names = {name for _, powers, *_ in LAWS.values() for name in powers}
    assert names <= set(Figures(1, 1, 1, 1).named)


@given(figures)
def test_every_estimate_is_a_positive_number(one):
    for way in Way:
        found = cost.once(way, one)
        assert 0.0 < found.seconds < math.inf
        assert 0.0 < found.memory < math.inf
    for way in (Way.BOXES, Way.PHASES):
        found = cost.searched(way, one)
        assert found.count >= 1.0
        assert found.seconds > 0.0


@given(figures)
def test_the_choice_leaves_the_rule_by_inputs_only_beyond_the_spread(one):
    choice = boxes_or_phases(one)
    alone = replace(one, workers=1)
    boxes, phases = cost.searched(Way.BOXES, alone), cost.searched(Way.PHASES, alone)
    doubt = math.exp(math.hypot(math.log(boxes.spread), math.log(phases.spread)))
    ratio = phases.seconds / boxes.seconds
    if choice.chosen is not few(one):
        quicker = ratio if choice.chosen is Way.BOXES else 1.0 / ratio
        assert quicker > doubt
    elif 1.0 / doubt <= ratio <= doubt:
        assert (one.inputs <= BISECTED) == (choice.chosen is Way.BOXES)
    assert choice.why


def test_more_cases_speak_for_boxes():
    one = Figures(12, 200, 10_000, 50, 4.0)
    ratio = [
        found.of(Way.PHASES).seconds / found.of(Way.BOXES).seconds
        for found in (boxes_or_phases(one), boxes_or_phases(replace(one, cases=4)))
    ]
    assert ratio[0] < ratio[1]


@given(figures, st.integers(1, 64))
def test_the_number_of_workers_changes_no_choice(one, workers):
    assert boxes_or_phases(one).chosen is boxes_or_phases(replace(one, workers=workers)).chosen


def drawn(seed, inputs=3, share=Fraction(1, 2)):
    """Return whether an output that varies stays within a share of the distance it reaches."""
    rng = np.random.default_rng(seed)
    sizes = [inputs, 6, 6, 1]
    pair = [
        Network.dense(
            [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)],
            [rng.normal(size=b) for b in sizes[1:]],
        )
        for _ in range(2)
    ]
    # Two networks of other shapes, so that no bounds of their difference take part.
    wide = Network.dense(
        [rng.normal(size=(5, inputs)), rng.normal(size=(1, 5))], [np.zeros(5), np.zeros(1)]
    )
    region = Region.box([-1.0] * inputs, [1.0] * inputs)
    points = rng.uniform(-1, 1, (4000, inputs))
    far = np.abs(pair[0].evaluate(points) - wide.evaluate(points)).max()
    epsilon = Fraction(float(far)) * share
    return ask(within(pair[0], wide, region, epsilon), [pair[0], wide])


@pytest.mark.parametrize("way", [Way.BOXES, Way.PHASES])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([Fraction(3, 4), Fraction(5, 4), 2]))
def test_no_choice_changes_an_answer(way, seed, share):
    question = drawn(seed, share=Fraction(share))
    usual = decide(question, Effort(workers=1))
    with pytest.MonkeyPatch.context() as patch:
        real = boxes_or_phases

        def other(one):
            return replace(real(one), chosen=way)

        patch.setattr(deciding, "boxes_or_phases", other)
        forced = decide(question, Effort(workers=1))
    assert type(forced.verdict) is type(usual.verdict)
    assert not isinstance(usual.verdict, Unknown)
    if forced.choice is not None:
        assert forced.choice.chosen is way
    if share < 1:
        assert isinstance(usual.verdict, Refuted)


def test_a_way_that_does_not_settle_leaves_it_to_the_other(monkeypatch):
    """Whatever goes first gets a few leaves or boxes; the answer is there all the same."""
    question = drawn(7, share=Fraction(5, 4))

    def short(way):
        def chosen(one):
            choice = boxes_or_phases(one)
            few_ = tuple(replace(each, count=0.25) for each in choice.others)
            return Choice(one, way, few_, "for a test")

        return chosen

    for way in (Way.PHASES, Way.BOXES):
        monkeypatch.setattr(deciding, "boxes_or_phases", short(way))
        monkeypatch.setattr(deciding, "few", lambda one, way=way: _other(way))
        found = decide(question, Effort(workers=1))
        assert isinstance(found.verdict, Proved)
        assert found.choice is not None


def _other(way):
    return Way.PHASES if way is Way.BOXES else Way.BOXES


def test_the_pace_is_a_positive_number():
    assert 0.0 < cost.pace(1) < math.inf
