"""Named regions of the controllers' inputs that a domain engineer would recognise, in raw units.

Angles are written in degrees here and handed on in radians. Bearing and heading count
counter-clockwise from the ownship's nose, so an intruder *on the left* has a bearing above zero
and one that flies *towards us* a heading near 180 degrees. A box cannot reach over the seam at
180 degrees: head-on regions hold the side below it.
"""

from dataclasses import dataclass

import numpy as np

from .encounter import Reals
from .table import Axis

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Situation:
    """A region before its units are settled.

    Attributes:
        name: short name, unique within its problem.
        title: one line for people.
        distance: lowest and highest range, ft; None stands for all of the input.
        bearing: lowest and highest bearing, degrees; likewise.
        heading: lowest and highest heading, degrees; likewise.
        own: lowest and highest speed of the ownship, ft/s; likewise.
        intruder: lowest and highest speed of the intruder, ft/s; likewise.
    """

    name: str
    title: str
    distance: Span | None = None
    bearing: Span | None = None
    heading: Span | None = None
    own: Span | None = None
    intruder: Span | None = None

    def box(self, axes: tuple[Axis, ...]) -> tuple[Reals, Reals]:
        """Return the closed box over these inputs, raw units with angles in radians.

        Args:
            axes: three inputs (range, bearing, heading) or five (with both speeds).

        Returns:
            Lower and upper corner, shape (inputs,) each.

        Raises:
            ValueError: a limit lies outside its axis.
        """
        spans = (self.distance, self.bearing, self.heading, self.own, self.intruder)
        lower, upper = [], []
        for axis, span in zip(axes, spans, strict=False):
            least, most = float(axis.nodes[0]), float(axis.nodes[-1])
            if span is None:
                low, high = least, most
            elif axis.unit == "rad":
                low, high = (float(np.deg2rad(limit)) for limit in span)
            else:
                low, high = span
            if not least <= low <= high <= most:
                raise ValueError(
                    f"region {self.name}: {axis.name} from {low} to {high} {axis.unit} leaves its "
                    f"axis from {least} to {most}; keep inside"
                )
            lower.append(low)
            upper.append(high)
        return np.array(lower), np.array(upper)


WHOLE = Situation("whole-domain", "every input that the controller accepts")

SITUATIONS: dict[str, tuple[Situation, ...]] = {
    "horizontal": (
        Situation(
            "head-on-close",
            "intruder close ahead and flying towards us",
            distance=(2000.0, 6000.0),
            bearing=(-10.0, 10.0),
            heading=(165.0, 180.0),
        ),
        Situation(
            "crossing-from-left",
            "intruder ahead on the left and flying to the right across our nose",
            distance=(4000.0, 8000.0),
            bearing=(35.0, 55.0),
            heading=(-100.0, -80.0),
        ),
        Situation(
            "crossing-from-right",
            "intruder ahead on the right and flying to the left across our nose",
            distance=(4000.0, 8000.0),
            bearing=(-55.0, -35.0),
            heading=(80.0, 100.0),
        ),
        Situation(
            "in-trail",
            "intruder ahead and flying our way at our speed",
            distance=(4000.0, 10000.0),
            bearing=(-10.0, 10.0),
            heading=(-10.0, 10.0),
        ),
        Situation(
            "far-away",
            "intruder far away, anywhere, flying anywhere",
            distance=(20000.0, 24000.0),
        ),
        WHOLE,
    ),
    "acas-like": (
        Situation(
            "head-on-close",
            "intruder close ahead and flying towards us, middling speeds",
            distance=(2000.0, 6000.0),
            bearing=(-10.0, 10.0),
            heading=(165.0, 180.0),
            own=(200.0, 300.0),
            intruder=(200.0, 300.0),
        ),
        Situation(
            "crossing-from-left",
            "intruder ahead on the left and flying to the right across our nose",
            distance=(5000.0, 10000.0),
            bearing=(35.0, 55.0),
            heading=(-100.0, -80.0),
            own=(250.0, 350.0),
            intruder=(250.0, 350.0),
        ),
        Situation(
            "overtaking",
            "slow intruder ahead and flying our way while we come up fast",
            distance=(3000.0, 8000.0),
            bearing=(-10.0, 10.0),
            heading=(-10.0, 10.0),
            own=(400.0, 500.0),
            intruder=(100.0, 200.0),
        ),
        Situation(
            "overtaken",
            "fast intruder coming up from behind",
            distance=(3000.0, 8000.0),
            bearing=(165.0, 180.0),
            heading=(-10.0, 10.0),
            own=(100.0, 200.0),
            intruder=(400.0, 500.0),
        ),
        Situation(
            "far-away",
            "intruder far away, anywhere, at any speed",
            distance=(25000.0, 30000.0),
        ),
        WHOLE,
    ),
}
