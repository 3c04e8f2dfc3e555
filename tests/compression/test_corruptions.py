"""Corruptions: seeded, inside the range, stronger with severity, and exact where they can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.compression.corruptions import (
    PICTURES,
    TABLES,
    Kind,
    Scale,
    corrupted,
    kinds_for,
)
from secateur.engine.errors import InputError

SHAPE = (1, 12, 10)


def drawings(seed, rows=20, shape=SHAPE):
    """Return smooth pictures, levels from -1 to 3."""
    rng = np.random.default_rng(seed)
    across, along = np.meshgrid(np.linspace(0, 3, shape[2]), np.linspace(0, 3, shape[1]))
    waves = [np.sin(a * across + b * along) for a, b in rng.normal(size=(rows * shape[0], 2))]
    return (1.0 + 2.0 * np.array(waves)).reshape(rows, -1).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.sampled_from(PICTURES), st.integers(1, 5), st.booleans())
def test_pictures_stay_in_their_range_and_the_seed_decides(seed, kind, severity, coloured):
    shape = (3, 6, 5) if coloured else SHAPE
    inputs = drawings(seed, 4, shape)
    scale = Scale.of(inputs)
    found = corrupted(inputs, shape, kind, severity, scale, seed)
    assert found.dtype == np.float32
    assert found.shape == inputs.shape
    assert scale.low - 1e-6 <= found.min()
    assert found.max() <= scale.high + 1e-6
    assert np.array_equal(found, corrupted(inputs, shape, kind, severity, scale, seed))


@pytest.mark.parametrize("kind", PICTURES)
def test_severity_takes_pictures_farther_away(kind):
    inputs = drawings(1, 60)
    scale = Scale.of(inputs)
    away = [
        np.linalg.norm(corrupted(inputs, SHAPE, kind, severity, scale, 0) - inputs)
        for severity in (1, 3, 5)
    ]
    assert 0 < away[0] < away[1] < away[2]


def test_blocks_are_means():
    inputs = np.arange(16, dtype=np.float32)[None]
    found = corrupted(inputs, (1, 4, 4), Kind.PIXELATE, 1, Scale.of(inputs), 0).reshape(4, 4)
    assert found[:2, :2] == pytest.approx(np.full((2, 2), (0 + 1 + 4 + 5) / 4), abs=1e-5)
    assert found[2:, 2:] == pytest.approx(np.full((2, 2), (10 + 11 + 14 + 15) / 4), abs=1e-5)


def test_a_shift_moves_a_dot_by_whole_pixels():
    inputs = np.zeros((50, 81), np.float32)
    inputs[:, 40] = 1.0
    found = corrupted(inputs, (1, 9, 9), Kind.TRANSLATION, 2, Scale.of(inputs), 3)
    places = np.argwhere(found.reshape(50, 9, 9))[:, 1:] - 4
    assert found.sum() == 50
    assert set(np.abs(places).ravel().tolist()) == {0, 2}
    assert (np.abs(places).max(axis=1) == 2).all()


def test_values_of_tables_go_missing_or_get_noise_by_column():
    rng = np.random.default_rng(0)
    inputs = (rng.normal(size=(4000, 3)) * [1.0, 10.0, 0.0] + [0.0, 5.0, 2.0]).astype(np.float32)
    scale = Scale.of(inputs)
    lost = corrupted(inputs, (3,), Kind.MISSING, 3, scale, 1)
    gone = lost[:, :2] != inputs[:, :2]
    assert gone.mean() == pytest.approx(0.2, abs=0.02)
    assert lost[:, :2][gone] == pytest.approx(np.broadcast_to(scale.mean[:2], gone.shape)[gone])
    noisy = corrupted(inputs, (3,), Kind.NOISE, 3, scale, 1) - inputs
    assert noisy.std(axis=0) == pytest.approx([0.2, 2.0, 0.0], rel=0.06)


def test_what_inputs_do_not_have_is_refused():
    inputs = np.ones((2, 4), np.float32)
    with pytest.raises(InputError, match="tables have noise, missing"):
        corrupted(inputs, (4,), Kind.BLUR, 1, Scale.of(inputs), 0)
    with pytest.raises(InputError, match="severity 6"):
        corrupted(inputs, (4,), Kind.NOISE, 6, Scale.of(inputs), 0)
    assert kinds_for((4,)) == TABLES
