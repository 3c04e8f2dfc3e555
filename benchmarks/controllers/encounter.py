"""Two aircraft in the horizontal plane: advisories, motion in one step and what each step costs.

The frame moves with the ownship: x points along its heading, y to its left, so every angle is
counter-clockwise and in radians. The *bearing* is where the intruder stands, the *heading* is
where it flies, both relative to the ownship's heading. The vertical plane is reduced to one
number: the time in seconds until vertical separation is lost (zero: it is lost now).

Source: the problem follows the horizontal collision-avoidance study of Julian and Kochenderfer,
"Guaranteeing safety for neural network-based aircraft collision avoidance systems" (DASC 2019);
all numbers that the paper leaves open, and all code, are our own.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

# Three-point Gauss-Hermite rule: exact for the moments of a Gaussian up to the fifth.
NODES = np.array([0.0, np.sqrt(3.0), -np.sqrt(3.0)])
CHANCES = np.array([2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0])


class Advisory(IntEnum):
    """What the controller may say; the value is the place of its score among the outputs."""

    COC = 0
    WL = 1
    WR = 2
    SL = 3
    SR = 4

    @property
    def title(self) -> str:
        """The advisory in words."""
        return TITLES[self]

    @property
    def side(self) -> int:
        """+1 for a turn to the left, -1 to the right, 0 for clear of conflict."""
        return (0, 1, -1, 1, -1)[self]

    @property
    def strength(self) -> int:
        """0 for clear of conflict, 1 for a weak turn, 2 for a strong one."""
        return (0, 1, 1, 2, 2)[self]

    @property
    def mirrored(self) -> "Advisory":
        """The advisory seen in a mirror along the ownship's heading: left and right swapped."""
        return (Advisory.COC, Advisory.WR, Advisory.WL, Advisory.SR, Advisory.SL)[self]


TITLES = {
    Advisory.COC: "clear of conflict",
    Advisory.WL: "weak left",
    Advisory.WR: "weak right",
    Advisory.SL: "strong left",
    Advisory.SR: "strong right",
}


def wrapped(angle: Reals) -> Reals:
    """Return the same angles, of any shape, in radians in the half-open [-pi, pi)."""
    return angle - 2.0 * np.pi * np.floor((angle + np.pi) / (2.0 * np.pi))


