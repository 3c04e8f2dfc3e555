"""The words of `compress`: its options, with their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .words import REGION


class Way(StrEnum):
    """What a network loses."""

    MAGNITUDE = "magnitude"
    """Weights of small magnitude."""
    RANDOM = "random"
    """Weights drawn at random."""
    ROWS = "rows"
    """Neurons and channels with small weights."""
    FLOAT16 = "float16"
    """Digits, down to float16."""
    INT8_WEIGHTS = "int8-weights"
    """Digits of weights, down to eight bits."""
    INT8 = "int8"
    """Digits of weights and of activations, down to eight bits."""
    LOWRANK = "lowrank"
    """Rank."""


class Span(StrEnum):
    """What weights or rows are compared with."""

    GLOBAL = "global"
    TENSOR = "tensor"


class Ranges(StrEnum):
    """How activations are found to range."""

    SEEN = "seen"
    """As far as they do at points."""
    PROVED = "proved"
    """As far as bounds over the region prove."""


class Step(StrEnum):
    """How the steps of int8 are chosen."""

    COVER = "cover"
    SQUARES = "squares"


Method = Annotated[
    Way,
    typer.Option(
        help="Zeros for weights of small magnitude or drawn at random; whole rows removed; float16 "
        "numbers; int8 weights; int8 weights and activations; layers of low rank."
    ),
]
Share = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="Of the weights or rows that go, from 0 to below 1; with lowrank of a layer's "
        "weights that its two factors may have.",
    ),
]
Scope = Annotated[
    Span | None,
    typer.Option(
        help="Compare weights or rows with those of all layers, or of their own; when absent "
        "global for weights, tensor for rows."
    ),
]
Rank = Annotated[int | None, typer.Option(metavar="N", help="Of each layer, with lowrank.")]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="R",
        help=REGION + ". Where int8 looks at activations, and where the loss is looked at; net "
        "when absent and the network states one.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Points to look at in place of the region's, by name or file; see docs/data.md.",
    ),
]
How = Annotated[
    Ranges | None,
    typer.Option(help="With int8: how far activations range; seen at points when absent."),
]
Fit = Annotated[
    Step | None,
    typer.Option(
        help="With int8: steps that cover all values, or of least squared error at the points, "
        "which may clip some; squares when absent."
    ),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="OUT", help="Network to write, .onnx."),
]
Packed = Annotated[
    Path | None, typer.Option("--pack", metavar="OUT.sec", help="Write the packed file too.")
]
