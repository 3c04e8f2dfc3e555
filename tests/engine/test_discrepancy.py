"""How far two networks are apart: every interval holds the truth, also when it is broken off."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import cells, extremes, fractions
from strategies import boxes, dense_networks, graph_networks, networks_with_boxes
from twins import twins

from secateur.engine import boxes as held
from secateur.engine import branch
from secateur.engine import discrepancy as module
from secateur.engine.agreement import within
from secateur.engine.answer import INTERRUPTED, Effort
from secateur.engine.decide import decide
from secateur.engine.discrepancy import Norm, discrepancy
from secateur.engine.network import Affine, Network
from secateur.engine.pair import merge
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted, Unknown


def corners(network, lower, upper):
    """Yield the values, exactly, at all corners of all cells of a network of two inputs.

    A convex function of the outputs is largest at one of them.
    """
    low, high = fractions(lower), fractions(upper)
    for cell in cells(network, lower, upper):
        walls = [*cell.walls]
        for at in range(2):
            one = [Fraction(at == 0), Fraction(at == 1)]
            walls += [(one, high[at]), ([-a for a in one], -low[at])]
        lines = cell.values[network.output]
        for (a, r), (b, s) in itertools.combinations(walls, 2):
            det = a[0] * b[1] - a[1] * b[0]
            if not det:
                continue
            x = [(r * b[1] - s * a[1]) / det, (s * a[0] - r * b[0]) / det]
            if all(w[0] * x[0] + w[1] * x[1] <= side for w, side in walls):
                yield [
                    line.slope[0] * x[0] + line.slope[1] * x[1] + line.constant for line in lines
                ]


def truth(first, second, box):
    """Return the exact largest |f_i - g_i|, and the squares of the largest norms."""
    network = merge(first, second).network
    values = list(corners(network, *box))
    outputs = [max(abs(row[at]) for row in values) for at in range(first.size_out)]
    return outputs, {
        Norm.INF: max(outputs) ** 2,
        Norm.ONE: max(sum(map(abs, row)) for row in values) ** 2,
        Norm.TWO: max(sum(v * v for v in row) for row in values),
    }


def check(found, first, second, box):
    outputs, norms = truth(first, second, box)
    squares = [(span, value**2) for span, value in zip(found.outputs, outputs, strict=True)]
    squares += [(found.norms[norm], value) for norm, value in norms.items()]
    for span, square in squares:
        assert Fraction(span.attained) ** 2 <= square
        assert math.isinf(span.proved) or square <= Fraction(span.proved) ** 2
        assert 0 <= span.attained <= span.proved


@settings(max_examples=40)
@given(twins(depth=2, width=3), boxes(2), st.sampled_from([0.0, 0.01, 0.5]), st.integers(0, 400))
def test_every_interval_holds_the_exact_maximum(pair, box, gap, count):
    region = Region.box(*box)
    found = discrepancy(*pair, region, Effort(boxes=count, seconds=2), gap=gap)
    check(found, *pair, box)
    assert count or not found.closed


@settings(max_examples=15)
@given(networks_with_boxes(graph_networks(relus=5, nodes=3)), st.data())
def test_networks_of_other_shapes_are_compared_too(drawn, data):
    first, box = drawn
    kinds = st.one_of(graph_networks(relus=4, nodes=3), dense_networks(depth=1, width=3))
    second = data.draw(kinds.filter(lambda other: other.size_out == first.size_out))
    found = discrepancy(first, second, Region.box(*box), Effort(boxes=200, seconds=2), gap=0.1)
    check(found, first, second, box)
    ends = extremes(merge(first, second).network, *box, merge(first, second).network.output)
    for span, (low, high) in zip(found.outputs, ends, strict=True):
        assert Fraction(span.attained) <= max(high, -low) <= Fraction(span.proved)


@settings(max_examples=25)
@given(twins(depth=2, width=3), boxes(2))
def test_what_is_attained_is_what_rationals_give_at_the_point(pair, box):
    region = Region.box(*box)
    found = discrepancy(*pair, region, Effort(boxes=50))
    for place, span in enumerate([*found.outputs, *found.norms.values()]):
        assert region.contains(span.point)
        rows = [net.evaluate(np.array(span.point, dtype=object), exact=True) for net in pair]
        apart = [abs(a - b) for a, b in zip(*rows, strict=True)]
        square = {
            len(apart): max(apart) ** 2,
            len(apart) + 1: sum(apart) ** 2,
            len(apart) + 2: sum(a * a for a in apart),
        }.get(place)
        square = apart[place] ** 2 if square is None else square
        near = Fraction(span.attained) ** 2
        assert near <= square <= near * (1 + Fraction(1, 2**40))


@settings(max_examples=15)
@given(twins(depth=2, width=3), boxes(2), st.floats(0.001, 0.3))
def test_a_search_that_ends_has_intervals_as_narrow_as_asked_for(pair, box, gap):
    found = discrepancy(*pair, Region.box(*box), Effort(seconds=4), gap=gap, floor=1e-6)
    if found.closed:
        for span in [*found.outputs, *found.norms.values()]:
            # What is met anew at the end narrows no target that was used before.
            most = max(span.attained * (1 + gap), span.attained + 1e-6)
            assert span.proved <= most * (1 + 1e-9) + 1e-12


def test_equal_networks_are_not_apart():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((8, 3), (8, 8), (2, 8))]
    biases = [rng.normal(size=size) for size in (8, 8, 2)]
    first, again = Network.dense(weights, biases), Network.dense(weights, biases)
    found = discrepancy(first, again, Region.box([-1.0] * 3, [1.0] * 3))
    assert found.closed
    for span in [*found.outputs, *found.norms.values()]:
        assert str(span.attained) == "0.0"
        assert span.proved < 1e-100


@settings(max_examples=15)
@given(dense_networks(depth=1, width=4), boxes(2), st.randoms(use_true_random=False))
def test_turned_neurons_make_no_difference(network, box, random):
    hidden, output = (node.layer for node in network.nodes if isinstance(node.layer, Affine))
    order = list(range(hidden.bias.size))
    random.shuffle(order)
    turned = Network.dense(
        [hidden.operator.matrix()[order], output.operator.matrix()[:, order]],
        [hidden.bias[order], output.bias],
    )
    found = discrepancy(network, turned, Region.box(*box), Effort(boxes=300, seconds=2))
    assert {span.attained for span in [*found.outputs, *found.norms.values()]} == {0.0}


def test_differences_whose_squares_vanish_keep_their_norm():
    tiny = Network.dense([np.array([[1e-170], [1e-170]])], [np.zeros(2)])
    zero = Network.dense([np.zeros((2, 1))], [np.zeros(2)])
    found = discrepancy(tiny, zero, Region.box([0.0], [1.0]))
    assert found.norms[Norm.TWO].proved >= math.sqrt(2) * 1e-170
    assert found.norms[Norm.ONE].proved >= 2e-170


@pytest.mark.parametrize("effort", [Effort(seconds=0.0), Effort(boxes=0)])
def test_no_time_proves_nothing(effort):
    first = Network.dense([np.ones((1, 2))], [np.zeros(1)])
    second = Network.dense([np.zeros((1, 2))], [np.zeros(1)])
    found = discrepancy(first, second, Region.box([0.0, 0.0], [1.0, 1.0]), effort)
    assert not found.closed
    assert {span.proved for span in found.outputs} == {math.inf}


def test_bounds_that_are_no_numbers_prove_nothing(monkeypatch):
    real = module.bounder

    def lying(*given):
        inner = real(*given)
        bound = inner.bound

        def said(*given):
            planes = bound(*given)
            planes.low[:], planes.base[:] = math.nan, -math.inf
            return planes

        monkeypatch.setattr(type(inner), "bound", lambda self, *given: said(*given))
        return inner

    monkeypatch.setattr(module, "bounder", lying)
    first = Network.dense([np.ones((2, 2))], [np.zeros(2)])
    second = Network.dense([np.zeros((2, 2))], [np.zeros(2)])
    found = discrepancy(first, second, Region.box([0.0, 0.0], [1.0, 1.0]), Effort(boxes=20))
    assert not found.closed
    assert {span.proved for span in [*found.outputs, *found.norms.values()]} == {math.inf}


# --- interrupts -----------------------------------------------------------------------------------

PLACES = [
    (branch.Search, "_step"),
    (branch.Search, "_split"),
    (branch.Search, "_pop"),
    (held.Waiting, "add"),
    (held.Waiting, "drop"),
    (held.Waiting, "_grow"),
]


def broken_off(patch, owner, name, count, after):
    """Let a method raise an interrupt at one call, before or after it has worked."""
    real, calls = getattr(owner, name), itertools.count()

    def method(self, *given):
        now = next(calls) == count
        if now and not after:
            raise KeyboardInterrupt
        found = real(self, *given)
        if now:
            raise KeyboardInterrupt
        return found

    patch.setattr(owner, name, method)


@settings(max_examples=40)
@given(
    twins(depth=2, width=3), boxes(2), st.sampled_from(PLACES), st.integers(1, 30), st.booleans()
)
def test_an_interrupt_loses_no_box(pair, box, place, count, after):
    region = Region.box(*box)
    with pytest.MonkeyPatch.context() as patch:
        broken_off(patch, *place, count, after)
        found = discrepancy(*pair, region, Effort(boxes=500, seconds=2), gap=0.0)
    check(found, *pair, box)


@settings(max_examples=30)
@given(
    twins(depth=2, width=3), boxes(2), st.sampled_from(PLACES), st.integers(1, 20), st.booleans()
)
def test_an_interrupted_question_is_unknown_or_truly_answered(pair, box, place, count, after):
    outputs, _ = truth(*pair, box)
    epsilon = max(outputs) * Fraction(15, 16)
    question = ask(within(*pair, Region.box(*box), epsilon), list(pair))
    with pytest.MonkeyPatch.context() as patch:
        broken_off(patch, *place, count, after)
        answer = decide(question, Effort(boxes=500, seconds=2))
    match answer.verdict:
        case Proved():
            assert max(outputs) == 0
        case Refuted(witnesses=(witness,)):
            assert witness.value > 0
        case Unknown(reason=reason):
            assert reason
            assert Fraction(answer.reach) >= max(outputs) - epsilon or answer.reach == math.inf


def test_an_interrupt_is_the_reason(monkeypatch):
    def stopped(*given):
        raise KeyboardInterrupt

    rng = np.random.default_rng(1)
    first, second = (
        Network.dense([rng.normal(size=(6, 2)), rng.normal(size=(1, 6))], [np.zeros(6), np.ones(1)])
        for _ in range(2)
    )
    region = Region.box([-1.0, -1.0], [1.0, 1.0])
    monkeypatch.setattr(branch.Search, "_step", stopped)
    question = ask(within(first, second, region, 100), [first, second])
    answer = decide(question)
    assert answer.verdict == Unknown(INTERRUPTED)
    assert answer.reach == math.inf
    assert discrepancy(first, second, region).interrupted