def angles(count: int) -> Reals:
    """Return `count` evenly spaced angles, shape (count,), rad, from -pi up to but without pi."""
    return np.linspace(-np.pi, np.pi, count, endpoint=False, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Encounter:
    """How both aircraft move while an advisory is in force.

    Attributes:
        own_speed: constant speed of the ownship, ft/s, above 0.
        intruder_speed: constant speed of the intruder, ft/s, at least 0.
        step: length of one decision step, s.
        weak_rate: turn rate that a weak advisory asks for, deg/s.
        strong_rate: turn rate that a strong advisory asks for, deg/s.
        free_noise: standard deviation of a turn rate that nobody commands, deg/s: the ownship's
            when clear of conflict and always the intruder's.
        advised_noise: standard deviation of the ownship's turn rate about an advisory, deg/s.
        nmac_range: a near mid-air collision is a range below this, ft, at equal altitude.

    Raises:
        ValueError: a speed, the step or the range is not positive and finite (the intruder may
            stand still), or a noise is negative.
    """

    own_speed: float = 200.0
    intruder_speed: float = 200.0
    step: float = 1.0
    weak_rate: float = 1.5
    strong_rate: float = 3.0
    free_noise: float = 1.5
    advised_noise: float = 0.5
    nmac_range: float = 500.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("own_speed", "step", "nmac_range"):
            value = getattr(self, name)
            if not 0.0 < value < np.inf:
                raise ValueError(f"encounter: {name} is {value}; give a finite number above 0")
        for name in ("intruder_speed", "free_noise", "advised_noise"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise ValueError(f"encounter: {name} is {value}; give a finite number, 0 or more")

    def own_rates(self, advisory: Advisory) -> Reals:
        """Return the ownship's possible turn rates, shape (3,), rad/s, likely as `CHANCES`."""
        rate = (0.0, self.weak_rate, self.strong_rate)[advisory.strength] * advisory.side
        noise = self.free_noise if advisory is Advisory.COC else self.advised_noise
        return np.deg2rad(rate + noise * NODES)

    def intruder_rates(self) -> Reals:
        """Return the intruder's possible turn rates, shape (3,), rad/s, likely as `CHANCES`."""
        return np.deg2rad(self.free_noise * NODES)

    def moved(
        self,
        distance: Reals,
        bearing: Reals,
        heading: Reals,
        own_rate: float,
        intruder_rate: float,
    ) -> tuple[Reals, Reals, Reals]:
        """Return range, bearing and heading after one step along exact circular arcs.

        Args:
            distance: range to the intruder, ft, any shape.
            bearing: relative bearing of the intruder, rad, same shape.
            heading: relative heading of the intruder, rad, same shape.
            own_rate: the ownship's turn rate, rad/s.
            intruder_rate: the intruder's turn rate, rad/s.

        Returns:
            Range in ft, bearing and heading in rad in [-pi, pi), each of the same shape.
        """
        own_turn, intruder_turn = own_rate * self.step, intruder_rate * self.step
        # The chord of an arc of angle a points along a/2 and is sinc(a/2) of the arc long.
        own_chord = self.own_speed * self.step * np.sinc(own_turn / (2.0 * np.pi))
        intruder_chord = self.intruder_speed * self.step * np.sinc(intruder_turn / (2.0 * np.pi))
        course = heading + intruder_turn / 2.0
        ahead = distance * np.cos(bearing) + intruder_chord * np.cos(course)
        left = distance * np.sin(bearing) + intruder_chord * np.sin(course)
        ahead = ahead - own_chord * np.cos(own_turn / 2.0)
        left = left - own_chord * np.sin(own_turn / 2.0)
        return (
            np.hypot(ahead, left),
            wrapped(np.arctan2(left, ahead) - own_turn),
            wrapped(heading + intruder_turn - own_turn),
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """What one step costs; a near mid-air collision costs `nmac`, all else is small beside it.

    Attributes:
        nmac: for each step inside the near mid-air collision range at equal altitude.
        intrusion: for each step at equal altitude at range zero; it falls linearly to nothing at
            the range `well_clear`.
        well_clear: range at which the aircraft are well clear of each other, ft.
        weak: for each step with a weak advisory.
        strong: for each step with a strong advisory.
        alert: for going from clear of conflict to any turn.
        strengthen: for going from weak to strong on the same side.
        weaken: for going from strong to weak on the same side.
        reverse: for going from one side to the other.
        clear_reward: earned by each step that is clear of conflict.

    Raises:
        ValueError: a cost is negative or not finite, or the well-clear range is not positive.
    """

    nmac: float = 1.0
    intrusion: float = 0.02
    well_clear: float = 4000.0
    weak: float = 0.001
    strong: float = 0.006
    alert: float = 0.003
    strengthen: float = 0.003
    weaken: float = 0.0005
    reverse: float = 0.03
    clear_reward: float = 0.0005

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0.0 <= value < np.inf or (name == "well_clear" and value == 0.0):
                raise ValueError(f"costs: {name} is {value}; give a finite number, not negative")

    def of_choice(self, previous: Advisory, chosen: Advisory) -> float:
        """Return the cost of choosing `chosen` after `previous`, in units of `nmac`'s scale."""
        if chosen is Advisory.COC:
            return -self.clear_reward
        cost = self.weak if chosen.strength == 1 else self.strong
        if previous is Advisory.COC:
            return cost + self.alert
        if previous.side != chosen.side:
            return cost + self.reverse
        if previous.strength < chosen.strength:
            return cost + self.strengthen
        if previous.strength > chosen.strength:
            return cost + self.weaken
        return cost

    def of_range(self, distance: Reals, encounter: Encounter) -> Reals:
        """Return the cost of one step at equal altitude at these ranges (ft), of any shape."""
        near = self.intrusion * np.maximum(0.0, 1.0 - distance / self.well_clear)
        return near + self.nmac * (distance < encounter.nmac_range)

    def table(self) -> Reals:
        """Return the cost of each choice, shape (previous=5, chosen=5), float64."""
        return np.array([[self.of_choice(old, new) for new in Advisory] for old in Advisory])
