"""Small pictures of drawn classes, as tests of training need them."""

import numpy as np

from secateur.compression.data import Dataset

SIDE = 6


def pictures(count: int = 240, seed: int = 0, classes: int = 3, noise: float = 0.15) -> Dataset:
    """Return pictures of 6 by 6 with a bright bar whose place is the class, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    inputs = rng.uniform(0, noise, (count, 1, SIDE, SIDE))
    for at, label in enumerate(labels):
        inputs[at, 0, :, 2 * label : 2 * label + 2] += 0.7
    flat = np.clip(inputs, 0, 1).reshape(count, -1).astype("f4")
    return Dataset(flat, (1, SIDE, SIDE), labels, classes=classes, name="bars")
