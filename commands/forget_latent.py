"""The grammar of `forget latent`; nothing is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..compression.architectures import Architecture
from . import words
from .options import Device
from .words import options_of

Net = Annotated[
    Path | None,
    typer.Argument(metavar="NET", help="Trained network, .onnx or .nnet; or name an architecture."),
]
Kind = Annotated[Architecture | None, typer.Option(help="Architecture to take in place of NET.")]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Its state dict, as torch.save wrote it; else it is trained."
    ),
]
Width = Annotated[
    float, typer.Option(metavar="W", help="Factor of an architecture's channels and units.")
]
Data = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="mnist5k, mnist, fashion-mnist, cifar10 or cifar100, with :FOLDER where its files "
        "lie; or a .csv or .npz file.",
    ),
]
Rows = Annotated[
    int | None, typer.Option(metavar="N", help="Rows of the data to take; all when absent.")
]
Epochs = Annotated[
    int | None,
    typer.Option(metavar="N", help="To train first: 5 without NET and state, else 0."),
]
Batch = Annotated[int, typer.Option(metavar="N", help="Rows in a step of training.")]
Rate = Annotated[float, typer.Option(metavar="R", help="Learning rate.")]
Methods = Annotated[
    str, typer.Option(metavar="LIST", help="Of lowest, highest, random, rows and lowrank.")
]
Shares = Annotated[str, typer.Option(metavar="LIST", help="Shares of a layer's weights that go.")]
Spreads = Annotated[
    str, typer.Option(metavar="LIST", help="Covariances: of diagonal, lowrank and fisher.")
]
Snapshots = Annotated[
    int, typer.Option(metavar="N", help="Samples of the weights that covariances come from.")
]
Every = Annotated[int, typer.Option(metavar="N", help="Steps of training between two of them.")]
Seeds = Annotated[
    bool,
    typer.Option(
        "--seeds", help="Take as samples networks trained from other seeds, not iterates of one."
    ),
]
Rank = Annotated[int, typer.Option(metavar="K", help="Directions of the lowrank covariance.")]
Freedom = Annotated[
    float, typer.Option(metavar="D", help="Degrees of freedom of the Student distributions.")
]
General = Annotated[
    bool,
    typer.Option("--general", help="Also give the compressed weights a fisher of their own."),
]
Tune = Annotated[
    int, typer.Option(metavar="N", help="Epochs to fine-tune every compressed network for.")
]
Certify = Annotated[
    bool, typer.Option("--certify", help="Also prove how far the outputs can be apart.")
]
Where = Annotated[
    str | None,
    typer.Option("--region", metavar="R", help=f"{words.REGION}; boxes around data when absent."),
]
Around = Annotated[
    int, typer.Option(metavar="N", help="Test rows to certify around, without a region.")
]
Radius = Annotated[
    str, typer.Option(metavar="E", help="How far around them, in every number, network units.")
]
Boxes = Annotated[int, typer.Option(metavar="N", help="Boxes to bound for each certificate.")]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for all that is kept.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what the folder holds of the same study.")
]


def add_to(group: typer.Typer) -> None:
    """Add the verb to a group."""
    group.command()(latent)


def latent(
    net: Net = None,
    *,
    architecture: Kind = None,
    state: State = None,
    width: Width = 1.0,
    data: Data,
    rows: Rows = None,
    epochs: Epochs = None,
    batch: Batch = 64,
    rate: Rate = 1e-3,
    methods: Methods = "lowest,highest,random,rows,lowrank",
    sparsities: Shares = "0.3,0.6,0.9",
    covariance: Spreads = "diagonal",
    snapshots: Snapshots = 20,
    every: Every = 20,
    seeds: Seeds = False,
    rank: Rank = 4,
    freedom: Freedom = 4.0,
    general: General = False,
    fine_tune: Tune = 0,
    certify: Certify = False,
    region: Where = None,
    around: Around = 1,
    radius: Radius = "0.01",
    boxes: Boxes = 1,
    output: Folder,
    resume: Resume = False,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Compress layer by layer, and set the weights' divergence beside what is lost by it."""
    options = options_of(json, timeout, seed, device, quiet, cuda=True)
    from .forget_latent_order import Order, Proving, Sampling, Source, Training, settings_of
    from .forget_latent_run import run

    order = Order(
        source=Source(net, architecture, state, width),
        data=data,
        rows=rows,
        training=Training(epochs, batch, rate),
        settings=settings_of(methods, sparsities, covariance, rank, freedom, general, options.seed),
        sampling=Sampling(snapshots, every, seeds),
        fine_tune=fine_tune,
        proving=Proving(region, around, radius, boxes) if certify else None,
        output=output,
        resume=resume,
        report=report,
    )
    if region is not None and not certify:
        from ..engine.errors import InputError

        raise InputError(f"--region {region}: goes with --certify; give both or neither")
    return run(order, options)
