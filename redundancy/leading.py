"""Removals that keep the best output, proved box by box: which one leads, and then who passes it.

A box where several outputs may lead is settled where every removed neuron keeps the sign that makes
its two functions one, for both networks are equal there. That is a matter of the network before
alone, so one tree of boxes serves all sets of removals, and a neuron that does not keep its sign
where outputs tie is known before any set is tried. On the boxes where one output leads, all that is
left to be shown of a set is that without it no output passes that one.

Work is counted in boxes, a thirtieth of the work of a box of both networks; a limit of time ends it
as well, with the neurons given up whose boxes are left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best
from ..engine.answer import Answer
from ..engine.bounds.leaders import Parts, Stack, give_up, keep_leader, part_boxes
from ..engine.bounds.levels import Level
from ..engine.bounds.one_box import Scratch, scratch
from ..engine.bounds.packed import LOWER, UPPER, Packed, pack
from ..engine.cost import BISECTED
from ..engine.network import Affine, Network, Node, State
from ..engine.operators import Dense
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from ..engine.stages import Stages, stages
from ..engine.verdict import Method, Proved, Unknown
from .guarantee import Guarantee, SameBest
from .removal import Removal

Array = NDArray[np.float64]
Bits = NDArray[np.uint8]
Index = NDArray[np.int64]

_DEEPEST = 32
"""Bisections after which a box that one output leads on is given up, and the set with it."""

_TOGETHER = 256
"""Boxes between two looks at the clock."""

_WORTH = 128
"""Boxes of one level of the tree that a candidate is worth: some change their signs where outputs
tie though no point has shown it, and would take all boxes in the end. On ACAS Xu this saves a sixth
of the boxes and loses no candidate."""

_OUTPUTS = 16
"""Outputs up to which all pairs of them are compared."""

_LARGEST = 50_000_000
"""Entries of all matrices together up to which a network is bounded box by box: 400 MB."""

_MEMORY = 1 << 26
"""Bytes that the signs of all boxes may take; there are fewer boxes for a larger network."""

_SIDES = {State.ZERO: UPPER, State.IDENTITY: LOWER, State.LINEAR: 0}


@dataclass(frozen=True, slots=True)
class Kept(Answer):
    """The answer about a set of removals.

    Attributes:
        hindering: those whose signs are not known on the box that could not be settled.
        point: ``(inputs,)`` in that box; None where the set is proved.
    """

    hindering: tuple[Removal, ...] = ()
    point: Array | None = field(default=None, compare=False)


@dataclass(slots=True, eq=False)
class Leading:
    """A network in parts on each of which one output leads, and the sets of removals it can lose.

    Attributes:
        equal: whether a box is settled where both networks are equal: not where g's outputs must
            lead by more than f's are known to.
        boxes: bounded so far.
    """

    network: Network
    region: Region
    guarantee: SameBest
    room: Fraction
    equal: bool = field(init=False)
    boxes: int = field(init=False, default=0)
    _staged: Stages = field(init=False)
    _before: Packed = field(init=False)
    _after: Packed = field(init=False)  # without any removal so far, but for the rows' bias
    _pairs: Index = field(init=False)
    _work: Scratch = field(init=False)
    _parts: Parts = field(init=False)
    _held: frozenset[Removal] = field(init=False, default=frozenset())
    _any: bool = field(init=False, default=False)  # whether every removal may be tried

    def __post_init__(self) -> None:
        band, room = self.guarantee.band, 2 * self.room
        compared, places = _compared(self.network, self.guarantee.best)
        self._staged = stages(compared)
        packed = pack(self._staged)
        first = int(packed.offset[-2])
        leads, passes = packed.bias.copy(), packed.bias.copy()
        # At least 0: i leads j in the network before by -band; in the one after by the room.
        leads[first:], passes[first:] = float_below(band), -float_above(room)
        self._before, self._after = packed._replace(bias=leads), packed._replace(bias=passes)
        self._pairs = first + places
        self._work = scratch(packed)
        self.equal = room <= band
        self._parts = self._room_for(0)

    def covers(self, removals: Sequence[Removal]) -> bool:
        """Return whether the parts found say what a set of removals needs."""
        return self._any or self._held.issuperset(removals)

    def part(self, candidates: Sequence[Removal], boxes: int, deadline: float) -> list[Removal]:
        """Bisect the region until one output leads, or the candidates keep their signs.

        Args:
            candidates: neurons that may be zero or the identity.
            boxes: to be bounded, at most.
            deadline: on `time.monotonic`.

        Returns:
            The candidates that keep their sign wherever several outputs may lead, those that need
            most boxes for it given up; all of them where one output leads everywhere.
        """
        neurons, sides = self._questions(candidates if self.equal else ())
        if not self.equal:  # no sign settles a box; the first hidden neuron stands for that
            neurons, sides = self._before.offset[1:2].copy(), np.zeros(1, np.uint8)
        boxes = max(1, min(boxes, _MEMORY // int(self._before.offset[-1])))
        active = np.ones(len(neurons), np.uint8)
        found = list(self._levels(neurons, sides, boxes, active, deadline))
        self._parts = _joined(found)
        if not self.equal:
            self._any = bool(active.all())
            return list(candidates) if self._any else []
        held = [one for one, keep in zip(candidates, active, strict=True) if keep]
        self._held = frozenset(held)
        return held

    def _levels(
        self, neurons: Index, sides: Bits, boxes: int, active: Bits, deadline: float
    ) -> Iterator[Parts]:
        """Yield the parts of the region, level by level of a tree; give up questions in place."""
        here, there = (self._level(boxes + 2, len(neurons)) for _ in range(2))
        here.lower[0], here.upper[0], here.open[0] = self.region.lower, self.region.upper, 1
        parts, left, count = self._room_for(_TOGETHER), boxes, 1
        yield self._room_for(0)
        while count:
            give_up(here.open, count, active, left, _WORTH if self.equal else boxes)
            born = 0
            for first in range(0, count, _TOGETHER):
                last = min(count, first + _TOGETHER)
                if time.monotonic() > deadline:
                    active[here.open[first:count].any(axis=0)] = 0
                    active[there.open[:born].any(axis=0)] = 0
                    return
                born, made, used = part_boxes(
                    self._before,
                    self._work,
                    self._pairs,
                    neurons,
                    sides,
                    here,
                    first,
                    last,
                    there,
                    born,
                    active,
                    parts,
                )
                left -= used
                self.boxes += used
                yield _joined([parts], made)
            here, there, count = there, here, born

    def prove(self, removals: Sequence[Removal], boxes: int, deadline: float) -> Kept:
        """Return whether a set of removals that is covered keeps the best output.

        Args:
            removals: the whole set.
            boxes: to be bounded in either network, at most, about.
            deadline: on `time.monotonic`.
        """
        assert self.covers(removals), "its parts do not say what this set needs"
        begun = time.monotonic()
        neurons, sides = self._questions(removals)
        after = self._without(neurons, removals)
        if not self.equal:
            neurons, sides = neurons[:0], sides[:0]
        sure = ((self._parts.known[:, neurons] & sides) > 0).all(axis=1) & self.equal
        todo = np.flatnonzero(~sure).tolist()
        stack, left = self._stack(), boxes
        for part in todo:
            count, used = self._keep(after, part, neurons, sides, stack, left, deadline)
            self.boxes += used
            left -= used
            if count:
                return self._failed(removals, stack, count - 1, boxes - left, begun)
        verdict = Proved(Method.SPLIT if len(todo) > 1 else Method.LINEAR, max(1, len(todo)))
        return Kept(verdict, boxes=boxes - left, seconds=time.monotonic() - begun, reach=0.0)

    def _keep(
        self,
        after: Packed,
        part: int,
        neurons: Index,
        sides: Bits,
        stack: Stack,
        boxes: int,
        deadline: float,
    ) -> tuple[int, int]:
        """Return how many boxes of a part are not settled, the first of them last, and the work."""
        leader = int(self._parts.leader[part])
        rows = np.delete(self._pairs[leader], leader)
        stack.lower[0], stack.upper[0] = self._parts.lower[part], self._parts.upper[part]
        stack.first[0], stack.second[0], stack.depth[0] = self._parts.known[part], 0, 0
        count, spent, more = 1, 0, True
        while more and spent < boxes and time.monotonic() <= deadline:
            share = min(_TOGETHER, boxes - spent)
            count, used, more = keep_leader(
                self._before, after, self._work, rows, neurons, sides, stack, count, share
            )
            spent += used
        return count, spent

    def _failed(
        self, removals: Sequence[Removal], stack: Stack, top: int, spent: int, begun: float
    ) -> Kept:
        """Return the answer about a set that a box could not be settled for."""
        neurons, sides = self._questions(removals)
        doubt = (stack.first[top, neurons] & sides) == 0
        hindering = tuple(one for one, some in zip(removals, doubt, strict=True) if some)
        return Kept(
            Unknown("the number of boxes"),
            boxes=spent,
            seconds=time.monotonic() - begun,
            hindering=hindering,
            point=0.5 * stack.lower[top] + 0.5 * stack.upper[top],
        )

    def _questions(self, removals: Sequence[Removal]) -> tuple[Index, Bits]:
        """Return the flat neurons of removals, and the signs that make their functions one."""
        first = [int(self._before.offset[self._staged.of[one.layer]]) for one in removals]
        neurons = [at + one.neuron for at, one in zip(first, removals, strict=True)]
        sides = [_SIDES[one.state] for one in removals]
        return np.array(neurons, np.int64), np.array(sides, np.uint8)

    def _without(self, neurons: Index, removals: Sequence[Removal]) -> Packed:
        """Return the network after a set of removals, with the rows."""
        state, slope, intercept = (
            getattr(self._after, name).copy() for name in ("state", "slope", "intercept")
        )
        state[neurons] = [one.state for one in removals]
        slope[neurons] = [one.slope for one in removals]
        intercept[neurons] = [one.intercept for one in removals]
        return self._after._replace(state=state, slope=slope, intercept=intercept)

    def _level(self, room: int, questions: int) -> Level:
        lower, upper = np.zeros((2, room, self.region.size))
        known, open_ = (np.zeros((room, size), np.uint8) for size in (self._neurons, questions))
        return Level(lower, upper, known, open_)

    def _room_for(self, boxes: int) -> Parts:
        lower, upper = np.zeros((2, boxes, self.region.size))
        known = np.zeros((boxes, self._neurons), np.uint8)
        return Parts(lower, upper, known, np.zeros(boxes, np.int64))

    def _stack(self) -> Stack:
        lower, upper = np.zeros((2, _DEEPEST + 1, self.region.size))
        first, second = np.zeros((2, _DEEPEST + 1, self._neurons), np.uint8)
        return Stack(lower, upper, first, second, np.zeros(_DEEPEST + 1, np.int64))

    @property
    def _neurons(self) -> int:
        return int(self._before.offset[-1])


def _joined(found: Sequence[Parts], most: int | None = None) -> Parts:
    """Return the boxes of several parts, of each at most so many."""
    return Parts(
        np.concatenate([one.lower[:most] for one in found]),
        np.concatenate([one.upper[:most] for one in found]),
        np.concatenate([one.known[:most] for one in found]),
        np.concatenate([one.leader[:most] for one in found]),
    )


def leading(
    network: Network, region: Region, guarantee: Guarantee, room: Fraction
) -> Leading | None:
    """Return the network ready to be parted; None where boxes or outputs would be too many.

    Args:
        network: the original.
        region: closed box in network units.
        guarantee: what must stay; None comes of all but the best output.
        room: how far every output may still be moved afterwards.
    """
    if not isinstance(guarantee, SameBest) or not 2 <= network.size_out <= _OUTPUTS:
        return None
    dense = sum(
        node.layer.operator.size_in * node.layer.operator.size_out
        for node in network.nodes
        if isinstance(node.layer, Affine)
    )
    if network.size_in > BISECTED or dense > _LARGEST or network.rounded:
        return None
    return Leading(network, region, guarantee, room)


def _compared(network: Network, best: Best) -> tuple[Network, Index]:
    """Return the network with a row for each ordered pair of outputs, and the place of each.

    Row (i, j) is by how much i leads j, exactly: its weights are 1 and -1.
    """
    size, sign = network.size_out, 1.0 if best is Best.MAX else -1.0
    places = np.zeros((size, size), np.int64)
    off = ~np.eye(size, dtype=np.bool_)
    places[off] = np.arange(size * (size - 1))
    one, two = np.nonzero(off)
    every = np.eye(size)
    name = "leads"
    while name in network.by_name:
        name += "'"
    layer = Affine(Dense(sign * (every[one] - every[two])), np.zeros(one.size))
    return Network((*network.nodes, Node(name, layer, (network.output,))), name), places
