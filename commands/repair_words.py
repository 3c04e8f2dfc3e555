"""The words of `repair` on the command line, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .words import REGION

Original = Annotated[
    Path, typer.Argument(metavar="ORIGINAL", help="Network f that is to be met: .onnx or .nnet.")
]
Smaller = Annotated[
    Path,
    typer.Argument(
        metavar="COMPRESSED",
        help="Network g, .onnx or .nnet, as compress wrote it or with numbers stored as they may "
        "stay: float16, whole numbers with scales, zeros.",
    ),
]
Over = Annotated[
    list[str], typer.Option("--region", metavar="R", help=REGION + ". May be given again.")
]
Distance = Annotated[
    str,
    typer.Option(metavar="EPS", help="Distance that every output is to be proved to stay within."),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT", help="Repaired network to write, .onnx.")
]
Pack = Annotated[
    Path | None, typer.Option("--pack", metavar="FILE", help="Write the packed file too.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Data whose labels or targets are trained beside: mnist5k, mnist:FOLDER, FILE.csv, "
        "FILE.npz and others; a fifth of it, or the publisher's test set, is only measured with.",
    ),
]
Damping = Annotated[
    float,
    typer.Option(
        metavar="A", help="Targets are g + (f - g) / A: 1 is plain distillation, 10 the paper's."
    ),
]
Iterations = Annotated[int, typer.Option(metavar="N", help="Rounds at most.")]
Boxes = Annotated[
    int, typer.Option(metavar="N", help="Sub-boxes of a region for each certification, about.")
]
Seconds = Annotated[
    float | None, typer.Option(metavar="S", help="Wall time for the repair, seconds.")
]
Steps = Annotated[int, typer.Option(metavar="N", help="Steps of the optimiser in a round.")]
Rate = Annotated[
    float,
    typer.Option(
        metavar="R", help="Share of a layer's weights by which a step moves them at most, about."
    ),
]
Fit = Annotated[
    bool,
    typer.Option(
        "--fit/--no-fit", help="Also fit the layers that go linearly to the outputs by programs."
    ),
]
State = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep the state of the repair after each round.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the state in --state, where there is one.")
]
