"""Populations in a folder: one file a network, written whole or not at all, so a run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FileError, FormatError, InputError
from ..engine.formats import load
from ..engine.formats.files import as_text, read_bytes, replace_with
from ..engine.network import Affine, Network
from .data.dataset import Dataset
from .files import save_compressed
from .populations import Level, Plan, trained

PLAN: Final = "plan.json"
MODELS: Final = "models"
SCHEMA: Final = "secateur.populations/1"

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """A folder with populations.

    Attributes:
        folder: that holds ``plan.json`` and ``models/LEVEL/NUMBER.onnx``.
        plan: what they are made of.
        data: the training rows.
    """

    folder: Path
    plan: Plan
    data: Dataset

    @classmethod
    def open(cls, folder: Path, plan: Plan, data: Dataset, resume: bool) -> Store:
        """Return the store in a folder, which is made where it is missing.

        Args:
            folder: empty or missing, or a store of the same plan and data with `resume`.
            plan: what the populations are made of.
            data: the training rows.
            resume: whether networks may be there already.

        Raises:
            InputError: networks are there and nobody said to go on; or they are of another plan.
            FileError: the folder cannot be made or written.
        """
        told = _told(plan, data)
        file = folder / PLAN
        if file.exists():
            if not resume:
                raise InputError(
                    f"{folder}: holds populations already: go on with --resume or name another "
                    "folder"
                )
            _same(file, told)
        try:
            for level in plan.every:
                (folder / MODELS / level.name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder}: cannot be written ({error.strerror}): name another") from (
                error
            )
        replace_with(file, (json.dumps(told, indent=1) + "\n").encode())
        return cls(folder, plan, data)

    def path(self, level: Level, member: int) -> Path:
        """Return where a network is stored."""
        return self.folder / MODELS / level.name / f"{member:03d}.onnx"

    def missing(self) -> Iterator[tuple[Level, int]]:
        """Yield the networks that are not there: the first of each population before the second."""
        for member in range(self.plan.models):
            for level in self.plan.every:
                if not self.path(level, member).exists():
                    yield level, member

    def fill(self, show: Callable[[str, int, int], None] | None = None) -> int:
        """Train what is missing and return how many networks that were.

        A network is there once its file is, and the file is moved into its place when it is whole:
        after an interrupt the next call trains the others, to the same numbers.

        Args:
            show: is told the population, how many networks are there and how many there will be.

        Raises:
            InputError: data that networks of the plan cannot be trained on.
            FileError: a file cannot be written.
        """
        waiting, total = list(self.missing()), self.plan.models * len(self.plan.every)
        for done, (level, member) in enumerate(waiting):
            if show is not None:
                show(level.name, total - len(waiting) + done, total)
            save_compressed(trained(self.plan, level, member, self.data), self.path(level, member))
        return len(waiting)

    def network(self, level: Level, member: int) -> Network:
        """Return a network as its file has it.

        Raises:
            FileError: it is missing.
            FormatError: it is no network of the plan.
        """
        path = self.path(level, member)
        found = load(path)
        shape = self.plan.shape
        if (found.size_in, found.size_out) != (shape.size_in, shape.size_out):
            raise FormatError(f"{path}: is no network of this plan: delete it and run again")
        return found


def chosen(network: Network, inputs: NDArray[np.float32], batch: int = 1024) -> Whole:
    """Return the class, the largest output, that a network chooses for inputs ``(rows, features)``.

    Of several that are largest the first one counts.
    """
    parts = [
        network.evaluate(inputs[start : start + batch]).argmax(axis=1)
        for start in range(0, len(inputs), batch)
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def _told(plan: Plan, data: Dataset) -> dict[str, Any]:
    """Return all that the numbers of the networks follow from."""
    return {
        "schema": SCHEMA,
        "layers": _layers(plan.shape),
        "levels": [level.name for level in plan.levels],
        "models": plan.models,
        "epochs": plan.epochs,
        "batch": plan.batch,
        "rate": plan.rate,
        "scope": plan.scope.value,
        "seed": plan.seed,
        "data": data.digest,
    }


def _layers(network: Network) -> str:
    """Return a digest of what a network is made of, its free numbers left out."""
    state = hashlib.sha256()
    for node in network.nodes:
        layer = node.layer
        told: tuple[Any, ...] = (node.name, node.sources, node.shape, type(layer).__name__)
        if isinstance(layer, Affine):
            operator = layer.operator
            rest = [getattr(operator, key, None) for key in ("strides", "padding", "groups")]
            told = (*told, type(operator).__name__, operator.weight.shape, *map(str, rest))
        state.update(repr(told).encode())
    return state.hexdigest()


def _same(file: Path, told: dict[str, Any]) -> None:
    """Raise InputError unless a file tells of the same plan; more models and levels may be asked.

    Each network's seed is its own, so those that are there stay what they would be.
    """
    try:
        found = json.loads(as_text(read_bytes(file, 1 << 20), file))
    except json.JSONDecodeError as error:
        raise FormatError(f"{file}: is no JSON ({error.msg}): name another folder") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise FormatError(f"{file}: is no plan of populations: name another folder")
    for key in told.keys() - {"levels", "models"}:
        if found.get(key) != told[key]:
            raise InputError(
                f"{file}: its populations were made with another {key} "
                f"({str(found.get(key))[:40]}, not {str(told[key])[:40]}): give the same, or name "
                "another folder"
            )
