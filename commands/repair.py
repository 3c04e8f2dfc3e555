"""`secateur repair`: a compressed network, changed within its format until a bound is proved."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..compression import repair as engine
from ..compression.files import load_compressed, save_compressed
from ..compression.form import Compressed
from ..compression.packed import pack
from ..compression.repair import Repaired, accuracy
from ..compression.repair_history import Iteration, Stop
from ..compression.repair_moves import Policy
from ..engine.answer import Effort
from ..engine.errors import InputError, MismatchError
from ..engine.formats import load
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Network, Quantize
from ..engine.region import Region
from .compare import distance
from .comparison import equal, pair_of
from .options import Exit, Options, Side, cores
from .record import envelope, write_record
from .targets import check_targets
from .terminal import Terminal, above, below

if TYPE_CHECKING:
    from ..compression.data.dataset import Dataset, Split

READ = (".vnnlib", ".json", ".csv", ".gz", ".npz")
"""Endings of files that a region or data may be read from."""

SHARES = (0.8, 0.0, 0.2)
"""Parts of the data that are trained on and measured with, where the publisher sets none apart."""

REPLAYED = 64
"""Points on which the runtime is held against a network whose sums are exact, bit for bit."""


@dataclass(frozen=True, slots=True)
class Order:
    """What `repair` is asked for.

    Attributes:
        original: file of f.
        compressed: file of g.
        regions: as they were typed.
        tolerance: as it was typed.
        output: where the repaired network goes.
        pack: where its packed file goes; None for nowhere.
        units: of the regions' limits, and of a table's inputs.
        data: a data set by name or file; None for none.
        method: how to go about it.
        seconds: wall time for the repair; None for no limit but the command's.
        state: where its state is kept; None for nowhere.
        resume: whether to go on from there.
        workers: threads; None for as many as cores.
        report: where the report goes; None for nowhere.
    """

    original: Path
    compressed: Path
    regions: tuple[str, ...]
    tolerance: str
    output: Path
    pack: Path | None = None
    units: Side = Side.NETWORK
    data: str | None = None
    method: Policy = field(default_factory=Policy)
    seconds: float | None = None
    state: Path | None = None
    resume: bool = False
    workers: int | None = None
    report: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers, and that options go together."""
        distance("--tolerance", self.tolerance)
        if self.resume and self.state is None:
            raise InputError("--resume: goes with --state FILE; name the state to go on from")
        if self.seconds is not None and not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise InputError(f"--seconds {self.seconds:g}: give seconds above 0")
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise InputError(f"--workers {self.workers}: give a number from 1 to 1024")

    @property
    def within(self) -> Fraction:
        """The tolerance, exactly."""
        return distance("--tolerance", self.tolerance) or Fraction(0)


@dataclass(frozen=True, slots=True, eq=False)
class Mended:
    """A repaired network and its files.

    Attributes:
        original: f.
        start: g as it came in.
        found: what became of it.
        regions: closed boxes, network units.
        data: the data set that was named, and its parts; None without one.
        accuracy: of f, of g and of the repaired network on the part that was trained on, and on the
            part that was not; None without labels.
        stored: the ONNX file.
        packed: packed files of f as plain floats, of g and of the repaired network.
    """

    original: Network
    start: Compressed
    found: Repaired
    regions: tuple[Region, ...]
    data: tuple[Dataset, Split] | None
    accuracy: tuple[tuple[float, ...], tuple[float, ...]] | None
    stored: bytes
    packed: tuple[bytes, bytes, bytes]

    @property
    def digests(self) -> tuple[str, str]:
        """SHA-256 of the ONNX file and of the packed file of the repaired network."""
        stored, packed = (hashlib.sha256(data) for data in (self.stored, self.packed[2]))
        return stored.hexdigest(), packed.hexdigest()


def repair(
    original: str | Path | Network,
    compressed: str | Path | Compressed,
    region: str | Path | Region | Sequence[Region],
    tolerance: Fraction | float | int,
    *,
    data: Dataset | None = None,
    units: Literal["network", "raw"] = "network",
    effort: Effort | None = None,
    method: Policy | None = None,
    state: str | Path | None = None,
    resume: bool = False,
) -> Repaired:
    """Return a compressed network, changed within its format, and how far it is from its original.

    Args:
        original: f: a file ending in .onnx or .nnet, or a network.
        compressed: g: a file as `secateur compress` writes it, or what `compress` returns.
        region: closed box in network units, several of them, or a text or file as `parse_region`
            reads it.
        tolerance: the distance that every output is to be proved to stay within, output units.
        data: samples whose labels or targets are trained beside.
        units: of the limits in a text or file: network or raw.
        effort: seconds, boxes of each certification, seed and threads.
        method: how to go about it.
        state: a file that is replaced after each round.
        resume: go on from that file, where it is there.

    Raises:
        InputError: a file, a region or a number that cannot be used; see `compression.repair`.
    """
    first = original if isinstance(original, Network) else load(original)
    second = compressed if isinstance(compressed, Compressed) else load_compressed(compressed)
    boxes: Region | Sequence[Region]
    if isinstance(region, str | Path):
        boxes = pair_of(first, second.network, region, units).region
    else:
        boxes = region
    kept = None if state is None else Path(state)
    return engine.repair(
        first, second, boxes, tolerance, effort, data, method, state=kept, resume=resume
    )


