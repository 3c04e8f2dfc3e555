"""Merging behind a cut: fewer multiply-adds, and never farther away than the distance stated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import reach
from strategies import boxes, dense_networks, graph_networks, points

from secateur.engine.formats import load, save
from secateur.engine.legal import violations
from secateur.engine.network import (
    Affine,
    Input,
    Network,
    Node,
    Origin,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region
from secateur.redundancy import behind
from secateur.redundancy import fold as fold_module
from secateur.redundancy.behind import merge
from secateur.redundancy.cuts import Cost, cuts, estimate, front, live
from secateur.redundancy.effect import Shift, distance
from secateur.redundancy.fold import Form, as_relus, fold

STATES = [State.RELU, State.RELU, State.ZERO, State.IDENTITY, State.IDENTITY, State.LINEAR]


def linearised(network, rng, states=tuple(STATES)):
    """Return the network with random states and lines."""
    layers = {}
    for node in network.piecewise:
        state = rng.choice([int(s) for s in states], size=node.size).astype(np.int8)
        slope, shift = rng.normal(size=(2, node.size)) * rng.integers(0, 2, size=(2, node.size))
        layers[node.name] = Piecewise(state, slope, shift)
    return network.with_layers(layers)


def stored_as(network, dtype):
    """Return the network with the numbers and the origin of an element type."""

    def near(values):
        return values.astype(dtype).astype(np.float64)

    layers = {}
    for node in network.nodes:
        match node.layer:
            case Affine(operator=Dense(weight=weight), bias=bias):
                layers[node.name] = Affine(Dense(near(weight)), near(bias))
    changed = network.with_layers(layers)
    return Network(changed.nodes, changed.output, Origin(dtype=dtype))


def convolutional(rng, dtype="float32"):
    """Return a residual network of convolutions with a dense head."""

    def kernel(out, channels, size, shape, padding, strides=(1, 1)):
        weight = rng.normal(size=(out, channels, size, size)).astype(np.float32)
        return Convolution(weight, shape, strides, (padding,) * 4)

    def biases(conv):
        return np.repeat(rng.normal(size=conv.weight.shape[0]), np.prod(conv.shape_out[1:]))

    first = kernel(2, 1, 2, (1, 4, 4), 0, (2, 2))
    second = kernel(2, 2, 3, (2, 2, 2), 1)
    third = kernel(2, 2, 1, (2, 2, 2), 0)
    nodes = (
        Node("x", Input((1, 4, 4))),
        Node("z1", Affine(first, biases(first).astype(np.float32)), ("x",), first.shape_out),
        Node("a1", Piecewise.relu(8), ("z1",)),
        Node("z2", Affine(second, biases(second).astype(np.float32)), ("a1",), (2, 2, 2)),
        Node("a2", Piecewise.relu(8), ("z2",)),
        Node("z3", Affine(third, biases(third).astype(np.float32)), ("a2",), (2, 2, 2)),
        Node("s", Sum(8), ("z3", "a1")),
        Node("a3", Piecewise.relu(8), ("s",)),
        Node(
            "y",
            Affine(Dense(rng.normal(size=(2, 8)).astype(np.float32)), np.zeros(2)),
            ("a3",),
        ),
    )
    return Network(nodes, "y", Origin(dtype=dtype))


@st.composite
def cases(draw):
    """Draw a network with linearised neurons, the corners of a box, and some of its points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    match draw(st.sampled_from(["dense", "graph", "graph", "convolutional"])):
        case "dense":
            network = stored_as(draw(dense_networks()), dtype)
        case "graph":
            network = stored_as(draw(graph_networks()), dtype)
        case _:
            network = convolutional(rng, dtype)
    lower, upper = draw(boxes(network.size_in))
    some = draw(points((lower, upper), count=3))
    corner = np.where(rng.integers(0, 2, lower.size), lower, upper)
    return linearised(network, rng), (lower, upper), np.vstack([some, lower, upper, corner])


