"""Which entries of a graph's tensors are the same number, and which of them add up to one.

What only moves entries hands their identities on. An atom that speaks of two names of one entry is
then an atom over one variable, and the outputs of a softmax are bounded together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .enclosure import Enclosure, Shape
from .operators_layout import MOVING, places
from .step import Step


class Identities:
    """Numbers for the entries of tensors, equal where the entries always are.

    Attributes:
        of: by tensor name, the numbers in the shape of the tensor.
        simplices: names of tensors and ``(groups, entries)`` flat places in them; the entries of
            each row are at least zero and, in real arithmetic, add up to one.
    """

    def __init__(self) -> None:
        """Start without tensors."""
        self.of: dict[str, NDArray[np.int64]] = {}
        self.simplices: list[tuple[str, NDArray[np.int64]]] = []
        self._next = 0

    def fresh(self, name: str, shape: Shape) -> None:
        """Give a tensor new numbers."""
        size = int(np.prod(shape, dtype=np.int64))
        self.of[name] = np.arange(self._next, self._next + size, dtype=np.int64).reshape(shape)
        self._next += size

    def follow(
        self,
        step: Step,
        outputs: Sequence[str],
        shapes: Sequence[Shape],
        results: Sequence[Enclosure],
    ) -> None:
        """Number the outputs of a step, given the shapes of its inputs."""
        for index, (name, result) in enumerate(zip(outputs, results, strict=False)):
            if not name:
                continue
            source = self.of.get(step.names[0])
            if step.operator in MOVING and source is not None:
                self.of[name] = self._moved(step, source, index)
            elif step.operator == "Concat":
                self.of[name] = self._joined(step, shapes)
            else:
                self.fresh(name, result.shape)
            if step.operator == "Softmax":
                self.simplices.append((name, _rows(step, result.shape)))

    def _moved(self, step: Step, source: NDArray[np.int64], index: int) -> NDArray[np.int64]:
        if step.operator in ("Identity", "Dropout"):
            return source
        return source.ravel()[places(step, source.shape, index)]

    def _joined(self, step: Step, shapes: Sequence[Shape]) -> NDArray[np.int64]:
        for name, shape in zip(step.names, shapes, strict=True):
            if name not in self.of:
                self.fresh(name, shape)  # a constant
        parts = [self.of[name] for name in step.names]
        return np.concatenate(parts, axis=int(step.attributes["axis"]))


def _rows(step: Step, shape: Shape) -> NDArray[np.int64]:
    """Return the flat places that a softmax normalises together, row by row."""
    at = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)
    if step.opset < 13:
        axis = int(step.attributes.get("axis", 1)) % len(shape)
        return at.reshape(-1, int(np.prod(shape[axis:], dtype=np.int64)))
    axis = int(step.attributes.get("axis", -1))
    return np.moveaxis(at, axis, -1).reshape(-1, shape[axis])
