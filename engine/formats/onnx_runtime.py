"""The file's own runtime: onnxruntime on one thread, for replay, hidden tensors and latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ..errors import FormatError, InputError
from ..network import Array
from .onnx_file import OnnxFile, first_line, read_file
from .onnx_fold import not_implemented, session_options


class Runtime:
    """Evaluates an ONNX file exactly as onnxruntime does, in the file's element type.

    Where onnxruntime has no kernel for the element type (float64 convolutions, say), the reference
    evaluator of ONNX takes its place. Many points go in one run where the file leaves its batch
    axis open and a trial shows that points do not influence each other, else one by one.

    Attributes:
        file: what is evaluated.
    """

    def __init__(self, path: str | Path, *, several: bool = False) -> None:
        """Open the file at ``path``.

        Args:
            path: of the file.
            several: take several inputs and outputs, each kind one after the other.

        Raises:
            FileError: it is missing or not readable.
            FormatError: it is no ONNX file, or onnxruntime refuses it.
            UnsupportedError: an opset, an element type or a number of inputs that is not handled.
        """
        self._open(read_file(path, several=several))

    @classmethod
    def of(cls, file: OnnxFile) -> Runtime:
        """Return the runtime of a file that was read already; raises FormatError as above."""
        runtime = cls.__new__(cls)
        runtime._open(file)
        return runtime

    def _open(self, file: OnnxFile) -> None:
        self.file = file
        self._size = file.size
        self._session = _session(file, file.content)
        self._hidden: dict[tuple[str, ...], Any] = {}
        self._batched = file.batch and self._points_are_independent()

    @property
    def tensors(self) -> frozenset[str]:
        """Names of the tensors that `hidden` can return."""
        return frozenset(name for node in self.file.nodes for name in node.output if name)

    def outputs(self, points: Array) -> Array:
        """Return the outputs.

        Args:
            points: ``(batch, inputs)``, each value one of the file's element type.

        Returns:
            ``(batch, outputs)`` float64, widened exactly.

        Raises:
            ValueError: a value that the file's element type does not hold, or NaN or infinity.
            InputError: another number of inputs.
        """
        found = self._evaluate(self._session, points, self.file.outputs)
        return np.concatenate([found[name] for name in self.file.outputs], axis=1)

    def hidden(self, points: Array, names: Sequence[str]) -> dict[str, Array]:
        """Return tensors inside the graph, exposed as outputs of a copy of the model in memory.

        Args:
            points: ``(batch, inputs)``, as for `outputs`.
            names: of tensors of the file; imported nodes have the same names.

        Returns:
            For each name ``(batch, size)`` float64, flat in C order.

        Raises:
            ValueError: a point that is not exactly representable.
            InputError: a name that no node of the file computes.
        """
        wanted = tuple(dict.fromkeys(names))
        if not wanted:
            return {}
        if wanted not in self._hidden:
            for name in wanted:
                if name not in self.tensors:
                    raise InputError(
                        f"{self.file.path}: no node computes a tensor {name!r}: name one of its "
                        f"{len(self.tensors)} tensors"
                    )
            model = onnx.load_model_from_string(self.file.content)
            del model.graph.output[:]
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
            self._hidden[wanted] = _session(self.file, model.SerializeToString(deterministic=True))
        return self._evaluate(self._hidden[wanted], points, wanted)

    def latency(self, point: Array, repeats: int = 200, warm_up: int = 20) -> float:
        """Return the median time of one evaluation of one point, in seconds.

        Args:
            point: ``(inputs,)``, as for `outputs`.
            repeats: timed evaluations, at least 1.
            warm_up: evaluations before these.
        """
        feed = self._feed(self._cast(np.asarray(point)[None]))
        seconds = []
        for index in range(warm_up + repeats):
            start = time.perf_counter()
            self._session.run(None, feed)
            if index >= warm_up:
                seconds.append(time.perf_counter() - start)
        return float(np.median(seconds))

    def _cast(self, points: Array) -> NDArray[Any]:
        """Return points ``(batch, inputs)`` in the file's element type."""
        wide = np.asarray(points, dtype=np.float64)
        if wide.ndim != 2 or wide.shape[1] != self._size:
            raise InputError(
                f"{self.file.path}: points have shape {list(wide.shape)}: give one row of "
                f"{self._size} numbers for each point"
            )
        with np.errstate(over="ignore"):
            narrow = wide.astype(self.file.dtype)
        wrong = np.argwhere(~(np.isfinite(narrow) & (narrow.astype(np.float64) == wide)))
        if len(wrong):
            row, column = (int(i) for i in wrong[0])
            raise ValueError(
                f"{self.file.path}: point {row} has {wide[row, column]!r} at input {column}, which "
                f"is no finite {self.file.dtype} number: round the point first"
            )
        return narrow

    def _evaluate(self, session: Any, points: Array, names: Sequence[str]) -> dict[str, Array]:
        narrow = self._cast(points)
        if not len(narrow):
            return {
                name: np.zeros((0, part.shape[1])) for name, part in self._sizes(session, names)
            }
        if self._batched:
            results = self._run(session, narrow, names)
            if all(np.shape(result)[:1] == (len(narrow),) for result in results):
                return {
                    name: np.asarray(result, dtype=np.float64).reshape(len(narrow), -1)
                    for name, result in zip(names, results, strict=True)
                }
        rows = [self._run(session, point[None], names) for point in narrow]
        return {
            name: np.array([np.asarray(row[index], dtype=np.float64).ravel() for row in rows])
            for index, name in enumerate(names)
        }

    def _run(self, session: Any, narrow: NDArray[Any], names: Sequence[str]) -> Sequence[Any]:
        try:
            results: Sequence[Any] = session.run(list(names), self._feed(narrow))
        except Exception as error:
            raise FormatError(
                f"{self.file.path}: onnxruntime fails to run it: {first_line(error)}; "
                "export the model again"
            ) from None
        return results

    def _sizes(self, session: Any, names: Sequence[str]) -> list[tuple[str, Array]]:
        zero = np.zeros((1, self._size))
        return list(self._evaluate(session, zero, names).items())

    def _feed(self, narrow: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        feed, start = {}, 0
        for port in self.file.inputs:
            shape = (len(narrow), *port.shape[1:]) if self.file.batch else port.shape
            part = narrow[:, start : start + port.size]
            feed[port.name] = np.ascontiguousarray(part).reshape(shape)
            start += port.size
        return feed

    def _points_are_independent(self) -> bool:
        """Return whether three points in one run give what each gives alone."""
        spread = np.linspace(-1.0, 1.0, 3 * self._size).reshape(3, self._size)
        narrow = np.ascontiguousarray(spread.astype(self.file.dtype))
        names = list(self.file.outputs)
        try:
            together = self._session.run(names, self._feed(narrow))
        except Exception:
            return False
        alone = [self._run(self._session, point[None], names) for point in narrow]
        for index, result in enumerate(together):
            parts = [each[index] for each in alone]
            if np.shape(result)[:1] != (3,) or np.size(result) != 3 * np.size(parts[0]):
                return False
            with np.errstate(invalid="ignore", over="ignore"):
                apart = np.asarray(result, np.float64).reshape(3, -1) - np.reshape(parts, (3, -1))
            unit = float(np.finfo(self.file.dtype).eps)
            largest = max(1.0, float(np.abs(parts).max()))
            if not np.abs(apart).max() <= 2**10 * unit * largest:
                return False
        return True


def _session(file: OnnxFile, content: bytes) -> Any:
    """Return what runs a model: a session of onnxruntime or the reference evaluator."""
    try:
        return onnxruntime.InferenceSession(
            content, session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        if not not_implemented(error):
            raise FormatError(
                f"{file.path}: onnxruntime refuses it: {first_line(error)}; export the model again"
            ) from None
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(onnx.load_model_from_string(content))
