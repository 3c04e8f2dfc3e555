"""Dead, constant, equal and opposite neurons fold, and the network stays what it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import boxes, dense_networks, graph_networks, points

from secateur.engine.legal import violations
from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Origin,
    Piecewise,
    Sum,
)
from secateur.engine.operators import Dense, Diagonal
from secateur.engine.region import Region
from secateur.redundancy.fold import Form, as_relus, fold

SQUARE = Region.box([-1, -1], [1, 1], "square")
FACTORS = [1.0, 1.0, 2.0, 0.5, 3.0, -1.0, -2.0]


def planted(network: Network, rng: np.random.Generator) -> Network:
    """Return the network with dead, constant, equal and opposite neurons, and random states."""
    layers: dict[str, Affine | Piecewise] = {}
    for node in network.nodes:
        match node.layer:
            case Affine(operator=Dense(weight=old), bias=bias):
                weight, bias = old.copy(), bias.copy()
                for row in np.flatnonzero(rng.random(len(weight)) < 0.5):
                    other, factor = rng.integers(len(weight)), rng.choice(FACTORS)
                    if rng.random() < 0.3:
                        weight[row] = 0.0
                    elif other != row:
                        weight[row], bias[row] = factor * weight[other], factor * bias[other]
                weight[:, rng.random(weight.shape[1]) < 0.2] = 0.0
                layers[node.name] = Affine(Dense(weight), bias)
            case Piecewise() if rng.random() < 0.5:
                state = rng.choice([0, 0, 0, 1, 2, 3], size=node.size).astype(np.int8)
                slope, shift = rng.integers(-4, 5, size=(2, node.size)) / 4
                layers[node.name] = Piecewise(state, slope, shift)
            case _:
                pass
    return network.with_layers(layers)


@st.composite
def lowered_networks(draw: st.DrawFn) -> Network:
    """Draw dense layers with an activation between that is lowered to scales, ReLUs and sums."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    size, whole = int(rng.integers(1, 6)), draw(st.booleans())

    def some(*shape: int) -> NDArray[np.float64]:
        return rng.integers(-8, 9, size=shape) / 8 if whole else rng.normal(size=shape)

    nodes = [Node("x", Input((2,))), Node("z", Affine(Dense(some(size, 2)), some(size)), ("x",))]
    for number in range(draw(st.integers(1, 6))):
        source = nodes[rng.integers(1, len(nodes))].name
        layer: Affine | Piecewise | Sum = Piecewise.relu(size)
        sources: tuple[str, ...] = (source,)
        match rng.integers(4):
            case 0:
                shift = some(size) if rng.random() < 0.5 else np.zeros(size)
                layer = Affine(Diagonal(rng.choice([0, 1, 1, -1, 0.125, 3], size=size)), shift)
            case 1:
                layer, sources = Sum(size), (source, nodes[-1].name)
            case _:
                state = rng.choice([0, 0, 1, 2, 3], size=size).astype(np.int8)
                layer = Piecewise(state, some(size), some(size))
        nodes.append(Node(f"n{number}", layer, sources))
    read = {name for node in nodes for name in node.sources}
    leaves = tuple(node.name for node in nodes[2:] if node.name not in read)
    nodes.append(Node("a", Sum(size), leaves))
    nodes.append(Node("y", Affine(Dense(some(3, size)), some(3)), ("a",)))
    return Network(tuple(nodes), "y")


def with_dtype(network: Network, dtype: str) -> Network:
    return Network(network.nodes, network.output, Origin(dtype=dtype), network.normalisation)


def same(one: Network, two: Network, at: NDArray[np.float64]) -> bool:
    return bool((one.evaluate(at, exact=True) == two.evaluate(at, exact=True)).all())


KINDS = [dense_networks, graph_networks, lowered_networks]


