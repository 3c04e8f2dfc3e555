"""Self-compression: smaller networks that still tell the classes apart, resumed, restored."""

import numpy as np
import pytest
import torch
from pictures_drawn import pictures

from secateur.compression.data import Dataset
from secateur.compression.selfcompress import Course, selfcompress
from secateur.compression.selfcompress_chain import fresh, links_of
from secateur.compression.selfcompress_file import pack, unpack
from secateur.compression.selfcompress_module import Stack
from secateur.compression.selfcompress_plan import Guard, Plan, accuracy
from secateur.compression.selfcompress_removal import restore_half
from secateur.engine.answer import Effort
from secateur.engine.discrepancy import discrepancy
from secateur.engine.errors import FormatError, InputError
from secateur.engine.network import Network
from secateur.engine.region import Region

DATA = pictures()
SPLIT = DATA.split((6, 2, 2), 0)
NET = fresh(DATA.shape, 3, (4,), (8,), np.random.default_rng(1))
PLAN = Plan(gamma=0.05, epochs=12, batch=16, rate=5e-3)


@pytest.fixture(scope="module")
def done():
    """One training to its end."""
    return selfcompress(NET, SPLIT, PLAN)


def test_a_network_gets_smaller_and_stays_right(done):
    assert done.complete
    first, last = done.curve[0], done.curve[-1]
    assert [look.epoch for look in done.curve] == list(range(13))
    assert last.bytes < first.bytes / 2
    assert last.weight_bits < first.weight_bits / 4
    assert sum(look.removed for look in done.curve) > 0
    outputs = done.coded.network().evaluate(SPLIT.test.inputs)
    assert accuracy(outputs, SPLIT.test.labels) > 0.9
    assert last.bytes == len(pack(done.coded))
    assert unpack(pack(done.coded)).same(done.coded)
    assert last.weight_bits == done.coded.weight_bits


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(done):
    short = Plan(gamma=0.05, epochs=2, batch=16, seed=0)
    again = [pack(selfcompress(NET, SPLIT, short).coded) for _ in range(2)]
    other = pack(selfcompress(NET, SPLIT, Plan(gamma=0.05, epochs=2, batch=16, seed=1)).coded)
    assert again[0] == again[1] != other


def test_gamma_decides_how_small(done):
    lax = selfcompress(NET, SPLIT, Plan(gamma=0.001, epochs=12, batch=16, rate=5e-3))
    assert len(pack(lax.coded)) > len(pack(done.coded))


@pytest.mark.parametrize("guarded", [False, True])
def test_a_resumed_training_ends_as_one_that_was_not_broken_off(tmp_path, guarded, done):
    guard = Guard(SPLIT.train.subset(np.arange(9)), threshold=0.0) if guarded else None
    plan = Plan(gamma=0.05, epochs=6, batch=16, rate=5e-3)
    whole = selfcompress(NET, SPLIT, plan, guard)
    path = tmp_path / "state"
    for _ in range(plan.epochs + 1):
        part = _one_epoch(plan, guard, path)
        if part.complete:
            break
    assert part.complete
    assert pack(part.coded) == pack(whole.coded)
    assert part.curve == whole.curve


def _one_epoch(plan, guard, path):
    """Train until the first progress of the second epoch of this call is told."""
    first = []

    def stop(step, done, total):
        first.append(step)
        if step != first[0]:
            raise KeyboardInterrupt

    try:
        return selfcompress(NET, SPLIT, plan, guard, Course(path, True, show=stop))
    except KeyboardInterrupt:
        return selfcompress(NET, SPLIT, plan, guard, Course(path, True, seconds=0.0))


def test_checkpoints_of_others_are_refused(tmp_path):
    path = tmp_path / "state"
    plan = Plan(gamma=0.05, epochs=1, batch=64)
    selfcompress(NET, SPLIT, plan, course=Course(path))
    with pytest.raises(InputError, match="another network"):
        selfcompress(NET, SPLIT, Plan(gamma=0.06, epochs=1, batch=64), course=Course(path, True))
    other = fresh(DATA.shape, 3, (4,), (8,), np.random.default_rng(2))
    with pytest.raises(InputError, match="another network"):
        selfcompress(other, SPLIT, plan, course=Course(path, True))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FormatError):
        selfcompress(NET, SPLIT, plan, course=Course(path, True))


def test_bits_are_held_once_the_file_is_small_enough():
    most = 250
    plan = Plan(gamma=0.2, epochs=14, batch=16, rate=5e-3, most_bytes=most)
    found = selfcompress(NET, SPLIT, plan)
    looks = [look for look in found.curve if look.held]
    assert looks
    sizes = [look.bytes for look in looks]
    assert sizes == sorted(sizes, reverse=True)
    assert len(pack(found.coded)) <= most
    assert len(pack(found.coded)) > most / 2


