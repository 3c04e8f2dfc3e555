"""Work: what is done to each cell, what comes of it, and the words for how it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..engine.errors import InputError, SecateurError

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

LONGEST = 500
"""Characters of a reason; what is longer ends in an ellipsis."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell to work on.

    Attributes:
        id: its number, from 0, unique within a run.
        identity: what it is, whatever its number: its limits as hexadecimal floats, say.
        payload: what a worker is given, and nothing else; it can be pickled.
    """

    id: int
    identity: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Work:
    """What is done to cells; all three can be pickled, the functions stand in modules.

    A result may not depend on which other cells are in the batch, nor on which worker has it:
    batches are cut up, and put together otherwise, when a run is resumed.

    Attributes:
        load: makes of ``argument`` what a worker needs for every cell, once in each worker.
        run: makes of that and of the payloads of a batch their results, one each, in order.
        argument: what ``load`` is given.
    """

    load: Callable[[Any], Any]
    run: Callable[[Any, Sequence[Any]], Sequence[Any]]
    argument: Any = None


@dataclass(frozen=True, slots=True)
class Result:
    """What is kept of a cell that is done.

    Attributes:
        figures: small numbers and words by name; finite.
        code: packed bytes that belong to the cell, some hundreds at most.
        blobs: large bytes by name, such as a certificate; they are kept apart, each once.

    Raises:
        InputError: the figures are no JSON.
    """

    figures: Mapping[str, Json] = field(default_factory=dict)
    code: bytes = b""
    blobs: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            json.dumps(dict(self.figures), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"figures of a cell: {error}; give finite numbers and words") from None
        object.__setattr__(self, "figures", dict(self.figures))
        object.__setattr__(self, "code", bytes(self.code))
        object.__setattr__(self, "blobs", {name: bytes(one) for name, one in self.blobs.items()})


@dataclass(frozen=True, slots=True)
class Done:
    """The work gave a result."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The work raised an error for this cell alone; ``reason`` is its line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Late:
    """The cell alone was not done within its time."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The cell alone killed its worker as often as it may."""

    reason: str


Outcome = Done | Failed | Late | Quarantined

WORDS: Mapping[type[Outcome], str] = MappingProxyType(
    {Done: "done", Failed: "failed", Late: "late", Quarantined: "quarantined"}
)
"""How people and files call each kind of outcome."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cell ended.

    Attributes:
        cell: which.
        outcome: how.
        attempts: how often it was begun, alone or with others; at least 1.
        seconds: its share of the last attempt's time.
    """

    cell: Cell
    outcome: Outcome
    attempts: int
    seconds: float


def line_of(error: BaseException) -> str:
    """Return an error as one line of at most `LONGEST` characters, all of which can be stored."""
    said = " ".join(f"{error}".encode(errors="replace").decode().split())
    if not isinstance(error, SecateurError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if len(said) <= LONGEST else said[: LONGEST - 3] + "..."


def digest_of(parts: Json) -> str:
    """Return the SHA-256, in hexadecimal, of what JSON writes for the parts, names sorted."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