@given(st.data())
@settings(max_examples=150)
def test_planted_neurons_fold_exactly_on_chains_and_graphs(data):
    draw = data.draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    network = with_dtype(data.draw(draw()), data.draw(st.sampled_from(["float32", "float64"])))
    before = planted(network, rng)
    lower, upper = data.draw(boxes(network.size_in))
    chain = data.draw(st.booleans())
    found = fold(before, Region.box(lower, upper), chain=chain)
    assert found.exact
    assert not violations(found.after)
    assert found.after.multiply_adds <= before.multiply_adds
    some = data.draw(points((lower, upper), count=4))
    assert same(before, found.after, some)
    again = fold(found.after, Region.box(lower, upper), chain=chain)
    assert again.after.multiply_adds <= found.after.multiply_adds
    assert same(before, again.after, some)


@given(st.data())
@settings(max_examples=80)
def test_rounded_folds_of_planted_networks_stay_within_what_they_state(data):
    draw = data.draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    dtype = data.draw(st.sampled_from(["float16", "float32"]))
    before = planted(with_dtype(data.draw(draw()), dtype), rng)
    lower, upper = data.draw(boxes(before.size_in))
    found = fold(before, Region.box(lower, upper), tolerance=1e6)
    assert not violations(found.after)
    some = data.draw(points((lower, upper), count=4))
    gap = before.evaluate(some, exact=True) - found.after.evaluate(some, exact=True)
    assert max(abs(value) for value in gap.ravel()) <= found.distance


@given(st.data())
@settings(max_examples=40)
def test_a_folded_chain_stays_a_chain_when_one_is_asked_for(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    before = planted(data.draw(dense_networks()), rng)
    after = fold(before, SQUARE, chain=True).after
    kinds = [Input, *itertools.islice(itertools.cycle([Affine, Piecewise]), len(after.nodes) - 1)]
    assert [type(node.layer) for node in after.nodes] == kinds
    assert type(after.by_name[after.output].layer) is Affine


def test_every_planted_neuron_is_found():
    rng = np.random.default_rng(2)
    first, bias = rng.integers(-99, 100, size=(9, 7)).astype(float), np.arange(1.0, 10.0)
    first[1], bias[1] = 2 * first[0], 2 * bias[0]
    first[2], bias[2] = first[0] / 2, bias[0] / 2
    first[3] = 0.0
    second = rng.integers(-99, 100, size=(4, 9)).astype(float)
    second[:, 4] = 0.0
    before = Network.dense([first, second], [bias, np.zeros(4)])
    found = fold(before, Region.box([-1] * 7, [1] * 7))
    step = found.steps[0]
    assert (step.constant, step.unread, step.equal, step.opposite) == (1, 1, 2, 0)
    assert found.exact
    assert found.after.by_name["relu1"].size == 5
    assert found.after.multiply_adds == 5 * 11
    assert same(before, found.after, rng.normal(size=(6, 7)))


def test_a_near_miss_is_no_multiple():
    first = np.array([[1.0, 3.0], [2.0, 6.0], [2.0, 6.0], [1.0, 3.0]])
    first[1, 0] = np.nextafter(2.0, 3.0)
    bias = np.array([1.0, 2.0, np.nextafter(2.0, 3.0), 1.0])
    before = Network.dense([first, np.ones((1, 4))], [bias, np.zeros(1)], Origin(dtype="float64"))
    found = fold(before, SQUARE)
    assert found.steps[0].equal == 1
    assert found.after.by_name["relu1"].size == 3


@pytest.mark.parametrize(("outputs", "smaller"), [(1, True), (40, False)])
def test_opposite_neurons_become_a_skip_edge_only_where_that_is_smaller(outputs, smaller):
    rng = np.random.default_rng(0)
    half = rng.integers(-99, 100, size=(6, 10)).astype(float)
    first = np.concatenate([half, -2 * half])
    bias = np.concatenate([np.arange(6.0), -2 * np.arange(6.0)])
    second = rng.integers(-99, 100, size=(outputs, 12)).astype(float)
    before = Network.dense([first, second], [bias, np.zeros(outputs)])
    region = Region.box([-1] * 10, [1] * 10)
    found = fold(before, region)
    some = rng.normal(size=(6, 10))
    assert found.exact
    assert same(before, found.after, some)
    if smaller:
        assert found.steps[0].form == Form.SKIP.value
        assert found.steps[0].opposite == 6
        assert found.after.multiply_adds == 6 * 11 + 10
    else:
        assert found.steps[0].opposite == 0
        assert found.after.multiply_adds == before.multiply_adds
    assert fold(before, region, chain=True).after.multiply_adds == before.multiply_adds


def test_units_made_of_opposite_neurons_are_never_written_as_relus():
    # Rows of rank 1 behind ReLUs that are opposite in pairs: a basis of one unit stands for many.
    row = np.array([[1.0, 2.0, -1.0, 3.0]])
    scale = np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0], [-1.0]])
    bias = np.array([0.0, 0.0, 1.0, -1.0, 3.0, -3.0])
    second = np.arange(1.0, 49.0).reshape(8, 6)
    before = Network.dense([scale * row, second], [bias, np.zeros(8)])
    found = fold(before, Region.box([-1] * 4, [1] * 4))
    some = np.random.default_rng(1).normal(size=(8, 4))
    assert found.steps[0].form == Form.FACTOR.value
    assert found.after.multiply_adds == 5 * (4 + 8)
    assert same(before, found.after, some)
    assert same(before, as_relus(found.after, before), some)
    assert same(before, as_relus(found.after, before, found.nonnegative), some)


