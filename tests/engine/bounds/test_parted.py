import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks_with_boxes

from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.linear import linear
from secateur.engine.bounds.parted import MOST, divisible, parted
from secateur.engine.network import Network


def bounds_of(network, lower, upper):
    return {
        name: (low[0], high[0])
        for name, (low, high) in linear(network, lower[None], upper[None]).items()
    }


@settings(max_examples=60)
@given(networks_with_boxes(), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_bounds_from_parts_are_tighter_and_hold_every_point(case, cuts, seed):
    network, (lower, upper) = case
    lower, upper = (np.asarray(side, dtype=np.float64) for side in (lower, upper))
    given_ = bounds_of(network, lower, upper)
    if not divisible(network, lower, upper, cuts):
        return
    found = parted(network, lower, upper, given_, cuts)
    points = np.random.default_rng(seed).uniform(lower, upper, size=(200, lower.size))
    values = network.trace(np.clip(points, lower, upper))
    for name, (low, high) in found.items():
        assert (low >= given_[name][0]).all()
        assert (high <= given_[name][1]).all()
        slack = 1e-9 * (1.0 + np.abs(values[name]).max(initial=0.0))
        assert (values[name] >= low - slack).all()
        assert (values[name] <= high + slack).all()


def test_a_neuron_that_is_unstable_on_the_whole_alone_becomes_stable():
    # relu(x) + relu(-x) is |x|: at most 1, which bounds of the whole box miss.
    network = Network.dense([[[1.0], [-1.0]], [[1.0, 1.0]], [[1.0]]], [[0.0, 0.0], [-1.25], [0.0]])
    lower, upper = np.array([-1.0]), np.array([1.0])
    whole = {n: (a[0], b[0]) for n, (a, b) in interval(network, lower[None], upper[None]).items()}
    assert whole["affine2"][1][0] > 0.0
    assert parted(network, lower, upper, whole, 2)["affine2"][1][0] <= 0.0


def test_points_and_boxes_with_too_many_parts_are_left_alone():
    network = Network.dense([np.ones((1, 11))], [[0.0]])
    lower, upper = np.zeros(11), np.ones(11)
    assert MOST < 2**11
    assert not divisible(network, lower, upper, 2)
    assert not divisible(network, lower, lower, 2)
    upper[10] = 0.0
    assert divisible(network, lower, upper, 2)
