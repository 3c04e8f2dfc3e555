"""NeuralSAT (Duong et al., CAV 2025), from its published wheel, on the CPU.

It ships no settings for ACAS Xu and asks for none; it splits inputs there by itself. The restricted
licence of Gurobi that comes with it is used only where hidden neurons are split.
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

DRIVER = Path(__file__).parent / "neuralsat_driver.py"
RESULT = "result.txt"
VALUE = re.compile(r"\(X_(\d+)\s+([^\s()]+)\)")


def _command(asked: Asked, scratch: Path) -> Sequence[str]:
    python = NEURALSAT.environment.python if NEURALSAT.environment else Path("python")
    return [
        str(python),
        str(DRIVER),
        f"--net={asked.network}",
        f"--spec={asked.query}",
        f"--timeout={asked.limit}",
        "--device=cpu",
        "--verbosity=0",
        f"--result_file={scratch / RESULT}",
        "--export_cex",
        "--export_runtime",
    ]


def read(end: Finished, scratch: Path) -> Reading:
    """Return what its result file says: `answer,seconds`, then the counterexample."""
    result = scratch / RESULT
    text = result.read_text() if result.is_file() else ""
    first = text.partition("\n")[0]
    said, _, clock = first.partition(",")
    answer = word(said) or Answer.ERROR
    inside = float(clock) if clock else None
    values = {int(index): float(number) for index, number in VALUE.findall(text)}
    witness = tuple(values[index] for index in sorted(values)) or None
    return Reading(answer, inside, witness if answer is Answer.SAT else None)


NEURALSAT: Final = Solver(
    name="neuralsat",
    environment=Environment("neuralsat", "0.2.17"),
    pairs=False,
    command=_command,
    read=read,
    settings="--device cpu, all else as shipped",
)
