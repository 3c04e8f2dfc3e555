"""Quantization: rounded to the nearest, exact in float32, and clipped where it says so."""

import numpy as np
import pytest
from compressed_drawn import chains, networks
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.compression.calibrate import STEPS, Activation, cover
from secateur.compression.compress import compress
from secateur.compression.exactness import EXACT, lowest, rounding_layers
from secateur.compression.fixed import fixed_point
from secateur.compression.form import Fixed, Free, Grid, Half, affine_layers, levels
from secateur.compression.method import Fit, Float16, Int8, Int8Weights, ProvedRanges, SeenRanges
from secateur.compression.plain import narrow, weighted
from secateur.compression.quantize import float16, int8_weights
from secateur.engine.errors import InputError, RegionError, UnsupportedError
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Quantize, State, Sum
from secateur.engine.operators import Dense, Diagonal
from secateur.engine.region import Region

fits = st.sampled_from(list(Fit))


@given(networks)
def test_halves_are_what_numpy_rounds_to(network):
    half = float16(network)
    for node, layer in weighted(narrow(network)):
        held = half.network.by_name[node.name].layer
        assert (held.operator.weight == layer.operator.weight.astype(np.float16)).all()
        assert (held.bias == layer.bias.astype(np.float16)).all()
        assert isinstance(half.forms[node.name].weight, Half)
        assert isinstance(half.forms[node.name].bias, Half)


@given(networks)
def test_int8_weights_are_within_half_a_step_and_their_largest_is_127_steps(network):
    eight = int8_weights(network)
    for node, layer in weighted(narrow(network)):
        weight, form = layer.operator.weight, eight.forms[node.name]
        held = eight.network.by_name[node.name].layer
        assert isinstance(form.weight, Grid)
        assert isinstance(form.bias, Free | Fixed)
        assert (held.bias == layer.bias).all()
        scale = form.weight.over(weight.shape)
        assert (np.abs(held.operator.weight - weight) <= scale * (0.5 + 1e-4)).all()
        whole = np.abs(levels(form.weight, held.operator.weight)).reshape(len(weight), -1)
        some = np.abs(weight).reshape(len(weight), -1).max(axis=1) > 1e-25
        assert (whole.max(axis=1)[some] == 127).all()


# Fixed point


def box_of(network):
    return Region.box([-1.0] * network.size_in, [1.0] * network.size_in)


def seen(network, seed=0):
    return SeenRanges(np.random.default_rng(seed).uniform(-1, 1, (60, network.size_in)))


def in_float32(network, points, rng):
    """Return what a runtime computes that adds in any order, all in float32."""
    values = {}
    for node in network.nodes:
        read = [values[name] for name in node.sources]
        match node.layer:
            case Affine(operator=operator, bias=bias):
                matrix = operator.matrix().astype(np.float32)
                order = rng.permutation(matrix.shape[1])
                products = matrix[None, :, order] * read[0][:, None, order]
                total = np.cumsum(products, axis=2, dtype=np.float32)[..., -1]
                values[node.name] = total + bias.astype(np.float32)
            case Quantize() as grid:
                scale = grid.scale.astype(np.float32)
                whole = np.clip(np.rint(read[0] / scale), grid.low, grid.high)
                values[node.name] = whole.astype(np.float32) * scale
            case Piecewise() as layer:
                values[node.name] = layer(read[0].astype(np.float64)).astype(np.float32)
            case _:
                one = network.with_layers({})
                values[node.name] = one.trace(points)[node.name] if not read else read[0]
        values[node.name] = values[node.name].astype(np.float32)
    return values[network.output]


@settings(max_examples=60)
@given(chains, fits, st.integers(0, 99))
def test_float32_rounds_nowhere_in_fixed_point(network, fit, seed):
    fixed = compress(network, Int8(seen(network, seed), fit)).network
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (20, network.size_in)).astype(np.float32).astype(np.float64)
    wanted = fixed.evaluate(points)
    assert (in_float32(fixed, points, rng) == wanted).all()
    assert (fixed.evaluate(points[:2], exact=True) == wanted[:2]).all()