def planted():
    """Return a stack with four channels without bits, two of which matter much."""
    net = Network.dense(
        [np.diag([1.0, 2.0, 3.0, 4.0, 5.0]), np.ones((2, 5))], [np.zeros(5), np.zeros(2)]
    )
    stack = Stack(links_of(net), (5,), 8.0)
    with torch.no_grad():
        stack.every()[0].bits[:4] = 0.0
    return stack


def test_half_of_the_channels_without_bits_is_restored_the_weightiest_first():
    stack = planted()
    adam = torch.optim.Adam(stack.parameters())
    stack(torch.ones(2, 5)).sum().backward()
    adam.step()
    stack.hold()
    with torch.no_grad():
        stack.every()[0].bits[:4] = 0.0
    assert restore_half(stack, adam, 2.0) == 2
    assert stack.every()[0].bits.tolist()[:4] == [0.0, 0.0, 2.0, 2.0]
    assert not adam.state.get(stack.every()[0].bits)
    assert adam.state[stack.every()[0].weight]
    out = stack(torch.eye(5)[2:4])
    assert (out > 0).all()
    assert restore_half(stack, adam, 2.0) == 1


def test_channels_are_restored_when_safety_falls():
    """A size loss that is far too heavy kills the network; the watch fires and brings it back."""
    images = SPLIT.train.subset(np.arange(30))
    start = selfcompress(NET, SPLIT, Plan(gamma=0.0, epochs=6, batch=16, rate=5e-3)).coded.network()
    plan = Plan(gamma=1.0, epochs=4, batch=8, rate=5e-3)
    safe = selfcompress(start, SPLIT, plan, Guard(images, weight=1.0, threshold=0.1, restores=1))
    fired = [look for look in safe.curve if look.restored]
    assert len(fired) == 1
    after = safe.curve[fired[0].epoch + 1]
    best = max(look.safety for look in safe.curve[: fired[0].epoch])
    assert best - fired[0].safety > 0.1
    assert after.safety > fired[0].safety + 0.1
    assert after.weight_bits > fired[0].weight_bits
    blind = selfcompress(start, SPLIT, plan, Guard(images, weight=1.0, threshold=None))
    assert not any(look.restored for look in blind.curve)


def test_validation_leaves_out_the_safety_set():
    """With all validation rows in the safety set there is nothing left to validate on."""
    guard = Guard(SPLIT.validation, threshold=None)
    found = selfcompress(NET, SPLIT, Plan(epochs=1), guard)
    assert found.curve[-1].validation is None
    assert found.curve[-1].safety is not None


def test_values_are_learnt_too():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 4)).astype("f4")
    targets = np.maximum(inputs[:, :2], 0).astype(float)
    data = Dataset(inputs, (4,), targets=targets, name="values").split((8, 1, 1), 0)
    net = fresh((4,), 2, (), (8,), rng)
    plan = Plan(gamma=0.0, epochs=30, batch=16, rate=1e-2)
    found = selfcompress(net, data, plan)
    assert found.curve[-1].validation < 0.25 * found.curve[0].validation
    assert found.curve[-1].train is None


def test_the_distance_to_the_float_network_can_be_certified(done):
    box = Region.box(*(np.clip(SPLIT.test.inputs[0] + d, 0, 1) for d in (-0.01, 0.01)), name="box")
    small = done.coded.network()
    found = discrepancy(NET, small, box, Effort(boxes=4, workers=1))
    rng = np.random.default_rng(0)
    points = box.lower + rng.random((200, box.size)) * (box.upper - box.lower)
    apart = np.abs(NET.evaluate(points) - small.evaluate(points)).max(axis=0)
    for span, most in zip(found.outputs, apart, strict=True):
        assert most <= span.proved < np.inf


@pytest.mark.parametrize(
    "words",
    [
        {"gamma": -1.0},
        {"gamma": float("nan")},
        {"epochs": 0},
        {"batch": 0},
        {"bits": 0.0},
        {"bits": 25.0},
        {"rate": 0.0},
        {"bits_rate": float("inf")},
        {"most_bytes": 0},
    ],
)
def test_plans_that_make_no_sense_are_refused(words):
    with pytest.raises(InputError):
        Plan(**words)


def test_data_that_do_not_fit_are_refused():
    wrong = pictures(classes=3).subset(np.arange(30))
    plain = Dataset(wrong.inputs, wrong.shape, name="plain")
    for data in (plain, Dataset(wrong.inputs[:, :5], (5,), wrong.labels, classes=3)):
        with pytest.raises(InputError):
            selfcompress(NET, data.split((8, 1, 1), 0), Plan(epochs=1))
    for guard in (
        lambda: Guard(plain),
        lambda: Guard(wrong, weight=-1.0),
        lambda: Guard(wrong, threshold=1.0),
        lambda: Guard(wrong, restores=-1),
    ):
        with pytest.raises(InputError):
            guard()


def test_a_tie_is_a_miss():
    outputs = np.array([[1.0, 1.0], [2.0, 1.0]])
    assert accuracy(outputs, np.array([0, 0])) == 0.5
