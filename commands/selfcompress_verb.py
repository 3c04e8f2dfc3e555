"""The grammar of `selfcompress`; nothing is computed here."""

from __future__ import annotations

import typer

from . import selfcompress_words as own
from . import words
from .options import Device
from .words import options_of


def add_to(app: typer.Typer) -> None:
    """Add the verb to the program's."""
    app.command()(selfcompress)


def selfcompress(
    net: own.Start = None,
    *,
    data: own.Data,
    output: own.Output,
    hidden: own.Hidden = None,
    channels: own.Channels = None,
    float_epochs: own.Before = 5,
    original: own.Original = None,
    gamma: own.Gamma = 0.01,
    epochs: own.Epochs = 20,
    batch: own.Batch = 128,
    bits: own.Bits = 8.0,
    rate: own.Rate = 1e-3,
    bits_rate: own.BitsRate = 0.5,
    most_bytes: own.Most = None,
    safety: own.Safety = None,
    weight: own.Weight = 1.0,
    threshold: own.Threshold = 0.02,
    restores: own.Restores = 3,
    images: own.Images = None,
    radius: own.Radius = None,
    seconds: own.Seconds = 10.0,
    pack: own.Pack = None,
    checkpoint: own.Checkpoint = None,
    resume: own.Resume = False,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Train a network to need few bits, and write it; channels without bits are removed."""
    options = options_of(json, timeout, seed, device, quiet, cuda=True)
    from ..compression.selfcompress_plan import Plan
    from .selfcompress import Order, Watch, run, sizes_of

    plan = Plan(
        gamma, epochs, batch, bits, rate, bits_rate=bits_rate, most_bytes=most_bytes, seed=seed
    )
    order = Order(
        net=net,
        data=data,
        output=output,
        hidden=sizes_of("--hidden", hidden),
        channels=sizes_of("--channels", channels),
        float_epochs=float_epochs,
        original=original,
        plan=plan,
        watch=Watch(safety, weight, threshold, restores, images, radius, seconds),
        pack=pack,
        checkpoint=checkpoint,
        resume=resume,
        report=report,
    )
    return run(order, options)
