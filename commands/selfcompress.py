"""`secateur selfcompress`: a network that learns how few bits it needs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from ..compression.data import Split, fits, load_data
from ..compression.safety import SafetySet, safety_set
from ..compression.safety_certificate import Ball, Kept, certified
from ..compression.safety_file import contact_sheet, save_safety
from ..compression.selfcompress import Course, selfcompress
from ..compression.selfcompress_chain import links_of
from ..compression.selfcompress_file import pack, unpack
from ..compression.selfcompress_fresh import trained
from ..compression.selfcompress_plan import Guard, Plan, SelfCompressed
from ..engine.answer import Effort
from ..engine.errors import InputError, MismatchError
from ..engine.formats import load, save
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Affine, Network
from .compare import distance
from .options import Exit, Options
from .record import envelope, write_record
from .targets import check_targets
from .terminal import Show, Terminal

SHARES = (0.7, 0.1, 0.2)
"""Of rows to train on, to validate with and to test with; where the publisher sets test rows
apart, the first two divide the others."""

READ = (".csv", ".gz", ".npz")
"""Endings of data in a single file."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked of a safety set.

    Attributes:
        count: images; None for no safety set.
        weight, threshold, restores: as `Guard` has them.
        images: where it is kept; None for nowhere.
        radius: of the balls of its certificates, as it was typed; None for none.
        seconds: for each certificate, wall time.

    Raises:
        InputError: options that need a safety set without one.
    """

    count: int | None = None
    weight: float = 1.0
    threshold: float = 0.02
    restores: int = 3
    images: Path | None = None
    radius: str | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check that options go together, and the numbers."""
        for option, value in (("--images", self.images), ("--radius", self.radius)):
            if self.count is None and value is not None:
                raise InputError(f"{option} {value}: goes with --safety N; ask for a safety set")
        if self.count is not None and self.count < 1:
            raise InputError(f"--safety {self.count}: give 1 image or more")
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise InputError(f"--lambda {self.weight:g}: give a finite number of at least 0")
        if not 0 <= self.threshold < 1 or self.restores < 0:
            raise InputError(
                f"--threshold {self.threshold:g}, --restores {self.restores}: give a share from 0 "
                "to below 1 and a number of at least 0"
            )
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise InputError(f"--seconds {self.seconds:g}: give seconds above 0")
        distance("--radius", self.radius)

    @property
    def ball_radius(self) -> Fraction:
        """The radius, exactly."""
        return distance("--radius", self.radius) or Fraction(0)

    @property
    def sheet(self) -> Path | None:
        """Where the contact sheet goes."""
        return None if self.images is None else self.images.with_suffix(".svg")


