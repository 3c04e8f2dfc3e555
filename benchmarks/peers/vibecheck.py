"""vibecheck (Bak, VNN-COMP 2026), from its published wheel, on the CPU.

It picks its route by itself; its authors' ACAS Xu example uses no option but the time limit. Its
reader of questions about two networks takes the competition's own spelling alone (``X_f[0]``), so
it is asked about merged networks like the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .answer import Reading
from .environment import Environment
from .process import Finished
from .solver import Asked, Solver
from .standard import spoken

CLOCK = re.compile(r"verdict: \S+\s+\(([0-9.]+)s\)")


def _command(asked: Asked, scratch: Path) -> Sequence[str]:
    program = VIBECHECK.environment.program("vibecheck") if VIBECHECK.environment else "vibecheck"
    named = [f"--network={name}={path}" for name, path in asked.networks.items()]
    return [
        str(program),
        "verify",
        str(asked.query),
        *named,
        f"--timeout={asked.limit}",
        "--device=cpu",
    ]


def read(end: Finished, scratch: Path) -> Reading:
    """Return what it says in the form of the VNN-LIB standard; its clock is on standard error."""
    answer, witness = spoken(end.output)
    clock = CLOCK.search(end.errors)
    return Reading(answer, float(clock[1]) if clock else None, witness)


VIBECHECK: Final = Solver(
    name="vibecheck",
    environment=Environment("vibecheck-nn", "1.1.0"),
    pairs=False,
    command=_command,
    read=read,
    settings="--device cpu, all else as shipped",
)
