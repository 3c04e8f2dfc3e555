"""The words of `selfcompress`: its options, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Start = Annotated[
    Path | None,
    typer.Argument(
        metavar="NET",
        help="Network to begin with, .onnx or .nnet; without one --hidden or --channels name a "
        "fresh one.",
    ),
]
Hidden = Annotated[
    str | None,
    typer.Option(metavar="N,N,...", help="Sizes of a fresh network's dense hidden layers."),
]
Channels = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Channels of a fresh network's convolutions before them, 3 by 3 with stride 2.",
    ),
]
Before = Annotated[
    int,
    typer.Option(metavar="N", help="Epochs of a fresh network as floats, before compression."),
]
Original = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the float network that it began with, .onnx."),
]
Data = Annotated[
    str,
    typer.Option(
        metavar="DATA",
        help="What to train on: mnist5k, mnist:FOLDER, FILE.csv, FILE.npz and others; see "
        "docs/data.md.",
    ),
]
Gamma = Annotated[float, typer.Option(metavar="G", help="Weight of the size loss.")]
Epochs = Annotated[int, typer.Option(metavar="N", help="Passes over the training rows.")]
Batch = Annotated[int, typer.Option(metavar="N", help="Rows of a step.")]
Bits = Annotated[float, typer.Option(metavar="B", help="Of every weight at first.")]
Rate = Annotated[float, typer.Option(metavar="R", help="Of the optimiser on weights.")]
BitsRate = Annotated[float, typer.Option(metavar="R", help="Of it on bits and exponents.")]
Most = Annotated[
    int | None,
    typer.Option(
        "--bytes",
        metavar="N",
        help="Hold the bits once the packed file is this small, and train the weights on.",
    ),
]
Safety = Annotated[
    int | None,
    typer.Option(metavar="N", help="Images of a safety set, drawn from training and validation."),
]
Weight = Annotated[
    float, typer.Option("--lambda", metavar="L", help="Weight of the loss on the safety set.")
]
Threshold = Annotated[
    float,
    typer.Option(
        metavar="T",
        help="Share of the safety set by which its accuracy may fall below its best before half of "
        "the channels without bits are restored.",
    ),
]
Restores = Annotated[int, typer.Option(metavar="N", help="How often they are at most.")]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.npz",
        help="Keep the safety set: rows, labels and reasons; beside it a contact sheet, .svg, "
        "where inputs are pictures.",
    ),
]
Radius = Annotated[
    str | None,
    typer.Option(
        metavar="R",
        help="Ask around which images of the safety set the class provably stays: the radius of an "
        "infinity ball, cut to the range of the data.",
    ),
]
Seconds = Annotated[float, typer.Option(metavar="S", help="For each of these images.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Network, .onnx.")]
Pack = Annotated[
    Path | None, typer.Option("--pack", metavar="OUT.sec", help="Write the packed file too.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep all that is needed to go on, each epoch.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from --checkpoint, where there is one.")
]
