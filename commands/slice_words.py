"""The words of `slice`, `merge` and `export` on the command line, with their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .compress_words import Way
from .options import Amount


class Stage(StrEnum):
    """How far cells go."""

    PHASES = "phases"
    """Neurons that are zero or the identity, for many cells together."""
    SIMPLIFY = "simplify"
    """Then whatever else the guarantee lets go, cell by cell."""


class Goal(StrEnum):
    """What a network can be exported to."""

    ONNX = "onnx"
    NNET = "nnet"
    C = "c"
    PROOF = "proof"
    """The certificate of a cell, from a store, and the network that it speaks of beside it."""


Grid = Annotated[
    str | None,
    typer.Option(metavar="N,N,...", help="Cut each input into so many equal parts."),
]
Adaptive = Annotated[
    int | None,
    typer.Option(
        metavar="CELLS", help="In place of a grid: so many cells, cut where that saves most."
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FAMILY", help="Family of networks to write.")
]
How = Annotated[
    Stage,
    typer.Option(help="How far cells go: their phases alone, or all that what is kept allows."),
]
Work = Annotated[Amount, typer.Option(help="Work to spend on a cell.")]
Seconds = Annotated[
    float | None, typer.Option(metavar="S", help="Wall time for a cell alone, seconds.")
]
Compress = Annotated[
    Way | None,
    typer.Option(
        metavar="METHOD",
        help="Compress each cell's small network too, by a method of secateur compress; ranges of "
        "int8 are proved over the cell.",
    ),
]
Repair = Annotated[
    str | None,
    typer.Option(
        metavar="EPS",
        help="Repair each compressed network until it is proved to be so near to the small one, "
        "network output units.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Processes; as many as cores when absent. 0 works in this process alone."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Work on a Ray cluster; auto for the one here."),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Work on the I-th of N parts; merge joins their stores."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the store that is there.")]
Retry = Annotated[
    bool,
    typer.Option("--retry", help="With --resume: try failed, late and quarantined cells again."),
]
Some = Annotated[
    str,
    typer.Option(
        "--cells",
        metavar="WHICH",
        help="all; random:N, one from each of N equal runs; or numbers such as 0,5,17-30. Other "
        "cells keep the original network.",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Store of what each cell gave; FAMILY.cells when absent."),
]
Proofs = Annotated[
    bool,
    typer.Option("--proof", help="Keep a certificate of each cell in the store, where possible."),
]
Stores = Annotated[
    list[Path], typer.Argument(metavar="STORE", help="Stores of one run, such as its shards.")
]
Joined = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Store to join them in; FAMILY.cells when absent."),
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="NET|FAMILY", help="Network file, or a family or store that slice wrote."
    ),
]
To = Annotated[Goal | None, typer.Option("--to", help="Format; by the ending of OUT when absent.")]
Number = Annotated[
    int | None, typer.Option("--cell", metavar="N", help="The small network of this cell alone.")
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="X,X,...", help="... of the cell that an input belongs to."),
]
Name = Annotated[
    str, typer.Option("--name", metavar="WORD", help="Of the function, where C is written.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT", help="File to write: .onnx, .nnet, .c or .proof."
    ),
]

FAMILY = b"secateur family "
"""How the file of a family begins, of whatever edition."""


def is_family(path: Path) -> bool:
    """Return whether a file begins as those of families do."""
    try:
        with path.open("rb") as file:
            return file.read(len(FAMILY)) == FAMILY
    except OSError:  # whoever reads it next says what is wrong
        return False