def gap(one, two, some):
    """Return the largest difference at some points, in rationals."""
    apart = one.evaluate(some, exact=True) - two.evaluate(some, exact=True)
    return max(abs(value) for value in apart.ravel())


def check_every_cut(before, box, some):
    """Assert that merging behind each cut is legal, and as far away at most as is stated."""
    alive, merges = live(before, {}), 0
    for cut in cuts(before):
        at_most = estimate(before, cut, alive, Cost.MULTIPLY_ADDS)
        found = merge(before, {}, cut, alive)
        if found is None:
            assert before.origin.dtype == "float16"
            continue
        merges += 1
        after = found.network
        assert not violations(after)
        assert after.output == before.output
        kept = front(before, cut)
        for node in after.piecewise:
            if node.name not in kept:
                assert (node.layer.state == State.RELU).all()
        far = distance(after, found.shifts, Region.box(*box))
        assert gap(before, after, some) <= far
        assert at_most is not None
        if live(after, {})[after.input.name].any():  # constants read the input for nothing
            assert Cost.MULTIPLY_ADDS.of(after) <= at_most
    return merges


@given(cases())
@settings(max_examples=100)
def test_a_cut_is_what_no_path_avoids(case):
    network = case[0]
    found = cuts(network)
    for node in network.nodes:
        if not isinstance(node.layer, Input | Piecewise) or node.name == network.output:
            assert node.name not in found
            continue
        reached = {network.input.name} - {node.name}
        for other in network.nodes:  # by paths that avoid the node
            if other.name != node.name and reached & set(other.sources):
                reached.add(other.name)
        assert (node.name in found) == (network.output not in reached)
        if node.name in found:
            before, pending = set(), [node.name]
            while pending:
                before.add(pending[-1])
                pending += network.by_name[pending.pop()].sources
            assert front(network, node.name) == before


@given(cases())
@settings(max_examples=150)
def test_a_merge_behind_any_cut_stays_within_the_distance_it_states(case):
    check_every_cut(*case)


@given(cases())
@settings(max_examples=100)
def test_shifts_of_the_network_that_is_merged_are_carried_on(case):
    ideal, box, some = case
    rng = np.random.default_rng(0)
    layers, shifts = {}, {}
    for node in ideal.nodes:
        match node.layer:
            case Affine(operator=Dense(weight=weight), bias=bias):
                # some weights of 0 stand for others, and whole columns may
                gone = rng.integers(0, 3, weight.shape[1]) > 0
                moved = [v + rng.uniform(-0.01, 0.01, v.shape) for v in (weight * gone, bias)]
                moved[0] = np.where(gone | (rng.integers(0, 2) > 0), moved[0], 0.0)
                layers[node.name] = Affine(Dense(moved[0]), moved[1])
                apart = [np.abs(a - b) * 1.0001 for a, b in zip(moved, (weight, bias), strict=True)]
                shifts[node.name] = Shift(*apart)
    before = ideal.with_layers(layers)
    alive = live(before, shifts)
    for cut in cuts(before):
        found = merge(before, shifts, cut, alive)
        if found is not None:
            far = distance(found.network, found.shifts, Region.box(*box))
            assert gap(ideal, found.network, some) <= far


@given(cases(), st.sampled_from(Cost), st.booleans())
@settings(max_examples=100)
def test_a_fold_with_merges_is_no_larger_and_within_its_distance(case, cost, chain):
    before, box, some = case
    region = Region.box(*box)
    exact = fold(before, region, chain=chain, cost=cost)
    assert exact.exact
    assert gap(before, exact.after, some) == 0
    found = fold(before, region, 1e3, chain=chain, cost=cost)
    assert not violations(found.after)
    assert found.storable >= exact.storable
    if found.storable == exact.storable:
        assert cost.of(found.after) <= cost.of(exact.after)
    assert found.distance <= 1e3
    assert gap(before, found.after, some) <= found.distance
    names = {step.layer: step for step in found.steps}
    for node in found.after.piecewise:
        if node.name in names and names[node.name].form == Form.BEHIND.value:
            assert (node.layer.state == State.RELU).all()
            assert not found.nonnegative[node.name].any()
    if chain and all(isinstance(n.layer, Input | Affine | Piecewise) for n in before.nodes):
        assert all(len(node.sources) <= 1 for node in found.after.nodes)


