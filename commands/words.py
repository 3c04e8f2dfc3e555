"""The words of the command line: options of many verbs and of simplify, with their help."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..engine.errors import InputError
from .options import (
    Amount,
    Arithmetic,
    Choosing,
    Device,
    Family,
    Keep,
    Line,
    Options,
    Pick,
    Side,
)

Net = Annotated[Path, typer.Argument(metavar="NET", help="Network file: .onnx or .nnet.")]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - for standard output."),
]
Timeout = Annotated[
    float | None, typer.Option(metavar="S", help="Wall time for the whole command, seconds.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of all randomness.")]
On = Annotated[Device, typer.Option(help="Where to compute.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]
Units = Annotated[Side, typer.Option(help="Units of the limits of a region.")]
REGION = (
    "Region: a .vnnlib, .json or .csv file, net (the box that the network states) or "
    "lower:upper,lower:upper,..."
)

Into = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for all that is written.")
]
Families = Annotated[
    list[Family] | None, typer.Option(help="Controllers to take; may be given again.")
]
Every = Annotated[
    bool, typer.Option("--every", help="Every network of a family, not just its first.")
]

OneNet = Annotated[Path | None, typer.Argument(metavar="NET", help="Network file: .onnx or .nnet.")]
Regions = Annotated[
    list[str] | None, typer.Option("--region", metavar="R", help=REGION + ". May be given again.")
]
Jobs = Annotated[
    Path | None,
    typer.Option(
        metavar="JOBS.csv",
        help="In place of NET and --region: a table with the columns network, region and, if "
        "wanted, keep, tolerance, units, output. A second call goes on where the first ended.",
    ),
]
Simplified = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Network to write, .onnx or .nnet; {region} in its name stands for the region. "
        "With --batch the folder for all that is written.",
    ),
]
Kept = Annotated[
    Keep,
    typer.Option(
        help="What must stay: every output up to the tolerance, or which one is the smallest or "
        "the largest."
    ),
]
Tolerance = Annotated[
    str,
    typer.Option(
        metavar="EPS",
        help="By how much an output may move. With argmin and argmax the tie band: where the "
        "original's best output leads by at most EPS, another may win.",
    ),
]
ToleranceUnits = Annotated[
    Side | None, typer.Option(help="Units of the tolerance; those of the region when absent.")
]
Removing = Annotated[Choosing, typer.Option(help="How the neurons to remove together are chosen.")]
Lines = Annotated[
    Line,
    typer.Option(
        help="Which line a relaxed neuron becomes: the nearest to it, or the one that moves the "
        "outputs least."
    ),
]
Proof = Annotated[
    Path | None,
    typer.Option(
        "--proof",
        metavar="FILE.proof",
        help="Write a proof of the answer that `secateur check` checks, where it is proved.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER",
        help="Simplify the layers up to this one alone, and keep its values in place of the "
        "outputs: a name that info lists, or a hidden layer's number.",
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say what steps were predicted to take, and bound the outputs' error for argmin and "
        "argmax too.",
    ),
]
Explained = Annotated[
    bool,
    typer.Option("--explain", help="Say why the work was done so, predicted against actual."),
]
Work = Annotated[Amount, typer.Option(help="Work to spend on a region.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Threads; as many as cores when absent.")
]
Page = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a report as one .html file.")
]

First = Annotated[Path, typer.Argument(metavar="A", help="Network f: .onnx or .nnet.")]
Second = Annotated[Path, typer.Argument(metavar="B", help="Network g: .onnx or .nnet.")]
Where = Annotated[str, typer.Option(metavar="R", help=REGION)]
Within = Annotated[
    str | None, typer.Option(metavar="E", help="Ask whether |f - g| <= E on every output.")
]
Outputs = Annotated[
    list[int] | None,
    typer.Option(metavar="I", help="Ask that of this output; may be given again."),
]
Best = Annotated[Pick | None, typer.Option(help="Ask whether g has the same best output as f.")]
Band = Annotated[
    str | None, typer.Option(metavar="D", help="... where f prefers it by more than D.")
]
Gap = Annotated[
    float | None,
    typer.Option(metavar="G", help="Relative width of an enclosure; 0.01 when absent."),
]
Meant = Annotated[Arithmetic, typer.Option(help="Arithmetic that is meant.")]

Records = Annotated[
    list[Path], typer.Argument(metavar="RUN", help="Records that verbs wrote by --json.")
]
Written = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Report to write: .html, .md, .json or .pdf."
    ),
]
Shown = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUNS", help="Folders, or records that verbs wrote by --json, and proofs."
    ),
]
Port = Annotated[
    int,
    typer.Option(metavar="N", min=0, max=65535, help="Port of 127.0.0.1; 0 for any that is free."),
]
Evidence = Annotated[
    Path, typer.Argument(metavar="PROOF", help="Certificate, as a verb wrote it by --proof.")
]
Networks = Annotated[
    list[Path] | None,
    typer.Option(
        "--network",
        metavar="FILE",
        help="Network that the proof speaks of; given again for each, in its order. When absent, "
        "files of the names that it states are looked for beside it.",
    ),
]
Exactly = Annotated[
    bool, typer.Option("--exact", help="Compute every bound in rational numbers; very slow.")
]
Cells = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Of the proofs that a cover's cells have: check them too."),
]
To = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder; the collection's name when absent.")
]
From = Annotated[
    Path | None, typer.Option("--from", metavar="DIR", help="Copy from a folder instead.")
]
Tensors = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write the assignment as tensors into a folder."),
]
Declared = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=FILE",
        help="Network that the query declares and its file, .onnx or .nnet; FILE alone where "
        "there is one. May be given again.",
    ),
]


def options_of(
    json: Path | None,
    timeout: float | None,
    seed: int,
    device: Device,
    quiet: bool,
    *,
    cuda: bool = False,
    explain: bool = False,
) -> Options:
    """Return what every verb is told, with the command line as it was typed.

    Args:
        json: see `Options`.
        timeout: the same.
        seed: the same.
        device: the same.
        quiet: the same.
        cuda: whether the verb can compute on a CUDA device.
        explain: see `Options`.

    Raises:
        InputError: a number out of its range, a device that is not there or that the verb has no
            use for.
    """
    if device is not Device.CPU and not cuda:
        raise InputError(
            f"--device {device}: this verb computes on the CPU alone: leave --device away; bounds, "
            "slice --stage phases, selfcompress and forget latent can use another"
        )
    typed = shlex.join(["secateur", *sys.argv[1:]])
    return Options(json, timeout, seed, device, quiet, typed, explain)