def test_what_dies_behind_takes_what_is_before_with_it():
    rng = np.random.default_rng(4)
    weights = [rng.integers(1, 9, size=s).astype(float) for s in [(5, 3), (4, 5), (4, 4), (2, 4)]]
    weights[2][:, 1:] = 0.0  # of the second layer only neuron 0 is read
    weights[1][0, 2:] = 0.0  # which reads two of the first
    before = Network.dense(weights, [np.ones(len(w)) for w in weights])
    found = fold(before, Region.box([-1] * 3, [1] * 3))
    assert [node.size for node in found.after.piecewise[:2]] == [2, 1]
    assert same(before, found.after, rng.normal(size=(5, 3)))


def test_a_constant_network_becomes_its_bias():
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=s) for s in [(6, 3), (6, 6), (2, 6)]]
    weights[1][:] = 0.0
    biases = [np.zeros(6), np.arange(6.0) - 3, np.array([1.0, 2.0])]
    weights[2] = np.round(8 * weights[2]) / 8
    before = Network.dense(weights, biases)
    found = fold(before, Region.box([-1] * 3, [1] * 3))
    assert found.exact
    assert found.after.multiply_adds == 2 * 3
    assert same(before, found.after, rng.normal(size=(5, 3)))


def test_a_constant_neuron_whose_bias_would_round_stays_unless_it_may():
    weights = [np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.1, 1.0]])]
    weights = [w.astype(np.float32).astype(float) for w in weights]
    before = Network.dense(weights, [np.array([0.3, 0.0]).astype(np.float32), np.ones(1)])
    assert fold(before, SQUARE).after.by_name["relu1"].size == 2
    found = fold(before, SQUARE, tolerance=1e-6)
    assert found.after.by_name["relu1"].size == 1
    assert 0 < found.distance < 1e-6
    gap = before.evaluate(np.zeros(2), exact=True) - found.after.evaluate(np.zeros(2), exact=True)
    assert 0 < abs(gap[0]) <= found.distance


