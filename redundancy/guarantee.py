"""What must stay of a network's outputs: their values up to a tolerance, or which one is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best, same_best, within
from ..engine.claim import Claim
from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.region import Region

Array = NDArray[np.float64]

_NOISE = 1e-9
"""Leads of the best output below this part of the outputs' size are ties to float64; steers effort,
not soundness."""

RESERVE = 0.1
"""Part of the slack that candidates must leave at the points seen: elsewhere it is smaller, and
what is close to the limit is dear to prove."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Every output stays within a tolerance of the original's; 0 asks for equality.

    Attributes:
        tolerance: at least 0, network output units.
    """

    tolerance: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise InputError(
                f"tolerance {float(self.tolerance):g}: give a number that is 0 or more"
            )

    @property
    def exact(self) -> bool:
        """Whether nothing may move, so that only equal networks keep it."""
        return self.tolerance == 0

    def fit(self, network: Network) -> None:
        """Raise where it makes no sense for a network: it always does."""

    def claim(self, f: Network, g: Network, region: Region, room: Fraction) -> Claim:
        """Return the claim that g keeps it, and may still be moved by `room` in every output."""
        return within(f, g, region, self.tolerance - room)

    def slack(self, one: Array, two: Array) -> Array:
        """Return how far outputs ``(..., outputs)`` of g are from breaking it, a number a point.

        Negative where they break it. What of it is held in reserve counts as broken.
        """
        apart = np.abs(one - two).max(axis=-1)
        return np.asarray((1.0 - RESERVE) * float(self.tolerance) - apart)

    def broken(self, one: Sequence[Fraction], two: Sequence[Fraction]) -> bool:
        """Return whether exact outputs at a point, of the original and of g, break it."""
        return max(abs(a - b) for a, b in zip(one, two, strict=True)) > self.tolerance

    def text(self) -> str:
        """Return what stays, in words that follow "the simplified network"."""
        if self.exact:
            return "equals the original"
        return f"is within {shown(self.tolerance)} of the original in every output"


@dataclass(frozen=True, slots=True)
class SameBest:
    """The best output stays the same wherever the original prefers it by more than a band.

    Attributes:
        best: whether the largest or the smallest output is the best.
        band: at least 0, network output units; where the original's lead is at most that, nothing
            is asked. Exact ties are never asked about.
    """

    best: Best
    band: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.band < 0:
            raise InputError(f"tolerance {float(self.band):g}: give a number of at least 0")

    @property
    def exact(self) -> bool:
        """Whether nothing may move where two outputs tie."""
        return self.band == 0

    def fit(self, network: Network) -> None:
        """Raise InputError for a network with one output: it has no best of several."""
        if network.size_out < 2:
            raise InputError(
                f"{network.origin.path} has a single output, so there is no arg{self.best}: keep "
                "its outputs instead"
            )

    def claim(self, f: Network, g: Network, region: Region, room: Fraction) -> Claim:
        """Return the claim that g keeps it, and may still be moved by `room` in every output."""
        return same_best(f, g, region, self.best, self.band, 2 * room)

    def leads(self, outputs: Array) -> tuple[NDArray[np.int64], Array]:
        """Return the best of outputs ``(..., outputs)`` and by how much it leads."""
        signed = outputs if self.best is Best.MAX else -outputs
        winner = signed.argmax(axis=-1)
        first = np.take_along_axis(signed, winner[..., None], -1)[..., 0]
        rest = signed.copy()
        np.put_along_axis(rest, winner[..., None], -np.inf, -1)
        return winner, np.asarray(first - rest.max(axis=-1))

    def lead_of(self, outputs: Array, own: NDArray[np.int64]) -> Array:
        """Return by how much one output of each point leads; negative where another one does.

        Args:
            outputs: ``(..., outputs)``.
            own: ``(...)`` which one.
        """
        signed = outputs if self.best is Best.MAX else -outputs
        lead = np.take_along_axis(signed, own[..., None], -1)[..., 0]
        rest = signed.copy()
        np.put_along_axis(rest, own[..., None], -np.inf, -1)
        return np.asarray(lead - rest.max(axis=-1))

    def slack(self, one: Array, two: Array) -> Array:
        """Return how far outputs ``(..., outputs)`` of g are from breaking it, a number a point.

        Negative where they break it; infinite where nothing is asked. What of it is held in reserve
        counts as broken: a part of the original's own lead.
        """
        winner, lead = self.leads(one)
        signed = two if self.best is Best.MAX else -two
        winner = np.broadcast_to(winner, signed.shape[:-1])
        own = np.take_along_axis(signed, winner[..., None], -1)[..., 0]
        rest = signed.copy()
        np.put_along_axis(rest, winner[..., None], -np.inf, -1)
        noise = _NOISE * (1.0 + np.abs(one).max(axis=-1))
        asked = lead > float(self.band) + noise
        kept = own - rest.max(axis=-1) - RESERVE * (lead - float(self.band))
        return np.where(asked, kept, np.inf)

    def broken(self, one: Sequence[Fraction], two: Sequence[Fraction]) -> bool:
        """Return whether exact outputs at a point, of the original and of g, break it."""
        sign = 1 if self.best is Best.MAX else -1
        f, g = [sign * value for value in one], [sign * value for value in two]
        winner = max(range(len(f)), key=f.__getitem__)
        lead = f[winner] - max(f[:winner] + f[winner + 1 :])
        return lead > self.band and max(g) > g[winner]

    def text(self) -> str:
        """Return what stays, in words that follow "the simplified network".

        A tie of the simplified network with the original's best is allowed, see `same_best`.
        """
        words = f"prefers no other output to the original's arg{self.best}"
        if self.band > 0:
            return f"{words} wherever the original's lead is above {shown(self.band)}"
        return f"{words} wherever the original has no tie"


def shown(value: Fraction) -> str:
    """Return a number above 0 as a short decimal that is at least its value.

    A tolerance or a band that is shown larger than it is says less than what is proved.
    """
    near = float(value)
    for text in (f"{near:.3g}", f"{near!r}"):
        if Fraction(text) == value:
            return text
    return repr(float(np.nextafter(near, np.inf)))


Guarantee = Outputs | SameBest
