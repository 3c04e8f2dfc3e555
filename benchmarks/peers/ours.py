"""secateur itself, asked as any other: a process of its own that runs `secateur verify`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .answer import Reading
from .process import Finished
from .solver import Asked, Solver
from .standard import spoken

RECORD = "record.json"


def _command(asked: Asked, scratch: Path) -> Sequence[str]:
    named = [f"--network={name}={path}" for name, path in asked.networks.items()]
    return [
        sys.executable,
        "-m",
        "secateur",
        "verify",
        str(asked.query),
        *named,
        f"--timeout={asked.limit}",
        f"--json={scratch / RECORD}",
        "--quiet",
    ]


def read(end: Finished, scratch: Path) -> Reading:
    """Return what it says in the form of the VNN-LIB standard; time and boxes are in its record."""
    answer, witness = spoken(end.output)
    record = scratch / RECORD
    said = json.loads(record.read_text()) if record.is_file() else {}
    return Reading(answer, said.get("seconds"), witness, said.get("boxes"))


SECATEUR: Final = Solver(
    name="secateur",
    environment=None,
    pairs=True,
    command=_command,
    read=read,
    settings="as shipped",
)