def test_neurons_read_past_a_layer_fold_too():
    rng = np.random.default_rng(6)

    def whole(rows, columns):
        return Affine(
            Dense(rng.integers(-99, 100, size=(rows, columns)).astype(float)), np.ones(rows)
        )

    first = whole(5, 2)
    weight = first.operator.weight.copy()
    weight[1], weight[2] = 3 * weight[0], 0.0
    first = Affine(Dense(weight), np.array([1.0, 3.0, 5.0, 7.0, 8.0]))
    last = whole(2, 4 + 5 + 2)
    nodes = (
        Node("x", Input((2,))),
        Node("z1", first, ("x",)),
        Node("a1", Piecewise.relu(5), ("z1",)),
        Node("z2", whole(4, 5), ("a1",)),
        Node("a2", Piecewise.relu(4), ("z2",)),
        Node("all", Concat((4, 5, 2)), ("a2", "a1", "x")),
        Node("y", last, ("all",)),
    )
    before = Network(nodes, "y")
    found = fold(before, SQUARE)
    assert found.after.by_name["a1"].size == 3
    assert found.after.multiply_adds == 3 * 2 + 4 * 3 + 2 * (4 + 3 + 2)
    assert same(before, found.after, rng.normal(size=(6, 2)))


def test_a_sum_of_scaled_activations_keeps_neurons_apart():
    # leaky ReLU: a = z/8 + 7/8 relu(z); equal rows fold, and so do multiples
    rng = np.random.default_rng(7)
    rows = rng.integers(-99, 100, size=(4, 2)).astype(float)
    rows[1], rows[2] = rows[0], 3 * rows[0]
    nodes = (
        Node("x", Input((2,))),
        Node("z", Affine(Dense(rows), np.array([1.0, 1.0, 3.0, 2.0])), ("x",)),
        Node("r", Piecewise.relu(4), ("z",)),
        Node("s", Affine(Diagonal(np.full(4, 0.875)), np.zeros(4)), ("r",)),
        Node("t", Affine(Diagonal(np.full(4, 0.125)), np.zeros(4)), ("z",)),
        Node("a", Sum(4), ("s", "t")),
        Node("y", Affine(Dense(np.arange(8.0).reshape(2, 4)), np.zeros(2)), ("a",)),
    )
    before = Network(nodes, "y")
    found = fold(before, SQUARE)
    assert found.steps[0].equal == 2
    assert found.after.multiply_adds == 2 * (2 + 2 + 2)
    assert same(before, found.after, rng.normal(size=(6, 2)))


def test_a_body_of_sums_alone_folds():
    rows = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, -1.0]])
    nodes = (
        Node("x", Input((2,))),
        Node("z", Affine(Dense(rows), np.zeros(3)), ("x",)),
        Node("a", Sum(3), ("z", "z")),
        Node("y", Affine(Dense(np.ones((1, 3))), np.zeros(1)), ("a",)),
    )
    before = Network(nodes, "y")
    found = fold(before, SQUARE)
    assert found.after.multiply_adds == 2
    assert same(before, found.after, np.eye(2))


def test_a_weight_beyond_the_element_type_is_not_made():
    first = np.array([[1.0, 1.0], [2.0, 2.0]])
    second = np.array([[6e4, 6e4]])
    before = Network.dense([first, second], [np.ones(2), np.zeros(1)], Origin(dtype="float16"))
    before = before.with_layers({"affine1": Affine(Dense(first), np.array([1.0, 2.0]))})
    for tolerance in (0.0, 1e9):
        found = fold(before, SQUARE, tolerance)
        assert found.exact
        assert found.after.by_name["relu1"].size == 2