def mixed(sizes=(4, 20, 20, 20, 2), linear=14, seed=0):
    """Return a chain with so many identities that hardly anything is left behind the input."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    before = Network.dense(weights, [rng.normal(size=s[0]).astype(np.float32) for s in shapes])
    layers = {}
    for node in before.piecewise:
        state = np.where(np.arange(node.size) < linear, State.IDENTITY, State.RELU)
        layers[node.name] = Piecewise(state, np.zeros(node.size), np.zeros(node.size))
    return before.with_layers(layers)


def test_what_is_linear_behind_the_input_is_multiplied_out():
    before = mixed()
    region = Region.box([-1] * 4, [1] * 4)
    found = fold(before, region, 1e-2)
    assert [step.form for step in found.steps] == [Form.BEHIND.value] * 3
    assert found.after.multiply_adds == 4 * 6 + (4 + 6) * 6 + (4 + 12) * 6 + (4 + 18) * 2
    assert 0 < found.distance < 1e-2
    some = np.random.default_rng(1).uniform(-1, 1, size=(8, 4))
    assert 0 < gap(before, found.after, some) <= found.distance
    assert fold(before, region).exact
    far = fold(before, region, found.distance / 1e6)
    assert far.distance <= found.distance / 1e6
    assert far.after.multiply_adds > found.after.multiply_adds


def test_layers_in_front_of_the_cut_keep_their_forms_and_what_is_left_out_is_counted():
    rng = np.random.default_rng(2)
    sizes = (30, 3, 20, 20, 2)
    before = mixed(sizes, 0, 2)
    states = {
        "relu1": np.array([State.RELU, State.RELU, State.IDENTITY]),
        "relu2": np.where(np.arange(20) < 18, State.IDENTITY, State.RELU),
        "relu3": np.where(np.arange(20) < 17, State.IDENTITY, State.ZERO),
    }
    layers = {n: Piecewise(s.astype(np.int8), *np.zeros((2, s.size))) for n, s in states.items()}
    before = before.with_layers(layers)
    mask = {"relu1": np.array([False, False, True]), "relu2": np.ones(20, dtype=bool)}
    found = fold(before, Region.box([-1] * 30, [1] * 30), 1e-2, mask)
    one, two, three = found.steps
    assert [one.form, two.form] == [Form.UNITS.value, Form.BEHIND.value]
    assert three.form in (Form.BEHIND.value, Form.MERGED.value)
    assert (three.zero, three.constant) == (3, 3)
    assert found.after.multiply_adds == 30 * 3 + 3 * 2 + (3 + 2) * 2
    assert found.nonnegative["relu1"].tolist() == [False, False, True]
    assert not found.nonnegative["relu2"].any()
    some = rng.uniform(-1, 1, size=(4, 30))
    assert gap(before, found.after, some) <= found.distance


def test_a_merged_network_is_saved_bit_for_bit(tmp_path):
    found = fold(mixed(), Region.box([-1] * 4, [1] * 4), 1e-2)
    save(found.after, tmp_path / "after.onnx")
    again = load(tmp_path / "after.onnx")
    some = np.random.default_rng(1).normal(size=(8, 4))
    assert gap(again, found.after, some) == 0


def test_what_counts_is_chosen():
    rng = np.random.default_rng(0)
    kernel = Convolution(rng.normal(size=(1, 1, 3, 3)).astype(np.float32), (1, 6, 6))
    head = rng.normal(size=(2, 16)).astype(np.float32)
    nodes = (
        Node("x", Input((1, 6, 6))),
        Node("z", Affine(kernel, np.zeros(16)), ("x",), (1, 4, 4)),
        Node("a", Piecewise(np.full(16, State.IDENTITY, np.int8), *np.zeros((2, 16))), ("z",)),
        Node("y", Affine(Dense(head), np.zeros(2)), ("a",)),
    )
    before, region = Network(nodes, "y"), Region.box([-1] * 36, [1] * 36)
    work = fold(before, region, 1e-2)
    assert (work.after.multiply_adds, work.after.parameters) == (2 * 36, 2 * 36 + 2)
    assert work.steps[0].form == Form.BEHIND.value
    numbers = fold(before, region, 1e-2, cost=Cost.PARAMETERS)
    assert (numbers.after.multiply_adds, numbers.after.parameters) == (9 * 16 + 32, 9 + 16 + 34)
    assert numbers.exact
    assert numbers.steps[0].form == Form.KEPT.value


def test_zeros_of_a_convolution_leave_it_without_any_rounding():
    before = convolutional(np.random.default_rng(0))
    state = np.array([1, 1, 1, 0, 1, 1, 1, 0], np.int8)
    before = before.with_layers({"a1": Piecewise(state, np.zeros(8), np.zeros(8))})
    nodes = [node for node in before.nodes if node.name not in ("s", "a3", "y")]
    head = Affine(Dense(np.ones((2, 8))), np.zeros(2))
    before = Network((*nodes, Node("y", head, ("z3",))), "y")
    found = fold(before, Region.box([-1] * 16, [1] * 16))
    assert found.exact
    assert gap(before, found.after, np.random.default_rng(1).normal(size=(4, 16))) == 0


def test_only_some_columns_are_read():
    # Two halves that never meet: nothing reads what it multiplies by zero.
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(6, 6)), rng.normal(size=(6, 6)), rng.normal(size=(1, 6))]
    for weight in weights[:2]:
        weight[:3, 3:] = weight[3:, :3] = 0.0
    before = Network.dense(weights, [np.ones(6), np.ones(6), np.ones(1)], Origin(dtype="float64"))
    state = np.array([2, 2, 0, 1, 1, 1], np.int8)
    before = before.with_layers({"relu1": Piecewise(state, np.zeros(6), np.zeros(6))})
    found = merge(before, {}, "input", live(before, {}))
    assert any(isinstance(node.layer, Select) for node in found.network.nodes)
    layer = found.network.by_name["affine1"].layer
    assert layer.operator.size_in == 3
    assert gap(before, found.network, rng.normal(size=(4, 6))) < 1e-12


def test_a_constant_network_reads_no_value_in_earnest():
    before = mixed((3, 4, 2), 0)
    zero = Piecewise(np.full(4, State.ZERO, np.int8), np.zeros(4), np.zeros(4))
    before = before.with_layers({"relu1": zero})
    for cut in ("input", "relu1"):
        found = merge(before, {}, cut, live(before, {}))
        assert not violations(found.network)
        assert gap(before, found.network, np.ones((1, 3))) == 0


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_numbers_out_of_range_are_never_stored(dtype):
    huge = {"float16": 6e4, "float64": 1e200}[dtype]
    shapes = [(3, 2), (3, 3), (3, 3), (1, 3)]
    before = Network.dense(
        [np.full(s, huge) for s in shapes], [np.zeros(s[0]) for s in shapes], Origin(dtype=dtype)
    )
    line = Piecewise(np.full(3, State.IDENTITY, np.int8), np.zeros(3), np.zeros(3))
    before = before.with_layers({node.name: line for node in before.piecewise})
    assert merge(before, {}, "input", live(before, {})) is None
    found = fold(before, Region.box([-1] * 2, [1] * 2), 1e300)
    assert gap(before, found.after, np.ones((1, 2))) <= found.distance


def signs(network, lower, upper):
    """Return which neurons are at least 0, and which at most 0, by exact interval arithmetic."""
    ends = reach(network, lower, upper)
    return (
        {node.name: ends[node.sources[0]][0] >= 0 for node in network.piecewise},
        {node.name: ends[node.sources[0]][1] <= 0 for node in network.piecewise},
    )


@given(cases(), st.booleans())
@settings(max_examples=100)
def test_neurons_of_a_proved_sign_are_written_as_relus(case, rounding):
    original, box, some = case
    original = original.with_layers({n.name: Piecewise.relu(n.size) for n in original.piecewise})
    positive, negative = signs(original, *box)
    layers = {}
    for node in original.piecewise:
        state = np.where(positive[node.name], State.IDENTITY, State.RELU)
        state = np.where(negative[node.name], State.ZERO, state)
        layers[node.name] = Piecewise(state, np.zeros(node.size), np.zeros(node.size))
    before, tolerance = original.with_layers(layers), 1e3 if rounding else 0.0
    found = fold(before, Region.box(*box), tolerance, positive, nonpositive=negative)
    after = as_relus(found.after, original, found.nonnegative, found.nonpositive)
    assert not violations(after)
    assert gap(original, after, some) <= found.distance
    assert gap(original, found.after, some) <= found.distance
    for node in after.piecewise:  # nothing is left but ReLUs, and units made by the fold
        state = node.layer.state
        assert not (state == State.ZERO).any()
        if node.name in found.nonnegative:
            assert not (found.nonnegative[node.name] & (state == State.IDENTITY)).any()


def test_a_zero_that_a_rounded_row_may_reach_is_charged_for():
    # The row of the ZERO neuron is 0 at (1, 1); rounded, it is not, and a ReLU would show it.
    third = 1 / 3
    before = Network.dense(
        [np.array([[1.0, 2.0]]), np.array([[third]]), np.array([[1.0]])],
        [np.array([-3.0]), np.array([0.0]), np.array([0.0])],
        Origin(dtype="float64"),
    )
    zero = Piecewise(np.array([State.ZERO], np.int8), np.zeros(1), np.zeros(1))
    before = before.with_layers({"relu2": zero})
    shift = {"affine2": Shift(np.full((1, 1), 0.25), np.full(1, 0.125))}
    region = Region.box([0, 0], [1, 1])
    assert distance(before, shift, region) == 0
    relus = as_relus(before, before, {}, {"relu2": np.array([True])})
    assert distance(relus, shift, region) > 0.125


def test_the_distance_of_a_fold_covers_its_zeros_as_relus(monkeypatch):
    # The ZERO neuron is p q x - p q, of which the fold rounds the first product up. A sum reads it,
    # so it stays, and as a ReLU it is more than 0 at x = 1.
    first, second = (float(np.float32(v)) for v in (1.1, 1.7))
    exact = first * second  # 48 bits
    assert float(np.float32(exact)) > exact
    assert Fraction(first) * Fraction(second) == Fraction(exact)
    nodes = (
        Node("x", Input((1,))),
        Node("z1", Affine(Dense(np.array([[first]])), np.zeros(1)), ("x",)),
        Node("a1", Piecewise(np.array([State.IDENTITY]), np.zeros(1), np.zeros(1)), ("z1",)),
        Node("z2", Affine(Dense(np.array([[second], [1.0]])), np.array([-exact, 0.0])), ("a1",)),
        Node("a2", Piecewise(np.array([State.ZERO, State.RELU]), *np.zeros((2, 2))), ("z2",)),
        Node("beside", Affine(Dense(np.ones((2, 1))), np.zeros(2)), ("x",)),
        Node("s", Sum(2), ("a2", "beside")),
        Node("y", Affine(Dense(np.ones((1, 2))), np.zeros(1)), ("s",)),
    )
    before, region = Network(nodes, "y"), Region.box([0], [1])
    monkeypatch.setattr(fold_module, "MERGES", 0)
    found = fold(before, region, 1.0, nonpositive={"a2": np.array([True, False])})
    after = as_relus(found.after, before, found.nonnegative, found.nonpositive)
    assert gap(before, found.after, np.ones((1, 1))) == 0
    assert 0 < gap(before, after, np.ones((1, 1))) <= found.distance


@given(st.integers(0, 2**31))
@settings(max_examples=100)
def test_sums_and_scales_of_lines_are_as_near_as_they_say(seed):
    rng = np.random.default_rng(seed)

    def some(*shape):
        spread = rng.normal(size=shape) * 10.0 ** rng.integers(-200, 30, size=shape)
        return np.where(rng.integers(0, 4, size=shape), spread, rng.integers(-1, 2, size=shape))

    def exact(values):
        out = np.empty(values.shape, dtype=object)
        out.ravel()[:] = [Fraction(v) for v in values.ravel().tolist()]
        return out

    def check(near, far, wanted):
        assert (abs(exact(near) - wanted) <= exact(far)).all()

    one, two, more, steep = some(4, 3), some(4, 3), some(4, 3), some(4, 1)
    near, far = behind._added(one, np.zeros((4, 3)), more)
    check(near, far, exact(one) + exact(more))
    parts = [behind._Lines({"": v}, {"": np.zeros((4, 3))}) for v in (one, two, more)]
    total = behind._sum(parts)
    check(total.near[""], total.far[""], exact(one) + exact(two) + exact(more))
    scaled = behind._scaled(parts[0], steep)
    check(scaled.near[""], scaled.far[""], exact(one) * exact(steep))
    weight, bias = some(2, 4), some(2)
    layer = Affine(Dense(weight), bias)
    pushed = behind._pushed(behind._Lines({"": one[:, :1]}, {"": np.zeros((4, 1))}), layer, None)
    check(pushed.near[""], pushed.far[""], exact(weight) @ exact(one[:, :1]) + exact(bias)[:, None])
    plain = behind._unit(4, "v", np.array([1, 3]), None)
    pushed = behind._pushed(plain, layer, None)
    assert not pushed.far["v"].any()
    assert (pushed.near["v"] == weight[:, [1, 3]]).all()


@pytest.mark.parametrize("fault", ["gamma", "product_above", "times_above", "sum_above"])
def test_a_fault_in_the_errors_is_seen(fault, monkeypatch):
    """A merge that forgets one kind of error states distances that its network passes."""
    faults = {
        "gamma": lambda _: 0.0,
        "product_above": lambda one, two: np.zeros((len(one), two.shape[1])),
        "times_above": lambda one, two: np.zeros(np.broadcast_shapes(one.shape, two.shape)),
        "sum_above": lambda *parts: np.zeros_like(parts[0]),
    }
    dtype = "float64" if fault == "gamma" else "float32"
    shifted = {"product_above": "affine2", "times_above": "affine1"}.get(fault)
    seen = 0
    monkeypatch.setattr(behind, fault, faults[fault])
    for seed in range(12):
        rng = np.random.default_rng(seed)
        ideal = mixed((2, 5, 5, 1), 4, seed)
        ideal = Network(ideal.nodes, ideal.output, Origin(dtype=dtype))
        if fault == "times_above":
            lines = Piecewise(np.full(5, 3, np.int8), rng.normal(size=5), np.zeros(5))
            ideal = ideal.with_layers({"relu1": lines})
        before, shifts = ideal, {}
        if shifted:
            layer = ideal.by_name[shifted].layer
            moved = Affine(Dense(layer.operator.weight * 1.01), layer.bias)
            before = ideal.with_layers({shifted: moved})
            apart = np.abs(moved.operator.weight - layer.operator.weight) * 1.0001
            shifts = {shifted: Shift(apart, np.zeros(5))}
        found = merge(before, shifts, "input", live(before, shifts))
        some = rng.uniform(-1, 1, size=(8, 2))
        far = distance(found.network, found.shifts, Region.box([-1, -1], [1, 1]))
        seen += gap(ideal, found.network, some) > far
    assert seen
