"""Marabou 2.0 (Wu et al., CAV 2024), the published wheel: native simplex, no Gurobi.

The wheel has no Gurobi, so MILP modes are out of reach and LPs are solved by Marabou's own simplex.
Its manual shows split-and-conquer with these very numbers on an ACAS Xu network; `--num-workers`
without it starts one thread only in this build.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .answer import Answer, Reading, word
from .environment import Environment
from .process import Finished
from .solver import Asked, Solver

SETTINGS: Final = (
    "--snc",
    "--initial-divides=4",
    "--initial-timeout=5",
    "--num-online-divides=4",
    "--timeout-factor=1.5",
)
"""The manual's example of split-and-conquer on an ACAS Xu network."""

INPUT = re.compile(r"^\s*x(\d+)\s*=\s*(\S+)\s*$", re.MULTILINE)


def _command(asked: Asked, scratch: Path) -> Sequence[str]:
    program = MARABOU.environment.program("Marabou") if MARABOU.environment else Path("Marabou")
    return [
        str(program),
        str(asked.network),
        str(asked.query),
        f"--timeout={max(1, int(asked.limit))}",
        f"--num-workers={asked.cores}",
        "--verbosity=0",
        *SETTINGS,
    ]


def read(end: Finished, scratch: Path) -> Reading:
    """Return the answer that stands alone on a line, and the inputs printed with `sat`.

    Marabou prints six decimals, so a witness is that of the printed point.
    """
    lines = end.output.splitlines()
    answer = next((found for line in lines if (found := word(line)) is not None), Answer.ERROR)
    witness = None
    if answer is Answer.SAT:
        values = {int(index): float(text) for index, text in INPUT.findall(end.output)}
        witness = tuple(values[index] for index in sorted(values)) or None
    return Reading(answer, witness=witness)


MARABOU: Final = Solver(
    name="marabou",
    environment=Environment("maraboupy", "2.0.0"),
    pairs=False,
    command=_command,
    read=read,
    settings=" ".join(SETTINGS),
)
