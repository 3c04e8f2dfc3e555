"""The state of a repair in a file: replaced after each round, refused by any other repair."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Effort
from ..engine.discrepancy import Span
from ..engine.errors import FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Network
from ..engine.region import Region
from .form import Compressed
from .repair_bound import Certified
from .repair_history import Iteration
from .repair_moves import Move, Policy
from .replaced import numbers_of, with_numbers
from .targets import Samples

Array = NDArray[np.float64]
Known = tuple[Compressed, Certified]

SCHEMA = "secateur.repair-state/1"
LEADS = ("points", "lower", "upper")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a repair is.

    Attributes:
        history: what its rounds came to.
        before: what was certified of the network that came in.
        best: the best network and what was certified of it.
        last: the network that the next round goes on from.
        pool: ``(points, inputs)`` that are remembered.
        rate: of the next training.
        stalled: rounds in a row that gained nothing.
        generator: state of the source of randomness.
    """

    history: tuple[Iteration, ...]
    before: Certified
    best: Known
    last: Known
    pool: Array
    rate: float
    stalled: int
    generator: Mapping[str, Any]


def key_of(
    original: Network,
    compressed: Compressed,
    regions: Sequence[Region],
    tolerance: Fraction,
    effort: Effort,
    method: Policy,
    data: Samples | None,
) -> str:
    """Return what a state must have been made for: a digest of all that steers a repair.

    Time, threads and the number of rounds are left out: a later call may spend more.
    """
    digest = hashlib.sha256()
    steering = (effort.seed, min(effort.boxes, method.boxes))
    given = [method.damping, method.patience, method.fit, method.drop, method.training]
    samples = None if data is None else (data.inputs, data.labels, data.targets)
    boxes = [(one.exact_lower, one.exact_upper) for one in regions]
    whole = (original.nodes, compressed.network.nodes, sorted(compressed.forms.items()))
    for part in _parts((whole, boxes, tolerance, steering, given, samples)):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    """Yield bytes that say a value exactly: dataclasses field by field, arrays number by number."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, Enum):
        yield str(value.value).encode()
    elif is_dataclass(value):
        yield type(value).__name__.encode()
        for one in fields(value):
            yield from _parts(getattr(value, one.name))
    elif isinstance(value, tuple | list):
        yield f"{len(value)}".encode()
        for entry in value:
            yield from _parts(entry)
    else:
        yield repr(value).encode()


def write_state(path: Path, key: str, state: State) -> None:
    """Write a state to a file in one step.

    Raises:
        FileError: it cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {"pool": state.pool}
    for name, (compressed, found) in (("best", state.best), ("last", state.last)):
        for place, numbers in enumerate(numbers_of(compressed).values()):
            arrays[f"{name}.{place}"] = numbers
        arrays |= {f"{name}.{part}": getattr(found, part) for part in LEADS}
    head = {
        "schema": SCHEMA,
        "key": key,
        "history": [asdict(one) for one in state.history],
        "before": _told(state.before),
        "best": _told(state.best[1]),
        "last": _told(state.last[1]),
        "rate": state.rate,
        "stalled": state.stalled,
        "generator": state.generator,
    }
    arrays |= {f"before.{part}": getattr(state.before, part) for part in LEADS}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    replace_with(path, out.getvalue())


def read_state(path: Path, key: str, compressed: Compressed) -> State:
    """Return the state in a file.

    Args:
        path: of the file.
        key: as `key_of` gives it for the repair that is to go on.
        compressed: gives the forms.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no state of a repair.
        InputError: it is the state of another repair.
    """
    data = read_bytes(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays["head"].tobytes())
        if head["schema"] != SCHEMA:
            raise KeyError(head["schema"])
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise FormatError(
            f"{path}: this is no state of a repair: name another file, or start without --resume"
        ) from error
    if head["key"] != key:
        raise InputError(
            f"{path}: this is the state of a repair of other networks, regions, data or options: "
            "give those again, or start without --resume"
        )
    found = {name: _certified(head[name], arrays, name) for name in ("before", "best", "last")}
    names = list(numbers_of(compressed))
    networks = {
        kind: with_numbers(compressed, {n: arrays[f"{kind}.{i}"] for i, n in enumerate(names)})
        for kind in ("best", "last")
    }
    history = [Iteration(**{**one, "move": Move(one["move"])}) for one in head["history"]]
    return State(
        tuple(history),
        found["before"],
        (networks["best"], found["best"]),
        (networks["last"], found["last"]),
        arrays["pool"],
        head["rate"],
        head["stalled"],
        head["generator"],
    )


def _told(found: Certified) -> dict[str, Any]:
    spans = [
        [one.attained, one.proved, [str(value) for value in one.point]] for one in found.outputs
    ]
    return {
        "outputs": spans,
        "regions": found.regions,
        "boxes": found.boxes,
        "seconds": found.seconds,
    }


def _certified(told: Mapping[str, Any], arrays: Mapping[str, Array], name: str) -> Certified:
    spans = tuple(
        Span(attained, proved, tuple(Fraction(value) for value in point))
        for attained, proved, point in told["outputs"]
    )
    regions = tuple((attained, proved) for attained, proved in told["regions"])
    points, lower, upper = (arrays[f"{name}.{part}"] for part in LEADS)
    return Certified(
        spans, regions, told["boxes"], told["seconds"], points=points, lower=lower, upper=upper
    )
