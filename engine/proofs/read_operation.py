"""One node of a graph while it is read: what it is asked for, and what is left over.

An attribute or an input that nobody asks for is refused, so that nothing in a file is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .model import FormatError
from .read_graph import Step
from .read_values import Builder, Constant, Tensor, Value


@dataclass(eq=False, slots=True)
class Operation:
    """A node of a graph with its inputs at hand; it notes what has been asked for.

    Attributes:
        step: the node.
        opset: version of the standard's operators.
        inputs: None for what is left out.
        read: whether each output is read by anyone.
    """

    step: Step
    opset: int
    inputs: tuple[Value | None, ...]
    read: tuple[bool, ...]
    _asked: set[str] = field(default_factory=set)
    _used: set[int] = field(default_factory=set)

    def has(self, index: int) -> bool:
        """Return whether an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """Return an input; raise FormatError if it is left out."""
        self._used.add(index)
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise FormatError(f"input {index} is missing: export the model again")
        return found

    def values(self) -> list[Value]:
        """Return all inputs."""
        if not self.inputs:
            raise FormatError("has no input: export the model again")
        return [self.value(index) for index in range(len(self.inputs))]

    def tensor(self, index: int) -> Tensor:
        """Return an input that depends on the network's; raise FormatError if it does not."""
        found = self.value(index)
        if isinstance(found, Constant):
            raise FormatError(
                f"input {index} is constant: only what depends on the input is handled"
            )
        return found

    def constant(self, index: int) -> NDArray[Any]:
        """Return a constant input; raise FormatError if it depends on the network's."""
        found = self.value(index)
        if isinstance(found, Tensor):
            raise FormatError(f"input {index} depends on the network's: only a constant is handled")
        return found.values

    def whole(self, name: str, default: int | None = None) -> int:
        """Return an attribute that is a whole number."""
        found = self._attribute(name, default)
        if not isinstance(found, int):
            raise FormatError(f"attribute {name!r} is no whole number: export the model again")
        return found

    def real(self, name: str, default: float) -> float:
        """Return an attribute that is a binary32 number; defaults are binary32 numbers too."""
        found = self._attribute(name, float(np.float32(default)))
        if not isinstance(found, float) or not np.isfinite(found):
            raise FormatError(f"attribute {name!r} is no number: export the model again")
        return found

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        found = self._attribute(name, default)
        if not isinstance(found, str):
            raise FormatError(f"attribute {name!r} is no text: export the model again")
        return found

    def attribute(self, name: str) -> Any:
        """Return an attribute of any kind, or None."""
        self._asked.add(name)
        return self.step.attributes.get(name)

    def wholes(self, name: str, *, since: int | None = None, index: int = 1) -> list[int] | None:
        """Return a setting that is a list of whole numbers, or None.

        Args:
            name: of the attribute.
            since: the opset from which it is an input instead; None for never.
            index: of that input.
        """
        if since is not None and self.opset >= since:
            if not self.has(index):
                return None
            found: Any = self.constant(index)
        else:
            found = self.attribute(name)
            if found is None:
                return None
        if not isinstance(found, np.ndarray) or found.dtype.kind != "i" or found.ndim > 1:
            raise FormatError(f"{name!r} is no list of whole numbers: export the model again")
        if found.size > 1024:
            raise FormatError(f"{name!r} has {found.size} entries: export the model again")
        return [int(each) for each in found.ravel()]

    def finish(self) -> None:
        """Raise FormatError where something is given that nobody asked for."""
        for name in self.step.attributes:
            if name not in self._asked:
                raise FormatError(f"attribute {name!r} is not handled: export the model again")
        for index, value in enumerate(self.inputs):
            if value is not None and index not in self._used:
                raise FormatError(f"input {index} is not handled: export the model again")

    def _attribute(self, name: str, default: Any) -> Any:
        self._asked.add(name)
        return self.step.attributes.get(name, default)


Lowering = Callable[[Builder, Operation], Sequence[Value]]
"""Adds the nodes of one operator, and returns its outputs."""