@given(networks, fits, st.booleans())
def test_every_scale_is_a_power_of_two_and_sums_stay_exact(network, fit, proved):
    ranges = ProvedRanges(box_of(network)) if proved else seen(network)
    try:
        eight = fixed_point(network, Int8(ranges, fit))
    except UnsupportedError:  # a sum with a skip, of steps that are too far apart
        assert any(isinstance(node.layer, Sum) for node in network.nodes)
        return
    grids = [node.layer.scale for node in eight.network.nodes if isinstance(node.layer, Quantize)]
    reach = {}
    for node in eight.network.nodes:
        if isinstance(node.layer, Quantize):
            assert (node.layer.high - node.layer.low == STEPS).all()
            reach[node.name] = np.maximum(-node.layer.low, node.layer.high)[0]
    for node, layer in affine_layers(eight.network):
        form = eight.forms[node.name]
        if not isinstance(form.weight, Grid):
            assert isinstance(form.weight, Fixed)
            assert isinstance(form.bias, Fixed)
            continue
        grids += [form.weight.scale, form.bias.scale]
        whole = np.abs(levels(form.weight, layer.operator.weight))
        sums = whole.reshape(len(whole), -1).sum(axis=1) * reach[node.sources[0]]
        added = np.abs(levels(form.bias, layer.bias)).reshape(len(whole), -1)
        assert (sums[:, None] + added < EXACT).all()
    assert all((np.frexp(scale)[0] == 0.5).all() for scale in grids)
    assert not rounding_layers(eight.network)


@given(chains, st.integers(0, 2**32 - 1))
def test_weights_moved_on_their_grids_are_found_where_they_may_round(network, seed):
    fixed = fixed_point(network, Int8(seen(network))).network
    rng = np.random.default_rng(seed)
    node, layer = weighted(fixed)[-1]
    bias = layer.bias.copy()
    bias[rng.integers(bias.size)] += 2.0**24 * (np.abs(bias).max() + 1)
    moved = fixed.with_layers({node.name: Affine(layer.operator, bias)})
    assert node.name in rounding_layers(moved)
    assert node.name in rounding_layers(narrow(network))


@given(st.integers(-(2**30), 2**30), st.integers(-60, 60))
def test_the_lowest_bit_of_a_number_is_its_step(whole, power):
    step = lowest(np.array([whole * 2.0**power]))[0]
    if whole:
        assert whole * 2.0**power % step == 0
        assert whole * 2.0**power % (2 * step) != 0


@given(chains)
def test_covered_ranges_round_and_never_clip_at_the_points_they_come_from(network):
    ranges = seen(network)
    fixed = fixed_point(network, Int8(ranges)).network
    before = narrow(network).trace(ranges.points)
    for node in fixed.nodes:
        if isinstance(node.layer, Quantize):
            values = before[node.sources[0]]
            assert (np.abs(node.layer(values) - values) <= node.layer.scale / 2).all()


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_a_covering_grid_is_the_finest(low, width, part):
    grid = cover(low, low + width, "z")
    value = np.array([low + part * width, 0.0])
    reached = np.abs(grid.rounded(value) - value) <= grid.scale / 2
    assert reached.all()
    assert -STEPS <= grid.low <= 0 <= grid.high
    if max(low + width, 0) > min(low, 0) and grid.scale > 2.0**-60:
        finer = grid.scale / 2
        steps = np.rint(max(low + width, 0) / finer) - np.rint(min(low, 0) / finer)
        assert steps > STEPS


@settings(max_examples=40)
@given(chains)
def test_least_squares_are_no_worse_than_covering_at_the_first_grid(network):
    ranges = seen(network)
    errors = []
    for fit in Fit:
        fixed = fixed_point(network, Int8(ranges, fit)).network
        grid = next(node.layer for node in fixed.nodes if isinstance(node.layer, Quantize))
        errors.append(np.square(grid(ranges.points) - ranges.points).sum())
    assert errors[1] <= errors[0]


