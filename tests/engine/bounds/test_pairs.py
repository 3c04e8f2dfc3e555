"""Bounds of rows over two networks at once, and over one: never above the exact value."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from pairs_drawn import (
    bounded,
    corners,
    corners_of_boxes,
    exact_rows,
    pairs,
    plane,
    rows_over,
    sized,
)
from strategies import boxes, graph_networks, points, uneven_networks
from twins import chain, staged_trace, twins

from secateur.engine.agreement import within
from secateur.engine.bounder import Paired, Single, bounder
from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.difference import pack_pair, pair_rows
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.network import Network, Piecewise, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.stages import stages

KERNELS = ["shallow", "deep", "linear"]


@pytest.mark.parametrize("kernel", KERNELS)
@given(data=st.data())
@settings(max_examples=50)
def test_bounds_and_planes_lie_below_exact_values(kernel, data):
    f, g, _, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    lower, upper = data.draw(corners_of_boxes(2))
    low, base, slopes, _ = bounded(kernel, pair, rows, lower, upper)
    assert np.isfinite(low).all()
    assert np.isfinite(base).all() == (kernel != "shallow")
    for box in range(len(lower)):
        ends = lower[box], upper[box]
        some = np.vstack([data.draw(points(ends, count=4)), corners(*ends)])
        x, y = (network.evaluate(some, exact=True) for network in (f, g))
        for at, place in enumerate(some):
            for row, value in enumerate(exact_rows(rows, x[at], y[at], place)):
                assert low[box, row] <= value
                if kernel != "shallow":
                    assert plane(base[box, row], slopes[box, row], *ends, place) <= value


@pytest.mark.parametrize("kernel", KERNELS)
@given(data=st.data())
@settings(max_examples=30)
def test_signs_that_are_noted_are_true_and_may_be_used_on_parts_of_the_box(kernel, data):
    f, g, chains, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    lower, upper = data.draw(corners_of_boxes(2, count=1))
    *_, stable = bounded(kernel, pair, rows, lower, upper)
    some = np.vstack([data.draw(points((lower[0], upper[0]), 4)), corners(lower[0], upper[0])])
    for place in some:
        for side, staged in enumerate(chains):
            values = [z for stage in staged_trace(staged, place) for z in stage]
            for neuron, value in enumerate(values):
                flags = stable[0, side, neuron]
                assert not flags & UPPER or value <= 0
                assert not flags & LOWER or value >= 0
    middle = 0.5 * lower + 0.5 * upper
    for ends in ((lower, middle), (middle, upper)):
        low, base, slopes, _ = bounded(kernel, pair, rows, *ends, stable=stable.copy())
        for place in corners(ends[0][0], ends[1][0]):
            x, y = (network.evaluate(place, exact=True) for network in (f, g))
            for row, value in enumerate(exact_rows(rows, x, y, place)):
                assert low[0, row] <= value
                if kernel != "shallow":
                    found = plane(base[0, row], slopes[0, row], ends[0][0], ends[1][0], place)
                    assert found <= value


@given(data=st.data())
@settings(max_examples=25)
def test_bounds_of_a_question_lie_below_its_exact_minimum(data):
    f, g = data.draw(twins(depth=2, width=3, outputs=1))
    lower, upper = data.draw(boxes(2))
    question = ask(within(f, g, Region.box(lower, upper), 0), [f, g])
    exact = extremes(question.network, lower, upper, question.network.output)
    net = pack(stages(question.network))
    box = lower[None], upper[None]
    found = {"rows": bounded("rows", net, None, *box)[0]}
    chains = aligned(stages(f), stages(g))
    if chains is not None and len(question.sources) == 2:
        rows = pair_rows(*question.weights, question.direct, question.bias)
        pair = pack_pair(*chains)
        found |= {kernel: bounded(kernel, pair, rows, *box)[0] for kernel in KERNELS}
        assert isinstance(bounder(question, 1), Paired)
    for kernel, low in found.items():
        for row, (least, _) in enumerate(exact):
            assert low[0, row] <= least, kernel


@given(data=st.data())
@settings(max_examples=40)
def test_bounds_and_planes_of_one_network_lie_below_exact_values(data):
    network = data.draw(st.one_of(graph_networks(), uneven_networks()))
    lower, upper = data.draw(corners_of_boxes(network.size_in))
    staged = stages(network)
    net = pack(staged)
    low, base, slopes, stable = bounded("rows", net, None, lower, upper)
    assert np.isfinite(low).all()
    for box in range(len(lower)):
        ends = lower[box], upper[box]
        some = np.vstack([data.draw(points(ends, count=3)), corners(*ends)])
        for place, values in zip(some, network.evaluate(some, exact=True), strict=True):
            for row, value in enumerate(values):
                assert low[box, row] <= value
                if np.isfinite(base[box, row]):
                    assert plane(base[box, row], slopes[box, row], *ends, place) <= value
        for place in some[-2:]:
            flat = [z for stage in staged_trace(staged, place) for z in stage]
            for neuron, z in enumerate(flat):
                assert not stable[box, 0, neuron] & UPPER or z <= 0
                assert not stable[box, 0, neuron] & LOWER or z >= 0
    middle = 0.5 * lower + 0.5 * upper
    again, *_ = bounded("rows", net, None, lower, middle, stable=stable)
    for place, bounds in zip(middle, again, strict=True):
        exact = network.evaluate(place, exact=True)
        assert all(bound <= value for bound, value in zip(bounds, exact, strict=True))


@pytest.mark.parametrize("kernel", KERNELS)
@given(data=st.data())
@settings(max_examples=20)
def test_bounds_close_on_the_value_as_the_box_closes_on_a_point(kernel, data):
    f, g, _, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    centre = data.draw(boxes(2))[0]
    whole = (centre - 1)[None], (centre + 1)[None]
    small = (centre - 1e-11)[None], (centre + 1e-11)[None]
    point = centre[None], centre[None]
    before, after, last = (bounded(kernel, pair, rows, *box)[0] for box in (whole, small, point))
    x, y = (network.evaluate(centre) for network in (f, g))
    exact = [float(v) for v in exact_rows(rows, x, y, centre)]
    assert np.allclose(after[0], exact, rtol=1e-6, atol=1e-6)
    assert np.allclose(last[0], exact, rtol=1e-9, atol=1e-9)
    assert (after[0] >= before[0] - 1e-6 * (1 + np.abs(before[0]))).all()


@given(data=st.data())
@settings(max_examples=40)
def test_blocks_of_rows_give_the_bounds_of_rows_taken_one_by_one(data):
    _, _, _, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    lower, upper = data.draw(corners_of_boxes(2))
    step = pair.step.copy()
    step[0, 0] = 1.0  # a grid of the input means nothing, and sends all rows the slower way
    block, one = (
        bounded("linear", each, rows, lower, upper) for each in (pair, pair._replace(step=step))
    )
    for ours, reference in zip(block[:3], one[:3], strict=True):
        assert np.allclose(ours, reference, rtol=1e-8, atol=1e-8)


def both_ways(noise, lower, upper):
    """Return bounds of rows of f - g by difference bounds, and by those of the merged network."""
    generator = np.random.default_rng(1)
    weights, biases = sized(generator, [4, 20, 20, 20, 3])
    near = [w + noise * generator.normal(size=w.shape) for w in weights]
    f, g = Network.dense(weights, biases), Network.dense(near, biases)
    question = ask(within(f, g, Region.box(-np.ones(4), np.ones(4)), 0), [f, g])
    wanted = np.ones((len(lower), question.rows), np.uint8)
    stops = np.full(question.rows, np.inf)
    found = {}
    with ThreadPoolExecutor(1) as pool:
        for kind in (bounder(question, 1), Single(pack(stages(question.network)), 1)):
            flags = np.zeros((len(lower), *kind.flags), np.uint8)
            found[type(kind)] = kind.bound(lower, upper, flags, wanted, stops, pool).low
    return found[Paired], found[Single]


def test_rows_of_differences_are_much_tighter_than_those_of_a_merged_network():
    apart, merged = both_ways(1e-3, -np.ones((1, 4)), np.ones((1, 4)))
    assert (apart > 0.1 * merged).all()
    assert (apart < 0).all()


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("half", [1.0, 0.3, 0.1])
def test_rows_of_differences_are_as_tight_as_those_of_a_merged_network(noise, half):
    middle = np.random.default_rng(3).uniform(half - 1, 1 - half, (50, 4))
    apart, merged = both_ways(noise, middle - half, middle + half)
    assert (apart >= merged - 1e-9).mean() > 0.99


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_difference_of_a_network_to_itself_is_nothing(kernel):
    weights, biases = sized(np.random.default_rng(2), [3, 15, 15, 2])
    staged = stages(Network.dense(weights, biases))
    rows = pair_rows(np.eye(2), -np.eye(2), np.zeros((2, 3)), np.zeros(2))
    low, *_ = bounded(kernel, pack_pair(staged, staged), rows, -np.ones((1, 3)), np.ones((1, 3)))
    assert (np.abs(low) < 1e-9).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_layer_that_is_dead_in_both_leaves_nothing_behind(kernel):
    """Boxes come one after the other: what an earlier one left in memory must not be read."""
    generator = np.random.default_rng(3)
    weights, biases = sized(generator, [2, 4, 4, 4, 1])
    others, moved = sized(generator, [2, 4, 4, 4, 1])
    for bias in (biases, moved):
        bias[1] = np.full(4, -10.0)  # lives where the first layer is large alone
    relu = [Piecewise.relu(4)] * 3
    f, g = chain(weights, biases, relu), chain(others, moved, relu)
    pair = pack_pair(stages(f), stages(g))
    rows = pair_rows(np.eye(1), -np.eye(1), np.ones((1, 2)), np.zeros(1))
    lower = np.array([[-100.0, -100.0], [-1, -1], [0.25, 0.25], [-1, 0], [-80, -90]])
    upper = np.array([[100.0, 100.0], [1, 1], [0.25, 0.25], [1, 0], [90, 70]])
    together, *_ = bounded(kernel, pair, rows, lower, upper)
    alone = [bounded(kernel, pair, rows, lower[[at]], upper[[at]])[0] for at in range(5)]
    assert np.array_equal(together, np.concatenate(alone))
    for box in range(5):
        for place in corners(lower[box], upper[box]):
            x, y = (network.evaluate(place, exact=True) for network in (f, g))
            assert together[box, 0] <= exact_rows(rows, x, y, place)[0]
    f_is_constant = float(exact_rows(rows, f.evaluate(lower[2]), g.evaluate(lower[2]), lower[2])[0])
    assert together[2, 0] == pytest.approx(f_is_constant)


@given(data=st.data())
@settings(max_examples=15)
def test_rows_that_are_not_wanted_or_good_enough_change_nothing_for_others(data):
    _, _, _, pair = data.draw(pairs())
    rows = data.draw(rows_over(2, 2))
    lower, upper = data.draw(corners_of_boxes(2))
    for kernel in KERNELS:
        low, *_ = bounded(kernel, pair, rows, lower, upper)
        wanted = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)
        some = bounded(kernel, pair, rows, lower, upper, wanted=wanted)
        here = wanted > 0
        assert np.allclose(some[0][here], low[here], rtol=1e-12, atol=1e-12)
        assert (some[0][~here] == -np.inf).all()
        assert (some[1][~here] == -np.inf).all()
        cut = np.full(3, -1e30)  # every bound is good enough
        stopped = bounded(kernel, pair, rows, lower, upper, cut=cut)
        assert np.isfinite(stopped[0]).all()


def linear(size, slope):
    return Piecewise(np.full(size, State.LINEAR), np.full(size, slope), np.zeros(size))


@pytest.mark.parametrize("big", [1e100, 1e160, 1e200, 1e300])
@pytest.mark.parametrize("small", [0.0, 1.0, 1e-300])
@pytest.mark.parametrize("slope", [None, 1e300, 1e160])
@pytest.mark.parametrize("width", [1e10, 1e-300])
def test_numbers_too_large_to_be_computed_with_bound_nothing(big, small, slope, width):
    """An infinity times 0 is NaN, and NaN compares with nothing: it must not pass for a bound."""
    act = Piecewise.relu(2) if slope is None else linear(2, slope)
    biases = [np.ones(2), np.ones(2), np.ones(1)]
    last = [np.full((2, 2), small), np.full((1, 2), small)]
    f, g = (chain([np.eye(2) * w, *last], biases, [act, act]) for w in (big, -1.0))
    rows = pair_rows(np.eye(1), -np.eye(1), np.zeros((1, 2)), np.zeros(1))
    box = np.full((1, 2), -width), np.full((1, 2), width)
    pair, net = pack_pair(stages(f), stages(g)), pack(stages(f))
    least = min(
        exact_rows(rows, *(n.evaluate(place, exact=True) for n in (f, g)), place)[0]
        for place in corners(box[0][0], box[1][0])
    )
    for kernel in KERNELS:
        assert bounded(kernel, pair, rows, *box)[0][0, 0] <= least
    alone = min(f.evaluate(place, exact=True)[0] for place in corners(box[0][0], box[1][0]))
    assert bounded("rows", net, None, *box)[0][0, 0] <= alone
