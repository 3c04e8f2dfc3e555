"""Sets are proved where they hold alone, and candidates held where they keep their signs alone."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, points

from secateur.engine.agreement import Best
from secateur.engine.answer import Effort
from secateur.engine.bounds.leaders import give_up
from secateur.engine.network import Network, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Method, Proved, Refuted, Unknown
from secateur.redundancy import leading as module
from secateur.redundancy.bisect import bisect
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.leading import leading
from secateur.redundancy.removal import Kind, Removal, line, without

SQUARE = Region.box([-1.0] * 2, [1.0] * 2)


def flat(network):
    """Return each neuron as zero and as the identity."""
    return [
        Removal(node.name, at, state, Kind.RESULT)
        for node in network.piecewise
        for at in range(node.size)
        for state in (State.ZERO, State.IDENTITY)
    ]


def some_of(data, held):
    """Return some removals of which no two are of one neuron."""
    chosen = data.draw(st.lists(st.sampled_from(held), unique_by=lambda one: one.place, min_size=1))
    return sorted(chosen, key=lambda one: one.place)


def drawn(data):
    network = data.draw(dense_networks(outputs=data.draw(st.integers(2, 3))))
    region = Region.box(*data.draw(boxes(network.size_in)))
    assume(network.piecewise and not region.is_point)
    best = data.draw(st.sampled_from(Best))
    band = data.draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(1, 3)]))
    room = data.draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(1, 10)]))
    return network, region, SameBest(best, band), room


def tie(row=(0.0, 1.0), corner=0.0):
    """Return a network whose first output leads where x0 > 0, and grows by relu(row x - corner)."""
    weights = [[[1.0, 0.0], [-1.0, 0.0], row], [[1.0, -1.0, 1.0], [0.0, 0.0, 0.0]]]
    return Network.dense(weights, [[0.0, 0.0, -corner], [0.0, 0.0]])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_proved_holds(data):
    network, region, guarantee, room = drawn(data)
    parted = leading(network, region, guarantee, room)
    held = parted.part(flat(network), 200, math.inf)
    assume(held)
    removals = some_of(data, held)
    if not parted.equal and data.draw(st.booleans()):
        first = removals[0]
        away = Removal(first.layer, first.neuron, State.LINEAR, Kind.RELAXED, *line(-1.0, 2.0))
        removals = [away, *removals[1:]]
    answer = parted.prove(removals, 200, math.inf)
    assume(isinstance(answer.verdict, Proved))
    after = without(network, removals)
    claim = guarantee.claim(network, after, region, room)
    other = bisect(ask(claim, [network, after]), Effort(boxes=100, workers=1))
    assert not isinstance(other.verdict, Refuted)
    seen = data.draw(points((region.lower, region.upper)))
    one, two = (net.evaluate(seen.tolist(), exact=True) for net in (network, after))
    assert not any(guarantee.broken(f, g) for f, g in zip(one, two, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_output_leads_on_a_part_and_signs_hold_beside_all_parts(data):
    network, region, guarantee, room = drawn(data)
    parted = leading(network, region, guarantee, room)
    candidates = flat(network)
    held = parted.part(candidates, 100, math.inf)
    sign = 1 if guarantee.best is Best.MAX else -1
    trace = network.trace_exact(
        np.array(
            [
                [Fraction(value) for value in row]
                for row in data.draw(points((region.lower, region.upper), 12)).tolist()
            ],
            dtype=object,
        )
    )
    seen, outputs = trace[network.input.name].fractions(), trace[network.output].fractions()
    for at, row in enumerate(seen):
        signed = [sign * value for value in outputs[at]]
        first = max(range(len(signed)), key=signed.__getitem__)
        lead = signed[first] - max(signed[:first] + signed[first + 1 :])
        if lead <= guarantee.band:  # nothing is asked
            continue
        lower, upper = parted._parts.lower <= row, row <= parted._parts.upper
        inside = np.flatnonzero((lower & upper).all(axis=1))
        assert all(parted._parts.leader[part] == first for part in inside)
        if inside.size or not held:
            continue
        assert parted.equal
        for one in held:
            z = trace[network.by_name[one.layer].sources[0]].fractions()[at][one.neuron]
            assert z <= 0 if one.state == State.ZERO else z >= 0


def test_a_neuron_that_changes_its_sign_where_outputs_tie_is_given_up():
    network = tie()
    kink = Removal("relu1", 2, State.ZERO, Kind.RESULT)
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(0))
    assert parted.part([kink], 500, math.inf) == []
    assert not parted.covers([kink])
    with pytest.raises(AssertionError, match="this set needs"):
        parted.prove([kink], 500, math.inf)


def test_a_neuron_that_keeps_its_sign_there_is_removed():
    network = tie(row=(1.0, 0.0), corner=0.5)
    kink = Removal("relu1", 2, State.ZERO, Kind.RESULT)
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(0))
    assert parted.part([kink], 500, math.inf) == [kink]
    assert isinstance(parted.prove([kink], 500, math.inf).verdict, Proved)


def test_one_output_that_leads_everywhere_needs_one_box():
    network = Network.dense([np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]])], [[0, 0], [9.0, 0]])
    removals = [Removal("relu1", at, State.IDENTITY, Kind.RESULT) for at in range(2)]
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(1, 10))
    assert parted.part(removals, 500, math.inf) == removals
    answer = parted.prove(removals, 500, math.inf)
    assert answer.verdict == Proved(Method.LINEAR)
    assert parted.boxes == 2


def test_a_set_that_lets_another_output_pass_hinders_itself():
    weights = [np.eye(2), np.array([[-4.0, 0.0], [0.0, 1.0]])]
    network = Network.dense(weights, [[-0.5, 0.0], [2.5, 0.0]])
    bad = Removal("relu1", 0, State.IDENTITY, Kind.RESULT)  # the first output leads all the more
    passed = Removal("relu1", 1, State.IDENTITY, Kind.RESULT)
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(0))
    held = parted.part([bad, passed], 2000, math.inf)
    assert bad in held
    assert isinstance(parted.prove(held, 2000, math.inf).verdict, Proved)
    worse = Network.dense([[[1.0, 0.0]], [[4.0], [0.0]]], [[-0.5], [-1.0, 0.0]])
    zero = Removal("relu1", 0, State.ZERO, Kind.RESULT)
    parted = leading(worse, SQUARE, SameBest(Best.MAX), Fraction(0))
    assert parted.part([zero], 2000, math.inf) == []  # it leads where the neuron is above 0.25


def test_what_cannot_be_settled_is_named_with_a_point():
    network = Network.dense([[[1.0, 0.0]], [[1.0], [0.0]]], [[0.0], [0.5, 0.0]])
    low = Removal("relu1", 0, State.IDENTITY, Kind.RESULT)  # the second output passes below -0.5
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(0))
    assert parted.part([low], 500, math.inf) == [low]
    answer = parted.prove([low], 500, math.inf)
    assert isinstance(answer.verdict, Unknown)
    assert answer.hindering == (low,)
    assert SQUARE.lower[0] <= answer.point[0] <= 0.0


def test_a_deadline_gives_up_what_is_open():
    parted = leading(tie(), SQUARE, SameBest(Best.MAX), Fraction(0))
    assert parted.part(flat(tie()), 500, -math.inf) == []
    network = Network.dense([[[1.0, 0.0]], [[1.0], [0.0]]], [[0.0], [0.5, 0.0]])
    parted = leading(network, SQUARE, SameBest(Best.MAX), Fraction(0))
    held = parted.part(flat(network), 500, math.inf)
    assert isinstance(parted.prove(held[:1], 500, -math.inf).verdict, Unknown)


def test_results_do_not_hang_on_the_size_of_a_step(monkeypatch):
    rng = np.random.default_rng(3)
    shapes = [(12, 3), (12, 12), (3, 12)]
    network = Network.dense([rng.normal(size=s) for s in shapes], [np.zeros(s[0]) for s in shapes])
    region = Region.box([-1.0] * 3, [1.0] * 3)
    found = []
    for together in (7, 256):
        monkeypatch.setattr(module, "_TOGETHER", together)
        parted = leading(network, region, SameBest(Best.MAX), Fraction(0))
        held = parted.part(flat(network), 600, math.inf)
        answers = [parted.prove([one], 600, math.inf) for one in held]
        found.append((held, [one.verdict for one in answers], parted.boxes, parted._parts.lower))
    assert found[0][:3] == found[1][:3]
    assert np.array_equal(found[0][3], found[1][3])


def test_other_questions_are_not_parted():
    network = tie()
    assert leading(network, SQUARE, Outputs(Fraction(1)), Fraction(0)) is None
    wide = Network.dense([np.ones((4, 20)), np.ones((2, 4))], [np.zeros(4), np.zeros(2)])
    region = Region.box([-1.0] * 20, [1.0] * 20)
    assert leading(wide, region, SameBest(Best.MAX), Fraction(0)) is None


def test_questions_that_need_too_many_boxes_are_given_up():
    """The first is open on one box, the second on three more, the third on all of the others."""
    rows = [[1, 0, 0], *[[0, 1, 1]] * 3, *[[0, 0, 1]] * 8]
    for left, worth, kept in ((100, 100, [1, 1, 1]), (35, 100, [1, 1, 0]), (11, 100, [1, 0, 0])):
        open_, active = np.array(rows, np.uint8), np.ones(3, np.uint8)
        give_up(open_, 12, active, left, worth)
        assert active.tolist() == kept
        assert open_.any(axis=0).tolist() == [bool(one) for one in kept]
    for worth, kept in ((4, [1, 1, 1]), (3, [1, 1, 0]), (1, [1, 0, 0])):
        open_, active = np.array(rows, np.uint8), np.ones(3, np.uint8)
        give_up(open_, 12, active, 100, worth)
        assert active.tolist() == kept