@dataclass(frozen=True, slots=True)
class Order:
    """What `selfcompress` is asked for.

    Attributes:
        net: file of the network to begin with; None for a fresh one.
        data: a data set by name or file.
        output: where the network goes.
        hidden, channels: sizes of a fresh network.
        float_epochs: of a fresh network, before compression.
        original: where the network to begin with is written; None for nowhere.
        plan: how to train.
        watch: what is asked of a safety set.
        pack: where the packed file goes; None for nowhere.
        checkpoint: where all that is needed to go on is kept; None for nowhere.
        resume: whether to go on from there.
        report: where the report goes; None for nowhere.
    """

    net: Path | None
    data: str
    output: Path
    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    float_epochs: int = 5
    original: Path | None = None
    plan: Plan = field(default_factory=Plan)
    watch: Watch = field(default_factory=Watch)
    pack: Path | None = None
    checkpoint: Path | None = None
    resume: bool = False
    report: Path | None = None

    def __post_init__(self) -> None:
        """Check that options go together."""
        named = bool(self.hidden or self.channels)
        if self.net is None and not named:
            raise InputError(
                "Missing argument 'NET'; name a network to begin with, or a fresh one's sizes by "
                "--hidden or --channels"
            )
        if self.net is not None and named:
            raise InputError(f"{self.net}: and sizes of a fresh network; give one of them")
        if self.float_epochs < 0:
            raise InputError(f"--float-epochs {self.float_epochs}: give 0 or more")
        if self.resume and self.checkpoint is None:
            raise InputError("--resume: goes with --checkpoint FILE; name the one to go on from")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a self-compression came to.

    Attributes:
        start: the float network that it began with.
        data: the parts of the data.
        safety: the safety set; None without one.
        found: the network and its curve.
        packed: the packed file.
        kept: what was certified; empty where nothing was asked.
    """

    start: Network
    data: Split
    safety: SafetySet | None
    found: SelfCompressed
    packed: bytes
    kept: tuple[Kept, ...] = ()


def sizes_of(option: str, text: str | None) -> tuple[int, ...]:
    """Return sizes from their words, such as ``256,64``; none for None."""
    if text is None:
        return ()
    try:
        sizes = tuple(int(word) for word in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise InputError(f"{option} {text}: give whole numbers above 0, such as 256,64")
    return sizes


def run(order: Order, options: Options) -> Exit:
    """Train and write a network; end DONE, or UNKNOWN where the time ended before the epochs."""
    from .selfcompress_record import selfcompress_record, tell

    began = time.monotonic()
    _check(order, options)
    terminal = Terminal(options.silent)
    done = _trained(order, options, terminal, began)
    stored = _write(order, done)
    end = Exit.DONE if done.found.complete else Exit.UNKNOWN
    record = envelope(
        "selfcompress",
        options,
        end,
        time.monotonic() - began,
        device=options.device.value,
        **selfcompress_record(order, done, stored),
    )
    tell(record, terminal)
    if order.report is not None:
        from ..report import write_selfcompress_report

        write_selfcompress_report(order.report, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return end


def _check(order: Order, options: Options) -> None:
    sources = [Path(order.data)] if order.data.lower().endswith(READ) else []
    check_targets(
        [
            ("--output", order.output, (".onnx",)),
            ("--pack", order.pack, ()),
            ("--original", order.original, (".onnx",)),
            ("--images", order.watch.images, (".npz",)),
            ("--images", order.watch.sheet, ()),
            ("--checkpoint", order.checkpoint, ()),
            ("--report", order.report, (".html", ".htm")),
            ("--json", options.json, ()),
        ],
        [*sources, *([] if order.net is None else [order.net])],
    )


def _trained(order: Order, options: Options, terminal: Terminal, began: float) -> Trained:
    dataset = load_data(order.data)
    start = None if order.net is None else load(order.net)
    if start is not None:
        links_of(start)
        fits(dataset, start)
    data = dataset.split(SHARES, options.seed)
    with terminal.progress("training") as show:
        if start is None:
            plan = replace(order.plan, epochs=max(1, order.float_epochs))
            start = trained(data.train, order.channels, order.hidden, plan, show)
        safety = None
        if order.watch.count is not None:
            safety = safety_set(start, data, order.watch.count, options.seed)
        left = math.inf
        if options.timeout is not None:
            left = options.timeout - (time.monotonic() - began)
        course = Course(order.checkpoint, order.resume, left, options.device.value, show)
        found = selfcompress(start, data, order.plan, _guard(order.watch, safety), course)
    kept: Sequence[Kept] = ()
    if safety is not None and order.watch.radius is not None:
        with terminal.progress("certificates") as show:
            kept = _certified(order.watch, safety, found, options.seed, show)
    return Trained(start, data, safety, found, pack(found.coded), tuple(kept))


def _guard(watch: Watch, safety: SafetySet | None) -> Guard | None:
    if safety is None:
        return None
    return Guard(safety.images, watch.weight, watch.threshold, watch.restores)


def _certified(
    watch: Watch, safety: SafetySet, found: SelfCompressed, seed: int, show: Show
) -> list[Kept]:
    inputs = safety.images.inputs
    ends = Fraction(float(inputs.min())), Fraction(float(inputs.max()))
    ball = Ball(watch.ball_radius, *(ends if ends[0] < ends[1] else (None, None)))
    effort = Effort(watch.seconds, seed, 1)
    return certified(found.coded.network(), safety.images, ball, effort, show)


def _write(order: Order, done: Trained) -> bytes:
    """Write all files, the network's after it was read again; return the bytes of the network's.

    Raises:
        MismatchError: a file holds other numbers than the network.
    """
    network = done.found.coded.network()
    with TemporaryDirectory(prefix="secateur-") as folder:
        draft = Path(folder) / "out.onnx"
        save(network, draft)
        if not _same(load(draft), network):
            raise MismatchError("the network is read otherwise than it was written")
        stored = read_bytes(draft)
    if not unpack(done.packed).same(done.found.coded):
        raise MismatchError("the packed file is read otherwise than it was written")
    replace_with(order.output, stored)
    if order.pack is not None:
        replace_with(order.pack, done.packed)
    if order.original is not None:
        save(done.start, order.original)
    if order.watch.images is not None and done.safety is not None:
        save_safety(done.safety, order.watch.images)
        shape = done.data.train.shape
        if len(shape) == 3 and shape[0] in (1, 3) and order.watch.sheet is not None:
            replace_with(order.watch.sheet, contact_sheet(done.safety).encode())
    return stored


def _same(one: Network, other: Network) -> bool:
    """Return whether two networks have the same weights and biases, bit for bit."""
    numbers = [
        [n.layer for n in network.nodes if isinstance(n.layer, Affine)] for network in (one, other)
    ]
    return len(numbers[0]) == len(numbers[1]) and all(
        a.operator.weight.tobytes() == b.operator.weight.tobytes()
        and a.bias.tobytes() == b.bias.tobytes()
        for a, b in zip(*numbers, strict=True)
    )
