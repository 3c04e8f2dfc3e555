"""Pruning: which weights go, how many, and that whole units leave without a trace."""

import itertools

import numpy as np
import pytest
from compressed_drawn import SHARES, chains, image_networks, networks
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from secateur.compression.form import affine_layers
from secateur.compression.gradual import Descent, Lesson, Schedule, distilled, gradual
from secateur.compression.method import Magnitude, Norm, Random, Rows, Scope
from secateur.compression.plain import narrow, weighted, with_weight
from secateur.compression.prune import masks, prune
from secateur.compression.rows import Tracing, prune_rows
from secateur.engine.errors import InputError
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Select, Sum
from secateur.engine.operators import Dense, Diagonal
from secateur.engine.region import Region

scopes = st.sampled_from(list(Scope))


@given(networks, SHARES, scopes, st.booleans())
def test_the_share_of_weights_goes_and_the_others_stay(network, share, scope, random):
    method = (Random if random else Magnitude)(share, scope)
    pruned = prune(network, method, seed=7).network
    before = [layer.operator.weight for _, layer in weighted(narrow(network))]
    after = [pruned.by_name[node.name].layer.operator.weight for node, _ in weighted(network)]
    groups = (
        [(before, after)]
        if scope is Scope.GLOBAL
        else [([a], [b]) for a, b in zip(before, after, strict=True)]
    )
    for old, new in groups:
        old, new = (np.concatenate([part.ravel() for part in parts]) for parts in (old, new))
        gone = (new == 0) & (old != 0)
        assert (new[~gone] == old[~gone]).all()
        zeros = int(share * old.size)
        if random:
            assert gone.sum() <= zeros <= (new == 0).sum()
        else:
            assert (new == 0).sum() == max(zeros, (old == 0).sum())
            if gone.any() and (new != 0).any():
                assert np.abs(old[gone]).max() <= np.abs(new[new != 0]).min()


@settings(max_examples=40)
@given(networks, st.sampled_from([Magnitude(0.5), Random(0.5)]))
def test_biases_and_structural_layers_stay_and_the_same_seed_gives_the_same(network, method):
    one, two = (prune(network, method, seed=3).network for _ in range(2))
    for node, layer in affine_layers(narrow(network)):
        first = one.by_name[node.name].layer
        assert (first.bias == layer.bias).all()
        assert (first.operator.weight == two.by_name[node.name].layer.operator.weight).all()
        if isinstance(layer.operator, Diagonal):
            assert (first.operator.weight == layer.operator.weight).all()


@given(networks, scopes)
def test_a_larger_share_cuts_what_a_smaller_one_cuts(network, scope):
    scores = {node.name: np.abs(layer.operator.weight) for node, layer in weighted(network)}
    few, many = masks(scores, 0.2, scope), masks(scores, 0.6, scope)
    assert all((few[name] | ~many[name]).all() for name in scores)