def test_multiples_under_a_function_that_adds_something_are_not_joined():
    # clip from 0 to 1: relu(z) - relu(z - 1)
    rows = np.array([[1.0, 2.0], [2.0, 4.0], [1.0, 2.0]])
    nodes = (
        Node("x", Input((2,))),
        Node("z", Affine(Dense(rows), np.zeros(3)), ("x",)),
        Node("low", Piecewise.relu(3), ("z",)),
        Node("moved", Affine(Diagonal(np.ones(3)), -np.ones(3)), ("z",)),
        Node("over", Piecewise.relu(3), ("moved",)),
        Node("less", Affine(Diagonal(-np.ones(3)), np.zeros(3)), ("over",)),
        Node("a", Sum(3), ("low", "less")),
        Node("y", Affine(Dense(np.array([[1.0, 3.0, 5.0]])), np.zeros(1)), ("a",)),
    )
    before = Network(nodes, "y")
    found = fold(before, SQUARE)
    assert found.steps[0].equal == 1
    assert same(before, found.after, np.array([[1.0, 0.5], [0.25, 0.0], [0.125, 0.25]]))


def test_rows_that_are_multiples_only_by_rounding_are_not_joined():
    # The first neuron is 1; moved into the biases 1 + 1 and 4 + 2**-24 it gives, rounded, 2 and 4.
    first = np.array([[0.0, 0.0], [1.0, 3.0]])
    second = np.array([[1.0, 1.0], [2.0**-24, 2.0]])
    before = Network.dense(
        [first, second, np.ones((1, 2))], [np.ones(2), np.array([1.0, 4.0]), np.zeros(1)]
    )
    found = fold(before, SQUARE, tolerance=1e-3)
    assert found.after.by_name["relu1"].size == 1
    gap = before.evaluate(np.ones(2), exact=True) - found.after.evaluate(np.ones(2), exact=True)
    assert 0 < abs(gap[0]) <= found.distance


def test_what_one_sum_of_columns_lost_is_not_forgotten_by_the_next():
    # 1 + 3 * 2**-25 is rounded; the opposite neuron's 2**-23 is then added exactly.
    first = np.array([[1.0, 2.0], [3.0, 6.0], [-1.0, -2.0]])
    second = np.array([[1.0, 2.0**-25, 2.0**-23]])
    before = Network.dense([first, second], [np.array([1.0, 3.0, -1.0]), np.zeros(1)])
    found = fold(before, SQUARE, tolerance=1e-3)
    assert (found.steps[0].equal, found.steps[0].opposite) == (1, 1)
    for place in ([1.0, 1.0], [-1.0, -1.0]):
        some = np.array(place)
        gap = before.evaluate(some, exact=True) - found.after.evaluate(some, exact=True)
        assert abs(gap[0]) <= found.distance
    assert found.distance > 0


def test_a_column_that_is_zero_only_by_rounding_is_not_forgotten():
    tiny = 2.0**-24  # the smallest number of float16: 1.5 of it less 1 of it is stored as 0
    first = np.array([[2.0, 4.0], [3.0, 6.0], [7.0, -1.0]])
    second = np.array([[-tiny, tiny, 1.0]])
    before = Network.dense(
        [first, second], [np.array([2.0, 3.0, 1.0]), np.zeros(1)], Origin(dtype="float16")
    )
    found = fold(before, SQUARE, tolerance=1e-3)
    some = np.ones(2)
    gap = before.evaluate(some, exact=True) - found.after.evaluate(some, exact=True)
    assert abs(gap[0]) <= found.distance


def test_what_a_sum_of_columns_lost_passes_through_the_product():
    first = np.array([[1.0, 2.0], [3.0, 6.0], [7.0, -1.0]])
    second = np.array([[1.0, 2.0**-25, 1.0]])
    before = Network.dense([first, second], [np.array([1.0, 3.0, 1.0]), np.zeros(1)])
    before = before.with_layers({"relu1": Piecewise(np.array([2, 2, 0]), np.zeros(3), np.zeros(3))})
    found = fold(before, SQUARE, tolerance=1e-3)
    assert (found.steps[0].equal, found.steps[0].form) == (1, Form.SKIP.value)
    some = np.ones(2)
    gap = before.evaluate(some, exact=True) - found.after.evaluate(some, exact=True)
    assert 0 < abs(gap[0]) <= found.distance
