"""What goes of a layer's weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.compression.latent_cut import Method, cut, rank_of
from secateur.engine.errors import InputError


def layer(seed, outputs, inputs):
    drawn = np.random.default_rng(seed).normal(size=(outputs, inputs))
    return drawn.astype(np.float32).astype(np.float64)


shapes = {
    "seed": st.integers(0, 10**6),
    "outputs": st.integers(1, 9),
    "inputs": st.integers(1, 9),
    "share": st.floats(0.01, 0.99),
}


@pytest.mark.parametrize("method", Method)
@given(**shapes)
def test_what_is_left_fits_the_share_and_is_float32(method, seed, outputs, inputs, share):
    weights = layer(seed, outputs, inputs)
    found = cut(weights, method, share, np.random.default_rng(seed))
    np.testing.assert_array_equal(found.weights, found.weights.astype(np.float32))
    if method is Method.LOWRANK:
        assert found.rank == rank_of(weights.shape, share)
        assert np.linalg.matrix_rank(found.weights, tol=1e-4) <= found.rank
        assert found.rank == 1 or found.stored <= 1 - share + 1e-9
        return
    np.testing.assert_array_equal(found.weights, np.where(found.kept, weights, 0.0))
    gone = int((~found.kept).sum())
    whole = int(share * outputs) * inputs if method is Method.ROWS else int(share * weights.size)
    assert gone == whole
    assert found.stored == pytest.approx(1 - gone / weights.size)


@given(**shapes)
def test_lowest_keeps_and_highest_loses_the_large(seed, outputs, inputs, share):
    weights = layer(seed, outputs, inputs)
    size = np.abs(weights)
    for method, sign in ((Method.LOWEST, 1), (Method.HIGHEST, -1)):
        kept = cut(weights, method, share, np.random.default_rng(0)).kept
        if kept.any() and not kept.all():
            assert (sign * size[kept]).min() >= (sign * size[~kept]).max()


@given(**shapes)
def test_rows_go_whole_and_the_small_ones_first(seed, outputs, inputs, share):
    weights = layer(seed, outputs, inputs)
    kept = cut(weights, Method.ROWS, share, np.random.default_rng(0)).kept
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    norms, left = np.linalg.norm(weights, axis=1), kept.all(axis=1)
    if left.any() and not left.all():
        assert norms[left].min() >= norms[~left].max()


def test_no_matrix_of_the_rank_is_nearer():
    weights = layer(3, 6, 8)
    found = cut(weights, Method.LOWRANK, 0.5, np.random.default_rng(0))
    values = np.linalg.svd(weights, compute_uv=False)
    apart = np.linalg.norm(weights - found.weights)
    assert apart == pytest.approx(np.linalg.norm(values[found.rank :]), rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(InputError, match="sparsity"):
        cut(np.ones((2, 2)), Method.LOWEST, share, np.random.default_rng(0))
