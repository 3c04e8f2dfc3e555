"""Bounds of the proof checker hold for real numbers, whatever the floats do."""

import itertools
from fractions import Fraction

import checked
import numpy as np
import oracle
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.network import Network
from secateur.engine.proofs import backward, bound
from secateur.engine.proofs.bound import Bounds
from secateur.engine.proofs.dyadic import Dyadic
from secateur.engine.proofs.exact import Exact
from secateur.engine.proofs.form import Negation, Query
from secateur.engine.proofs.system import system_of
from secateur.engine.proofs.thin import Thinner

NOTHING = Query(Negation((), ()))
SCALES = st.sampled_from([1.0, 1.0, 1e30, 1e-30, 1e17, 2.0**-60])


def system(networks, lower, upper, orders=()):
    lemma, models = checked.lemma_of(networks, lower, upper, NOTHING, orders)
    return system_of(lemma, models)


def exact_values(network, point):
    trace = network.trace_exact(np.array([[Fraction(float(x)) for x in point]], dtype=object))
    return {name: values.fractions()[0].tolist() for name, values in trace.items()}


def rescaled(network, factors):
    """Return a chain of dense layers, each layer's weights times a factor."""
    layers = [node.layer for node in network.nodes if node.name.startswith("affine")]
    layers = layers or [node.layer for node in network.nodes if hasattr(node.layer, "operator")]
    factors = itertools.cycle(factors)
    weights = [layer.operator.matrix() * next(factors) for layer in layers]
    return Network.dense(weights, [layer.bias for layer in layers])


def assert_sound(networks, built, bounds, box_at, points, starts):
    """Check ends and bounds of forms against exact values at points of a box."""
    values = [[exact_values(network, point) for network in networks] for point in points]
    for subject, network in enumerate(networks):
        for node in network.nodes:
            at = built.places[subject][node.name]
            low, high = bounds.ends[at]
            for value in values:
                for index, number in enumerate(value[subject][node.name]):
                    assert low[box_at, index] == -np.inf or number >= Fraction(low[box_at, index])
                    assert high[box_at, index] == np.inf or number <= Fraction(high[box_at, index])
    for start, twins in itertools.product(starts, (True, False)):
        begun = {
            built.places[subject][name]: np.array([row]) for (subject, name), row in start.items()
        }
        (found,), _ = bounds.lower(begun, np.array([box_at]), twins=twins)
        for value in values:
            number = sum(
                Fraction(float(part)) * value[subject][name][index]
                for (subject, name), row in start.items()
                for index, part in enumerate(row)
            )
            assert found == -np.inf or number >= Fraction(found)


def some_starts(draw, networks):
    """Draw forms of nodes' values, differences of outputs among them."""
    rows = strategies.numbers()
    out = []
    for subject, network in enumerate(networks):
        node = draw(st.sampled_from(network.nodes))
        out.append({(subject, node.name): draw(rows)(node.size)})
        out.append({(subject, network.output): draw(rows)(network.size_out)})
    if len(networks) == 2 and networks[0].size_out == networks[1].size_out:
        row = draw(rows)(networks[0].size_out)
        out.append({(0, networks[0].output): row, (1, networks[1].output): -row})
    return out


@given(strategies.networks_with_boxes(), st.data())
@settings(max_examples=150, deadline=None)
def test_bounds_hold_at_every_point(drawn, data):
    network, box = drawn
    built = system([network], *box)
    bounds = Bounds(built, box[0][None], box[1][None])
    points = data.draw(strategies.points(box, 4))
    assert_sound([network], built, bounds, 0, points, some_starts(data.draw, [network]))


@given(strategies.dense_networks(), st.lists(SCALES, min_size=1, max_size=4), st.data())
@settings(max_examples=100, deadline=None)
def test_bounds_hold_for_huge_and_tiny_weights_and_point_boxes(network, factors, data):
    network = rescaled(network, factors)
    lower, upper = data.draw(strategies.boxes(network.size_in))
    box = (lower, data.draw(st.sampled_from([upper, lower])))
    built = system([network], *box)
    bounds = Bounds(built, box[0][None], box[1][None])
    points = data.draw(strategies.points(box, 4))
    assert_sound([network], built, bounds, 0, points, some_starts(data.draw, [network]))


