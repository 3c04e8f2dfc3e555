"""One run as one line of JSON, and files of such lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any


class Status(Enum):
    """How a run ended.

    `DONE` has an answer; `OPEN` ended by itself without one (a verifier's `unknown`); `WRONG` has
    one that is not true, or not the control's; `MISSING` could not begin here; `TIMEOUT` was ended
    by the limit; `KILLED` by a signal; `FAILED` by an error.
    """

    DONE = "done"
    OPEN = "open"
    WRONG = "wrong"
    MISSING = "missing"
    TIMEOUT = "timeout"
    KILLED = "killed"
    FAILED = "failed"

    @property
    def broken(self) -> bool:
        """Whether something has to be mended before the row is worth anything."""
        return self in (Status.WRONG, Status.KILLED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all rows of one measurement have in common.

    Attributes:
        spec: its name.
        digest: of what was asked for.
        seed: of what was drawn.
        limit: seconds a run.
        threads: of every arm.
        processor: of the machine.
        versions: of Python and of the packages that matter.
        commit: of the checkout.
    """

    spec: str
    digest: str
    seed: int
    limit: float
    threads: int
    processor: str
    versions: str
    commit: str


@dataclass(frozen=True, slots=True)
class Row:
    """One run of one arm on one instance.

    Attributes:
        conditions: of the measurement.
        arm: which.
        version: of what the arm runs, where it is not secateur.
        instance: on what.
        round: from 0.
        status: how it ended.
        answer: what it found, as text.
        wall, cpu: seconds; of the timed part.
        megabytes: peak resident memory of its process.
        at: when it ended, UTC.
        note: what went wrong, on one line.
    """

    conditions: Conditions
    arm: str
    instance: str
    round: int
    status: Status
    at: str
    version: str = ""
    answer: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    note: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What no two rows of a measurement share."""
        return self.arm, self.instance, self.round

    def line(self) -> str:
        """Return it as one line of JSON."""
        said: dict[str, Any] = asdict(self)
        flat = said.pop("conditions") | said | {"status": self.status.value}
        return json.dumps(flat)


def of_line(text: str) -> Row:
    """Return the row of a line.

    Raises:
        ValueError: it is none.
    """
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("a row is a JSON object")
    common = {field.name for field in fields(Conditions)}
    own = {field.name for field in fields(Row)} - {"conditions"}
    if set(said) != common | own:
        odd = sorted(set(said) ^ (common | own))
        raise ValueError(f"a row has other fields: {', '.join(odd)}")
    conditions = Conditions(**{name: said[name] for name in common})
    return Row(
        conditions, **{name: said[name] for name in own} | {"status": Status(said["status"])}
    )


def stored(path: Path, conditions: Conditions) -> list[Row]:
    """Return the rows of a measurement that a file already has; rows of other specs are passed by.

    Raises:
        SystemExit: a line that is no row, or rows of the same spec under other conditions.
    """
    if not path.exists():
        return []
    found = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        try:
            row = of_line(text)
        except (ValueError, TypeError) as error:
            raise SystemExit(f"{path}:{number}: no row ({error}): name another file") from None
        if row.conditions.spec != conditions.spec:
            continue
        if row.conditions != conditions:
            there, here = asdict(row.conditions), asdict(conditions)
            name = next(name for name in here if here[name] != there[name])
            raise SystemExit(
                f"{path}:{number}: {conditions.spec} was measured with {name} {there[name]}, not "
                f"{here[name]}: name another file"
            )
        found.append(row)
    return found


def add(path: Path | None, rows: Iterable[Row]) -> None:
    """Append rows to a file; None writes nothing."""
    if path is not None:
        with path.open("a") as file:
            file.writelines(row.line() + "\n" for row in rows)
