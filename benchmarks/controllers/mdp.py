"""The collision-avoidance problem as a Markov decision process on a grid, and its exact solution.

State: range, bearing, heading (a node of `Grid`), the advisory in force, and the time to loss of
vertical separation. One step follows the advisory *in force*; the advisory chosen now is in force
from the next step on (the pilot's delay of one step). For a time t of whole steps

    Q_t(s, p, a) = discount * sum over s' of T_p(s, s') V_{t-1}(s', a) - c_t(s) - c(p, a)
    V_t(s, p)    = max over a of Q_t(s, p, a)

where c_t(s) is what the range costs, counted at t = 0 alone, and c(p, a) what the choice costs.
Aircraft that have lost vertical separation stay at equal altitude for `dwell` steps in all, so
Q_0 is itself solved backwards over those steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from .encounter import CHANCES, Advisory, Costs, Encounter, Reals, angles

Transition: TypeAlias = scipy.sparse.csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The nodes on which the problem is solved, the axes in the order range, bearing, heading.

    Attributes:
        ranges: shape (ranges,), ft, strictly increasing from 0.
        bearings: number of bearings, evenly spaced from -pi (kept) to pi (left out: it is -pi).
        headings: number of headings, spaced likewise.

    Raises:
        ValueError: the ranges do not increase strictly from 0, or an angle has fewer than 4 nodes.
    """

    ranges: Reals
    bearings: int
    headings: int

    def __post_init__(self) -> None:
        """Check and freeze the ranges."""
        ranges = np.array(self.ranges, dtype=np.float64)
        if ranges.ndim != 1 or ranges.size < 2 or ranges[0] != 0 or not (np.diff(ranges) > 0).all():
            raise ValueError(f"grid: ranges must increase strictly from 0, not {ranges}")
        if min(self.bearings, self.headings) < 4:
            raise ValueError(
                f"grid: {self.bearings} bearings and {self.headings} headings; give 4 or more"
            )
        ranges.setflags(write=False)
        object.__setattr__(self, "ranges", ranges)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of ranges, bearings and headings."""
        return self.ranges.size, self.bearings, self.headings

    @property
    def size(self) -> int:
        """Number of states without the advisory in force."""
        return self.ranges.size * self.bearings * self.headings

    def axes(self) -> tuple[Reals, Reals, Reals]:
        """Return the nodes of range (ft), bearing and heading (rad), one array each."""
        return self.ranges, angles(self.bearings), angles(self.headings)

    def corners(
        self, distance: Reals, bearing: Reals, heading: Reals
    ) -> Iterator[tuple[NDArray[np.int32], Reals]]:
        """Yield the eight corners of the cell around each point, with the weights of the mean.

        Args:
            distance: range, shape (points,), ft; beyond the last node it counts as the last node.
            bearing: shape (points,), rad in [-pi, pi).
            heading: shape (points,), rad in [-pi, pi).

        Yields:
            State index (range-major) and weight in [0, 1], shape (points,) each; the eight
            weights of a point sum to 1.
        """
        last = self.ranges.size - 1
        inside = np.minimum(distance, self.ranges[last])
        low = np.minimum(np.searchsorted(self.ranges, inside, side="right") - 1, last - 1)
        share = (inside - self.ranges[low]) / (self.ranges[low + 1] - self.ranges[low])
        places = [(low, low + 1, share)]
        for angle, count in ((bearing, self.bearings), (heading, self.headings)):
            place = (angle + np.pi) * (count / (2.0 * np.pi))
            below = np.floor(place).astype(np.int64)
            places.append((below % count, (below + 1) % count, place - below))
        for corner in range(8):
            index, weight = np.zeros(distance.shape, dtype=np.int64), np.ones(distance.shape)
            for axis, (first, second, part) in enumerate(places):
                upper = bool(corner >> axis & 1)
                index = index * self.shape[axis] + (second if upper else first)
                weight = weight * (part if upper else 1.0 - part)
            yield index.astype(np.int32), weight


def transition(grid: Grid, encounter: Encounter, advisory: Advisory) -> Transition:
    """Return the chance of going from each state to each other while `advisory` is in force.

    Returns:
        CSR matrix, shape (states, states), float64; rows are non-negative and sum to 1 up to
        rounding, duplicates are summed.
    """
    _, bearings, headings = grid.axes()
    bearing, heading = (axis.ravel() for axis in np.meshgrid(bearings, headings, indexing="ij"))
    turns = [
        (own, other, own_chance * other_chance)
        for own, own_chance in zip(encounter.own_rates(advisory), CHANCES, strict=True)
        for other, other_chance in zip(encounter.intruder_rates(), CHANCES, strict=True)
    ]
    rows = np.arange(bearing.size, dtype=np.int32)
    slabs = []
    for distance in grid.ranges:  # one slab at a time keeps the unsummed entries in cache
        columns, chances = [], []
        for own, other, chance in turns:
            after = encounter.moved(np.full(bearing.shape, distance), bearing, heading, own, other)
            for index, weight in grid.corners(*after):
                columns.append(index)
                chances.append(chance * weight)
        entries = (np.concatenate(chances), (np.tile(rows, len(columns)), np.concatenate(columns)))
        slabs.append(scipy.sparse.csr_array(entries, shape=(bearing.size, grid.size)))
    return scipy.sparse.csr_array(scipy.sparse.vstack(slabs, format="csr"))


def backed_up(
    transitions: list[Transition], values: Reals, choices: Reals, discount: float
) -> Reals:
    """Return the scores one step earlier, without any near mid-air collision of this step.

    Args:
        transitions: one matrix (states, states) per advisory in force.
        values: shape (previous=5, states): the best score of each state in the next step.
        choices: shape (previous=5, chosen=5): the cost of each choice.
        discount: what the next step counts for, in (0, 1].

    Returns:
        Scores, shape (previous=5, states, chosen=5), float64; larger is better.
    """
    scores = np.empty((len(transitions), values.shape[1], len(transitions)))
    for previous, matrix in enumerate(transitions):
        np.multiply(matrix @ values.T, discount, out=scores[previous])
        scores[previous] -= choices[previous]
    return scores


def solve(
    grid: Grid,
    encounter: Encounter,
    costs: Costs,
    times: tuple[int, ...] = (0,),
    dwell: int = 60,
    discount: float = 0.98,
) -> dict[int, Reals]:
    """Return the optimal scores at each of the stated times to loss of vertical separation.

    Args:
        grid: where to solve.
        encounter: how the aircraft move.
        costs: what each step costs.
        times: whole steps until vertical separation is lost, each 0 or more.
        dwell: steps for which the aircraft stay at equal altitude, at least 1.
        discount: what the next step counts for, in (0, 1].

    Returns:
        For each time, scores of shape (previous=5, ranges, bearings, headings, chosen=5), float64;
        the largest score wins.

    Raises:
        ValueError: a time is negative, the dwell is below 1, or the discount outside (0, 1].
    """
    if not times or min(times) < 0 or dwell < 1 or not 0.0 < discount <= 1.0:
        raise ValueError(
            f"solve: times {times}, dwell {dwell}, discount {discount}; "
            "give times of 0 or more, a dwell of 1 or more and a discount in (0, 1]"
        )
    transitions = [transition(grid, encounter, advisory) for advisory in Advisory]
    choices = costs.table()
    level = np.repeat(costs.of_range(grid.ranges, encounter), grid.bearings * grid.headings)
    values = np.zeros((len(Advisory), grid.size))
    found: dict[int, Reals] = {}
    scores = np.empty(0)
    for _ in range(dwell):
        scores = backed_up(transitions, values, choices, discount)
        scores -= level[None, :, None]
        values = scores.max(axis=2)
    for time in range(max(times) + 1):
        if time > 0:
            scores = backed_up(transitions, values, choices, discount)
            values = scores.max(axis=2)
        if time in times:
            found[time] = scores.reshape(len(Advisory), *grid.shape, len(Advisory))
    return found