def test_a_wide_layer_takes_coarser_steps_so_that_its_sums_fit():
    weights = [np.full((2, 2000), 127.0), np.eye(2) + 0.5]
    weights[0][0, 0] = 1.0
    network = Network.dense(weights, [np.zeros(2), np.ones(2)])
    points = np.ones((1, 2000))
    fixed = fixed_point(network, Int8(SeenRanges(points)))
    assert (fixed.forms["affine1"].weight.scale > 1.0).all()


def test_linear_neurons_are_rounded_too():
    network = Network.dense([np.eye(3) + 0.3, np.eye(3) + 0.1], [np.ones(3), np.ones(3)])
    state = np.array([State.LINEAR, State.RELU, State.IDENTITY], np.int8)
    lines = Piecewise(state, np.array([0.3, 0, 0]), np.array([0.21, 0, 0]))
    network = network.with_layers({"relu1": lines})
    fixed = fixed_point(network, Int8(seen(network))).network
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    rng = np.random.default_rng(1)
    assert (in_float32(fixed, points, rng) == fixed.evaluate(points)).all()
    assert np.abs(fixed.evaluate(points) - network.evaluate(points)).max() < 0.1


def test_scales_of_a_leaky_relu_are_rounded_and_fixed():
    rng = np.random.default_rng(2)
    nodes = [
        Node("input", Input((4,))),
        Node("first", Affine(Dense(rng.normal(size=(4, 4))), rng.normal(size=4)), ("input",)),
        Node("relu", Piecewise.relu(4), ("first",)),
        Node("high", Affine(Diagonal(np.full(4, 0.9)), np.zeros(4)), ("relu",)),
        Node("low", Affine(Diagonal(np.full(4, 0.1)), np.zeros(4)), ("first",)),
        Node("leaky", Sum(4), ("low", "high")),
        Node("last", Affine(Dense(rng.normal(size=(2, 4))), np.ones(2)), ("leaky",)),
    ]
    network = Network(tuple(nodes), "last")
    fixed = fixed_point(network, Int8(seen(network)))
    assert isinstance(fixed.forms["low"].weight, Fixed)
    points = rng.uniform(-1, 1, (50, 4))
    assert np.abs(fixed.network.evaluate(points) - network.evaluate(points)).max() < 0.2


@pytest.mark.parametrize(
    ("method", "error", "said"),
    [
        (Int8(ProvedRanges(Region.box([0], [1]))), RegionError, "limits 1 inputs"),
        (Int8(SeenRanges(np.ones((2, 5)))), InputError, "have 5 numbers"),
        (Int8(SeenRanges(np.full((1, 2), 1e30))), InputError, "no fixed-point grid"),
    ],
)
def test_calibration_that_does_not_fit_is_refused(method, error, said):
    network = Network.dense([np.eye(2) + 0.5], [np.ones(2)])
    with pytest.raises(error, match=said):
        compress(network, method)


def test_nothing_is_calibrated_without_points():
    with pytest.raises(InputError, match="no calibration point"):
        SeenRanges(np.zeros((0, 2)))


def test_a_network_that_rounds_already_is_refused():
    network = Network.dense([np.eye(2) + 0.5], [np.ones(2)])
    fixed = compress(network, Int8(seen(network))).network
    for method in (Int8Weights(), Float16(), Int8(seen(network))):
        with pytest.raises(UnsupportedError, match="rounds its values already"):
            compress(fixed, method)


def test_too_large_for_float16_is_refused():
    network = Network.dense([np.full((1, 1), 7e4)], [np.ones(1)])
    with pytest.raises(InputError, match="too large for float16"):
        compress(network, Float16())


def test_a_grid_rounds_to_its_nearest_number():
    grid = Activation(0.25, -100)
    values = np.random.default_rng(0).uniform(-30, 45, 100)
    near = grid.rounded(values)
    inside = (values > -25) & (values < 0.25 * grid.high)
    assert (np.abs(near - values)[inside] <= 0.125).all()
    assert near.min() >= -25
    assert near.max() <= 0.25 * grid.high
