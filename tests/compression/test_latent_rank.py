"""Rank correlations against scipy, on the rows themselves and on drawn ones."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from secateur.compression.latent_rank import Rank, _coefficients, correlations
from secateur.engine.errors import InputError

REFERENCE = {Rank.SPEARMAN: stats.spearmanr, Rank.KENDALL: stats.kendalltau}


@pytest.mark.parametrize("rank", Rank)
@given(seed=st.integers(0, 10**6), rows=st.integers(3, 12), levels=st.integers(1, 9))
def test_coefficients_of_counted_rows_are_scipys_of_repeated_rows(rank, seed, rows, levels):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, levels + 1, rows) * 1.5, rng.normal(size=rows)
    counts = rng.integers(0, 4, (3, rows)).astype(float)
    counts[:, 0] += 1
    for found, count in zip(_coefficients(x, y, counts, rank), counts, strict=True):
        again = np.repeat(np.arange(rows), count.astype(int))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = REFERENCE[rank](x[again], y[again])[0] if len(again) > 1 else np.nan
        assert found == pytest.approx(wanted, nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("rank", Rank)
def test_a_perfect_predictor_has_an_interval_at_one(rank):
    damage = np.arange(8.0)
    layers = [f"layer {i}" for i in range(8)]
    sides = {"same": np.exp(damage), "turned": -damage, "flat": np.ones(8)}
    found = correlations(sides, damage, layers, rank, 0, "turned")
    same, turned, flat = (found.each[name] for name in sides)
    assert same.value == same.low == same.high == pytest.approx(1.0)
    assert turned.value == turned.high == pytest.approx(-1.0)
    assert (flat.value, flat.low, flat.resamples) == (None, None, 0)
    assert found.over["same"].low == pytest.approx(2.0)
    assert set(found.over) == {"same", "flat"}


def test_the_interval_covers_a_known_correlation():
    """Of a normal pair with correlation 0.6 Kendall's is 2/pi asin 0.6."""
    wanted, inside = 2 / np.pi * np.arcsin(0.6), 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, noise = rng.normal(size=(2, 40))
        y = 0.6 * x + 0.8 * noise
        found = correlations({"x": x}, y, [str(i) for i in range(40)], Rank.KENDALL, seed)
        inside += found.each["x"].low <= wanted <= found.each["x"].high
    assert 85 <= inside <= 100


def test_rows_of_a_layer_stay_together():
    """Twice the same rows of as many layers tell no more than once."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12))
    layers = [str(i) for i in range(12)]
    once = correlations({"x": x}, y, layers, Rank.KENDALL, 5).each["x"]
    many = correlations({"x": np.tile(x, 9)}, np.tile(y, 9), layers * 9, Rank.KENDALL, 5).each["x"]
    assert many.value == pytest.approx(once.value)
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=1e-9)


def test_a_seed_gives_the_same_interval():
    x, y = np.random.default_rng(0).normal(size=(2, 9))
    layers = [str(i) for i in range(9)]
    one, two, other = (correlations({"x": x}, y, layers, Rank.SPEARMAN, s) for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_two_layers_are_too_few_for_a_correlation():
    found = correlations({"x": np.arange(2.0)}, np.arange(2.0), ["a", "b"], Rank.KENDALL, 0)
    assert found.each["x"].value is None
    assert (found.rows, found.layers) == (2, 2)


def test_four_layers_are_too_few_for_an_interval():
    sides, layers = {"x": np.arange(5.0)}, list("abcde")
    few = correlations({"x": np.arange(4.0)}, np.arange(4.0), layers[:4], Rank.KENDALL, 0)
    assert few.each["x"].value == 1.0
    assert few.each["x"].low is None
    assert correlations(sides, np.arange(5.0), layers, Rank.KENDALL, 0).each["x"].low is not None


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="x: give one finite number"):
        correlations({"x": np.full(3, np.nan)}, np.zeros(3), list("abc"), Rank.KENDALL, 0)
    with pytest.raises(InputError, match="each of the 3 rows"):
        correlations({"x": np.zeros(2)}, np.zeros(3), list("abc"), Rank.KENDALL, 0)
