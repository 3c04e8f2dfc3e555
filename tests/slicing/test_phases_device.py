"""Phases decided in batches on a torch device: true, and those that the compiled loops find."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import dense_networks, networks_with_boxes

from secateur.engine.bounds import batched_trees
from secateur.engine.bounds.batched_points import doubts, look, within
from secateur.engine.bounds.batched_trees import Level, chosen
from secateur.engine.bounds.device import place
from secateur.engine.bounds.packed import LOWER, UPPER
from secateur.engine.errors import InputError, RegionError
from secateur.engine.formats import load
from secateur.engine.network import Network, State
from secateur.engine.region import Region
from secateur.engine.stages import stages
from secateur.slicing.phases import Effort, decide_cells
from secateur.slicing.phases_device import decide_cells_on
from secateur.slicing.pipeline import Recipe, Stage, run

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

LITTLE = Effort(points=0, most_points=0, boxes=6, growth=3, most_boxes=20)
SOME = Effort(points=64, most_points=256, boxes=16, growth=4, most_boxes=64)
MUCH = Effort(points=64, most_points=256, boxes=64, growth=8, most_boxes=4096)


def quarters(lower, upper):
    """Cut a box of two inputs at its middle."""
    middle = 0.5 * (lower + upper)
    ways = np.indices((2, 2)).reshape(2, -1).T.astype(bool)
    return np.where(ways, middle, lower), np.where(ways, upper, middle)


@on_devices
@pytest.mark.parametrize("effort", [LITTLE, SOME], ids=["without points", "with points"])
@settings(max_examples=20, deadline=None)
@given(case=networks_with_boxes())
def test_what_is_found_agrees_with_enumeration_in_rationals(device, effort, case):
    network, box = case
    lower, upper = quarters(*box)
    found = decide_cells_on(device, network, lower, upper, effort)
    own = [state for node in network.piecewise for state in node.layer.state]
    for cell in range(len(lower)):
        exact = [
            ends
            for node in network.piecewise
            for ends in extremes(network, lower[cell], upper[cell], node.sources[0])
        ]
        for at, (least, most) in enumerate(exact):
            state = found.state[cell, at]
            if not found.proved[cell, at]:
                assert state == own[at]
            elif state == State.ZERO:
                assert most <= 0
            else:
                assert state == State.IDENTITY
                assert least >= 0
            if found.refuted[cell, at]:
                assert least < 0 < most
            assert found.asked[at] or not found.proved[cell, at]


@on_devices
@settings(max_examples=15, deadline=None)
@given(network=dense_networks(), seed=st.integers(0, 2**31))
def test_with_boxes_enough_both_paths_settle_the_same(device, network, seed):
    rng = np.random.default_rng(seed)
    lower, upper = quarters(*np.sort(rng.normal(size=(2, 2)), axis=0))
    one = decide_cells_on(device, network, lower, upper, MUCH)
    two = decide_cells(network, lower, upper, MUCH)
    both = ~one.open & ~two.open  # a value of exactly zero stays open, or not, by a hair
    assert (one.proved == two.proved)[both].all()
    assert (one.state == two.state)[both & one.proved].all()
    assert [step.name for step in one.steps if step.name != "points"] == [
        step.name for step in two.steps
    ]


@on_devices
@settings(max_examples=20, deadline=None)
@given(network=dense_networks(), seed=st.integers(0, 2**31))
def test_points_show_signs_that_rationals_confirm(device, network, seed):
    rng = np.random.default_rng(seed)
    net = place(stages(network), device)
    lower = rng.normal(size=(1, network.size_in))
    upper = lower + rng.random((1, network.size_in))
    low, high = (np.full((1, net.total), side) for side in (-1e3, 1e3))
    low[:, : network.size_in], high[:, : network.size_in] = lower, upper
    doubt = doubts(net, net.tensor(low), net.tensor(high))
    unit = rng.random((5, network.size_in))
    points = within(net.tensor(lower), net.tensor(upper), net.tensor(unit))
    seen = look(net, points, doubt).cpu().numpy()[0]
    at = points.cpu().numpy()[0]
    assert (lower <= at).all()
    assert (at <= upper).all()
    values = network.trace_exact(at)
    staged = stages(network)
    for node in network.piecewise:
        z = values[node.sources[0]].fractions()
        bits = seen[net.flat(staged.of[node.name])]
        for index in range(node.size):
            assert (not bits[index] & UPPER) or max(z[:, index]) > 0
            assert (not bits[index] & LOWER) or min(z[:, index]) < 0


@on_devices
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_what_is_not_given_up_can_be_paid(device, seed):
    rng = np.random.default_rng(seed)
    cells, neurons, count = 3, 4, int(rng.integers(1, 20))
    cell = np.sort(rng.integers(0, cells, count))
    open_ = rng.integers(0, 4, (count, neurons)).astype(np.uint8)
    left = rng.integers(0, 40, cells)

    def on(values):
        return torch.from_numpy(values).to(device)

    none = torch.zeros((count, 2), dtype=torch.float64, device=device)
    level = Level(on(cell), none, none, on(open_ * 0), on(open_.copy()))
    active = torch.full((cells, neurons), UPPER | LOWER, dtype=torch.uint8, device=device)
    kept = chosen(level, active, on(left))
    boxes = torch.bincount(kept.cell, minlength=cells).cpu().numpy()
    assert ((boxes * 3 <= left) | (boxes == 0)).all()
    # What is active has every box on which it is open.
    bits = open_ & active.cpu().numpy()[cell]
    assert int((bits > 0).any(axis=1).sum()) == len(kept)
    # A question that is open nowhere is never given up, for it is settled.
    for bit in (UPPER, LOWER):
        tally = np.zeros((cells, neurons))
        np.add.at(tally, cell, open_ & bit > 0)
        assert (active.cpu().numpy() & bit > 0)[tally == 0].all()


@on_devices
def test_batches_too_large_for_the_memory_are_taken_in_parts(device, monkeypatch):
    rng = np.random.default_rng(1)
    network = Network.dense(
        [rng.normal(size=(8, 2)), rng.normal(size=(8, 8)), rng.normal(size=(2, 8))],
        [rng.normal(size=8), rng.normal(size=8), np.zeros(2)],
    )
    cells = quarters(-np.ones(2), np.ones(2))
    whole = decide_cells_on(device, network, *cells, SOME)
    real = batched_trees.bound_batch

    def small(net, lower, upper, **options):
        if len(lower) > 2:
            raise torch.cuda.OutOfMemoryError
        return real(net, lower, upper, **options)

    monkeypatch.setattr(batched_trees, "bound_batch", small)
    parts = decide_cells_on(device, network, *cells, SOME)
    assert (parts.state == whole.state).all()
    assert (parts.boxes == whole.boxes).all()
    assert parts.boxes.max() > 2


@on_devices
def test_no_cells_no_time_and_no_neurons(device):
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    assert decide_cells_on(device, network, np.zeros((0, 2)), np.zeros((0, 2))).state.shape == (
        0,
        2,
    )
    late = decide_cells_on(device, network, -np.ones((3, 2)), np.ones((3, 2)), Effort(seconds=-1.0))
    assert not late.proved.any()
    assert late.boxes.tolist() == [0, 0, 0]
    flat = Network.dense([np.eye(2)], [np.zeros(2)])
    assert decide_cells_on(device, flat, np.zeros((2, 2)), np.ones((2, 2))).state.shape == (2, 0)
    with pytest.raises(RegionError, match="finite"):
        decide_cells_on(device, network, np.full((1, 2), -np.inf), np.ones((1, 2)))
    with pytest.raises(InputError, match="device tpu"):
        decide_cells_on("tpu", network, np.zeros((1, 2)), np.ones((1, 2)))


@on_devices
def test_cells_of_an_acas_network(data, device):
    network = load(data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx")
    rng = np.random.default_rng(7)
    least = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5])
    width = (np.array([0.679857769, 0.5, 0.5, 0.5, 0.5]) - least) / 8
    lower = least + rng.integers(0, 8, (4, 5)) * width
    effort, told = Effort(most_boxes=64), []
    found = decide_cells_on(
        device, network, lower, lower + width, effort, lambda *words: told.append(words)
    )
    other = decide_cells(network, lower, lower + width, effort)
    assert told[-1][1] == told[-1][2]
    assert not (found.proved & other.refuted).any()
    assert not (other.proved & found.refuted).any()
    assert (found.state == other.state)[found.proved & other.proved].all()
    assert abs(int(found.proved.sum()) - int(other.proved.sum())) < 0.01 * found.proved.size


def test_a_recipe_takes_a_device_for_phases_alone():
    rng = np.random.default_rng(0)
    network = Network.dense(
        [rng.normal(size=(6, 2)), rng.normal(size=(2, 6))], [rng.normal(size=6), np.zeros(2)]
    )
    cells = [Region.box([-1.0, at], [1.0, at + 1.0], "cell") for at in (-1.0, 0.0)]
    plain = Recipe(network, stage=Stage.PHASES, boxes=64)
    other = Recipe(network, stage=Stage.PHASES, boxes=64, device="cpu:0")
    assert other.options() == {**plain.options(), "device": "cpu:0"}
    for one, two in zip(run(plain, cells), run(other, cells), strict=True):
        assert one.code == two.code
    with pytest.raises(InputError, match="one by one"):
        Recipe(network, device="cuda")
    with pytest.raises(InputError, match="one by one"):
        Recipe(network, stage=Stage.PHASES, alone=True, device="cuda")