def permuted(network, rng, spread):
    """Return a network with moved weights and hidden neurons in another order, and the orders."""
    layers = [node.layer for node in network.nodes if hasattr(node.layer, "operator")]
    weights = [layer.operator.matrix() for layer in layers]
    biases = [np.asarray(layer.bias) for layer in layers]
    weights = [weight + spread * rng.normal(size=weight.shape) for weight in weights]
    orders, last = [], np.arange(network.size_in)
    for at, weight in enumerate(weights):
        order = rng.permutation(len(weight)) if at < len(weights) - 1 else np.arange(len(weight))
        back = np.argsort(order)
        weights[at], biases[at] = weight[:, last][back], biases[at][back]
        orders.append(tuple(order.tolist()))
        last = back
    return Network.dense(weights, biases), orders[:-1]


@given(
    strategies.dense_networks(),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 1e-3, 0.3]),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_bounds_of_twins_hold_in_any_order(network, seed, spread, data):
    other, orders = permuted(network, np.random.default_rng(seed), spread)
    if data.draw(st.booleans()):
        orders = [tuple(sorted(order)) for order in orders]  # a bad hint is sound too
    box = data.draw(strategies.boxes(network.size_in))
    built = system([network, other], *box, orders)
    bounds = Bounds(built, box[0][None], box[1][None])
    points = data.draw(strategies.points(box, 4))
    both = [network, other]
    assert_sound(both, built, bounds, 0, points, some_starts(data.draw, both))


@given(strategies.networks_with_boxes(strategies.graph_networks(relus=5)))
@settings(max_examples=40, deadline=None)
def test_ends_hold_the_exact_extremes(drawn):
    network, (lower, upper) = drawn
    built = system([network], lower, upper)
    bounds = Bounds(built, lower[None], upper[None])
    low, high = bounds.ends[built.places[0][None]]
    for index, (least, most) in enumerate(oracle.extremes(network, lower, upper, network.output)):
        assert Fraction(low[0, index]) <= least
        assert Fraction(high[0, index]) >= most


