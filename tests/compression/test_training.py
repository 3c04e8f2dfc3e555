"""Retraining: what comes out is of the form, is what was computed with, and hangs on the seed."""

import numpy as np
import pytest
import torch
from formed import compressed, dense
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.compression.form import Compressed, Fixed, Free, LayerForm, affine_layers, nearest
from secateur.compression.replaced import numbers_of, with_numbers
from secateur.compression.schooling import Training
from secateur.compression.targets import around, damped, lessons, spread
from secateur.compression.training import Trainee, retrain
from secateur.engine.errors import InputError
from secateur.engine.network import Affine, Input, Network, Node, Piecewise
from secateur.engine.operators import Convolution, Dense, Diagonal
from secateur.engine.region import Region

KINDS = ["free", "half", "masked", "grid", "fixed"]
REGION = Region.box([-1] * 3, [1] * 3)
SHORT = Training(steps=24, batch=32, rate=1e-2)


def lesson(network, start, rng, samples=None):
    points = spread((REGION,), rng)[:500]
    return lessons(network, start.network, points[:50], points[50:], samples=samples)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trained_network_is_of_its_form_and_is_what_was_computed(kind, dtype):
    network = dense(1)
    start = compressed(network, kind)
    trainee = Trainee(start, getattr(torch, dtype))
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for slot in trainee.slots:
            slot.shadow.add_(torch.from_numpy(0.1 * rng.normal(size=slot.shadow.shape)))
    trainee.hold()
    points = rng.uniform(-1, 1, (20, 3)).astype(np.float32).astype(float)
    made = trainee.trained()
    with torch.no_grad():
        seen = trainee(torch.tensor(points, dtype=getattr(torch, dtype))).numpy()
    bound = 1e-12 if dtype == "float64" else 1e-5
    assert np.allclose(seen, made.network.evaluate(points), rtol=0, atol=bound)
    for node, layer in affine_layers(made.network):
        form = made.forms[node.name]
        assert np.array_equal(nearest(form.weight, layer.operator.weight), layer.operator.weight)
        assert np.array_equal(nearest(form.bias, layer.bias), layer.bias)
    if kind == "fixed":
        assert not trainee.slots
        assert all(map(np.array_equal, numbers_of(made).values(), numbers_of(start).values()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind):
    network = dense(2)
    start = compressed(network, kind)
    made = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        made.append(retrain(start, lesson(network, start, rng), SHORT, rng))
    one, two = (numbers_of(each).values() for each in made)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("kind", ["free", "masked", "grid"])
def test_retraining_brings_a_network_nearer(kind):
    network = dense(3)
    start = compressed(network, kind)
    if kind == "free":
        numbers = numbers_of(start)
        start = with_numbers(start, {k: nearest(Free(), v * 1.1) for k, v in numbers.items()})
    rng = np.random.default_rng(0)
    taught = lesson(network, start, rng)
    made = retrain(start, taught, Training(steps=200, batch=64, rate=5e-3), rng)

    def far(one):
        return np.abs(one.network.evaluate(taught.points) - taught.targets).max()

    assert far(made) < 0.8 * far(start)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
def test_retraining_never_makes_the_points_worse(seed, kind):
    network = dense(seed)
    start = compressed(network, kind)
    rng = np.random.default_rng(seed)
    taught = lesson(network, start, rng)
    made = retrain(start, taught, Training(steps=10, batch=16, rate=0.3, dtype="float64"), rng)
    before, after = (
        np.abs(one.network.evaluate(taught.points) - taught.targets).max() for one in (start, made)
    )
    assert after <= before * (1 + 1e-9)


def test_convolutions_and_scales_are_trained_too():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(2, 1, 2, 2)).astype(np.float32)
    layers = [
        ("conv", Affine(Convolution(kernel, (1, 3, 3)), np.zeros(8))),
        ("scale", Affine(Diagonal(np.full(8, 1.5)), np.full(8, 0.25))),
        ("relu", Piecewise.relu(8)),
        ("last", Affine(Dense(rng.normal(size=(2, 8)).astype(np.float32)), np.zeros(2))),
    ]
    nodes, before = [Node("input", Input((1, 3, 3)))], "input"
    for name, layer in layers:
        nodes.append(Node(name, layer, (before,)))
        before = name
    network = Network(tuple(nodes), "last")
    start = Compressed(
        network, {"conv": LayerForm(), "scale": LayerForm(Fixed()), "last": LayerForm()}
    )
    moved = {
        key: nearest(Free(), value * 1.05 + 0.01)
        for key, value in numbers_of(start).items()
        if key != ("scale", False)
    }
    start = with_numbers(start, moved)
    points = rng.uniform(-1, 1, (200, 9))
    taught = lessons(network, start.network, points[:20], points[20:])
    made = retrain(start, taught, Training(steps=100, rate=5e-3), rng)
    far = [np.abs(one.network.evaluate(points) - taught.targets).max() for one in (start, made)]
    assert far[1] < far[0]
    bias = made.network.by_name["conv"].layer.bias.reshape(2, 4)
    assert (bias == bias[:, :1]).all()  # one number a channel, as files have it
    assert np.array_equal(made.network.by_name["scale"].layer.operator.weight, np.full(8, 1.5))


class Labelled:
    """Samples of two classes."""

    def __init__(self, network, count=300):
        rng = np.random.default_rng(9)
        self.inputs = rng.uniform(-1, 1, (count, 3)).astype(np.float32)
        self.labels = network.evaluate(self.inputs.astype(float)).argmax(axis=1)
        self.targets = None


def test_labels_are_learned_beside():
    network = dense(4)
    labels = Labelled(network)
    start = compressed(network, "free")
    numbers = {key: -value for key, value in numbers_of(start).items() if key[0] == "affine3"}
    start = with_numbers(start, numbers)
    rng = np.random.default_rng(0)
    taught = lessons(start.network, start.network, np.zeros((0, 3)), np.zeros((0, 3)))
    points = rng.uniform(-1, 1, (50, 3))
    taught = lessons(network, start.network, points[:5], points[5:], samples=labels)
    made = retrain(start, taught, Training(steps=150, rate=1e-2, samples=10.0), rng)
    right = [
        (one.network.evaluate(labels.inputs.astype(float)).argmax(axis=1) == labels.labels).mean()
        for one in (start, made)
    ]
    assert right[1] > right[0] + 0.3


def test_points_of_lessons_are_of_the_regions():
    regions = (Region.box([0, 0], [1, 1]), Region.box([5, 5], [6, 5]))
    rng = np.random.default_rng(0)

    def held(points):
        return np.array([any(one.contains(p) for one in regions) for p in points])

    assert held(spread(regions, rng)).all()
    points = np.array([[0.5, 1.0], [5.5, 5.0]])
    near = around(points, np.array([[5.0, 5.0]]), np.array([[5.5, 5.0]]), regions, rng)
    assert len(near) == 3 * 2 + 4
    assert held(near).all()
    assert np.array_equal(near[:2], points)


def test_targets_are_damped():
    f, g = np.array([[2.0]]), np.array([[1.0]])
    assert damped(f, g, 1.0) == f
    assert damped(f, g, 10.0) == pytest.approx(1.1)
    with pytest.raises(InputError, match="at least 1"):
        damped(f, g, 0.5)


@pytest.mark.parametrize(
    "words", [{"steps": -1}, {"batch": 1}, {"rate": 0.0}, {"power": 3}, {"samples": -1.0}]
)
def test_a_training_that_makes_no_sense_is_refused(words):
    with pytest.raises(InputError, match="give"):
        Training(**words)
