"""The network of a cell without its zero neurons holds the rows and columns that are left."""

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graph_networks

from secateur.engine.bounds.borrowed import borrowed
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.shrink import copied, shrink, shrunk
from secateur.engine.network import State
from secateur.engine.stages import stages


def matrix(net, edge, stage):
    """Return an edge's matrix, whole."""
    shape = net.sizes[stage], net.sizes[net.edge_source[edge]]
    start = net.edge_start[edge]
    return net.weight[start : start + shape[0] * shape[1]].reshape(shape)


@settings(max_examples=40)
@given(graph_networks(), st.integers(0, 2**31))
def test_rows_and_columns_of_neurons_that_are_not_zero_are_left(network, seed):
    net = pack(stages(network))
    total = int(net.offset[-1])
    known = np.random.default_rng(seed).choice([0, UPPER, LOWER, UPPER | LOWER], total)
    small, cut = copied(net), shrunk(net)
    for _ in range(2):  # what was there before does not matter
        shrink(net, known.astype(np.uint8), small, cut)
    dead = (net.state == State.ZERO) | ((net.state == State.RELU) & (known & UPPER > 0))
    dead[: net.sizes[0]] = False
    left = np.flatnonzero(~dead)
    assert np.array_equal(cut.origin[: left.size], left)
    assert np.array_equal(cut.place[left], np.arange(left.size))
    assert (cut.place[dead] == -1).all()
    assert small.offset[-1] == left.size
    for name in ("bias", "state", "slope", "intercept", "step", "least", "most"):
        assert np.array_equal(getattr(small, name)[: left.size], getattr(net, name)[left])
    for k in range(1, len(net.sizes)):
        rows = left[(left >= net.offset[k]) & (left < net.offset[k + 1])]
        assert small.sizes[k] == rows.size
        for edge in range(net.edge_first[k], net.edge_first[k + 1]):
            first = net.offset[net.edge_source[edge]]
            columns = left[(left >= first) & (left < first + net.sizes[net.edge_source[edge]])]
            wanted = matrix(net, edge, k)[np.ix_(rows - net.offset[k], columns - first)]
            assert np.array_equal(matrix(small, edge, k), wanted)


@numba.njit
def _filled(members):
    members = borrowed(members)
    members[0][1:][0] = members[1]
    return members[0].sum()


def test_arrays_without_an_owner_are_the_same_arrays():
    array = np.ones(3)
    assert _filled((array, 5)) == 7.0
    assert array.tolist() == [1.0, 5.0, 1.0]
