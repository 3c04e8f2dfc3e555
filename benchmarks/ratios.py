"""The tables of paired rows: how each arm did, and each against the control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .row import Row, Status

DRAWS: Final = 2000
"""Resamples of a bootstrap."""

LEVEL: Final = 0.95
"""Of the intervals."""

Array = NDArray[np.float64]


def standing(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return one row of a table for each arm, in the order of their first rows.

    Medians are over runs that are done, totals over all that were timed.
    """
    met = {row.status for row in rows} | {Status.DONE}
    ends = [status for status in Status if status in met]
    return [_standing(arm, [row for row in rows if row.arm == arm], ends) for arm in arms(rows)]


def arms(rows: Sequence[Row]) -> list[str]:
    """Return the arms of rows, the control first."""
    return list(dict.fromkeys(row.arm for row in rows))


def _standing(arm: str, rows: Sequence[Row], ends: Sequence[Status]) -> dict[str, str]:
    done = [row for row in rows if row.status is Status.DONE]

    def middle(values: list[float]) -> str:
        return f"{median(values):.3g}" if values else ""

    return {
        "arm": f"{arm} {rows[0].version}".rstrip(),
        "runs": str(len(rows)),
        **{status.value: str(sum(row.status is status for row in rows)) for status in ends},
        "median wall (s)": middle([row.wall for row in done]),
        "median CPU (s)": middle([row.cpu for row in done]),
        "total wall (s)": f"{sum(row.wall for row in rows):.4g}",
        "median answer": middle([value for row in done if (value := _number(row)) is not None]),
        "peak memory (MB)": f"{max(row.megabytes for row in rows):.0f}",
    }


def _number(row: Row) -> float | None:
    """Return an answer that is a number; None for any other."""
    try:
        return float(row.answer)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A statistic of paired times with the interval that a bootstrap gives.

    Attributes:
        value: of an arm's time over the control's; no unit.
        low, high: of the interval at `LEVEL`; both the value itself where there is one pair.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As tables have it."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


Statistic = Callable[[Array, Array], Array]
Clock = Callable[[Row], float]


def of_medians(control: Array, other: Array) -> Array:
    """Return the median of the ratios of pairs ``(..., pairs)``."""
    return np.asarray(np.median(other / control, axis=-1))


def of_totals(control: Array, other: Array) -> Array:
    """Return the ratio of the sums of pairs ``(..., pairs)``."""
    return np.asarray(other.sum(axis=-1) / control.sum(axis=-1))


def ratio(control: Array, other: Array, statistic: Statistic, seed: int) -> Ratio:
    """Return a statistic of pairs, and its percentile bootstrap interval over the pairs.

    Args:
        control: ``(pairs,)`` times, above 0.
        other: ``(pairs,)`` times of the same pairs.
        statistic: of both.
        seed: of the resampling.

    Source: Efron 1979, percentile intervals.
    """
    value = float(statistic(control, other))
    draws = np.random.default_rng(seed).integers(len(control), size=(DRAWS, len(control)))
    drawn = statistic(control[draws], other[draws])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Ratio(value, low, high)


def pairs(rows: Sequence[Row], control: str, other: str, clock: Clock) -> tuple[Array, Array]:
    """Return the paired times ``(pairs,)`` of two arms.

    A pair is what both did of the same instance in the same round. Rounds of an instance are made
    one pair by their medians, so that an interval speaks of instances; where there is one instance
    the rounds are the pairs.
    """
    times: dict[str, dict[int, dict[str, float]]] = {}
    for row in rows:
        seconds = clock(row)
        if row.status is Status.DONE and row.arm in (control, other) and seconds > 0:
            times.setdefault(row.instance, {}).setdefault(row.round, {})[row.arm] = seconds
    both = [
        found
        for turns in times.values()
        if (found := [(turn[control], turn[other]) for turn in turns.values() if len(turn) == 2])
    ]
    if len(both) == 1:
        flat = both[0]
    else:
        flat = [(median(a for a, _ in turns), median(b for _, b in turns)) for turns in both]
    array = np.array(flat, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def against(rows: Sequence[Row], seed: int) -> list[dict[str, str]]:
    """Return one row of a table for each arm but the control: its time over the control's.

    Above 1 the control is quicker.
    """
    if not rows:
        return []
    control, *others = arms(rows)
    return [_against(rows, control, other, seed) for other in others]


def _against(rows: Sequence[Row], control: str, other: str, seed: int) -> dict[str, str]:
    done = {
        arm: {row.key[1:] for row in rows if row.arm == arm and row.status is Status.DONE}
        for arm in (control, other)
    }

    def said(clock: Clock, statistic: Statistic) -> str:
        ours, theirs = pairs(rows, control, other, clock)
        return str(ratio(ours, theirs, statistic, seed)) if len(ours) else ""

    return {
        "pair": f"{other} / {control}",
        "both": str(len(done[control] & done[other])),
        f"only {control}": str(len(done[control] - done[other])),
        "only the other": str(len(done[other] - done[control])),
        "wall, median of ratios": said(attrgetter("wall"), of_medians),
        "wall, ratio of totals": said(attrgetter("wall"), of_totals),
        "CPU, median of ratios": said(attrgetter("cpu"), of_medians),
    }
