"""Networks that are equal where a few neurons keep their sign."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, points
from twins import twins

from secateur.engine.agreement import Best, same_best, within
from secateur.engine.alike import alike, impossible
from secateur.engine.answer import Effort
from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.packed import LOWER, UPPER
from secateur.engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.decide import decide
from secateur.engine.network import Network, Piecewise, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.stages import stages
from secateur.engine.verdict import Proved, Refuted


@st.composite
def copies(draw):
    """Draw a network and a copy of it with other functions for some neurons."""
    network = draw(dense_networks())
    layers = {}
    for node in network.piecewise:
        state = np.array([draw(st.sampled_from([0, 0, *State])) for _ in range(node.size)], np.int8)
        slope = np.full(node.size, draw(st.sampled_from([0.0, 1.0, 0.5])))
        layers[node.name] = Piecewise(state, slope, np.zeros(node.size))
    return network, network.with_layers(layers)


def known_signs(network, copy, lower, upper):
    """Return signs of pre-activations on a box, as intervals show them, of both networks."""
    from secateur.engine.bounds.interval import interval

    found = []
    for one in (network, copy):
        bounds = interval(one, lower[None], upper[None])
        flags = [np.zeros(one.size_in, np.uint8)]
        for stage in stages(one).stages[1:]:
            low, high = bounds[stage.name]
            flags.append(((high[0] <= 0) * UPPER + (low[0] >= 0) * LOWER).astype(np.uint8))
        found.append(np.concatenate(flags))
    return np.array(found)[None]


@given(data=st.data())
@settings(max_examples=150)
def test_networks_that_are_called_equal_on_a_box_are_equal_there(data):
    network, copy = data.draw(copies())
    lower, upper = data.draw(boxes(network.size_in))
    chains = aligned(stages(network), stages(copy))
    assert chains is not None
    found = alike(*chains)
    if found is None or not found.where(known_signs(network, copy, lower, upper))[0]:
        return
    places = np.array(
        [[Fraction(float(x)) for x in row] for row in data.draw(points((lower, upper)))], object
    )
    one, two = (net.evaluate(places, exact=True) for net in (network, copy))
    assert (one == two).all()


@given(pair=twins())
@settings(max_examples=30)
def test_networks_of_other_weights_are_never_called_equal(pair):
    chains = aligned(stages(pair[0]), stages(pair[1]))
    if chains is None:
        return
    weights = [
        [np.append(stage.edges[0].weight, stage.bias) for stage in chain.stages[1:]]
        for chain in chains
    ]
    same = all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    assert same or alike(*chains) is None


def ramp(state):
    """Return the network y0 = relu(x), y1 = 1/2 with another function for the ReLU."""
    weights = [np.array([[1.0]]), np.array([[1.0], [0.0]])]
    network = Network.dense(weights, [np.zeros(1), np.array([0.0, 0.5])])
    layer = Piecewise(np.array([state]), np.zeros(1), np.zeros(1))
    return network.with_layers({network.piecewise[0].name: layer})


@pytest.mark.parametrize("best", Best)
def test_a_tie_along_a_boundary_is_settled_where_both_networks_are_equal(best):
    """Outputs tie on the line x0 = x1, which a box must cross; the copy is equal near the line."""
    weights = [
        np.array([[1.0, 0.1], [0.1, 1.0], [1.0, -1.0]]),
        np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
    ]
    network = Network.dense(weights, [np.array([0.3, 0.3, -2.0]), np.zeros(2)])
    layers = [
        Piecewise(np.array([State.IDENTITY, State.IDENTITY, last]), np.zeros(3), np.zeros(3))
        for last in (State.ZERO, State.RELU)
    ]
    node = network.piecewise[0].name
    region = Region.box([-0.2, -0.2], [3.0, 3.0])
    copies_ = [network.with_layers({node: layer}) for layer in layers]
    for copy in copies_:
        question = ask(same_best(network, copy, region, best), [network, copy])
        answer = decide(question, Effort(seconds=300.0))
        assert isinstance(answer.verdict, Proved), answer


@pytest.mark.parametrize(("state", "kind"), [(State.IDENTITY, Proved), (State.ZERO, Refuted)])
def test_what_moves_the_boundary_is_refuted_and_what_does_not_is_proved(state, kind):
    network, copy = ramp(State.RELU), ramp(state)
    question = ask(same_best(network, copy, Region.box([-1.0], [1.0])), [network, copy])
    assert isinstance(decide(question, Effort(seconds=300.0)).verdict, kind)


def test_which_claims_fail_between_equal_networks():
    network, copy = ramp(State.RELU), ramp(State.IDENTITY)
    region = Region.box([-1.0], [1.0])
    for claim in (
        within(network, copy, region, 0),
        within(network, copy, region, 1),
        same_best(network, copy, region),
        same_best(network, copy, region, Best.MIN, Fraction(1, 2)),
    ):
        question = ask(claim, [network, copy])
        assert question.alternatives
        assert all(impossible(question, one) for one in question.alternatives)
        other = replace(question, limits=tuple(limit + 2 for limit in question.limits))
        assert not any(impossible(other, one) for one in other.alternatives)


def test_networks_of_other_output_sizes_are_asked_about_together():
    """Such a claim compares nothing of the two that could be equal; it is decided all the same."""
    one = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    two = Network.dense([np.eye(2), np.ones((3, 2))], [np.zeros(2), np.zeros(3)])
    x, first, z, second = range(2), range(2, 4), range(4, 6), range(6, 9)

    def above(variable, limit, strict=False):  # variable >= limit
        form = Polynomial.constant(limit).plus(Polynomial.variable(variable), -1)
        return Atom(form, strict=strict)

    limits = [above(v, -1) for v in x]
    limits += [Atom(Polynomial.variable(v).plus(Polynomial.constant(1), -1)) for v in x]
    for a, b in zip(x, z, strict=True):
        apart = Polynomial.variable(a).plus(Polynomial.variable(b), -1)
        limits += [Atom(apart), Atom(Polynomial({}).plus(apart, -1))]
    tensors = tuple(
        Tensor(name, network, part, "real", (len(places),), places[0])
        for name, network, part, places in (
            ("X", 0, Part.INPUT, x),
            ("Y", 0, Part.OUTPUT, first),
            ("Z", 1, Part.INPUT, z),
            ("W", 1, Part.OUTPUT, second),
        )
    )
    for limit, kind in ((2, Proved), (1, Refuted)):  # y0 <= 1 and w0 = y0 + y1 <= 2
        case = (*limits, above(first[0], 1), above(second[0], limit, strict=True))
        claim = Claim((Declared("f"), Declared("g")), tensors, (case,), "mixed")
        answer = decide(ask(claim, [one, two]), Effort(seconds=300.0))
        assert isinstance(answer.verdict, kind)