def without(network, gone):
    """Return the network with the weights and biases of some units zero."""
    layers = {}
    for name, mask in gone.items():
        layer = network.by_name[name].layer
        weight = layer.operator.weight.copy()
        weight[mask] = 0.0
        bias = np.where(np.repeat(mask, layer.bias.size // mask.size), 0.0, layer.bias)
        layers[name] = Affine(with_weight(layer.operator, weight), bias)
    return network.with_layers(layers)


@settings(max_examples=50)
@given(chains, SHARES, scopes, st.sampled_from(list(Norm)), st.integers(0, 2**32 - 1))
def test_units_that_leave_were_as_good_as_zero(network, share, scope, norm, seed):
    network = narrow(network)
    tracing = Tracing(network)
    free = tracing.removable()
    assert free == [node.name for node, _ in weighted(network)][:-1]
    rng = np.random.default_rng(seed)
    gone = {}
    for name in free:
        gone[name] = rng.random(len(network.by_name[name].layer.operator.weight)) < share
        gone[name][rng.integers(gone[name].size)] = False
    small = tracing.without(gone)
    points = rng.normal(size=(2, network.size_in))
    wanted = without(network, gone).evaluate(points, exact=True)
    assert (small.evaluate(points, exact=True) == wanted).all()
    pruned = prune_rows(network, Rows(share, scope, norm)).network
    assert pruned.neurons <= network.neurons
    assert pruned.parameters <= network.parameters
    assert pruned.evaluate(points).shape == wanted.shape


@given(image_networks(), st.floats(0.3, 0.9))
def test_channels_leave_in_whole(network, share):
    assume(any(len(layer.operator.weight) > 3 for _, layer in weighted(network)[:-1]))
    pruned = prune_rows(network, Rows(share))
    assert pruned.network.parameters < network.parameters
    for node in pruned.network.nodes[1:]:
        assert int(np.prod(node.shape)) == node.size


def test_the_smallest_rows_of_each_layer_go_first():
    weights = [np.diag([3.0, 0.1, 2.0, 1.0]), np.full((2, 4), [1.0, 2.0, 3.0, 4.0])]
    pruned = prune_rows(Network.dense(weights, [np.ones(4), np.zeros(2)]), Rows(0.5)).network
    assert (pruned.nodes[1].layer.operator.weight == weights[0][[0, 2]]).all()
    assert (pruned.nodes[-1].layer.operator.weight == weights[1][:, [0, 2]]).all()


def leaky(skip=False):
    """Return a leaky ReLU between two dense layers; `skip` adds the input to it."""
    rng = np.random.default_rng(2)
    nodes = [
        Node("input", Input((4,))),
        Node("first", Affine(Dense(rng.normal(size=(4, 4))), rng.normal(size=4)), ("input",)),
        Node("relu", Piecewise.relu(4), ("first",)),
        Node("high", Affine(Diagonal(np.full(4, 0.75)), np.zeros(4)), ("relu",)),
        Node("low", Affine(Diagonal(np.full(4, 0.25)), np.zeros(4)), ("first",)),
        Node("leaky", Sum(4), ("low", "high", "input") if skip else ("low", "high")),
        Node("last", Affine(Dense(rng.normal(size=(2, 4))), np.ones(2)), ("leaky",)),
    ]
    return Network(tuple(nodes), "last")


def test_a_unit_leaves_through_a_leaky_relu():
    pruned = prune_rows(leaky(), Rows(0.5)).network
    assert [node.size for node in pruned.nodes] == [4, 2, 2, 2, 2, 2, 2]


def test_a_unit_that_is_added_to_something_else_stays():
    with pytest.raises(InputError, match="no neuron or channel that can be removed"):
        prune_rows(leaky(skip=True), Rows(0.5))


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, np.nan])
@pytest.mark.parametrize("kind", [Magnitude, Random, Rows])
def test_a_share_outside_its_range_is_refused(kind, share):
    with pytest.raises(InputError, match="share"):
        kind(share)


# Pruning while training


@given(
    st.floats(0, 0.5),
    st.floats(0.5, 0.99),
    st.integers(0, 50),
    st.integers(1, 20),
    st.integers(1, 9),
)
def test_the_schedule_rises_along_the_cubic_to_its_end(initial, final, start, every, times):
    schedule = Schedule(final, initial, start, every, times)
    shares = [schedule.share(step) for step in range(schedule.end + 3)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(shares))
    assert shares[start] == pytest.approx(initial)
    assert shares[schedule.end] == final == shares[-1]
    renewed = [step for step in range(schedule.end + 3) if schedule.renews(step)]
    assert renewed == [start + index * every for index in range(times + 1)]
    middle = start + every * times / 2
    if middle == int(middle):
        wanted = final + (initial - final) / 8
        assert schedule.share(int(middle)) == pytest.approx(wanted)


def lesson(network):
    return distilled(network, Region.box([-1] * network.size_in, [1] * network.size_in), 500)


