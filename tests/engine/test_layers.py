"""Rounding to a grid: what is refused, and what it computes, against Fractions."""

from fractions import Fraction

import numpy as np
import pytest
from grids import chain, places, rounded
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.errors import NetworkError
from secateur.engine.legal import violations
from secateur.engine.network import Piecewise, Quantize


@pytest.mark.parametrize(
    ("scale", "low", "high", "said"),
    [
        (0.0, -1, 1, "scale 0.0"),
        (-1.0, -1, 1, "scale -1.0"),
        (np.nan, -1, 1, "scale nan"),
        (np.inf, -1, 1, "scale inf"),
        (1.0, 1, 2, "low <= 0 <= high"),
        (1.0, -2, -1, "low <= 0 <= high"),
        (1.0, -1, 1.5, "whole numbers"),
        (1.0, -np.inf, 1, "finite"),
        (0.1, -128, 127, "float32"),
    ],
)
def test_a_grid_that_is_none_is_refused(scale, low, high, said):
    with pytest.raises(NetworkError, match=said):
        Quantize(np.array([scale]), np.array([low]), np.array([high]))


def test_limits_for_other_values_are_refused():
    with pytest.raises(NetworkError, match="1 entries for 2 scales"):
        Quantize(np.ones(2), np.zeros(1), np.ones(2))


def test_ties_go_to_even_and_zeros_are_not_negative():
    grid = Quantize.uniform(6, 0.5, -3, 4)
    z = np.array([0.25, 0.75, -0.25, -0.75, 9.0, -9.0])
    assert grid(z).tolist() == [0.0, 1.0, 0.0, -1.0, 2.0, -1.5]
    assert not np.signbit(grid(np.full(6, -0.1))).any()
    assert grid.same(Quantize.uniform(6, 0.5, -3, 4))
    assert not grid.same(Quantize.uniform(6, 0.5, -3, 3))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_exact_evaluation_is_that_of_fractions(seed):
    rng = np.random.default_rng(seed)
    network = rounded(rng, chain(rng))
    assert violations(network) == []
    points = places(rng, np.full(network.size_in, -1.0), np.ones(network.size_in), 4)
    exact = network.trace_exact(points)
    for node in network.nodes:
        if not isinstance(node.layer, Quantize | Piecewise):
            continue
        read, given_ = (exact[name].fractions() for name in (node.sources[0], node.name))
        for place in np.ndindex(read.shape):
            z, at = read[place], place[-1]
            if isinstance(node.layer, Quantize):
                scale = Fraction(float(node.layer.scale[at]))
                ends = int(node.layer.low[at]), int(node.layer.high[at])
                assert given_[place] == scale * min(max(round(z / scale), ends[0]), ends[1])


def test_floats_agree_with_rationals_on_a_grid_of_powers_of_two():
    grid = Quantize.uniform(64, 2.0**-3, -128, 127)
    z = np.arange(-40, 40).repeat(4)[:256].reshape(4, 64) / 16  # half of them are ties
    from secateur.engine.exact import Exact, quantize

    exact = quantize(grid.scale, grid.low, grid.high, Exact.of(z)).fractions()
    assert (exact == np.vectorize(Fraction)(grid(z))).all()
