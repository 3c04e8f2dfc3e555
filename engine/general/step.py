"""One node of an ONNX graph, as the rules of operators see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from .enclosure import Enclosure


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node whose constant inputs are known.

    Attributes:
        operator: ONNX name of its operator.
        opset: version of the standard operators.
        attributes: by name; texts as str, lists as list, tensors as arrays.
        names: of the input tensors, empty where an optional one is left out.
        constants: for each input its values, or None where it depends on the graph's inputs.
        outputs: number of outputs.
        memo: what its rule computed once for all boxes.
    """

    operator: str
    opset: int
    attributes: Mapping[str, Any]
    names: tuple[str, ...]
    constants: tuple[NDArray[Any] | None, ...]
    outputs: int
    memo: dict[Any, Any] = field(default_factory=dict)

    def has(self, index: int) -> bool:
        """Return whether input ``index`` is given."""
        return index < len(self.names) and bool(self.names[index])

    def constant(self, index: int) -> NDArray[Any]:
        """Return the values of input ``index``.

        Raises:
            UnsupportedError: it is missing or depends on the graph's inputs.
        """
        if not self.has(index):
            raise UnsupportedError(f"input {index} is missing")
        values = self.constants[index]
        if values is None:
            raise UnsupportedError(
                f"input {index} ({self.names[index]!r}) depends on the inputs of the graph: only a "
                "constant is handled there"
            )
        return values

    def setting(self, name: str, index: int, default: Any = None) -> Any:
        """Return a setting that is input ``index`` in newer opsets and an attribute in older."""
        if self.has(index):
            return self.constant(index)
        return self.attributes.get(name, default)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what ``make`` gives, made at the first call with this key."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]


Values = Sequence[Enclosure]
Rule = Callable[[Step, Values], Values]
"""Gives the enclosures of a step's outputs from those of its inputs. An input that is left out
stands as an enclosure of no use: rules ask the step first."""

MISSING = Enclosure.constant(np.zeros(0, dtype=np.float32))
"""What stands for an input that is left out."""
