"""Boxes that are bounded side by side: their bounds hold, and are no looser than a box's alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import networks_with_boxes

from secateur.engine.bounds.abreast import abreast, bound_abreast
from secateur.engine.bounds.kernels import bound_boxes
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.vectors import LANES
from secateur.engine.stages import stages


def side_by_side(net, lower, upper, wish):
    """Bound boxes ``(LANES, inputs)`` side by side; give bounds ``(LANES, neurons)``."""
    side, total = abreast(net), int(net.offset[-1])
    side.lower[:], side.upper[:] = lower.T.ravel(), upper.T.ravel()
    side.asked[:] = np.repeat(wish, LANES)
    last = bound_abreast(net, side)
    low, high = (one.reshape(total, LANES).T for one in (side.low, side.high))
    return last, low, high, side.known.reshape(total, LANES).T


@settings(max_examples=60)
@given(networks_with_boxes(), st.integers(0, 2**31))
def test_bounds_hold_on_every_box_and_are_as_tight_as_alone(case, seed):
    network, (lower, upper) = case
    rng, staged = np.random.default_rng(seed), stages(network)
    net, size = pack(staged), (LANES, lower.size)
    ends = lower + rng.random((2, *size)) * (upper - lower)
    ends = np.clip(np.sort(ends, axis=0), lower, upper)
    total = int(net.offset[-1])
    wish = np.zeros(total, np.uint8)
    where = {
        node.sources[0]: slice(*net.offset[staged.of[node.name] :][:2])
        for node in network.piecewise
    }
    for place in where.values():
        wish[place] = UPPER | LOWER
    if not where:
        return
    last, low, high, known = side_by_side(net, *ends, wish)
    assert last == max(staged.of[node.name] for node in network.piecewise)
    alone_low, alone_high = np.full((LANES, total), -np.inf), np.full((LANES, total), np.inf)
    none = np.zeros(size)
    wishes = np.tile(wish, (LANES, 1))
    bound_boxes(
        net, *ends, alone_low, alone_high, wishes, none, np.zeros(LANES, np.int64), none.copy()
    )
    for box in range(LANES):
        for name, place in where.items():
            exact = extremes(network, ends[0][box], ends[1][box], name)
            for at, (least, most) in zip(range(place.start, place.stop), exact, strict=True):
                # A neuron that is zero on all boxes has no bounds but that.
                assert low[box, at] <= least
                assert most <= max(high[box, at], 0.0) if high[box, at] <= 0.0 else high[box, at]
                if known[box, at] & UPPER:
                    assert most <= 0
                if known[box, at] & LOWER:
                    assert least >= 0
                spare = 1e-9 * (1.0 + abs(alone_low[box, at]) + abs(alone_high[box, at]))
                assert high[box, at] <= max(0.0, alone_high[box, at]) + spare
                assert low[box, at] >= min(0.0, alone_low[box, at]) - spare


def test_numbers_too_large_are_not_bounded():
    from secateur.engine.network import Network

    net = pack(stages(Network.dense([[[1e300]], [[1e300]], [[1.0]]], [[0], [0], [0]])))
    wish = np.where(np.arange(int(net.offset[-1])) == 2, UPPER, 0).astype(np.uint8)
    last, _, _, known = side_by_side(net, np.full((LANES, 1), -1.0), np.ones((LANES, 1)), wish)
    assert last == 0
    assert not known[:, 1:].any()