@given(strategies.dense_networks(width=5), st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_what_larger_boxes_pass_on_holds_on_smaller_ones(network, seed, data):
    rng = np.random.default_rng(seed)
    other, orders = permuted(network, rng, 0.1)
    lower, upper = data.draw(strategies.boxes(network.size_in))
    built = system([network, other], lower, upper, orders)
    thinner = Thinner(built, [built.places[at][None] for at in (0, 1)])
    known = thinner.nothing(1)
    first, kept = thinner.bounds(lower[None], upper[None], known)
    known = thinner.passed_on(first, kept, known)
    cuts = lower + (upper - lower) * rng.random((3, 2, lower.size))
    low, high = cuts.min(axis=1), cuts.max(axis=1)
    bounds, kept = thinner.bounds(low, high, np.repeat(known, 3, axis=0))
    for at in range(3):
        share = rng.random((3, low.shape[1]))
        points = np.clip(low[at] + (high[at] - low[at]) * share, low[at], high[at])
        for point in points:
            for subject, network_ in enumerate((network, other)):
                values = exact_values(network_, point)
                for node in network_.piecewise:
                    place = built.places[subject][node.name]
                    which = kept.get(place, np.arange(node.size))
                    ends = bounds.ends[place]
                    gone = set(range(node.size)) - set(which.tolist())
                    assert all(values[node.name][neuron] == 0 for neuron in gone)
                    for column, neuron in enumerate(which.tolist()):
                        assert Fraction(ends[0][at, column]) <= values[node.name][neuron]
                        assert Fraction(ends[1][at, column]) >= values[node.name][neuron]


@given(strategies.networks_with_boxes(), st.data())
@settings(max_examples=60, deadline=None)
def test_floats_are_below_exact_arithmetic_with_the_same_lines_and_near_it(drawn, data):
    network, box = drawn
    built = system([network], *box)
    bounds = Bounds(built, box[0][None], box[1][None])
    exact = Exact(bounds, 0, {})
    points = data.draw(strategies.points(box, 2))
    for start in some_starts(data.draw, [network]):
        ((_, name), row) = next(iter(start.items()))
        place = built.places[0][name]
        (found,), _ = bounds.lower({place: row[None]}, np.array([0]))
        (least,) = exact.lower([(place, Dyadic.of(row[None]))]).fractions()
        assert Fraction(found) <= least
        size = sum(abs(float(part)) for part in row) * (1.0 + float(bounds.most[place].max()))
        reach = max(float(most.max()) for most in bounds.most.values()) + 1.0
        assert float(least) - found <= 1e-9 * (size + reach) * reach
        for point in points:
            values = exact_values(network, point)[name]
            assert least <= sum(
                (Fraction(float(a)) * b for a, b in zip(row, values, strict=True)), Fraction(0)
            )


@given(strategies.dense_networks(), st.integers(0, 2**32), st.data())
@settings(max_examples=30, deadline=None)
def test_floats_are_below_exact_arithmetic_for_twins(network, seed, data):
    other, orders = permuted(network, np.random.default_rng(seed), 0.05)
    box = data.draw(strategies.boxes(network.size_in))
    built = system([network, other], *box, orders)
    bounds = Bounds(built, box[0][None], box[1][None])
    exact = Exact(bounds, 0, {})
    row = data.draw(strategies.numbers())(network.size_out)[None]
    one, two = (built.places[at][None] for at in (0, 1))
    for twins in (True, False):
        (found,), _ = bounds.lower({one: row, two: -row}, np.array([0]), twins=twins)
        begun = [(one, Dyadic.of(row)), (two, Dyadic.of(-row))]
        (least,) = exact.lower(begun, twins=twins).fractions()
        assert Fraction(found) <= least


def cancelling(seed):
    """Return a network whose rows cancel to what floats cannot hold, and a box."""
    rng = np.random.default_rng(seed)
    if seed % 2:  # at once, at a point
        point = rng.uniform(1.0, 2.0, 4)
        rows = point[[1, 0, 3, 2]] * (1.0 + 2.0**-52 * rng.integers(-8, 9, (3, 4)))
        rows = rows * [1.0, -1.0, 1.0, -1.0] * 2.0**55
        return Network.dense([rows, np.eye(3)[:1]], [np.zeros(3), np.zeros(1)]), point, point
    big = 2.0 ** rng.integers(50, 58)
    first = rng.normal(size=(6, 3))
    pairs = np.repeat(rng.normal(size=(3, 3)), 2, axis=1) * big
    pairs[:, 1::2] *= -1.0
    last = rng.normal(size=(1, 3))
    first[1::2] = first[::2] + 2.0**-50 * rng.normal(size=(3, 3))
    biases = [np.full(6, 4.0), rng.normal(size=3) * 8.0, rng.normal(size=1)]
    network = Network.dense([first, pairs, last], biases)
    lower = rng.uniform(-0.1, 0.0, 3)
    return network, lower, lower + rng.choice([0.0, 2.0**-40, 1e-3])


def broken_bounds(seeds):
    """Return how many of some bounds of cancelling networks fail at a point."""
    broken = 0
    for seed in seeds:
        network, lower, upper = cancelling(seed)
        built = system([network], lower, upper)
        bounds = Bounds(built, lower[None], upper[None])
        low, high = bounds.ends[built.places[0][None]]
        out = built.places[0][None]
        for sign in (1.0, -1.0):
            (found,), _ = bounds.lower({out: np.array([[sign]])}, np.array([0]))
            for point in (lower, upper):
                value = exact_values(network, point)[network.output][0]
                broken += Fraction(found) > sign * value
                broken += not Fraction(low[0, 0]) <= value <= Fraction(high[0, 0])
    return broken


def test_bounds_hold_where_everything_cancels():
    assert broken_bounds(range(60)) == 0


@pytest.mark.parametrize("module", [backward, bound], ids=["backwards", "forwards"])
def test_these_networks_tell_whether_rounding_is_counted(monkeypatch, module):
    monkeypatch.setattr(module, "unit", lambda count: 0.0)
    assert broken_bounds(range(60)) > 0


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
)
def test_dyadic_numbers_are_exact(first, second):
    size = min(len(first), len(second))
    one, two = np.array(first[:size]), np.array(second[:size])
    a, b = Dyadic.of(one), Dyadic.of(two)
    exact = [(Fraction(x), Fraction(y)) for x, y in zip(one.tolist(), two.tolist(), strict=True)]
    assert a.fractions() == [x for x, _ in exact]
    assert (a + b).fractions() == [x + y for x, y in exact]
    assert (a - b).fractions() == [x - y for x, y in exact]
    assert (a * b).fractions() == [x * y for x, y in exact]
    assert (-a).fractions() == [-x for x, _ in exact]
    assert a.maximum(b).fractions() == [max(x, y) for x, y in exact]
    assert a.minimum(b).fractions() == [min(x, y) for x, y in exact]
    assert a.positive().fractions() == [max(x, 0) for x, _ in exact]
    assert a.negative().fractions() == [min(x, 0) for x, _ in exact]
    total = (a[None] @ b).fractions()
    assert total == [sum(x * y for x, y in exact)]
