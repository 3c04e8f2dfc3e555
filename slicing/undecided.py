"""How many neurons are undecided on boxes: what `split.adaptive` saves.

A ReLU is decided on a box where linear bounds prove its pre-activation to keep one sign. What is
decided on a box is decided on all boxes inside it, so halves start from what is known of the whole:
they take less time, and never count more neurons than it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.kernels import bound_boxes
from ..engine.bounds.packed import LOWER, UPPER, Packed, pack
from ..engine.errors import UnsupportedError
from ..engine.network import Affine, Network, State
from ..engine.stages import stages

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Index = NDArray[np.int64]

LARGEST: Final = 50_000_000
"""Entries of all matrices together at most: 400 MB of float64."""

BATCH: Final = 256
"""Boxes that one thread bounds at a time; each takes some kilobytes."""


@dataclass(frozen=True, eq=False)
class Undecided:
    """Counts the ReLUs of a network that linear bounds leave undecided on boxes.

    Attributes:
        network: the network.
        workers: threads.

    Raises:
        UnsupportedError: layers that are too large to be written as matrices.
    """

    network: Network
    workers: int = 1
    packed: Packed = field(init=False, repr=False)

    def __post_init__(self) -> None:
        layers = [node.layer for node in self.network.nodes if isinstance(node.layer, Affine)]
        entries = sum(layer.operator.size_in * layer.operator.size_out for layer in layers)
        if entries > LARGEST:
            raise UnsupportedError(
                f"{self.network.origin.path}: its layers as matrices have {entries:,} entries, at "
                f"most {LARGEST:,} are bounded box by box: slice with a grid, or a smaller network"
            )
        object.__setattr__(self, "packed", pack(stages(self.network)))

    @cached_property
    def relus(self) -> Index:
        """Places of the ReLUs among all neurons of the packed network."""
        return np.flatnonzero(self.packed.state == State.RELU)

    def __call__(
        self, lower: Array, upper: Array, known: Flags | None = None
    ) -> tuple[Array, Flags]:
        """Return the count ``(boxes,)`` on each box, and what is known there.

        Args:
            lower: ``(boxes, inputs)`` float64, closed, finite, network units.
            upper: the same.
            known: ``(boxes, relus)`` bits `UPPER` where a pre-activation is known to be at most 0
                on the box, `LOWER` where at least 0; None where nothing is.

        Returns:
            the count, and the bits as they are known now; all that were given among them.
        """
        flags = self.signs(lower, upper, known)
        return np.asarray((flags == 0).sum(axis=1), dtype=np.float64), flags

    def signs(
        self,
        lower: Array,
        upper: Array,
        known: Flags | None = None,
        limits: tuple[Index, Array, Array] | None = None,
    ) -> Flags:
        """Return what is known of the signs of pre-activations ``(boxes, relus)``, as bits.

        Args:
            lower: ``(boxes, inputs)`` float64, closed, finite, network units.
            upper: the same.
            known: what is known already.
            limits: places of neurons in `packed`, and limits ``(boxes, neurons)`` of their
                pre-activations, lower and upper, closed; what is returned holds of the inputs of a
                box for which they are kept.
        """
        boxes = len(lower)
        flags = np.zeros((boxes, self.relus.size), np.uint8) if known is None else known.copy()
        parts = [slice(at, at + BATCH) for at in range(0, boxes, BATCH)]

        def work(part: slice) -> None:
            kept = None if limits is None else (limits[0], limits[1][part], limits[2][part])
            self._bound(lower[part], upper[part], flags[part], kept)

        if self.workers == 1 or len(parts) == 1:
            for part in parts:
                work(part)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(work, parts))
        return flags

    def _bound(
        self,
        lower: Array,
        upper: Array,
        flags: Flags,
        limits: tuple[Index, Array, Array] | None,
    ) -> None:
        """Set the bits that are proved on some boxes."""
        boxes, net = len(lower), self.packed
        low = np.full((boxes, int(net.offset[-1])), -np.inf)
        high = np.full_like(low, np.inf)
        low[:, self.relus] = np.where(flags & LOWER, 0.0, -np.inf)
        high[:, self.relus] = np.where(flags & UPPER, 0.0, np.inf)
        if limits is not None:
            place, least, most = limits
            low[:, place] = np.maximum(low[:, place], least)
            high[:, place] = np.minimum(high[:, place], most)
        wish, spare = np.zeros(low.shape, np.uint8), np.zeros(lower.shape)
        worst = np.zeros(boxes, np.int64)
        bound_boxes(
            net,
            np.ascontiguousarray(lower),
            np.ascontiguousarray(upper),
            low,
            high,
            wish,
            spare,
            worst,
            spare.copy(),
        )
        below, above = high[:, self.relus] <= 0.0, low[:, self.relus] >= 0.0
        flags |= np.where(below, np.uint8(UPPER), np.uint8(0))
        flags |= np.where(above, np.uint8(LOWER), np.uint8(0))
