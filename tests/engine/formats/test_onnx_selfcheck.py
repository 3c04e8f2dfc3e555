"""The comparison that guards every import."""

from fractions import Fraction

import numpy as np
import pytest

from secateur.engine.errors import MismatchError
from secateur.engine.formats import load, save
from secateur.engine.formats.selfcheck import check_import, check_points
from secateur.engine.network import Network, Normalisation, Origin
from secateur.engine.noise import noise
from secateur.engine.rounding import IMPORT_POINTS, IMPORT_TOLERANCE


@pytest.fixture
def network():
    random = np.random.default_rng(0)
    weights = [random.standard_normal((4, 3)), random.standard_normal((2, 4))]
    return Network.dense(weights, [np.zeros(4), np.ones(2)], Origin("net", dtype="float32"))


def test_the_points_are_many_mixed_repeatable_and_of_the_element_type(network):
    points = check_points(network)
    assert points.shape == (IMPORT_POINTS, 3)
    assert (points[0] == 0).all()
    assert (points == points.astype(np.float32)).all()
    assert (points == check_points(network)).all()
    assert (points != check_points(network, seed=1)).any()
    assert np.abs(points[1:22]).max() < 1
    assert (np.abs(points[22:43]) == 1).all()
    assert np.abs(points[43:]).max() > 4


def test_the_points_follow_the_normalisation(network):
    box = Normalisation(np.full(3, 10.0), np.full(3, 30.0), np.full(3, 10.0), np.full(3, 10.0))
    points = check_points(Network(network.nodes, network.output, network.origin, box))
    assert points[1:43].min() == 0
    assert points[1:43].max() == 2


def test_limits_that_are_none_do_not_reach_the_points(network):
    most = np.full(3, np.finfo(np.float64).max)
    box = Normalisation(-most, most, np.zeros(3), np.full(3, 0.5))
    points = check_points(Network(network.nodes, network.output, network.origin, box))
    assert np.abs(points[:43]).max() == 1
    half = Origin("net", dtype="float16")
    wide = Normalisation(np.full(3, -1e5), np.full(3, 1e5), np.zeros(3), np.ones(3))
    assert np.isfinite(check_points(Network(network.nodes, network.output, half, wide))).all()


def test_agreement_gives_the_largest_difference(network):
    assert check_import(network, network.evaluate) == 0
    near = check_import(network, lambda x: network.evaluate(x) * (1 + 1e-6))
    assert 0 < near < IMPORT_TOLERANCE


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda y: y + np.array([0, 1e-3]), "output 1 is "),
        (lambda y: y[:, :1], "gives 2 outputs, the reference evaluator 1"),
        (lambda y: np.full_like(y, np.nan), "overflows at 64 of 64 points"),
        (lambda y: y[:, ::-1], "disagrees"),
    ],
)
def test_disagreement_is_an_error(network, wrong, text):
    with pytest.raises(MismatchError, match=text) as caught:
        check_import(network, lambda x: wrong(network.evaluate(x)))
    assert str(caught.value).startswith("net: ")
    assert "\n" not in str(caught.value)


def test_a_network_that_overflows_alone_is_an_error():
    huge = Network.dense([np.full((1, 1), 1e200), np.full((1, 1), 1e200)], [np.zeros(1)] * 2)
    with pytest.raises(MismatchError, match="disagrees"):
        check_import(huge, lambda x: np.zeros((len(x), 1)))


def test_points_at_which_the_reference_overflows_are_left_out(network):
    def reference(x):
        y = network.evaluate(x)
        y[-3:] = np.inf
        return y

    assert check_import(network, reference) == 0


@pytest.mark.parametrize("big", [2.0**24, 2.0**57, 1e17])
def test_numbers_that_cancel_are_no_mistake_of_the_reader(tmp_path, big):
    big = float(np.float32(big))
    net = Network.dense([[[1.0]], [[1.0]]], [[big], [-big]], Origin(dtype="float32"))
    save(net, tmp_path / "net.onnx")
    found = load(tmp_path / "net.onnx")
    assert found.evaluate([0.5], exact=True)[0] == Fraction(1, 2)
    assert noise(found, np.array([[0.5]]), 2.0**-23)[0, 0] >= 0.5


def test_beside_numbers_that_cancel_a_mistake_is_still_one(network):
    with pytest.raises(MismatchError, match="disagrees"):
        check_import(network, lambda x: network.evaluate(x) + 0.01)
