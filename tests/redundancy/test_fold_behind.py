"""Folds that merge behind a cut: fewer multiply-adds, and as near as they were asked to be."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import cases, convolutional, gap, mixed

from secateur.engine.formats import load, save
from secateur.engine.legal import violations
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region
from secateur.redundancy.cuts import Cost
from secateur.redundancy.fold import Form, fold


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
