"""LINEAR neurons in every form, what files hold of them, and which units become ReLUs again."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import reach
from strategies import boxes, dense_networks, graph_networks, points

from secateur.engine.errors import NetworkError, UnsupportedError
from secateur.engine.formats import load, save
from secateur.engine.legal import violations
from secateur.engine.network import Network, Origin, Piecewise, State
from secateur.engine.region import Region
from secateur.redundancy.fold import Form, as_relus, fold

SQUARE = Region.box([-1, -1], [1, 1], "square")


def chain(sizes, seed=0, dtype="float32", high=99):
    """Return a chain of whole weights, no two rows of which are multiples of each other."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-high, high + 1, size=(b, a)) for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-high, high + 1, size=len(w)) for w in weights]
    return Network.dense(weights, biases, Origin(dtype=dtype))


def lined(network, layer, count, slope, intercept=0.25):
    """Return a network with the first neurons of a layer LINEAR."""
    size = network.by_name[layer].size
    state = np.where(np.arange(size) < count, State.LINEAR, State.RELU).astype(np.int8)
    lines = Piecewise(state, np.full(size, slope), np.full(size, intercept))
    return network.with_layers({layer: lines})


def same(one, two, seed=1, size=None):
    some = np.random.default_rng(seed).normal(size=(6, size or one.size_in))
    return bool((one.evaluate(some, exact=True) == two.evaluate(some, exact=True)).all())


@pytest.mark.parametrize("slope", [1.0, 0.5, -0.75, 0.3])
@pytest.mark.parametrize(
    ("sizes", "count", "form"),
    [
        ([2, 9, 9, 2], 1, Form.UNITS),
        ([2, 9, 2], 7, Form.SKIP),
        ([2, 9, 2], 9, Form.MERGED),
        ([9, 4, 9], 4, Form.UNITS),
    ],
)
def test_linear_neurons_are_right_in_every_form_and_in_the_file(
    sizes, count, form, slope, tmp_path
):
    before = lined(chain(sizes), "relu1", count, float(np.float32(slope)))
    found = fold(before, Region.box([-1] * sizes[0], [1] * sizes[0]))
    assert found.exact
    assert found.storable
    if slope != 0.3:
        assert found.steps[0].form == form.value
    assert same(before, found.after)
    save(found.after, tmp_path / "after.onnx")
    assert same(before, load(tmp_path / "after.onnx"))
    assert found.after.multiply_adds <= before.multiply_adds


def test_units_of_a_factor_may_have_slopes(tmp_path):
    before = chain([6, 8, 6])
    first = before.by_name["affine1"].layer
    weight, bias = first.operator.weight.copy(), first.bias.copy()
    for row, parts in enumerate([(1, 1), (1, -1), (2, 1), (1, 2)], start=2):
        weight[row], bias[row] = (np.dot(parts, values[:2]) for values in (weight, bias))
    before = before.with_layers({"affine1": type(first)(type(first.operator)(weight), bias)})
    before = lined(before, "relu1", 6, -0.5, 0.0)
    found = fold(before, Region.box([-1] * 6, [1] * 6))
    assert found.steps[0].form == Form.FACTOR.value
    assert found.after.multiply_adds == 4 * 12
    assert same(before, found.after)
    save(found.after, tmp_path / "after.onnx")
    assert same(before, load(tmp_path / "after.onnx"))


def test_a_slope_that_no_file_holds_is_rounded_into_its_row_where_the_tolerance_allows(tmp_path):
    before = lined(chain([2, 9, 9, 2]), "relu1", 2, 1 / 3, 0.1)
    found = fold(before, SQUARE)
    assert found.exact
    assert not found.storable
    assert same(before, found.after)
    with pytest.raises(UnsupportedError, match="not exact in float32"):
        save(found.after, tmp_path / "after.onnx")
    rounded = fold(before, SQUARE, tolerance=100.0)
    assert rounded.storable
    assert not rounded.exact
    save(rounded.after, tmp_path / "after.onnx")
    some = SQUARE.lattice("float32").snap(np.random.default_rng(0).uniform(-1, 1, size=(9, 2)))
    wanted, stored = (net.evaluate(some, exact=True) for net in (before, rounded.after))
    gap = max(abs(v) for v in (wanted - stored).ravel())
    assert 0 < gap <= rounded.distance < 100.0
    assert (load(tmp_path / "after.onnx").evaluate(some, exact=True) == stored).all()


def test_a_network_that_merges_whole_is_written_as_a_chain(tmp_path):
    before = lined(chain([2, 9, 9, 2], dtype="float64"), "relu1", 9, 0.375)
    found = fold(before, SQUARE)
    assert found.steps[0].form == Form.MERGED.value
    for name in ("after.nnet", "after.onnx"):
        save(found.after, tmp_path / name)
        assert same(before, load(tmp_path / name))