def run(order: Order, options: Options) -> Exit:
    """Repair a network, write it, and say what is proved of it.

    Ends DONE if its distance from the original is proved to be within the tolerance, else UNKNOWN.

    Raises:
        InputError: files, regions, data or numbers that cannot be used; a tolerance that the format
            cannot meet because no number of it may change.
    """
    from .repair_record import repair_record, tell

    began = time.monotonic()
    typed = [Path(text) for text in (*order.regions, order.data) if text is not None]
    check_targets(
        [
            ("--output", order.output, (".onnx",)),
            ("--pack", order.pack, ()),
            ("--state", order.state, ()),
            ("--report", order.report, (".html", ".htm")),
            ("--json", options.json, ()),
        ],
        [order.original, order.compressed, *(p for p in typed if p.suffix.lower() in READ)],
    )
    terminal = Terminal.of(options)
    mended = _mended(order, options, terminal, began)
    replace_with(order.output, mended.stored)
    if order.pack is not None:
        replace_with(order.pack, mended.packed[2])
    end = Exit.DONE if mended.found.proved else Exit.UNKNOWN
    spent = time.monotonic() - began
    record = envelope("repair", options, end, spent, **repair_record(order, mended))
    tell(record, terminal)
    if order.report is not None:
        from ..report import write_repair_report

        write_repair_report(order.report, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return end


def _mended(order: Order, options: Options, terminal: Terminal, began: float) -> Mended:
    original, start = load(order.original), load_compressed(order.compressed)
    pairs = [pair_of(original, start.network, text, order.units.value) for text in order.regions]
    regions = tuple(pair.region for pair in pairs)
    data = None if order.data is None else _data(order, original, options.seed)
    limits = [order.seconds, options.timeout]
    left = min((one for one in limits if one is not None), default=math.inf)
    seconds = max(left - (time.monotonic() - began), 0.0)
    effort = Effort(seconds, options.seed, order.workers or min(32, cores()))
    found = engine.repair(
        original,
        start,
        regions,
        order.within,
        effort,
        None if data is None else data[1].train,
        order.method,
        state=order.state,
        resume=order.resume,
        progress=partial(_show, terminal=terminal) if order.method.movable(start) else None,
    )
    if found.stop is Stop.FIXED and found.after.attained > order.within:
        raise InputError(
            f"--tolerance {order.tolerance}: no number of {order.compressed} may change, and at a "
            f"point it is {below(found.after.attained)} from {order.original}: give that or more, "
            "or compress by another method"
        )
    stored = _stored(found.compressed, regions[0])
    from ..compression.plain import plain

    packed = pack(plain(original)), pack(start), pack(found.compressed)
    networks = (original, start.network, found.compressed.network)
    right = None
    if data is not None and data[0].labels is not None:
        parts = [
            tuple(accuracy(one, part) or 0.0 for one in networks)
            for part in (data[1].train, data[1].test)
        ]
        right = parts[0], parts[1]
    return Mended(original, start, found, regions, data, right, stored, packed)


def _data(order: Order, network: Network, seed: int) -> tuple[Dataset, Split]:
    from ..compression.data.fits import fits
    from ..compression.data.load import Reading, load_data

    assert order.data is not None
    raw = network.normalisation if order.units is Side.RAW else None
    dataset = load_data(order.data, Reading(units=raw))
    if dataset.labels is None and dataset.targets is None:
        raise InputError(
            f"--data {order.data}: there are neither labels nor targets to learn; name the columns "
            "that hold them, or leave the data out"
        )
    fits(dataset, network)
    return dataset, dataset.split(SHARES, seed)


def _show(one: Iteration, terminal: Terminal) -> None:
    proved = above(one.proved) if math.isfinite(one.proved) else "no bound"
    kept = "" if one.number == 0 else ", the best so far" if one.best else ""
    terminal.say(
        f"Round {one.number}, {one.move}: {below(one.attained)} attained, {proved} proved{kept} "
        f"({one.seconds:.1f} s)."
    )


def _stored(compressed: Compressed, region: Region) -> bytes:
    """Return the ONNX file of a network, which is proved to hold the network that was certified.

    Raises:
        MismatchError: it holds another one, or its runtime computes other numbers where none round.
    """
    with TemporaryDirectory(prefix="secateur-") as folder:
        draft = Path(folder) / "repaired.onnx"
        save_compressed(compressed, draft)
        again = load_compressed(draft).network
        if not equal(pair_of(compressed.network, again, region)):
            raise MismatchError(
                "the repaired network is read otherwise than it was written; nothing is written"
            )
        if any(isinstance(node.layer, Quantize) for node in compressed.network.nodes):
            _replayed(compressed.network, draft, region)
        return read_bytes(draft)


def _replayed(network: Network, draft: Path, region: Region) -> None:
    """Raise MismatchError unless the runtime computes a fixed-point network bit for bit."""
    from ..engine.formats.onnx_runtime import Runtime

    lattice = region.lattice("float32")
    share = np.random.default_rng(0).random((REPLAYED, region.size))
    points = lattice.snap(lattice.lower + share * (lattice.upper - lattice.lower))
    if not np.array_equal(Runtime(draft).outputs(points), network.evaluate(points)):
        raise MismatchError(
            "onnxruntime computes other outputs than the repaired fixed-point network; update it"
        )
