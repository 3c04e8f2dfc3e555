"""Slices of hidden values: no input is lost, and tails hold where inputs are routed."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_networks, graph_networks

from secateur.engine.bounds.packed import LOWER
from secateur.engine.errors import InputError, RegionError
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.redundancy.head import joined, layer_named
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.slicing.adaptive import Until
from secateur.slicing.cover import cover
from secateur.slicing.hidden import HiddenRouter, hidden_layer, tail
from secateur.slicing.hidden_slices import Behind, hidden_slices
from secateur.slicing.route import Router
from secateur.slicing.slices import Slices
from secateur.slicing.undecided import Undecided

EFFORT = Effort(seconds=5.0, samples=200, starts=4, climbs=5, boxes=200, programs=5, workers=1)


def wide(seed=0, sizes=(30, 8, 12, 10, 3), scale=1.0):
    """Return a network of many inputs and a narrow first layer, its numbers those of float32."""
    rng = np.random.default_rng(seed)
    shapes = [(b, a) for a, b in itertools.pairwise(sizes)]
    weights = [scale * rng.normal(size=s).astype(np.float32) / np.sqrt(s[1]) for s in shapes]
    return Network.dense(weights, [0.2 * rng.normal(size=s[0]).astype(np.float32) for s in shapes])


def box(network, radius=1.0):
    return Region.box(*(np.full(network.size_in, v) for v in (-radius, radius)), "all of it")


@pytest.mark.parametrize("layer", ["affine1", "relu1", "affine2", "1", "2"])
def test_head_and_tail_are_the_network(layer):
    network = wide()
    hidden = hidden_layer(network, box(network), layer)
    some = np.random.default_rng(1).uniform(-1, 1, (50, 30))
    values = hidden.values(some)
    assert (hidden.tail.evaluate(values) == network.evaluate(some)).all()
    assert hidden.tail.neurons + hidden.head.neurons == network.neurons
    again = joined(hidden.head, network, hidden.layer)
    assert (again.evaluate(some) == network.evaluate(some)).all()
    assert hidden.tail.origin.digest == ""
    assert hidden.tail.size_in == hidden.head.size_out == hidden.whole.size


@given(dense_networks(depth=3), st.sampled_from(["affine1", "relu1"]), st.data())
@settings(max_examples=40)
def test_real_and_computed_values_lie_in_the_cell_that_is_routed_to(network, layer, data):
    region = Region.box([-1, -1], [1, 1])
    kind = data.draw(st.sampled_from(["float32", "float64"]))
    hidden = hidden_layer(network, region, layer, kind=kind)
    slices = hidden_slices(hidden, Until(cells=8), neurons=2, points=50).slices
    assert cover(slices).cells == slices.count
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    some = rng.uniform(-1, 1, (20, 2)).astype(np.float32).astype(np.float64)
    computed = hidden.values(some)
    real = hidden.head.evaluate(some, exact=True)
    if kind == "float32":
        weight, bias = network.by_name["affine1"].layer.operator, network.by_name["affine1"].layer
        computed = some.astype(np.float32) @ weight.matrix().T.astype(np.float32)
        computed = computed + bias.bias.astype(np.float32)
        computed = np.maximum(computed, np.float32(0)) if layer == "relu1" else computed
    router = HiddenRouter(hidden, Router(slices))
    cells = router.route_values(computed)
    for at, cell in enumerate(cells):
        widened = hidden.cell(slices, int(cell))
        assert slices.region(int(cell)).contains(computed[at])
        assert widened.contains(computed[at])
        assert widened.contains(real[at])
        assert hidden.real.contains(real[at])
    assert (router.route(some) == router.route_values(hidden.values(some))).all()


def test_every_cells_simplified_tail_equals_the_network_where_it_is_routed_to():
    network = wide(2, (12, 4, 6, 5, 2))
    region = box(network)
    hidden = hidden_layer(network, region, "affine1")
    slices = hidden_slices(hidden, Until(cells=6), neurons=3, points=300).slices
    router = HiddenRouter(hidden, Router(slices))
    lattice = region.lattice("float64")
    some = np.random.default_rng(3).uniform(-1, 1, (60, 12))
    cells = router.route(some)
    small = 0
    for cell in np.unique(cells):
        plan = simplify(hidden.tail, hidden.cell(slices, int(cell)), EFFORT)
        whole = joined(hidden.head, network, hidden.layer)
        assert whole.neurons == network.neurons
        at = lattice.exact(some[cells == cell])
        real = hidden.head.evaluate(at, exact=True)
        wanted = network.evaluate(at, exact=True)
        assert (plan.network.evaluate(real, exact=True) == wanted).all()
        small += plan.network.neurons < hidden.tail.neurons
    assert small


def test_slices_of_hidden_values_decide_neurons_of_the_tail():
    network = wide(4, (60, 10, 20, 20, 3), 1.5)
    hidden = hidden_layer(network, box(network, 0.2), "affine1")
    cost = Behind(hidden)
    grown = hidden_slices(hidden, Until(cells=64), neurons=4, points=500)
    assert grown.slices.count == 64
    assert grown.slices.inputs.size <= 4
    at_first = cost(hidden.whole.lower[None], hidden.whole.upper[None])[0][0]
    assert grown.mean < at_first - 2
    again = hidden_slices(hidden, Until(cells=64), neurons=4, points=500, workers=2)
    assert again.slices.digest == grown.slices.digest
    own = hidden_slices(hidden, Until(cells=4), neurons=[1, 5], points=0)
    assert set(own.slices.inputs) <= {1, 5}


@given(
    st.one_of(dense_networks(depth=3), graph_networks()),
    st.integers(0, 5),
    st.sampled_from([0, 50]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=80)
def test_a_settled_tail_equals_the_network_in_exact_arithmetic(network, place, points, seed):
    region = Region.box([-1, -1], [1, 1], "square")
    layers = []
    for node in network.nodes:
        try:
            layers.append(layer_named(network, node.name))
        except InputError:
            continue
    if not layers:
        return
    hidden = hidden_layer(network, region, layers[place % len(layers)])
    slices = hidden_slices(hidden, Until(cells=6), neurons=2, points=points).slices
    behind = Behind(hidden)
    lattice = region.lattice("float64")
    some = lattice.snap(np.random.default_rng(seed).uniform(-1, 1, (12, 2)))
    cells = HiddenRouter(hidden, Router(slices)).route(some)
    for cell in np.unique(cells):
        flags = behind.phases(slices, np.array([cell]))[0]
        settled = behind.settled(flags)
        assert settled.neurons == (flags == 0).sum()
        at = lattice.exact(some[cells == cell])
        real = hidden.head.evaluate(at, exact=True)
        assert (settled.evaluate(real, exact=True) == network.evaluate(at, exact=True)).all()


def test_bounds_of_the_whole_network_decide_what_the_tail_alone_cannot():
    network = wide(4, (60, 30, 30, 30, 3))
    for layer in ("affine1", "relu1", "affine2"):
        hidden = hidden_layer(network, box(network, 0.02), layer)
        ends = hidden.whole.lower[None], hidden.whole.upper[None]
        alone, behind = Undecided(hidden.tail)(*ends)[0], Behind(hidden)
        assert behind.layer.size == hidden.whole.size
        assert behind(*ends)[0] < alone
        whole = Undecided(network)(hidden.region.lower[None], hidden.region.upper[None])[1]
        assert behind(*ends)[0] <= (whole[:, behind.same] == 0).sum()


def test_an_activation_of_zero_says_nothing_from_below():
    # relu(x) + relu(-x) - 1/2 changes its sign, though every activation may be 0.
    weights = [[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0]]]
    network = Network.dense(weights, [np.zeros(2), np.array([-0.5]), np.zeros(1)])
    hidden = hidden_layer(network, Region.box([-1], [1], "side"), "relu1")
    behind = Behind(hidden)
    for ends in (([0.0, 0.0], [1.0, 1.0]), ([-1e-9, -1e-9], [1.0, 1.0])):
        count, flags = behind(*(np.array([end]) for end in ends))
        assert (count.tolist(), flags.tolist()) == ([1], [[0]])
    count, flags = behind(np.array([[0.75, 0.0]]), np.array([[1.0, 0.0]]))
    assert flags.tolist() == [[LOWER]]


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_value_that_rounding_takes_over_a_cut_lies_in_its_cell_all_the_same(kind):
    network = wide(6)
    hidden = hidden_layer(network, box(network), "affine1", kind=kind)
    some = np.random.default_rng(0).uniform(-1, 1, (200, 30)).astype(np.float32)
    matrix = hidden.head.by_name["affine1"].layer.operator.matrix().astype(kind)
    computed = some.astype(kind) @ matrix.T
    computed = computed + hidden.head.by_name["affine1"].layer.bias.astype(kind)
    real = hidden.head.evaluate(some.astype(np.float64), exact=True)
    sides = set()
    for point, value in zip(real, computed.astype(np.float64), strict=True):
        above = point[0] > Fraction(value[0])
        cut = np.nextafter(value[0], np.inf) if above else value[0]
        if (point[0] > Fraction(cut)) if above else (point[0] < Fraction(cut)):
            slices = Slices(hidden.whole, np.array([0, -1, -1]), np.array([cut, 0.0, 0.0]))
            cell = int(HiddenRouter(hidden, Router(slices)).route_values(value))
            assert cell == (0 if above else 1)
            assert not slices.region(cell).contains(point)
            assert hidden.cell(slices, cell).contains(point)
            sides.add(above)
    assert sides == {True, False}


def test_pre_activations_are_cut_at_zero_first():
    network = wide()
    hidden = hidden_layer(network, box(network), "affine1")
    slices = hidden_slices(hidden, Until(cells=2), points=0).slices
    assert slices.cut[0] == 0.0


def test_a_wider_drift_gives_a_wider_box():
    network = wide()
    region = box(network)
    fine, coarse = (hidden_layer(network, region, "2", kind=k) for k in ("float64", "float32"))
    assert (coarse.drift > fine.drift).all()
    assert (coarse.whole.lower < fine.whole.lower).all()
    assert (fine.whole.lower < fine.real.lower).all()
    assert coarse.real.exact_lower == fine.real.exact_lower
    with pytest.raises(RegionError, match="values of relu2 over all of it: the point: input 0"):
        Router(Slices(fine.whole, np.array([-1]), np.zeros(1))).route(coarse.whole.lower)


def test_what_cannot_be_cut_is_refused():
    network = wide()
    hidden = hidden_layer(network, box(network), "1")
    with pytest.raises(InputError, match="has no layer"):
        hidden_layer(network, box(network), "9")
    with pytest.raises(RegionError, match="30"):
        hidden_layer(network, Region.box([0], [1]), "1")
    with pytest.raises(RegionError, match="0 neurons to cut"):
        hidden_slices(hidden, neurons=0)
    with pytest.raises(RegionError, match="not all among its 8 inputs"):
        hidden_slices(hidden, neurons=[8])
    huge = Network.dense([np.full((2, 30), 1e36), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    with pytest.raises(InputError, match="no bounds in float32: give a smaller region"):
        hidden_layer(huge, box(network, 1e3), "1", kind="float32")
    outside = np.zeros((3, 30))
    outside[1, 7] = 2.0
    with pytest.raises(RegionError, match="all of it: point 1: input 7 is 2"):
        hidden.values(outside)


def test_a_tail_of_the_last_hidden_layer_is_affine():
    network = wide()
    behind = tail(network, "relu3")
    assert behind.neurons == 0
    hidden = hidden_layer(network, box(network), "relu3")
    assert hidden_slices(hidden, Until(cells=9)).slices.count == 1
