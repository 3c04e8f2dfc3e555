"""The 186 ACAS Xu instances of VNN-COMP with their true verdicts."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .machine import acas, data
from .peers.answer import Answer

SAT: Final = {
    3: frozenset({"1_7", "1_8", "1_9"}),
    4: frozenset({"1_7", "1_8", "1_9"}),
    7: frozenset({"1_9"}),
    8: frozenset({"2_9"}),
}
"""Networks that have a counterexample, by property; property 2 is told the other way round."""

UNSAT_2: Final = frozenset({"1_1", "1_7", "1_8", "1_9", "3_3", "4_2"})
"""The only networks without a counterexample to property 2."""

LINE = re.compile(r"ACASXU_run2a_(\d_\d)_batch_2000\.onnx$")
QUERY = re.compile(r"prop_(\d+)\.vnnlib$")


@dataclass(frozen=True, slots=True)
class AcasInstance:
    """A network and a property.

    Attributes:
        network: such as 5_9.
        prop: 1 to 10.
        limit: seconds that the competition allows.
    """

    network: str
    prop: int
    limit: float

    @property
    def name(self) -> str:
        """How tables and files call it, such as 5_9:2."""
        return f"{self.network}:{self.prop}"

    @property
    def expected(self) -> Answer:
        """The true answer.

        Every counterexample was replayed in onnxruntime; that the others have none is the agreement
        of all sound tools of the competitions since 2021.
        """
        if self.prop == 2:
            return Answer.UNSAT if self.network in UNSAT_2 else Answer.SAT
        found = self.network in SAT.get(self.prop, frozenset())
        return Answer.SAT if found else Answer.UNSAT

    @property
    def query(self) -> Path:
        """Its VNN-LIB file."""
        return data() / "acasxu" / f"prop_{self.prop}.vnnlib"

    @property
    def file(self) -> Path:
        """Its ONNX file."""
        return acas(self.network)


def acas_instances() -> tuple[AcasInstance, ...]:
    """Return the instances in the order of the competition's list.

    Raises:
        SystemExit: the list is not there, or a line of it is not understood.
    """
    path = data() / "acasxu" / "acasxu_instances.csv"
    if not path.is_file():
        raise SystemExit(f"there is no file {path}: it comes with `secateur fetch acasxu`")
    found = []
    with path.open(newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            network = LINE.search(row[0]) if len(row) == 3 else None
            query = QUERY.search(row[1]) if len(row) == 3 else None
            if not network or not query:
                raise SystemExit(f"{path}:{number}: no network, property and time limit")
            found.append(AcasInstance(network[1], int(query[1]), float(row[2])))
    return tuple(found)
