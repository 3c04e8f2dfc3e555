"""The algebra of two networks: equal ones are found equal, others no nearer than they are."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.proofs import algebra
from secateur.engine.proofs.algebra import AlgebraError, Alike, distance
from secateur.engine.proofs.evidence import EMPTY
from secateur.engine.proofs.form import Lemma, Limits, Line, Subject
from secateur.engine.proofs.model import Affine, FormatError, Input, Model, Relu
from secateur.engine.proofs.system import system_of

LOW, HIGH = np.array([-1.0, -0.5]), np.array([0.5, 1.0])
eighths = st.integers(-8, 8).map(lambda n: n / 8)


def chain(*layers):
    """Return a model of dense layers with ReLUs between them: (weights, biases) each."""
    nodes, sizes = [Input(2)], [2]
    for at, (weight, bias) in enumerate(layers):
        nodes.append(Affine(len(nodes) - 1, np.array(weight, float), np.array(bias, float)))
        sizes.append(len(bias))
        if at < len(layers) - 1:
            nodes.append(Relu(len(nodes) - 1))
            sizes.append(len(bias))
    names = tuple(f"n{at}" for at in range(len(nodes)))
    return Model(tuple(nodes), tuple(sizes), len(nodes) - 1, names)


def apart(one, two, lines=(), after=(), matches=()):
    """Return the distance that algebra gives."""
    subjects = Subject(0, (0, 1), tuple(lines)), Subject(1, (0, 1), tuple(after))
    sides = tuple(map(Fraction, LOW)), tuple(map(Fraction, HIGH))
    system = system_of(Lemma(subjects, *sides, Limits(()), (), (), EMPTY), [one, two])
    found = {
        (system.places[1][node], neuron): Alike((system.places[0][like], other), Fraction(scale))
        for node, neuron, like, other, scale in matches
    }
    return distance(system, LOW, HIGH, found)


def largest(one, two, count=200):
    """Return the largest difference of an output at points, in floats."""
    points = LOW + np.random.default_rng(0).random((count, 2)) * (HIGH - LOW)
    first, second = (model.floats(points)[model.output] for model in (one, two))
    return np.abs(first - second).max()


@st.composite
def layers(draw, inputs=2, sizes=(3, 3, 2)):
    out = []
    for size in sizes:
        rows = st.lists(
            st.lists(eighths, min_size=inputs, max_size=inputs), min_size=size, max_size=size
        )
        out.append((draw(rows), draw(st.lists(eighths, min_size=size, max_size=size))))
        inputs = size
    return out


@given(layers(), st.permutations(range(3)), st.sampled_from([0.5, 1.0, 4.0]))
def test_permuted_and_scaled_neurons_are_the_same_network(drawn, order, scale):
    (w1, b1), (w2, b2), last = drawn
    order = list(order)
    first = (scale * np.array(w1)[order], scale * np.array(b1)[order])
    second = (np.array(w2)[:, order] / scale, b2)
    assert apart(chain(*drawn), chain(first, second, last)) == 0


@given(layers())
def test_a_neuron_in_two_halves_and_one_that_is_constant_are_the_same_network(drawn):
    (w1, b1), (w2, b2), last = drawn
    w1, w2 = np.array(w1), np.array(w2)
    wide = np.vstack([w1, w1[:1], np.zeros((1, 2))]), np.append(b1, [b1[0], 0.5])
    half = np.hstack([w2, w2[:, :1] / 2, np.ones((3, 1))])
    half[:, 0] /= 2
    assert apart(chain(*drawn), chain(wide, (half, np.array(b2) - 0.5), last)) == 0


@given(layers())
def test_the_other_side_of_a_neuron_is_the_neuron_less_its_input(drawn):
    (w1, b1), (w2, b2), last = drawn
    w1, b1, w2 = np.array(w1), np.array(b1), np.array(w2)
    # relu(z) = relu(-z) + z: written so, z is a neuron that a line stands for.
    turned = np.vstack([-w1[:1], w1[1:], w1[:1]]), np.concatenate([-b1[:1], b1[1:], b1[:1]])
    more = np.hstack([w2, w2[:, :1]])
    two = chain(turned, (more, b2), last)
    assert apart(chain(*drawn), two, after=[Line("n2", 3, 1.0, 0.0)]) == 0


@given(layers(), layers())
def test_no_distance_is_below_what_points_show(one, two):
    first, second = chain(*one), chain(*two)
    found = apart(first, second)
    assert float(found) >= largest(first, second) - 1e-9


@given(layers(), st.integers(0, 2), st.sampled_from([2.0**-20, 2.0**-8]))
def test_a_rounded_neuron_is_near_where_it_is_matched(drawn, neuron, nudge):
    (w1, b1), (w2, b2), last = drawn
    w1 = np.array(w1)
    w1[neuron, 0] += nudge
    one, two = chain(*drawn), chain((w1, b1), (w2, b2), last)
    matches = [(f"n{layer}", at, f"n{layer}", at, 1) for layer in (2, 4) for at in range(3)]
    try:
        found = apart(one, two, matches=matches)
    except FormatError:  # the other is no ReLU but a constant, or the other side of one
        return
    assert largest(one, two) - 1e-9 <= float(found) <= 32 * nudge


def test_a_rounded_neuron_behind_a_rounded_one_needs_a_match():
    first = [[1.0, 0.5], [0.25, 1.0]], [0.5, 0.25]
    rounded = [[1.0 + 2.0**-20, 0.5], [0.25, 1.0]], [0.5, 0.25]
    second, last = ([[1.0, -1.0]], [0.25]), ([[1.0]], [0.0])
    one, two = chain(first, second, last), chain(rounded, second, last)
    match = ("n2", 0, "n2", 0, 1)
    with pytest.raises(AlgebraError, match="matched with no other"):
        apart(one, two, matches=[match])
    assert 0 < apart(one, two, matches=[match, ("n4", 0, "n4", 0, 1)]) < Fraction(1, 10**5)


@pytest.mark.parametrize("scale", [0, -1])
def test_a_match_by_no_positive_scale_is_refused(scale):
    net = chain(([[1.0, 0.0]], [0.25]), ([[1.0]], [0.0]))
    with pytest.raises(FormatError, match="scale above 0"):
        apart(net, net, matches=[("n2", 0, "n2", 0, scale)])


def test_too_much_work_ends_in_a_line(monkeypatch):
    monkeypatch.setattr(algebra, "MOST", 3)
    net = chain(([[1.0, 0.5]], [0.25]), ([[1.0]], [0.0]))
    with pytest.raises(AlgebraError, match="too large"):
        apart(net, net)


def test_other_numbers_of_outputs_are_refused():
    one = chain(([[1.0, 0.5]], [0.25]))
    two = chain(([[1.0, 0.5], [1.0, 1.0]], [0.25, 0.0]))
    with pytest.raises(FormatError, match="different numbers of outputs"):
        apart(one, two)


def test_a_deadline_ends_the_algebra():
    net = chain(([[1.0, 0.5]], [0.25]), ([[1.0]], [0.0]))
    sides = tuple(map(Fraction, LOW)), tuple(map(Fraction, HIGH))
    subjects = Subject(0, (0, 1)), Subject(1, (0, 1))
    system = system_of(Lemma(subjects, *sides, Limits(()), (), (), EMPTY), [net, net])

    def late():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        distance(system, LOW, HIGH, {}, late)
