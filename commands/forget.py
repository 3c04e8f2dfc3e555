"""The grammar of `forget`, what compression forgets; nothing is computed here."""

from __future__ import annotations

import typer

from . import forget_latent, words
from . import forget_words as told
from .options import Device, Pick, Side
from .words import options_of


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the program's."""
    group = typer.Typer(
        help="Show what compression forgets: exemplars, regions, distances of weights."
    )
    group.command()(exemplars)
    group.command()(disagreement)
    forget_latent.add_to(group)
    app.add_typer(group, name="forget")


def exemplars(
    net: told.Shape = None,
    *,
    data: told.Data,
    hidden: told.Hidden = None,
    models: told.Models = 30,
    sparsities: told.Sparsities = "0,0.1,0.3,0.5,0.7,0.9",
    quantize: told.Quantize = None,
    epochs: told.Epochs = 10,
    batch: told.Batch = 128,
    rate: told.Rate = 1e-3,
    test: told.Share = 0.2,
    severities: told.Severities = "1,3,5",
    output: told.Folder,
    resume: told.Resume = False,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Train populations, compress them, and show the inputs on which they came to differ."""
    options = options_of(json, timeout, seed, device, quiet)
    from .forget_exemplars import Order, run

    order = Order(
        data=data,
        net=net,
        hidden=hidden,
        models=models,
        sparsities=sparsities,
        quantize=quantize,
        epochs=epochs,
        batch=batch,
        rate=rate,
        test=test,
        severities=severities,
        output=output,
        resume=resume,
        report=report,
    )
    return run(order, options)


def disagreement(
    first: told.Original,
    second: told.Compressed,
    region: words.Where,
    units: words.Units = Side.NETWORK,
    best: told.Best = Pick.MAX,
    seconds: told.Seconds = 30.0,
    gap: told.Gap = 0.01,
    workers: words.Workers = None,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Enclose the share of a region where two networks choose different classes."""
    options = options_of(json, timeout, seed, device, quiet)
    from .forget_disagreement import Order, run

    limit = seconds if timeout is None else min(seconds, 0.7 * timeout)  # the map takes some, too
    return run(Order(first, second, region, units, best, limit, gap, workers, report), options)
