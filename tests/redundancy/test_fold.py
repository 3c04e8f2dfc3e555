"""Folding: smaller, legal, and equal in rationals, or within the distance that is stated."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, graph_networks, points

from secateur.engine.formats import load, save
from secateur.engine.legal import violations
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region
from secateur.engine.verdict import Unknown
from secateur.redundancy.fold import Form, as_relus, fold
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify


def linearised(network, rng, states=tuple(State)):
    """Return the network with random states."""
    layers = {}
    for node in network.piecewise:
        state = rng.choice([int(s) for s in states], size=node.size).astype(np.int8)
        slope, shift = rng.integers(-4, 5, size=(2, node.size)) / 4
        layers[node.name] = Piecewise(state, slope, shift)
    return network.with_layers(layers)


@given(st.data())
@settings(max_examples=150)
def test_exact_folds_equal_the_network_everywhere_in_rationals(data):
    draw = data.draw(st.sampled_from([dense_networks, graph_networks]))
    network = data.draw(draw())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    lower, upper = data.draw(boxes(network.size_in))
    before = linearised(network, rng)
    found = fold(before, Region.box(lower, upper))
    assert found.exact
    assert not violations(found.after)
    some = data.draw(points((lower, upper), count=4))
    assert (before.evaluate(some, exact=True) == found.after.evaluate(some, exact=True)).all()
    assert found.after.multiply_adds <= max(before.multiply_adds, 1)
    for step, node in zip(found.steps, before.piecewise, strict=True):
        assert step.zero + step.linear + step.active == node.size


@given(st.data())
@settings(max_examples=80)
def test_rounded_folds_stay_within_the_distance_they_state(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    widths = [2, 7, 6, 5, 2]
    weights = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(widths)]
    network = Network.dense(
        [w.astype(np.float32) for w in weights],
        [rng.normal(size=len(w)).astype(np.float32) for w in weights],
    )
    before = linearised(network, rng, (State.RELU, State.IDENTITY, State.LINEAR, State.IDENTITY))
    region = Region.box([-1, -1], [1, 1])
    found = fold(before, region, tolerance=1.0)
    exact = fold(before, region)
    assert not violations(found.after)
    assert found.after.multiply_adds <= exact.after.multiply_adds
    some = region.lattice("float32").snap(rng.uniform(-1, 1, size=(6, 2)))
    gap = before.evaluate(some, exact=True) - found.after.evaluate(some, exact=True)
    assert max(abs(value) for value in gap.ravel()) <= found.distance
    if not found.exact:
        assert 0 < found.distance < 1e-3


def test_the_cheapest_form_is_taken():
    rng = np.random.default_rng(0)

    def whole(rows, columns):  # so many numbers that no two rows are multiples of each other
        return rng.integers(-99, 100, size=(rows, columns)).astype(float)

    network = Network.dense(
        [whole(20, 2), whole(20, 20), whole(2, 20)], [whole(1, 20)[0], whole(1, 20)[0], np.zeros(2)]
    )
    region = Region.box([0, 0], [1, 1])

    def states(first, second):
        layers = {}
        for node, state in zip(network.piecewise, (first, second), strict=True):
            layers[node.name] = Piecewise(np.array(state, np.int8), np.zeros(20), np.zeros(20))
        return network.with_layers(layers)

    relu, zero, identity = [0] * 20, [1] * 20, [2] * 20
    assert [s.form for s in fold(states(relu, relu), region).steps] == [Form.NONE.value] * 2
    skip = fold(states([2] * 18 + [0] * 2, relu), region)
    assert skip.steps[0].form == Form.SKIP.value
    assert skip.after.multiply_adds == 2 * 2 + 20 * (2 + 2) + 2 * 20
    merged = fold(states(identity, relu), region)
    assert merged.steps[0].form == Form.MERGED.value
    assert merged.after.multiply_adds == 20 * 2 + 2 * 20
    units = fold(states([2] + [0] * 9 + [1] * 10, relu), region)
    assert units.steps[0].form == Form.UNITS.value
    assert units.after.multiply_adds == 10 * 2 + 20 * 10 + 2 * 20
    gone = fold(states(zero, relu), region)
    assert gone.after.multiply_adds < network.multiply_adds
    for found in (skip, merged, units, gone):
        assert found.exact
        assert not violations(found.after)


@pytest.mark.parametrize("seed", range(6))
def test_a_simplified_network_equals_the_original_on_its_region(seed):
    rng = np.random.default_rng(seed)
    weights = [
        rng.normal(size=s).astype(np.float32) for s in [(10, 3), (10, 10), (10, 10), (2, 10)]
    ]
    network = Network.dense(weights, [rng.normal(size=len(w)).astype(np.float32) for w in weights])
    region = Region.box([0.1] * 3, [0.4] * 3, "corner")
    plan = simplify(network, region, Effort(seconds=10, samples=300, workers=1))
    assert plan.fold.exact
    assert "equals the original" in plan.guarantee
    assert plan.network.multiply_adds < network.multiply_adds
    assert not violations(plan.network)
    some = region.lattice("float32").snap(rng.uniform(0.1, 0.4, size=(10, 3)))
    wanted = network.evaluate(some, exact=True)
    assert (plan.network.evaluate(some, exact=True) == wanted).all()
    assert (plan.fold.after.evaluate(some, exact=True) == wanted).all()
    assert all((node.layer.state == State.RELU).all() for node in plan.network.piecewise)


def test_a_layer_that_was_linear_from_the_start_is_not_written_as_relus():
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    identity = Piecewise(np.full(2, 2, np.int8), np.zeros(2), np.zeros(2))
    original = network.with_layers({"relu1": identity})
    assert as_relus(original, original).by_name["relu1"].layer.state.tolist() == [2, 2]
    assert as_relus(original, network).by_name["relu1"].layer.state.tolist() == [0, 0]


def test_a_convolutional_network_is_simplified_where_its_neurons_stand(tmp_path):
    rng = np.random.default_rng(1)
    kernel = Convolution(rng.normal(size=(3, 1, 3, 3)).astype(np.float32), (1, 6, 6), (2, 2))
    head = rng.normal(size=(2, kernel.size_out)).astype(np.float32)
    shift = np.repeat([-9.0, 0.5, 9.0], 4)  # one channel off, one undecided, one on
    nodes = (
        Node("x", Input((1, 6, 6))),
        Node("z", Affine(kernel, shift), ("x",), kernel.shape_out),
        Node("a", Piecewise.relu(kernel.size_out), ("z",), kernel.shape_out),
        Node("y", Affine(Dense(head), np.zeros(2)), ("a",)),
    )
    network = Network(nodes, "y")
    region = Region.box([0.0] * 36, [0.25] * 36, "dark images")
    plan = simplify(network, region, Effort(seconds=20, samples=500, workers=1))
    assert plan.phases.by_layer()["a"]["zero"] >= 4
    assert plan.phases.by_layer()["a"]["identity"] >= 4
    assert not plan.phases.count(Unknown)
    assert plan.fold.exact
    assert not violations(plan.network)
    save(plan.network, tmp_path / "small.onnx")
    again = load(tmp_path / "small.onnx")
    some = region.lattice("float32").snap(rng.uniform(0, 0.25, size=(5, 36)))
    wanted = network.evaluate(some, exact=True)
    assert (plan.network.evaluate(some, exact=True) == wanted).all()
    assert (again.evaluate(some, exact=True) == wanted).all()


def test_linear_units_that_depend_on_each_other_become_fewer():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3, 20)).astype(np.float32)
    first = np.concatenate([rows, rows * -2, rows[:1] + rows[1:2], rng.normal(size=(8, 20))])
    first = first.astype(np.float32)
    first[6] = (first[0].astype(float) + first[1].astype(float)).astype(np.float32)
    bias = np.concatenate([[1.0, 2.0, 3.0, -2.0, -4.0, -6.0, 3.0], np.zeros(8)])
    second = rng.integers(-3, 4, size=(20, 15)).astype(float)
    network = Network.dense([first, second], [bias, np.zeros(20)])
    state = np.array([2] * 6 + [0] * 9, np.int8)
    before = network.with_layers({"relu1": Piecewise(state, np.zeros(15), np.zeros(15))})
    region = Region.box([-1] * 20, [1] * 20)
    found = fold(before, region)
    assert found.steps[0].form == Form.FACTOR.value
    assert found.exact
    assert not violations(found.after)
    assert found.after.multiply_adds == 12 * 40
    some = rng.normal(size=(5, 20)).astype(np.float32).astype(float)
    assert (before.evaluate(some, exact=True) == found.after.evaluate(some, exact=True)).all()
