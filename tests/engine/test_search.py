"""The search over boxes settles what is true, drops what is refuted, is sound when stopped."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import boxes, dense_networks

from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.network import Network
from secateur.engine.search import Limits, Search
from secateur.engine.stages import stages


def searching(network, lower, upper, neuron, side, workers=1):
    """Return a search for one sign of one output."""
    staged = stages(network)
    net = pack(staged)
    flat = int(net.offset[staged.output]) + neuron
    search = Search(
        net, np.array([flat]), np.array([side], np.uint8), Limits(batch=16, workers=workers)
    )
    search.start(lower, upper)
    return search


def never(corner, boxes):
    return np.array([False])


@given(st.data())
@settings(max_examples=25)
def test_what_is_settled_is_true_and_bounds_hold_at_any_stop(data):
    network = data.draw(dense_networks())
    lower, upper = data.draw(boxes(network.size_in))
    exact = extremes(network, lower, upper, network.output)
    for neuron, (least, most) in enumerate(exact):
        for side, worst in ((UPPER, most), (LOWER, -least)):
            for budget in (1, 100):
                search = searching(network, lower, upper, neuron, side)
                search.run(never, budget)
                if search.open()[0]:
                    assert search.reach()[0] >= worst
                else:
                    assert worst <= 0
            if worst < -1:
                assert not search.open()[0], "100 boxes settle a clear case of these sizes"


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_the_number_of_workers_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    network = Network.dense(
        [rng.normal(size=(8, 3)), rng.normal(size=(8, 8)), rng.normal(size=(1, 8))],
        [rng.normal(size=8), rng.normal(size=8), np.array([-3.0])],
    )
    states = []
    for workers in (1, 2):
        search = searching(network, np.full(3, -1.0), np.ones(3), 0, UPPER, workers)
        search.run(never, 300)
        states.append((search.bounded, search.open_boxes, search.reach().tolist()))
    assert states[0] == states[1]


def narrow():
    """Return a network and box on which bisecting never ends: the maximum is exactly 0."""
    # relu(x) + relu(-x) - |x| written so that its bounds never reach 0
    network = Network.dense(
        [np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([[1.0, 1.0, -1.0, -1.0]])],
        [np.zeros(4), np.array([0.0])],
    )
    return network, np.array([-1.0]), np.array([1.0])


def test_a_refuted_wish_is_dropped_and_never_called_settled():
    network, lower, upper = narrow()
    search = searching(network, lower, upper, 0, UPPER)
    search.run(lambda corner, boxes: np.array([True]), 100)
    assert search.dropped[0]
    assert not search.open()[0]


def test_time_and_boxes_end_a_search_that_would_not_end():
    network, lower, upper = narrow()
    search = searching(network, lower, upper, 0, UPPER)
    search.run(never, 50, deadline=time.monotonic() - 1)
    assert search.bounded == 0
    assert search.open()[0]
    search.run(never, 50)
    assert search.open()[0]
    assert search.reach()[0] > 0


def test_boxes_that_cannot_be_halved_stay_open():
    network, _, _ = narrow()
    lower = np.array([-5e-324])
    search = searching(network, lower, np.array([5e-324]), 0, UPPER)
    search.run(never, 1000)
    assert search.bounded < 1000
    assert search.stuck
    assert search.open()[0]


def test_a_full_frontier_goes_depth_first_and_comes_to_the_same_end():
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=(20, 4)), rng.normal(size=(20, 20)), rng.normal(size=(1, 20))]
    shift = rng.normal(size=20)
    open_net = Network.dense(weights, [shift, shift, np.zeros(1)])
    most = open_net.evaluate(rng.uniform(-2, 2, size=(20_000, 4))).max()
    network = Network.dense(weights, [shift, shift, np.array([-1.12 * most])])
    net = pack(stages(network))
    widest = []
    for frontier in (10_000, 16):
        limits = Limits(frontier=frontier, batch=8, workers=1)
        flat = np.array([int(net.offset[-2])])
        search = Search(net, flat, np.array([UPPER], np.uint8), limits)
        search.start(np.full(4, -2.0), np.full(4, 2.0))
        sizes = []

        def watch(corner, boxes, search=search, sizes=sizes):
            sizes.append(search.open_boxes)
            return np.array([False])

        search.run(watch, 50_000)
        assert not search.open()[0]
        widest.append(max(sizes))
    assert widest[1] < widest[0]
