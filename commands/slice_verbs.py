"""The grammar of `slice`, `merge` and `export`; nothing is computed here."""

from __future__ import annotations

import typer

from . import compress_words, slice_words, words
from .options import Amount, Choosing, Device, Keep, Line, Side
from .words import options_of


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the program's."""
    app.command(name="slice")(slice_)
    app.command()(merge)
    app.command()(export)


def slice_(
    net: words.Net,
    region: words.Where,
    *,
    output: slice_words.Output,
    grid: slice_words.Grid = None,
    adaptive: slice_words.Adaptive = None,
    keep: words.Kept = Keep.OUTPUTS,
    tolerance: words.Tolerance = "0",
    tolerance_units: words.ToleranceUnits = None,
    units: words.Units = Side.NETWORK,
    order: words.Removing = Choosing.GREEDY,
    lines: words.Lines = Line.OUTPUT,
    stage: slice_words.How = slice_words.Stage.SIMPLIFY,
    effort: slice_words.Work = Amount.USUAL,
    seconds: slice_words.Seconds = None,
    compress: slice_words.Compress = None,
    share: compress_words.Share = None,
    rank: compress_words.Rank = None,
    repair: slice_words.Repair = None,
    workers: slice_words.Workers = None,
    ray: slice_words.Ray = None,
    cells: slice_words.Some = "all",
    shard: slice_words.Part = None,
    store: slice_words.Store = None,
    resume: slice_words.Resume = False,
    retry: slice_words.Retry = False,
    report: words.Page = None,
    proof: slice_words.Proofs = False,
    explain: words.Explained = False,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Write a family of smaller networks, one for each cell of a region; resumable."""
    options = options_of(json, timeout, seed, device, quiet, cuda=True, explain=explain)
    from ..slicing.key import Shard
    from .aim import Wish, tolerance_of
    from .slice import Order, run
    from .slice_compression import Compression
    from .slice_job import Cuts, Spend

    wish = Wish(keep, tolerance_of(tolerance), tolerance_units or units, order, lines)
    job = Order(
        net=net,
        region=region,
        cuts=Cuts.of(grid, adaptive),
        output=output,
        wish=wish,
        units=units,
        stage=stage,
        spend=Spend(effort, seconds, workers, ray, device),
        compression=Compression(compress, share, rank, repair),
        cells=cells,
        shard=Shard() if shard is None else Shard.parse(shard),
        store=store,
        resume=resume,
        retry=retry,
        proof=proof,
        report=report,
    )
    return run(job, options)


def merge(
    stores: slice_words.Stores,
    *,
    output: slice_words.Output,
    store: slice_words.Joined = None,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Join the stores of slice's shards, and write the family of all that they hold."""
    options = options_of(json, timeout, seed, device, quiet)
    from .merge import run

    return run(tuple(stores), output, store, report, options)


def export(
    source: slice_words.Source,
    *,
    output: slice_words.Out,
    to: slice_words.To = None,
    cell: slice_words.Number = None,
    at: slice_words.At = None,
    name: slice_words.Name = "network",
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Write a network, a family, or the small network of one of its cells in another format."""
    options = options_of(json, timeout, seed, device, quiet)
    from .export import Order, run

    return run(Order(source, output, to, cell, at, name), options)
