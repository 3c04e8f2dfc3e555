"""Merging behind a cut: legal, and never farther away than the distance stated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import cases, gap, mixed

from secateur.engine.legal import violations
from secateur.engine.network import Affine, Input, Network, Origin, Piecewise, Select, State
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.redundancy import behind
from secateur.redundancy.behind import merge
from secateur.redundancy.cuts import Cost, cuts, estimate, front, live
from secateur.redundancy.effect import Shift, distance
from secateur.redundancy.fold import fold


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
