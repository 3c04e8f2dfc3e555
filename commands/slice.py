"""`secateur slice`: smaller networks for the cells of a region, as one family."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.files import replace_with
from ..engine.region import Region
from ..slicing.database import is_begun
from ..slicing.family_file import family_bytes
from ..slicing.key import Shard
from ..slicing.pipeline import Stage
from ..slicing.pipeline_cells import chosen
from ..slicing.pipeline_family import begun, family_from
from ..slicing.pipeline_run import Job, begin
from ..slicing.schedule import interruptible
from ..slicing.stored import Stored
from ..slicing.work import Done, Json
from .aim import Wish
from .options import Device, Exit, Options, Side
from .record import Record, envelope, versions, write_record
from .simplify import region_of
from .slice_compression import Compression
from .slice_job import Cuts, Spend, said_of
from .slice_progress import Meter, watched
from .slice_record import Gathered, family_record, output_record, tell
from .slice_words import Stage as Depth
from .targets import check_targets
from .terminal import Terminal

REPORTS = (".html", ".htm")

CUT_SHARE = 0.5
"""Part of a time limit that bisecting may take; the rest is for the cells."""


@dataclass(frozen=True, slots=True)
class Order:
    """What `slice` is asked for.

    Attributes:
        net: the network file.
        region: as it was typed.
        cuts: how it is cut into cells.
        output: where the family goes.
        wish: what must stay.
        units: of the region's limits.
        stage: how far cells go.
        spend: how much to spend, and who works.
        compression: what cells lose with loss.
        cells: which of them to work on.
        shard: which part of them.
        store: where outcomes go; None for beside the family.
        resume, retry: go on with a store; try again what gave no result.
        proof: whether cells get certificates.
        report: where the report goes; None for nowhere.
    """

    net: Path
    region: str
    cuts: Cuts
    output: Path
    wish: Wish = field(default_factory=Wish)
    units: Side = Side.NETWORK
    stage: Depth = Depth.SIMPLIFY
    spend: Spend = field(default_factory=Spend)
    compression: Compression = field(default_factory=Compression)
    cells: str = "all"
    shard: Shard = field(default_factory=Shard)
    store: Path | None = None
    resume: bool = False
    retry: bool = False
    proof: bool = False
    report: Path | None = None

    @property
    def kept(self) -> Path:
        """The store: of a shard it is named after that, so that shards do not meet."""
        part = f".{self.shard.index}-of-{self.shard.count}" if self.shard.count > 1 else ""
        return self.store or self.output.with_name(f"{self.output.name}{part}.cells")


def run(order: Order, options: Options) -> Exit:
    """Work on cells; end DONE if all that were asked for have a network, else UNKNOWN."""
    began = time.monotonic()
    _check(order, options)
    terminal = Terminal.of(options)
    job = _job(order, options, terminal)
    until = math.inf if options.timeout is None else began + options.timeout
    stopped, meter = _worked(order, job, options, terminal, until)
    with Stored(job.store) as stored:
        base = begun(stored)
        found = Gathered.of(stored, base.base)
        output = None
        if not stopped and order.shard.count == 1:
            data = family_bytes(family_from(stored, base))
            replace_with(order.output, data)
            output = output_record(order.output, data)
        asked = job.asked()
        done = int((found.left[asked] >= 0).sum())
        short = found.compression.failed  # cells not as near as was asked
        end = Exit.DONE if done == len(asked) and not short else Exit.UNKNOWN
        record = envelope(
            "slice",
            options,
            end,
            time.monotonic() - began,
            **family_record(stored, found, base),
            asked=len(asked),
            shard=str(order.shard),
            stopped=stopped,
            effort=order.spend.amount.value,
            seconds_a_cell=job.recipe.seconds,
            workers=order.spend.crew if order.spend.ray is None else None,
            output=output,
        )
    record["explain"] = None
    tell(record, terminal)
    if options.explain and done:
        from .explain import of_cells, of_region

        cell = job.asked()[:1]
        lower, upper = job.slices.boxes(cell)
        figures = of_region(job.recipe.network, Region.box(lower[0], upper[0]), 1)
        explained = of_cells(figures, done, record["step_seconds"].get("phases"))
        explained.tell(terminal)
        record["explain"] = explained.record()
    _say_end(order, options, meter, output, terminal)
    if order.report is not None:
        from ..report import write_slice_report

        write_slice_report(order.report, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return end


def _check(order: Order, options: Options) -> None:
    """Raise before any work where something cannot be written, or is not to be."""
    store = order.kept
    check_targets(
        [
            ("--output", order.output, ()),
            ("--store", store, ()),
            ("--report", order.report, REPORTS),
            ("--json", options.json, ()),
        ],
        [order.net, *([Path(order.region)] if Path(order.region).suffix else [])],
    )
    if order.retry and not order.resume:
        raise InputError("--retry: goes with --resume, which names a store to go on with")
    if is_begun(store) and not order.resume:
        raise InputError(
            f"{store}: there is a store of cells already: add --resume to go on with it, or name "
            "another by --store"
        )


def _job(order: Order, options: Options, terminal: Terminal) -> Job:
    """Return the run that is asked for."""
    if order.cuts.cells is not None and order.spend.device is not Device.CPU:
        raise InputError(
            f"--device {order.spend.device}: --adaptive bisects on the CPU; give --grid, or leave "
            "--device away"
        )
    network = load(order.net)
    aim = order.wish.aim(network)
    stage = Stage(order.stage.value)
    if stage is Stage.PHASES and not order.wish.equal:
        raise InputError(
            "--stage phases: phases alone keep every output as it is; leave --keep and --tolerance "
            "away, or take --stage simplify"
        )
    region = region_of(order.region, network, order.units)
    lossy = order.compression.lossy(region)
    recipe = order.spend.recipe(
        network, aim, stage, proof=order.proof, seed=options.seed, lossy=lossy
    )
    lent = order.kept if order.resume else None
    seconds = None if options.timeout is None else CUT_SHARE * options.timeout
    with terminal.progress("cells"):
        slices = order.cuts.slices(network, region, lent, order.spend.crew, seconds)
    if order.cuts.cells is not None and slices.count < order.cuts.cells and seconds is not None:
        terminal.say(
            f"{slices.count} cells in place of {order.cuts.cells}: half of the time limit is gone, "
            "or no cell has anything left to save. They cover the region; for more of them begin "
            "anew with more time"
        )
    some = chosen(order.cells, slices.count, options.seed)
    said = said_of(order.wish, aim, stage, order.cuts, lossy)
    return Job(recipe, slices, some, order.kept, order.shard, order.resume, order.retry, said)


def _worked(
    order: Order, job: Job, options: Options, terminal: Terminal, until: float
) -> tuple[bool, Meter]:
    """Work on the cells; return whether that was broken off, and what came in."""
    versions_here: dict[str, Json] = {**versions()}
    environment: dict[str, Json] = {"command": options.command, "versions": versions_here}
    environment["one_cell"] = one_cell(order, options.seed)
    meter = Meter(len(job.asked()), _before(job))
    with interruptible() as asked, watched(meter, terminal) as take:
        stop: Callable[[], bool] = lambda: asked() or time.monotonic() > until  # noqa: E731
        tally, _ = begin(job, order.spend.pool(), take, stop, environment)
    return tally.stopped, meter


def one_cell(order: Order, seed: int) -> str:
    """Return the command that works on one cell by itself, with CELL for its number."""
    cuts, spend, wish = order.cuts, order.spend, order.wish
    parts = None if cuts.parts is None else ",".join(map(str, cuts.parts))
    words = {
        "--region": order.region,
        "--units": order.units.value,
        "--grid": parts,
        "--adaptive": cuts.cells,
        "--stage": order.stage.value,
        "--keep": wish.keep.value,
        "--tolerance": wish.tolerance,
        "--tolerance-units": wish.units.value,
        "--order": wish.order.value,
        "--lines": wish.lines.value,
        "--effort": spend.amount.value,
        "--seconds": spend.seconds,
        **order.compression.words(),
        "--seed": seed,
    }
    said = [
        part for name, value in words.items() if value is not None for part in (name, str(value))
    ]
    alone = [*(["--proof"] if order.proof else []), "--workers", "0", "--cells", "CELL"]
    return shlex.join(["secateur", "slice", str(order.net), *said, *alone, "-o", "CELL.family"])


def _before(job: Job) -> int:
    """Return how many of the cells have an outcome that will stand."""
    if not (job.resume and is_begun(job.store)):
        return 0
    with Stored(job.store) as stored:
        rows = stored.rows()
        known = {row.cell for row in rows if isinstance(row.outcome, Done) or not job.retry}
    return sum(one in known for one in job.asked().tolist())


def _say_end(
    order: Order, options: Options, meter: Meter, output: Record | None, terminal: Terminal
) -> None:
    """Say what was written, or how to go on."""
    store = order.kept
    if meter.settled < meter.total:
        words = shlex.split(options.command)
        again = shlex.join(words if "--resume" in words else [*words, "--resume"])
        terminal.say(
            f"Stopped with {meter.total - meter.settled} cells to go; what is done is kept in "
            f"{store}. To go on: {again}"
        )
    elif output is None:
        terminal.say(
            f"Shard {order.shard} is in {store}; secateur merge joins the stores of all shards."
        )
    else:
        terminal.say(
            f"Family: {output['path']}, {output['bytes']} bytes; every cell's outcome: {store}"
        )
