"""The short search proves only what holds, and refutes only by points at which a claim fails."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks

from secateur.engine.agreement import Best
from secateur.engine.answer import Effort
from secateur.engine.decide import decide
from secateur.engine.network import Network, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted, Unknown
from secateur.redundancy import bisect as module
from secateur.redundancy.bisect import Tried, bisect
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.removal import Kind, Removal, without


def asked(network, region, guarantee, state=State.ZERO):
    """Return the question whether the first neuron of a network may be linear."""
    first = network.piecewise[0].name
    after = without(network, [Removal(first, 0, state, Kind.FORWARD)])
    return ask(guarantee.claim(network, after, region, Fraction(0)), [network, after]), after


@settings(max_examples=40)
@given(st.data())
def test_it_agrees_with_the_long_search(data):
    network = data.draw(dense_networks())
    region = Region.box(*data.draw(boxes(network.size_in)))
    assume(network.piecewise)
    guarantee = Outputs(Fraction(1, 2))
    if network.size_out > 1 and data.draw(st.booleans()):
        guarantee = SameBest(Best.MIN)
    question, after = asked(network, region, guarantee)
    short = bisect(question, Effort(boxes=300, workers=1)).verdict
    long = decide(question, Effort(boxes=300, workers=1)).verdict
    match short:
        case Proved():
            assert not isinstance(long, Refuted)
        case Refuted(witnesses=witnesses):
            assert not isinstance(long, Proved)
            point = [list(witnesses[0].point)]
            one, two = (net.evaluate(point, exact=True)[0] for net in (network, after))
            assert guarantee.broken(one, two)
        case Unknown(reason=reason):
            assert reason


def test_a_search_with_little_hope_ends_early(monkeypatch):
    weights = [[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0]]]
    network = Network.dense(weights, [[0.0, 0.0], [0.0]])
    question, _ = asked(network, Region.box([-1.0] * 2, [1.0] * 2), Outputs(Fraction(3)))
    assert isinstance(bisect(question, Effort(workers=1)).verdict, Proved)
    monkeypatch.setattr(module, "_EARLY", -1.0)  # looked at before the first box
    answer = bisect(question, Effort(seconds=60.0, boxes=100, workers=1))
    assert answer.verdict == Unknown("too few boxes close")
    assert answer.boxes == 0


def test_neurons_whose_signs_are_not_known_on_open_boxes_are_named():
    weights = [[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0]]]
    network = Network.dense(weights, [[0.0, 8.0], [0.0]])
    question, _ = asked(network, Region.box([-1.0] * 2, [1.0] * 2), Outputs(Fraction(1)))
    answer = bisect(question, Effort(boxes=3, workers=1))
    assert isinstance(answer.verdict, Refuted | Unknown)
    region = Region.box([-1.0] * 2, [0.25] * 2)
    question, _ = asked(network, region, Outputs(Fraction(3, 8)))
    answer = bisect(question, Effort(boxes=1, workers=1))
    assert isinstance(answer, Tried)
    if isinstance(answer.verdict, Unknown):
        assert answer.doubts is not None
        assert answer.doubts.keys() == {2}  # two inputs come first
        assert answer.doubts[2].any()


def test_the_same_boxes_are_bounded_however_long_they_take():
    weights = [[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0]]]
    network = Network.dense(weights, [[0.0, 0.0], [0.0]])
    question, _ = asked(network, Region.box([-1.0] * 2, [1.0] * 2), Outputs(Fraction(1, 4)))
    answers = [bisect(question, Effort(seconds=s, boxes=200, workers=1)) for s in (60.0, 600.0)]
    assert answers[0].boxes == answers[1].boxes
    assert answers[0].verdict == answers[1].verdict