def network_of(seed=0, sizes=(3, 12, 12, 2)):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense(
        [rng.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes],
        [rng.normal(size=shape[0]) for shape in shapes],
    )


@pytest.mark.parametrize("scope", list(Scope))
def test_training_keeps_the_share_and_comes_nearer_than_one_cut(scope):
    network = network_of()
    some, share = lesson(network), 0.5
    schedule = Schedule(share, every=5, times=10)
    trained = gradual(network, schedule, some, Descent(steps=160, rate=3e-3), scope)
    total = sum(layer.operator.weight.size for _, layer in affine_layers(network))
    zeros = sum((layer.operator.weight == 0).sum() for _, layer in affine_layers(trained.network))
    assert share * total - 3 <= zeros <= share * total
    once = prune(network, Magnitude(share, scope))
    apart = [
        np.square(one.network.evaluate(some.inputs) - some.targets).mean()
        for one in (trained, once)
    ]
    assert apart[0] < 0.5 * apart[1]


def test_training_is_the_same_for_a_seed_and_takes_labels():
    network = network_of(1)
    inputs = np.random.default_rng(0).normal(size=(64, 3))
    some = Lesson(inputs, labels=network.evaluate(inputs).argmax(axis=1))
    runs = [gradual(network, Schedule(0.4, times=2, every=5), some, Descent(20)) for _ in "ab"]
    for node, layer in affine_layers(runs[0].network):
        again = runs[1].network.by_name[node.name].layer
        assert layer.operator.weight.tobytes() == again.operator.weight.tobytes()


@settings(max_examples=15)
@given(image_networks())
def test_training_keeps_one_bias_a_channel(network):
    pruned = gradual(network, Schedule(0.5, times=1, every=1), lesson(network), Descent(3))
    for _, layer in affine_layers(pruned.network):
        rows = layer.bias.reshape(len(layer.operator.weight), -1)
        assert (rows == rows[:, :1]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": np.ones((4, 5))}, "5 inputs"),
        ({"targets": np.ones((4, 7))}, "7 targets"),
        ({"targets": None, "labels": np.array([0, 1, 2, 1])}, "labels from 0 to 2"),
        ({"labels": np.zeros(4)}, "give one of them"),
        ({"targets": np.ones((3, 2))}, "4 inputs and 3 answers"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, said):
    given_data = {"inputs": np.ones((4, 3)), "targets": np.ones((4, 2))} | change
    with pytest.raises(InputError, match=said):
        gradual(network_of(), Schedule(0.5), Lesson(**given_data))


@pytest.mark.parametrize(
    "words", [{"final": 1.0}, {"final": 0.2, "initial": 0.3}, {"final": 0.5, "every": 0}]
)
def test_a_schedule_that_makes_no_sense_is_refused(words):
    with pytest.raises(InputError):
        Schedule(**words)


def test_a_selection_of_small_units_keeps_one_of_them():
    """Pruning over all layers took all that a selection passes on: a node without values."""
    rng = np.random.default_rng(0)
    small = np.array([[0.01, 0.02], [2.0, 3.0], [0.03, 0.01]])
    nodes = (
        Node("input", Input((2,))),
        Node("first", Affine(Dense(small), np.ones(3)), ("input",)),
        Node("some", Select(np.array([0, 2, 0]), 3), ("first",)),
        Node("output", Affine(Dense(rng.normal(size=(2, 3))), np.zeros(2)), ("some",)),
    )
    pruned = prune_rows(Network(nodes, "output"), Rows(0.7, Scope.GLOBAL)).network
    assert pruned.by_name["first"].size == 2
    assert pruned.by_name["some"].layer.indices.tolist() == [1]
    left = np.array([[1.0, 0.5]])
    kept = small[2] @ left[0] + 1.0
    weight = nodes[3].layer.operator.weight[:, [1]]
    assert np.allclose(pruned.evaluate(left)[0], (weight * kept).ravel(), rtol=1e-6)
