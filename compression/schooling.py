"""How a network is retrained: the numbers alone, so that reading them waits for no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..engine.errors import InputError


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is retrained.

    Attributes:
        steps: of the optimiser.
        rate: by how much a step moves a number at most, about, as a share of the root mean square
            of its layer's weights; falls to 0 along a cosine.
        batch: points of a step, and samples of a step.
        power: even; a distance at a point counts with this power, so that more of it looks more at
            the largest ones.
        samples: weight of the data set's loss beside the points'.
        dtype: to compute in.
    """

    steps: int = 400
    rate: float = 2e-3
    batch: int = 256
    power: int = 8
    samples: float = 1.0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.steps < 0 or self.batch < 2:
            raise InputError(f"{self.steps} steps of {self.batch} points: give 0 and 2 at least")
        if not (self.rate > 0 and np.isfinite(self.rate)):
            raise InputError(f"rate {self.rate:g}: give a number above 0")
        if self.power < 2 or self.power % 2:
            raise InputError(f"power {self.power}: give an even number of at least 2")
        if not (self.samples >= 0 and np.isfinite(self.samples)):
            raise InputError(f"weight {self.samples:g} of the samples: give 0 or more")
