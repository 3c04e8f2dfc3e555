"""Safety sets: who is in them, from where, and around which images the class provably stays."""

from fractions import Fraction

import numpy as np
import pytest
from pictures_drawn import SIDE, pictures

from secateur.compression.data import Dataset
from secateur.compression.grad_cam import looked_at, seen
from secateur.compression.safety import (
    Reason,
    clustered,
    in_turn,
    joined,
    margin_of,
    random_set,
    safety_set,
)
from secateur.compression.safety_certificate import Ball, certified
from secateur.compression.safety_file import contact_sheet, load_safety, save_safety
from secateur.compression.selfcompress import selfcompress
from secateur.compression.selfcompress_chain import fresh, links_of
from secateur.compression.selfcompress_plan import Plan
from secateur.engine.answer import Effort
from secateur.engine.errors import FormatError, InputError
from secateur.engine.network import Network
from secateur.engine.verdict import Proved, Refuted

DATA = pictures()
SPLIT = DATA.split((6, 2, 2), 0)


@pytest.fixture(scope="module")
def net():
    """A network that tells the bars apart."""
    start = fresh(DATA.shape, 3, (4,), (8,), np.random.default_rng(1))
    plan = Plan(gamma=0.0, epochs=6, batch=16, rate=5e-3)
    return selfcompress(start, SPLIT, plan).coded.network()


@pytest.fixture(scope="module")
def safety(net):
    """A safety set of 20."""
    return safety_set(net, SPLIT, 20, 0)


def test_no_image_comes_from_the_test_part(safety):
    """Also where the publisher sets the test rows apart."""
    apart = Dataset(
        DATA.inputs, DATA.shape, DATA.labels, classes=3, name="bars", published=200
    ).split((8, 2, 0), 0)
    net = fresh(DATA.shape, 3, (2,), (), np.random.default_rng(0))
    for found, split in ((safety, SPLIT), (safety_set(net, apart, 90, 0), apart)):
        assert not np.isin(found.images.rows, split.test.rows).any()
    assert (safety_set(net, apart, 200, 0).images.rows < 200).all()
    assert not np.isin(random_set(SPLIT, 100, 0).rows, SPLIT.test.rows).any()


def test_shares_are_equal_and_images_differ(net):
    for count in (20, 21, 22, 96):
        found = safety_set(net, SPLIT, count, 0)
        assert len(found) == count == len(set(found.images.rows.tolist()))
        shares = list(found.count().values())
        assert max(shares) - min(shares) <= 1


def test_labels_and_images_are_those_of_their_rows(safety):
    for image, label, row in zip(
        safety.images.inputs, safety.images.labels, safety.images.rows, strict=True
    ):
        assert np.array_equal(image, DATA.inputs[row])
        assert label == DATA.labels[row]


def test_the_smallest_margins_are_in(net, safety):
    pool = joined(SPLIT.train, SPLIT.validation)
    margins = margin_of(seen(net, pool.inputs, pool.labels))
    chosen = set(safety.images.rows.tolist())
    least = pool.rows[np.argsort(margins, kind="stable")[:7]]
    assert set(least.tolist()) <= chosen
    held = safety.margin[safety.reason == Reason.MARGIN]
    assert held.max() <= np.sort(margins)[14]


def test_clusters_are_equal_and_nearest_first(net, safety):
    held = safety.cluster[safety.reason == Reason.CENTRE]
    counts = np.bincount(held, minlength=3)
    assert counts.max() - counts.min() <= 1
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0], [9, 0], [0, 9]])
    truth = rng.integers(0, 3, 60)
    points = (centres[truth] + rng.normal(size=(60, 2)) * 0.3).astype("f4")
    cluster, distance = clustered(points, 3, rng)
    assert len({tuple(np.unique(truth[cluster == one])) for one in range(3)}) == 3
    middle = np.stack([points[cluster == one].mean(axis=0) for one in range(3)])
    assert np.allclose(distance, np.linalg.norm(points - middle[cluster], axis=1), atol=1e-4)
    same, _ = clustered(np.ones((5, 2), "f4"), 3, rng)
    assert len(same) == 5


def test_one_of_each_group_in_turn():
    order = in_turn(np.array([0, 0, 0, 1, 2, 2]), np.array([3.0, 1.0, 2.0, 9.0, 5.0, 4.0]))
    assert order.tolist() == [1, 3, 5, 2, 4, 0]


def test_grad_cam_is_its_formula(net):
    """With finite differences of the rest of the network as slopes."""
    inputs, classes = DATA.inputs[:4], DATA.labels[:4]
    found = seen(net, inputs, classes)
    names = [node.name for node in net.nodes]
    assert "relu1" in names
    trace = net.trace(inputs.astype(float))
    values = trace["relu1"]
    rest = links_of(net)[1:]

    def outputs(hidden):
        for link in rest:
            hidden = hidden @ link.operator.weight.T + link.bias
            hidden = np.maximum(hidden, 0) if link.relu else hidden
        return hidden

    for at, label in enumerate(classes):
        step = 1e-5
        near = values[at] + step * np.eye(values.shape[1])
        slope = (outputs(near) - outputs(values[at] - step * np.eye(values.shape[1])))[:, label]
        share = (slope / (2 * step)).reshape(4, -1).mean(axis=1)
        heat = np.maximum((share[:, None] * values[at].reshape(4, -1)).sum(axis=0), 0)
        assert np.allclose(found.maps[at].ravel(), heat, rtol=1e-2, atol=1e-3)
    assert np.allclose(found.outputs, trace[net.output], atol=1e-4)
    assert np.allclose(found.embedding, values, atol=1e-5)