@pytest.mark.parametrize("as_chain", [False, True])
def test_nnet_refuses_linear_units_in_one_line(as_chain, tmp_path: Path):
    before = lined(chain([2, 9, 9, 2], dtype="float64"), "relu1", 1, 0.375)
    after = fold(before, SQUARE, chain=as_chain).after
    assert same(before, after)
    with pytest.raises(UnsupportedError, match="which is no ReLU") as caught:
        save(after, tmp_path / "after.nnet")
    assert "\n" not in str(caught.value)


def test_no_layer_is_passed_by_in_a_chain():
    before = lined(chain([2, 9, 2]), "relu1", 7, 0.5)
    found = fold(before, SQUARE, chain=True)
    assert found.steps[0].form == Form.UNITS.value
    assert same(before, found.after)


def masks(network, lower, upper):
    """Return which neurons are at least 0 on a box by exact interval arithmetic."""
    ends = reach(network, lower, upper)
    return {node.name: ends[node.sources[0]][0] >= 0 for node in network.piecewise}


@given(st.data())
@settings(max_examples=80)
def test_only_units_that_are_proved_non_negative_are_written_as_relus(data):
    network = data.draw(data.draw(st.sampled_from([dense_networks, graph_networks]))())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    lower, upper = data.draw(boxes(network.size_in))
    layers = {}
    for node in network.piecewise:
        state = rng.choice([0, 1, 2, 2, 2, 3], size=node.size).astype(np.int8)
        slope, shift = rng.integers(-4, 5, size=(2, node.size)) / 4
        layers[node.name] = Piecewise(state, slope, shift)
    before = network.with_layers(layers)
    found = fold(before, Region.box(lower, upper), 0.0, masks(before, lower, upper))
    after = as_relus(found.after, network, found.nonnegative)
    assert not violations(after)
    some = data.draw(points((lower, upper), count=6))
    assert (before.evaluate(some, exact=True) == after.evaluate(some, exact=True)).all()


def test_the_mask_follows_the_neurons_that_stay():
    first = np.array([[9.0, 1, 0, 4], [1, 7, 2, 5], [5, 1, -9, 1], [3, -1, 2, 1]])
    before = Network.dense(
        [first, np.arange(1.0, 25.0).reshape(6, 4)], [np.array([-20.0, 20, 1, 1]), np.zeros(6)]
    )
    state = np.array([State.ZERO, State.IDENTITY, State.IDENTITY, State.RELU], np.int8)
    before = before.with_layers({"relu1": Piecewise(state, np.zeros(4), np.zeros(4))})
    region = Region.box([-1] * 4, [1] * 4)
    found = fold(before, region, 0.0, {"relu1": np.array([False, True, False, False])})
    assert found.nonnegative["relu1"].tolist() == [True, False, False]
    after = as_relus(found.after, before, found.nonnegative)
    assert after.by_name["relu1"].layer.state.tolist() == [0, 2, 0]
    # Without a mask the layer's IDENTITY neurons count as proved, unless they were there before.
    relus = before.with_layers({"relu1": Piecewise.relu(4)})
    assert as_relus(found.after, relus).by_name["relu1"].layer.state.tolist() == [0, 0, 0]
    assert as_relus(found.after, before).by_name["relu1"].layer.state.tolist() == [2, 2, 0]


@pytest.mark.parametrize(
    ("name", "size"), [("relu1", 3), ("affine1", 4), ("nowhere", 4)]
)  # fmt: skip
def test_a_mask_that_fits_no_layer_is_refused(name, size):
    before = Network.dense([np.eye(4, 2), np.ones((1, 4))], [np.ones(4), np.zeros(1)])
    mask = {name: np.ones(size, dtype=bool)}
    with pytest.raises(NetworkError, match=f"non-negative.*{name}"):
        fold(before, SQUARE, 0.0, mask)
    with pytest.raises(NetworkError, match=f"non-positive.*{name}"):
        fold(before, SQUARE, 0.0, nonpositive=mask)


def test_a_rounded_fold_written_as_relus_stays_within_its_distance():
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=s).astype(np.float32) for s in [(9, 2), (9, 9), (2, 9)]]
    before = Network.dense(weights, [rng.normal(size=len(w)).astype(np.float32) for w in weights])
    lower, upper = np.array([0.0, 0.0]), np.array([0.25, 0.25])
    region = Region.box(lower, upper)
    mask = masks(before, lower, upper)
    states = {
        name: Piecewise(np.where(m, State.IDENTITY, State.RELU), np.zeros(9), np.zeros(9))
        for name, m in mask.items()
    }
    before = before.with_layers(states)
    found = fold(before, region, 1.0, mask)
    after = as_relus(found.after, before, found.nonnegative)
    some = region.lattice("float32").snap(rng.uniform(0, 0.25, size=(20, 2)))
    gap = before.evaluate(some, exact=True) - after.evaluate(some, exact=True)
    assert max(abs(v) for v in gap.ravel()) <= found.distance
