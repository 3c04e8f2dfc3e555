"""The words of the command line: options of forget, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Pick

Data = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="Data with labels: mnist5k, mnist:FOLDER, fashion-mnist:FOLDER, cifar10:FOLDER, "
        "cifar100:FOLDER, or a .csv or .npz file.",
    ),
]
Shape = Annotated[
    Path | None,
    typer.Argument(metavar="NET", help="Network whose layers all have; its numbers do not count."),
]
Hidden = Annotated[
    str | None,
    typer.Option(metavar="N,N", help="In place of NET: dense networks with such hidden layers."),
]
Models = Annotated[int, typer.Option(metavar="N", help="Networks of a population.")]
Sparsities = Annotated[
    str,
    typer.Option(
        metavar="S,S",
        help="Shares of weights that are pruned while training; 0 is the control, networks that "
        "differ from the originals in their seeds alone.",
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(metavar="HOW,HOW", help="Also quantize: float16, int8-weights, int8."),
]
Epochs = Annotated[int, typer.Option(metavar="N", help="Passes over the training rows.")]
Batch = Annotated[int, typer.Option(metavar="N", help="Rows of a step.")]
Rate = Annotated[float, typer.Option(metavar="R", help="Of learning.")]
Share = Annotated[
    float,
    typer.Option(
        "--test",
        metavar="S",
        help="Share of the rows that is measured and not trained on, where the data set has no "
        "test set of its own.",
    ),
]
Severities = Annotated[
    str, typer.Option(metavar="N,N", help="Of corruptions, 1 to 5; none for no corruption.")
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for all that is written.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the networks that are in the folder.")
]

Original = Annotated[Path, typer.Argument(metavar="ORIGINAL", help="Network file: .onnx or .nnet.")]
Compressed = Annotated[
    Path, typer.Argument(metavar="COMPRESSED", help="Network file: .onnx or .nnet.")
]
Best = Annotated[Pick, typer.Option(help="Which output is the class.")]
Seconds = Annotated[float, typer.Option(metavar="S", help="Wall time of the search.")]
Gap = Annotated[
    float, typer.Option(metavar="G", help="Width of the enclosed share at which to end.")
]
