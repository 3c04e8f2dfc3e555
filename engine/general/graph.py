"""The graph of an ONNX file as something that encloses its tensors over batches of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError, InputError, UnsupportedError
from ..formats.onnx_file import DOMAINS, to_array
from ..formats.onnx_fold import FOLDED
from ..rounding import Array
from .affine import Form
from .affine_operators import follow
from .enclosure import Enclosure
from .fold import run_step
from .identity import Identities
from .model import Model, Port, read_model
from .operators import RULES
from .step import MISSING, Step

SHAPES = ("Shape", "Size")
"""Operators whose results depend on the shape of their input alone."""


FEW_INPUTS: Final = 64
"""Inputs of a graph up to which its tensors are followed by affine forms unless told otherwise."""

FEW_ENTRIES: Final = 2**14
"""Entries of all its tensors up to which they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A step and the names of the tensors it computes; empty where it has no name."""

    step: Step
    outputs: tuple[str, ...]


class Graph:
    """Encloses tensors of an ONNX graph over boxes of its inputs.

    Attributes:
        model: what was read.
        inputs: of the graph; a box speaks of them one after the other, each flat in C order.
        ports: every tensor of the graph, by name.
        constants: tensors that do not depend on the inputs, in the file's element types. Those that
            the graph computes from constants are what onnxruntime computes.
        identities: which entries of tensors are always equal.
        moving: names of the tensors that depend on the inputs.
    """

    def __init__(self, model: Model) -> None:
        """Prepare the graph of a model.

        Raises:
            UnsupportedError: an operator, or a use of one, that is not handled.
            FormatError: a graph that does not fit together.
        """
        self.model = model
        self.inputs = model.inputs
        self.size = sum(port.size for port in model.inputs)
        self.constants: dict[str, NDArray[Any]] = dict(model.constants)
        self.identities = Identities()
        self._steps: list[Placed] = []
        self._plans: dict[tuple[str, ...], list[tuple[Placed, tuple[str, ...]]]] = {}
        point = np.zeros((1, self.size))
        known = self._feed(point, point)
        for port in model.inputs:
            self.identities.fresh(port.name, port.shape)
        for node in model.nodes:
            with np.errstate(all="ignore"):
                self._place(node, known)
        self._lifted = {name: Enclosure.constant(v) for name, v in self._read().items()}
        self.ports: dict[str, Port] = {
            **{name: Port(name, v.dtype.name, v.shape) for name, v in self.constants.items()},
            **{name: Port(name, value.kind, value.shape) for name, value in known.items()},
        }
        self.moving = frozenset(known)
        for name in model.outputs:
            if name not in self.ports:
                raise FormatError(
                    f"{model.path}: no node computes the output {name!r}: export it again"
                )

    @property
    def entries(self) -> int:
        """Number of entries of all tensors that depend on the inputs."""
        return sum(self.ports[name].size for name in self.moving)

    @property
    def small(self) -> bool:
        """Whether affine forms of its tensors are worth their time and memory."""
        return self.size <= FEW_INPUTS and self.entries <= FEW_ENTRIES

    @classmethod
    def read(cls, source: str | Path | bytes, name: str | None = None) -> Graph:
        """Return the graph of a file, given by its path or its bytes; raises as `read_model`."""
        return cls(read_model(source, name))

    def enclose(
        self, lower: Array, upper: Array, names: Sequence[str], *, tied: bool = False
    ) -> dict[str, Enclosure]:
        """Return enclosures of named tensors over boxes.

        Args:
            lower: ``(boxes, inputs)`` float64, closed.
            upper: the same; where it equals lower the input is that number.
            names: of tensors of the graph.
            tied: whether to follow affine forms too: tighter through layers of sums of products and
                common activations, and dearer.

        Raises:
            InputError: a name that is none of its tensors.
        """
        known = self._feed(lower, upper)
        return self._enclose(known, names, self._forms(known) if tied else None, len(lower))

    def follow(
        self, lower: Array, upper: Array, names: Sequence[str]
    ) -> tuple[dict[str, Enclosure], dict[str, Form]]:
        """Return enclosures of named tensors over boxes, and affine forms of those that have one.

        Symbols of the forms with numbers below the number of inputs are those of the inputs: the
        input is its middle plus its radius times the symbol. Arguments as for `enclose`.
        """
        known = self._feed(lower, upper)
        forms = self._forms(known)
        found = self._enclose(known, names, forms, len(lower))
        return found, {name: forms[name] for name in names if name in forms}

    def _enclose(
        self,
        known: dict[str, Enclosure],
        names: Sequence[str],
        forms: dict[str, Form] | None,
        boxes: int,
    ) -> dict[str, Enclosure]:
        for name in names:
            if name not in self.ports:
                raise InputError(
                    f"{self.model.path}: it has no tensor {name!r}: name one of its "
                    f"{len(self.ports)} tensors"
                )
        with np.errstate(all="ignore"):
            self._run(known, names, forms)
        found = {}
        for name in names:
            value = known[name] if name in known else Enclosure.constant(self.constants[name])
            found[name] = value.spread(boxes)
        return found

    def _run(
        self, known: dict[str, Enclosure], names: Sequence[str], forms: dict[str, Form] | None
    ) -> None:
        """Add to ``known`` the tensors that are asked for."""
        wanted, fresh = set(names), self.size
        for placed, dead in self._plan(tuple(names)):
            step = placed.step
            values = [
                MISSING if not name else known[name] if name in known else self._lifted[name]
                for name in step.names
            ]
            results = RULES[step.operator](step, values)
            if forms is not None:
                read = [forms.get(name) for name in step.names]
                pairs = follow(step, values, read, results, fresh)
                results = [result for _, result in pairs]
                forms.update(zip(placed.outputs, (form for form, _ in pairs), strict=False))
                fresh += max(int(np.prod(value.shape, dtype=np.int64)) for value in values)
            known.update(zip(placed.outputs, results, strict=False))
            for name in dead:
                if name not in wanted:
                    known.pop(name, None)
                    if forms is not None:
                        forms.pop(name, None)

    def _forms(self, known: Mapping[str, Enclosure]) -> dict[str, Form]:
        """Return the forms of the inputs, each entry a symbol."""
        forms, first = {}, 0
        for port in self.inputs:
            names = np.arange(first, first + port.size, dtype=np.int64)
            forms[port.name] = Form.of(known[port.name], names)
            first += port.size
        return forms

    def _feed(self, lower: Array, upper: Array) -> dict[str, Enclosure]:
        """Return the enclosures of the inputs."""
        known, first = {}, 0
        for port in self.inputs:
            own, whole = slice(first, first + port.size), (len(lower), *port.shape)
            low, high = lower[:, own].reshape(whole), upper[:, own].reshape(whole)
            known[port.name] = Enclosure(low, high, np.zeros(whole), port.kind)
            first += port.size
        return known

    def _place(self, node: onnx.NodeProto, known: dict[str, Enclosure]) -> None:
        """Fold a node or add it as a step, and learn the shapes of its outputs."""
        name = node.name or next(iter(node.output), "")
        where = f"{self.model.path}: node {name!r} ({node.op_type}, opset {self.model.opset})"
        try:
            self._add(node, known)
        except InputError as error:
            kind = UnsupportedError if isinstance(error, UnsupportedError) else FormatError
            raise kind(f"{where}: {error}") from None
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            text = str(error).splitlines()[0] if str(error) else ""
            raise FormatError(
                f"{where}: inputs and attributes do not fit together "
                f"({type(error).__name__}: {text}): export the model again"
            ) from None

    def _add(self, node: onnx.NodeProto, known: dict[str, Enclosure]) -> None:
        if node.domain not in DOMAINS:
            raise UnsupportedError(f"the operator of domain {node.domain!r} is not handled")
        for name in node.input:
            if name and name not in known and name not in self.constants:
                raise FormatError(f"reads {name!r}, which nothing computes: export the model again")
        step = Step(
            node.op_type,
            self.model.opset,
            {attribute.name: self._attribute(attribute) for attribute in node.attribute},
            tuple(node.input),
            tuple(self.constants.get(name) for name in node.input),
            len(node.output),
        )
        if not any(name in known for name in node.input):
            self._fold(step, node)
            return
        if step.operator in SHAPES:
            self._shape(step, node, known)
            return
        if "QuantizeLinear" in step.operator or step.operator.startswith("QLinear"):
            raise UnsupportedError(
                "rounds to a grid, which is answered in real arithmetic alone: --semantics real"
            )
        if step.operator not in RULES:
            raise UnsupportedError(
                f"the operator is not handled; handled are {', '.join(sorted(RULES))}, "
                f"{' and '.join(SHAPES)}, and {len(FOLDED)} operators on constants"
            )
        values = [
            MISSING
            if not name
            else known[name]
            if name in known
            else Enclosure.constant(self.constants[name])
            for name in node.input
        ]
        results = RULES[step.operator](step, values)
        self._steps.append(Placed(step, tuple(node.output)))
        for name, result in zip(node.output, results, strict=False):
            if name:
                known[name] = result
        self.identities.follow(step, tuple(node.output), [x.shape for x in values], results)

    def _attribute(self, attribute: onnx.AttributeProto) -> Any:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise UnsupportedError("holds a graph of its own: only plain operators are handled")
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            return to_array(Path(self.model.path), value)
        return value.decode() if isinstance(value, bytes) else value

    def _fold(self, step: Step, node: onnx.NodeProto) -> None:
        """Compute a node whose inputs are constant."""
        if step.operator == "Constant" and "value" in step.attributes:
            self.constants[node.output[0]] = step.attributes["value"]
            return
        if step.operator not in FOLDED:
            raise UnsupportedError("the operator is not handled on constants")
        results = run_step(
            step.operator, step.opset, step.attributes, list(step.constants), step.outputs
        )
        self.constants.update(zip(node.output, results, strict=True))

    def _shape(self, step: Step, node: onnx.NodeProto, known: Mapping[str, Enclosure]) -> None:
        """Compute Shape or Size, which are constant."""
        shape = known[node.input[0]].shape
        if step.operator == "Size":
            result = np.array(int(np.prod(shape, dtype=np.int64)), dtype=np.int64)
        else:
            first, last = step.attributes.get("start", 0), step.attributes.get("end", len(shape))
            result = np.array(shape[first:last], dtype=np.int64)
        self.constants[node.output[0]] = result

    def _read(self) -> dict[str, NDArray[Any]]:
        """Return the constants that steps read."""
        names = {name for placed in self._steps for name in placed.step.names}
        return {name: values for name, values in self.constants.items() if name in names}

    def _plan(self, names: tuple[str, ...]) -> list[tuple[Placed, tuple[str, ...]]]:
        """Return the steps that some tensors need, each with what nobody reads after it."""
        if names not in self._plans:
            wanted, kept = set(names), []
            for placed in reversed(self._steps):
                if wanted & set(placed.outputs):
                    dead = tuple(
                        name
                        for name in {*placed.step.names, *placed.outputs}
                        if name and name not in wanted
                    )
                    wanted |= set(placed.step.names)
                    kept.append((placed, dead))
            self._plans[names] = kept[::-1]
        return self._plans[names]
