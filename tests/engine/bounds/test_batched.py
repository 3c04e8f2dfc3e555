"""Bounds of many boxes at once in torch: sound, and the same mathematics as the other paths."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from grids import chain, places, rounded
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import dense_networks, graph_networks, networks_with_boxes, points

from secateur.engine.bounds import device as devices
from secateur.engine.bounds.batched import bound_batch
from secateur.engine.bounds.device import named, place, probe
from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.kernels import bound_boxes
from secateur.engine.bounds.linear import linear
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.rational import rational_bound
from secateur.engine.bounds.rows import bound_rows
from secateur.engine.errors import InputError, UnsupportedError
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.engine.rounding import LARGEST
from secateur.engine.stages import stages

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(
            not torch.cuda.is_available(), reason="torch sees no CUDA device here"
        ),
    ),
]
on_devices = pytest.mark.parametrize("device", DEVICES)


def batched(network, lower, upper, device, **options):
    """Give the bounds of every stage, ``(boxes, neurons)`` twice, and the network placed."""
    net = place(stages(network, grids=True), device)
    tensors = {
        name: net.tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
    found = bound_batch(net, net.tensor(lower), net.tensor(upper), **tensors)
    return found.low.cpu().numpy(), found.high.cpu().numpy(), net, found


def compiled(network, lower, upper):
    net = pack(stages(network))
    boxes, total = len(lower), int(net.offset[-1])
    low, high = np.full((boxes, total), -np.inf), np.full((boxes, total), np.inf)
    wish, none = np.zeros((boxes, total), np.uint8), np.zeros_like(lower)
    worst = np.zeros(boxes, np.int64)
    bound_boxes(net, lower.copy(), upper.copy(), low, high, wish, none, worst, none.copy())
    return low, high, net


def some_boxes(network, seed, count=3):
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=(count, network.size_in))
    return lower, lower + rng.random((count, network.size_in)) * rng.choice([1e-6, 0.3, 1.0, 3.0])


@on_devices
@pytest.mark.parametrize("steps", [0, 4])
@given(case=networks_with_boxes())
@settings(max_examples=25, deadline=None)
def test_every_bound_contains_the_exact_range(case, device, steps):
    network, (lower, upper) = case
    low, high, net, _ = batched(network, lower[None], upper[None], device, steps=steps)
    staged = stages(network)
    asked = {staged.of[node.name]: node.sources[0] for node in network.piecewise}
    for stage, name in (asked | {staged.output: network.output}).items():
        for index, (least, most) in enumerate(extremes(network, lower, upper, name)):
            assert low[0, net.offset[stage] + index] <= least
            assert high[0, net.offset[stage] + index] >= most


@on_devices
@given(st.one_of(dense_networks(), graph_networks()), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_batched_and_compiled_bounds_are_the_same_up_to_rounding(device, network, seed):
    lower, upper = some_boxes(network, seed)
    low, high, net, _ = batched(network, lower, upper, device)
    want_low, want_high, packed = compiled(network, lower, upper)
    assert packed.operations == net.operations
    open_ = (want_low < 0) & (want_high > 0)
    first = slice(int(packed.offset[1]), int(packed.offset[-2]))  # outputs are always rows here
    spread = 1e-9 * (1 + np.abs(want_high - want_low))
    assert (np.abs(low - want_low) <= spread)[:, first][open_[:, first]].all()
    assert (np.abs(high - want_high) <= spread)[:, first][open_[:, first]].all()
    last = slice(int(packed.offset[-2]), None)
    assert (np.abs(low - want_low) <= spread)[:, last].all()
    assert (np.abs(high - want_high) <= spread)[:, last].all()


@on_devices
@pytest.mark.parametrize("steps", [0, 6])
@given(dense_networks(), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_batched_and_array_bounds_are_the_same_up_to_rounding(device, steps, network, seed):
    lower, upper = some_boxes(network, seed, 1)
    low, high, net, _ = batched(network, lower, upper, device, steps=steps)
    wanted = linear(network, lower, upper, steps=steps)
    staged = stages(network)
    for node in network.piecewise:
        least, most = wanted[node.sources[0]]
        here = net.flat(staged.of[node.name])
        open_ = (least < 0) & (most > 0) & (low[:, here] < 0) & (high[:, here] > 0)
        # Adam divides by the size of derivatives, which may be rounding alone.
        spread = (1e-9 if steps == 0 else 1e-2) * (1 + np.abs(most - least))
        assert (np.abs(low[:, here] - least) <= spread)[open_].all()
        assert (np.abs(high[:, here] - most) <= spread)[open_].all()


@on_devices
@given(st.one_of(dense_networks(), graph_networks()), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_box_is_bounded_in_company_as_it_is_alone(device, network, seed):
    lower, upper = some_boxes(network, seed, 4)
    low, high, _, _ = batched(network, lower, upper, device)
    for box in range(len(lower)):
        one_low, one_high, _, _ = batched(network, lower[[box]], upper[[box]], device)
        spread = 1e-9 * (1 + np.abs(one_high - one_low))
        assert (np.abs(low[[box]] - one_low) <= spread).all()
        assert (np.abs(high[[box]] - one_high) <= spread).all()


@on_devices
@given(networks_with_boxes())
@settings(max_examples=25, deadline=None)
def test_dearer_bounds_are_nested_in_cheaper_ones(device, case):
    network, (lower, upper) = case
    box = lower[None], upper[None]
    plain = batched(network, *box, device)
    best = batched(network, *box, device, steps=4)
    staged, wide = stages(network), interval(network, *box)
    for node in network.piecewise:
        here = plain[2].flat(staged.of[node.name])
        for low, high, _, _ in (plain, best):
            spread = 1e-9 * (1 + np.abs(wide[node.sources[0]]).max())
            assert (low[:, here] >= wide[node.sources[0]][0] - spread).all()
            assert (high[:, here] <= wide[node.sources[0]][1] + spread).all()
    first = plain[2].flat(1)  # later ones may lose: their lines come from other bounds
    assert (best[0][:, first] >= plain[0][:, first]).all()
    assert (best[1][:, first] <= plain[1][:, first]).all()


@on_devices
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_float_bounds_lie_outside_those_in_rationals(device, data):
    network = data.draw(dense_networks(depth=2))
    lower, upper = some_boxes(network, data.draw(st.integers(0, 2**31)), 1)
    low, high, net, _ = batched(network, lower, upper, device)
    staged, region = stages(network), Region.box(lower[0], upper[0])
    bounds = dict(interval(network, lower, upper))
    for node in network.piecewise:  # the same intermediate bounds, so the same relaxation
        here = net.flat(staged.of[node.name])
        bounds[node.sources[0]] = low[:, here], high[:, here]
    last = net.flat(staged.output)
    for index in range(network.size_out):
        row = np.zeros(network.size_out)
        for sign, bound in ((1.0, high), (-1.0, -low)):
            row[index] = sign
            exact = rational_bound(network, region, network.output, row, bounds)
            got = Fraction(float(bound[0, last][index]))
            assert got >= min(
                exact, Fraction(float((sign * _interval(network, bounds, sign))[index]))
            )


def _interval(network, bounds, sign):
    """Give the interval bounds of the outputs that follow from those of the layers."""
    low, high = interval(
        network,
        *bounds[network.input.name],
        {n: b for n, b in bounds.items() if n != network.output},
    )[network.output]
    return (high if sign > 0 else low)[0]


@on_devices
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_known_signs_are_used_and_hold(device, data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    some = data.draw(points((lower, upper), count=6))
    low, high, net, _ = batched(network, lower[None], upper[None], device)
    known = ((high <= 0) * UPPER + (low >= 0) * LOWER).astype(np.uint8)
    again = batched(network, lower[None], upper[None], device, known=known)
    values = network.trace_exact(some)
    staged = stages(network)
    for node in network.piecewise:
        here = net.flat(staged.of[node.name])
        for exact in values[node.sources[0]].fractions():
            for index, value in enumerate(exact):
                assert again[0][0, here][index] <= value <= again[1][0, here][index]


@on_devices
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_planes_of_asked_rows_bound_their_neurons_point_by_point(device, data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    some = data.draw(points((lower, upper), count=6))
    staged = stages(network)
    asked = np.full((1, pack(staged).offset[-1]), UPPER | LOWER, np.uint8)
    asked[:, : network.size_in] = 0
    asked[:, -network.size_out :] = 0
    _, _, net, found = batched(network, lower[None], upper[None], device, asked=asked)
    values = network.trace(some)
    names = {staged.of[node.name]: node.sources[0] for node in network.piecewise}
    for rows in found.rows:
        if rows.stage not in names:
            continue
        size = net.layers[rows.stage].size
        index, plane = rows.index[0].cpu().numpy(), rows.plane[0].cpu().numpy()
        for r, bound in enumerate(rows.bound[0].tolist()):
            sign = 1.0 if index[r] < size else -1.0
            z = sign * values[names[rows.stage]][:, index[r] % size]
            far = np.where(plane[r] >= 0, upper - some, some - lower)
            assert (z <= bound - far @ np.abs(plane[r]) + 1e-9 * (1 + np.abs(z))).all()
        if rows.blame is not None:
            assert (rows.blame >= -1e-9).all()


@on_devices
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_networks_with_grids_are_bounded_as_their_values_and_the_compiled_rows_say(device, seed):
    rng = np.random.default_rng(seed)
    network = rounded(rng, chain(rng))
    centre = rng.uniform(-1, 1, network.size_in)
    width = rng.choice([0.0, 1e-6, 0.05, 0.5, 2.0])
    lower, upper = centre - width * rng.random(centre.size), centre + width
    low, high, net, _ = batched(network, lower[None], upper[None], device)
    last = net.flat(len(net.layers) - 1)
    for value in network.evaluate(places(rng, lower, upper, 16), exact=True):
        for r in range(network.size_out):
            assert Fraction(float(low[0, last][r])) <= value[r] <= Fraction(float(high[0, last][r]))
    packed, rows = pack(stages(network, grids=True)), network.size_out
    want, base = np.zeros((1, rows)), np.zeros((1, rows))
    planes = np.zeros((2, 1, rows, lower.size))
    stable = np.zeros((1, 1, int(packed.offset[-1])), np.uint8)
    wanted, cut = np.ones((1, rows), np.uint8), np.full(rows, np.inf)
    bound_rows(packed, lower[None], upper[None], stable, wanted, cut, want, base, *planes)
    assert np.allclose(low[:, last], want, rtol=1e-9, atol=1e-9)


@on_devices
def test_numbers_that_are_too_large_are_bounded_by_infinity(device):
    network = Network.dense(
        [np.array([[1.0], [2.0]]), np.array([[1.0, 1.0]]), np.array([[1.0]])],
        [np.zeros(2), np.zeros(1), np.zeros(1)],
    )
    lower = np.array([[-1.0], [-2.0 * LARGEST], [-1.0]])
    low, high, _, _ = batched(network, lower, -lower, device)
    assert np.isinf(low[1, 1:]).all()
    assert np.isinf(high[1, 1:]).all()
    assert np.isfinite(low[[0, 2]]).all()
    assert (low[0] == low[2]).all()


@on_devices
def test_no_box_and_no_question_give_nothing(device):
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    low, _, net, _ = batched(network, np.zeros((0, 2)), np.zeros((0, 2)), device)
    assert low.shape == (0, net.total)
    one = np.zeros((1, 2))
    _, high, _, found = batched(network, one, one, device, asked=np.zeros((1, 6), np.uint8))
    assert found.rows == ()
    assert np.isinf(high[0, 2:]).all()


@on_devices
def test_batches_fit_the_memory(device, monkeypatch):
    network = Network.dense([np.eye(40), np.eye(40)], [np.zeros(40), np.zeros(40)])
    net = place(stages(network), device)
    few, many = net.together(held=10**5), net.together()
    assert 1 <= few < many
    assert net.together(held=10**12) == 1


def test_a_device_that_is_not_there_or_too_narrow_is_refused(monkeypatch):
    with pytest.raises(InputError, match="device tpu"):
        named("tpu")
    with pytest.raises(InputError, match="device meta"):
        place(stages(Network.dense([np.eye(1)], [np.zeros(1)])), "meta")
    single = torch.Tensor.__matmul__

    def narrow(a, b):
        return single(a.float(), b.float()).double()

    monkeypatch.setattr(torch.Tensor, "__matmul__", narrow)
    with pytest.raises(InputError, match="narrower"):
        probe(torch.device("cpu"))
    monkeypatch.undo()
    if torch.set_flush_denormal(True):
        try:
            with pytest.raises(InputError, match="flushes"):
                probe(torch.device("cpu"))
        finally:
            torch.set_flush_denormal(False)


def test_matrices_too_large_for_a_device_are_refused(monkeypatch):
    monkeypatch.setattr(devices, "ENTRIES", 3)
    with pytest.raises(UnsupportedError, match="at most 3"):
        place(stages(Network.dense([np.eye(2)], [np.zeros(2)])))
