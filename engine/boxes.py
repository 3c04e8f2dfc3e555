"""Boxes of a search side by side, and those that wait, in little memory.

What waits may be a million boxes: signs of pre-activations are kept four to a byte, and room grows
in place, so that no second copy of all of it exists at any time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Index = NDArray[np.int64]

PART: Final = 8192
"""Boxes whose signs are unpacked together, at most, where all that wait are looked through."""

ROOM: Final = 256
"""Boxes that there is room for at first."""

_PLACES: Final = np.array([0, 2, 4, 6], np.uint8)
"""Where in a byte the two bits of each of four signs stand."""


@dataclass(slots=True, eq=False)
class Boxes:
    """Boxes side by side.

    Attributes:
        lower, upper: ``(boxes, inputs)``.
        stable: ``(boxes, *flags)`` signs of pre-activations known on the box, as bits.
        open: ``(boxes, questions)`` 1 where a question of the goal is open on the box.
        reach: ``(boxes, questions)`` how far a question may go on the box, as its goal measures it.
        depth: ``(boxes,)``.
        promise: ``(boxes,)`` how near a point seen in the box came to what the goal looks for.
    """

    lower: Array
    upper: Array
    stable: Flags
    open: Flags
    reach: Array
    depth: NDArray[np.int32]
    promise: Array

    def __len__(self) -> int:
        return len(self.lower)

    def take(self, which: NDArray[np.bool_] | Index | slice) -> Boxes:
        """Return some of the boxes."""
        return Boxes(*(getattr(self, name)[which] for name in self.__slots__))

    @staticmethod
    def join(parts: list[Boxes]) -> Boxes:
        """Return all boxes of the parts."""
        names = Boxes.__slots__
        return Boxes(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


@dataclass(slots=True, eq=False)
class Waiting:
    """Boxes that wait, each at a place of its own until it is taken.

    Attributes:
        flags: shape of a box's `stable`.
    """

    flags: tuple[int, ...]
    _kept: Boxes | None = field(init=False, default=None)  # `stable` packed, (room, bytes)
    _used: NDArray[np.bool_] = field(init=False, default_factory=lambda: np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return int(np.count_nonzero(self._used))

    def __iter__(self) -> Iterator[Boxes]:
        """Yield all that wait, part by part."""
        places = self.places()
        for at in range(0, len(places), PART):
            yield self._at(places[at : at + PART])

    def places(self) -> Index:
        """Return where boxes are, in ascending order."""
        return np.flatnonzero(self._used)

    def depth(self, places: Index) -> NDArray[np.int32]:
        """Return ``(places,)`` depths."""
        return np.asarray(self._held.depth[places])

    def promise(self, places: Index) -> Array:
        """Return ``(places,)`` promises."""
        return np.asarray(self._held.promise[places])

    def farthest(self, places: Index, scale: Array) -> Array:
        """Return ``(places,)`` the largest reach of an open question, in units of its scale."""
        out = np.empty(len(places))
        for at in range(0, len(places), PART):
            some = places[at : at + PART]
            seen = np.where(self._held.open[some] > 0, self._held.reach[some], -np.inf)
            out[at : at + PART] = (seen / scale).max(axis=1)
        return out

    def reach(self, questions: int) -> Array:
        """Return ``(questions,)`` the largest reach of each where it is open; -inf if nowhere."""
        out, places = np.full(questions, -np.inf), self.places()
        for at in range(0, len(places), PART):
            some = places[at : at + PART]
            seen = np.where(self._held.open[some] > 0, self._held.reach[some], -np.inf)
            out = np.maximum(out, seen.max(axis=0, initial=-np.inf))
        return out

    def add(self, boxes: Boxes) -> None:
        """Let boxes wait."""
        if not len(boxes):
            return
        free = np.flatnonzero(~self._used)
        if free.size < len(boxes):
            self._grow(boxes, self._used.size + len(boxes) - free.size)
            free = np.flatnonzero(~self._used)
        kept, where = self._held, free[: len(boxes)]
        for name in Boxes.__slots__:
            if name != "stable":
                getattr(kept, name)[where] = getattr(boxes, name)
        kept.stable[where] = packed(boxes.stable)
        self._used[where] = True

    def take(self, places: Index) -> Boxes:
        """Return boxes at some places, which wait on until they are dropped."""
        return self._at(places)

    def drop(self, places: Index) -> None:
        """Forget boxes at some places."""
        self._used[places] = False

    @property
    def _held(self) -> Boxes:
        assert self._kept is not None
        return self._kept

    def _at(self, places: Index) -> Boxes:
        out = self._held.take(places)
        out.stable = unpacked(out.stable, self.flags)
        return out

    def _grow(self, like: Boxes, least: int) -> None:
        """Make room for at least so many boxes: twice as many as before."""
        room = max(least, 2 * self._used.size, ROOM)
        if self._kept is None:
            rows = [getattr(like, name)[:0] for name in Boxes.__slots__]
            self._kept = Boxes(*(np.empty(part.shape, part.dtype) for part in rows))
            self._kept.stable = packed(like.stable[:0])
        for name in Boxes.__slots__:
            part = getattr(self._kept, name)
            # In place: no view of it is ever handed out, and untouched room takes no memory.
            part.resize((room, *part.shape[1:]), refcheck=False)
        self._used.resize(room, refcheck=False)


def packed(stable: Flags) -> Flags:
    """Return signs ``(boxes, *flags)`` of two bits each as ``(boxes, bytes)``, four to a byte."""
    count, size = len(stable), math.prod(stable.shape[1:])
    held = -(-size // 4)
    four = np.zeros((count, 4 * held), np.uint8)
    four[:, :size] = stable.reshape(count, size)
    return np.asarray(np.bitwise_or.reduce(four.reshape(count, held, 4) << _PLACES, axis=2))


def unpacked(kept: Flags, flags: tuple[int, ...]) -> Flags:
    """Return the signs ``(boxes, *flags)`` that were packed."""
    count, held = kept.shape
    four = ((kept[:, :, None] >> _PLACES) & np.uint8(3)).reshape(count, 4 * held)
    return np.ascontiguousarray(four[:, : math.prod(flags)]).reshape(count, *flags)
