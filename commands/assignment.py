"""The assignment that refutes a claim: every declared tensor's values, printed and stored.

Source: the VNN-LIB standard, version 2.0, chapter 5: a line with name, element type and shape of
each tensor in declared order, then one value a line; or a folder with one TensorProto each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.claim import Part, Tensor
from ..engine.formats.bind import Files
from ..engine.formats.decimals import written
from ..engine.formats.files import replace_with
from ..engine.formats.onnx_session import evaluate
from .record import Record
from .settle import Settled

LONGEST = 40
"""Characters of an exact number; longer ones are printed as the nearest float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """A declared tensor's values.

    Attributes:
        tensor: the declaration.
        values: ``(size,)``, in the declared element type; float64 for real.
        exact: the same where they are known as rationals.
    """

    tensor: Tensor
    values: NDArray[Any]
    exact: tuple[Fraction, ...] | None = None

    @property
    def fractions(self) -> list[Fraction]:
        """The values as rationals."""
        if self.exact is not None:
            return list(self.exact)
        return [Fraction(value) for value in self.values.tolist()]

    @property
    def lines(self) -> list[str]:
        """The line that names the tensor and those with its values."""
        shape = ",".join(str(size) for size in self.tensor.shape)
        return [f"{self.tensor.name} {self.tensor.element} [{shape}]", *self._numbers()]

    def _numbers(self) -> list[str]:
        exact = self.exact or ()
        if self.tensor.element != "real":
            return [_short(value) for value in self.values]
        texts = [written(value) for value in exact]
        if self.tensor.part is not Part.INPUT or not exact:
            near = [_short(value) for value in self.values]
            texts = [
                text if text and len(text) <= LONGEST and "/" not in text else other
                for text, other in zip(texts or [""] * len(near), near, strict=True)
            ]
        return texts


def assignment(files: Files, settled: Settled) -> list[Assigned]:
    """Return the values of all declared tensors at the point that refutes a claim.

    Args:
        files: the claim and its files.
        settled: its answer, with a point.

    Returns:
        In declared order. Tensors of a computed claim have the values that onnxruntime gives.
    """
    assert settled.point is not None
    found: dict[str, Assigned] = {}
    for network in range(len(files.claim.networks)):
        own = [t for t in files.claim.tensors if t.network == network]
        seen: Mapping[str, NDArray[Any]] = {}
        if settled.real is None:
            seen = _computed(files, network, own, settled.point)
        for tensor in own:
            exact = settled.point.get(tensor.name)
            if exact is None and settled.real is not None:
                exact = settled.real[tensor.name]
            kind = "float64" if tensor.element == "real" else tensor.element
            if exact is None:
                found[tensor.name] = Assigned(tensor, seen[tensor.name].astype(kind))
            else:
                values = np.array([float(value) for value in exact]).astype(kind)
                found[tensor.name] = Assigned(tensor, values, tuple(exact))
    return [found[tensor.name] for tensor in files.stated.tensors]


def holds(files: Files, assigned: Sequence[Assigned]) -> bool:
    """Return whether the assignment satisfies the claim exactly, as it stands."""
    values = [value for one in assigned for value in one.fractions]
    return files.stated.holds(values)


def store(assigned: Sequence[Assigned], folder: Path) -> None:
    """Write each tensor as a serialised TensorProto ``NAME.pb`` into a folder.

    Tensors declared real are stored as float64, the nearest numbers.

    Raises:
        FileError: a file cannot be written.
    """
    from onnx import numpy_helper

    for one in assigned:
        proto = numpy_helper.from_array(one.values.reshape(one.tensor.shape), one.tensor.name)
        replace_with(folder / f"{one.tensor.name}.pb", proto.SerializeToString())


def assignment_record(assigned: Sequence[Assigned], networks: Sequence[str]) -> list[Record]:
    """Return what a record says of an assignment."""
    return [
        {
            "name": one.tensor.name,
            "network": networks[one.tensor.network],
            "part": one.tensor.part.value,
            "element": one.tensor.element,
            "shape": list(one.tensor.shape),
            "values": [float(value) for value in one.values.tolist()],
            "exact": [str(value) for value in one.fractions],
        }
        for one in assigned
    ]


def _computed(
    files: Files, network: int, own: Sequence[Tensor], point: Mapping[str, Sequence[Fraction]]
) -> dict[str, NDArray[Any]]:
    """Return what onnxruntime gives for a network's tensors, by declared name."""
    signature = files.signatures[network]
    places = {t.name: i for i, t in enumerate(files.claim.tensors)}
    inputs = [np.array([float(v) for v in point[t.name]]) for t in own if t.part is Part.INPUT]
    names = {}
    for tensor in own:
        info = files.tensors[places[tensor.name]]
        if info is not None and tensor.part is not Part.INPUT:
            names[tensor.name] = info.name
    if files.claim.version == 1:
        sizes = [int(np.prod([s or 1 for s in info.shape or ()])) for info in signature.inputs]
        inputs = np.split(inputs[0], np.cumsum(sizes)[:-1])
        outputs = [info.name for info in signature.outputs]
        seen = evaluate(signature, inputs, outputs)
        (output,) = [t for t in own if t.part is Part.OUTPUT]
        return {output.name: np.concatenate([seen[name].ravel() for name in outputs])}
    seen = evaluate(signature, inputs, list(names.values()))
    return {declared: seen[name].ravel() for declared, name in names.items()}


def _short(value: Any) -> str:
    """Return the shortest decimal that stands for a number of its element type."""
    if isinstance(value, np.floating):
        return np.format_float_positional(value, unique=True, trim="0")
    return str(int(value))
