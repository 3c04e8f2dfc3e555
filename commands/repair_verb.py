"""The grammar of `repair`; nothing is computed here."""

from __future__ import annotations

import typer

from . import repair_words, words
from .options import Device, Side
from .words import options_of


def add_to(app: typer.Typer) -> None:
    """Add the verb to the program's."""
    app.command()(repair)


def repair(
    original: repair_words.Original,
    compressed: repair_words.Smaller,
    *,
    region: repair_words.Over,
    tolerance: repair_words.Distance,
    output: repair_words.Output,
    pack: repair_words.Pack = None,
    units: words.Units = Side.NETWORK,
    data: repair_words.Data = None,
    damping: repair_words.Damping = 1.0,
    iterations: repair_words.Iterations = 8,
    boxes: repair_words.Boxes = 20_000,
    seconds: repair_words.Seconds = None,
    steps: repair_words.Steps = 400,
    rate: repair_words.Rate = 2e-3,
    fit: repair_words.Fit = True,
    state: repair_words.State = None,
    resume: repair_words.Resume = False,
    workers: words.Workers = None,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Change a compressed network within its format until its distance to f is proved small."""
    options = options_of(json, timeout, seed, device, quiet)
    from ..compression.repair_moves import Policy
    from ..compression.schooling import Training
    from .repair import Order, run

    training = Training(steps=steps, rate=rate)
    order = Order(
        original=original,
        compressed=compressed,
        regions=tuple(region),
        tolerance=tolerance,
        output=output,
        pack=pack,
        units=units,
        data=data,
        method=Policy(damping, iterations, boxes=boxes, fit=fit, training=training),
        seconds=seconds,
        state=state,
        resume=resume,
        workers=workers,
        report=report,
    )
    return run(order, options)