def test_dense_networks_are_looked_at_in_their_last_hidden_layer():
    net = fresh((5,), 3, (), (7, 4), np.random.default_rng(0))
    assert looked_at(links_of(net)) == 1
    found = seen(net, np.ones((2, 5), "f4"), np.array([0, 2]))
    assert found.maps.shape == (2, 1, 1)
    assert found.embedding.shape == (2, 4)
    with pytest.raises(InputError, match="one layer"):
        seen(
            fresh((5,), 3, (), (), np.random.default_rng(0)),
            np.ones((2, 5), "f4"),
            np.zeros(2, int),
        )


def test_the_file_gives_the_set_back_and_refuses_other_data(tmp_path, safety):
    path = tmp_path / "safety.npz"
    save_safety(safety, path)
    back = load_safety(path, DATA)
    assert np.array_equal(back.images.rows, safety.images.rows)
    assert back.images.digest == safety.images.digest
    for name in ("reason", "heat", "margin", "cluster"):
        assert np.array_equal(getattr(back, name), getattr(safety, name))
    with pytest.raises(InputError, match="differ"):
        load_safety(path, pictures(seed=5))
    with pytest.raises(InputError, match="no row"):
        load_safety(path, DATA.subset(np.arange(3)))
    path.write_bytes(path.read_bytes()[:-99])
    with pytest.raises(FormatError):
        load_safety(path, DATA)


def test_the_contact_sheet_shows_every_image(safety):
    sheet = contact_sheet(safety)
    assert sheet.count("<image ") == len(safety)
    for label, row in zip(safety.images.labels, safety.images.rows, strict=True):
        assert f">{label}, row {row}<" in sheet
    flat = Dataset(DATA.inputs, (SIDE * SIDE,), DATA.labels, classes=3)
    net = fresh(flat.shape, 3, (), (4,), np.random.default_rng(0))
    with pytest.raises(InputError, match="no pictures"):
        contact_sheet(safety_set(net, flat.split((8, 1, 1), 0), 6, 0))


def test_sets_that_cannot_be_drawn_are_refused(net):
    for count in (0, 10_000):
        with pytest.raises(InputError, match="safety set of"):
            safety_set(net, SPLIT, count, 0)
    with pytest.raises(InputError, match="clusters"):
        safety_set(net, SPLIT, 9, 0, clusters=0)
    plain = Dataset(DATA.inputs, DATA.shape).split((8, 1, 1), 0)
    with pytest.raises(InputError, match="labels"):
        safety_set(net, plain, 9, 0)


def test_a_class_that_provably_stays_stays_and_a_planted_flip_is_found():
    """Outputs x0 and x1: the class of (0.7, 0.3) stays within 0.19 and not within 0.21."""
    net = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    images = Dataset(
        np.array([[0.7, 0.3], [0.7, 0.3]], "f4"), (2,), np.array([0, 1]), classes=2, name="two"
    )
    effort = Effort(seconds=20.0, workers=1)
    for radius, kind in ((Fraction(19, 100), Proved), (Fraction(21, 100), Refuted)):
        right, wrong = certified(net, images, Ball(radius, Fraction(0), Fraction(1)), effort)
        assert isinstance(right.verdict, kind)
        assert isinstance(wrong.verdict, Refuted)
    right, _ = certified(net, images, Ball(Fraction(0)), effort)
    assert isinstance(right.verdict, Proved)


def test_what_is_certified_holds_at_every_sample(net, safety):
    some = safety.images.subset(np.arange(4))
    radius = Fraction(1, 50)
    rng = np.random.default_rng(0)
    found = certified(
        net, some, Ball(radius, Fraction(0), Fraction(1)), Effort(seconds=10, workers=1)
    )
    assert any(isinstance(one.verdict, Proved) for one in found)
    for one, image in zip(found, some.inputs.astype(float), strict=True):
        near = np.clip(image + rng.uniform(-0.02, 0.02, (300, len(image))), 0, 1)
        if isinstance(one.verdict, Proved):
            assert (net.evaluate(near).argmax(axis=1) == one.label).all()


def test_balls_and_images_that_make_no_sense_are_refused(net):
    with pytest.raises(InputError):
        Ball(Fraction(-1))
    with pytest.raises(InputError):
        Ball(Fraction(1), Fraction(1), Fraction(0))
    other = Dataset(np.ones((1, 4), "f4"), (4,), np.array([0]), classes=3)
    with pytest.raises(InputError, match="features"):
        certified(net, other, Ball(Fraction(1)), Effort())
    bare = Dataset(np.ones((1, 4), "f4"), (4,))
    with pytest.raises(InputError, match="label"):
        certified(net, bare, Ball(Fraction(1)), Effort())
