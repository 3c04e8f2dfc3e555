"""`secateur simplify`: the smaller network that is equal on a region."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.regions import parse_region
from ..engine.network import Network
from ..engine.region import Region
from ..redundancy.phase import Effort
from .cut import Cut, cut_record, make_cut, rehearse
from .options import Amount, Exit, Keep, Options, Side, cores
from .record import Record, envelope, network_record, write_record
from .selftest import branch
from .targets import NETWORKS, check_targets, distinct, each_target, slug
from .terminal import Terminal, listed, share

SECONDS = {Amount.QUICK: 10.0, Amount.USUAL: 120.0, Amount.LONG: 3600.0}
"""Wall time for one region by amount of work, where no --timeout is given."""

PHASES = ("zero", "identity", "active", "open")


@dataclass(frozen=True, slots=True)
class Order:
    """What `simplify` is asked for.

    Attributes:
        net: the network file.
        regions: as they were typed.
        output: where the simplified networks go; see `targets.each_target`.
        keep: what of the outputs must stay.
        tolerance: by how much an output may change, network units.
        units: of the regions' limits.
        amount: work to spend on a region.
        workers: threads; None for as many as cores.
        report: where the report goes; None for nowhere.
    """

    net: Path
    regions: tuple[str, ...]
    output: Path
    keep: Keep = Keep.OUTPUTS
    tolerance: float = 0.0
    units: Side = Side.NETWORK
    amount: Amount = Amount.USUAL
    workers: int | None = None
    report: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.tolerance >= 0 and math.isfinite(self.tolerance)):
            raise InputError(
                f"--tolerance {self.tolerance:g}: give a finite number that is 0 or more"
            )
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise InputError(f"--workers {self.workers}: give a number from 1 to 1024")

    @property
    def spent(self) -> float:
        """What of the tolerance is spent: none where a winner must stay, a move may cost it."""
        return self.tolerance if self.keep is Keep.OUTPUTS else 0.0


def run(order: Order, options: Options) -> Exit:
    """Simplify a network over every region and write the results; end DONE."""
    began = time.monotonic()
    labels = distinct([_label(text, index) for index, text in enumerate(order.regions, start=1)])
    targets = each_target(order.output, labels)
    check_targets(
        [
            *(("--output", target, NETWORKS) for target in targets),
            ("--report", order.report, (".html", ".htm")),
            ("--json", options.json, ()),
        ],
        [order.net, *(Path(text) for text in order.regions if Path(text).suffix)],
    )
    network = load(order.net)
    regions = [_region(text, network, order.units) for text in order.regions]
    for target in targets:
        rehearse(network, target)
    terminal = Terminal.of(options)
    cuts = []
    runtime = runtime_of(network)
    with terminal.progress("warming up; the first time takes half a minute"):
        branch(options.seed)
    for index, (region, target) in enumerate(zip(regions, targets, strict=True)):
        left = len(regions) - index
        effort = effort_for(order, options, began, left)
        with terminal.progress(region.name) as show:
            cuts.append(
                make_cut(
                    network,
                    region,
                    target,
                    effort=effort,
                    runtime=runtime,
                    tolerance=order.spent,
                    progress=show,
                )
            )
        _print(cuts[-1], terminal)
    record = envelope(
        "simplify",
        options,
        Exit.DONE,
        time.monotonic() - began,
        network=network_record(network),
        keep=order.keep.value,
        tolerance=order.tolerance,
        effort=order.amount.value,
        cuts=[cut_record(cut) for cut in cuts],
    )
    if order.report is not None:
        _report(order, network, cuts, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    _print_limits(order, terminal)
    return Exit.DONE


def _label(text: str, index: int) -> str:
    """Return a region's part of a file name: the name of its file, or its number."""
    if Path(text).suffix.lower() in (".vnnlib", ".json", ".csv"):
        return slug(Path(text).stem)
    return "net" if text.strip() == "net" else f"region{index}"


def _region(text: str, network: Network, units: Side) -> Region:
    """Return a region, named after its file's last part; refuse a single point at once."""
    region = parse_region(text, network, units.value)
    if region.is_point:
        raise InputError(
            f"{region.name} is a single point: every neuron is constant there; widen an input"
        )
    return replace(region, name=Path(text).name) if region.name == text.strip() else region


def runtime_of(network: Network) -> Any:
    """Return what replays the network's file, or None where it is no ONNX file."""
    if network.origin.format != "onnx":
        return None
    from ..engine.formats.onnx_runtime import Runtime

    return Runtime(network.origin.path)


def effort_for(order: Order, options: Options, began: float, left: int) -> Effort:
    """Return the effort for the next of ``left`` regions: an equal part of the time that is left.

    Args:
        order: says the amount of work and the threads.
        options: says the time and the seed.
        began: when the command began, on `time.monotonic`.
        left: number of regions still to do, this one counted.
    """
    seconds = SECONDS[order.amount]
    if options.timeout is not None:
        seconds = max(0.1, (began + options.timeout - time.monotonic()) / left)
    workers = order.workers or min(32, cores())
    return Effort(seconds=seconds, workers=workers, seed=options.seed)


def _report(order: Order, network: Network, cuts: list[Cut], record: Record) -> None:
    from ..report import Chapter, write_report
    from .maps import winners

    assert order.report is not None
    smallest = order.keep is Keep.ARGMIN
    maps = [winners(network, cut.after, cut.plan.phases.region, smallest) for cut in cuts]
    chapter = Chapter(Path(network.origin.path).name, "", record["network"], record["cuts"], maps)
    write_report(order.report, [chapter], record)


def _print(cut: Cut, terminal: Terminal) -> None:
    record = cut_record(cut)
    rows = [
        (layer["layer"], layer["neurons"], *(layer[word] for word in PHASES), layer["form"])
        for layer in record["layers"]
    ]
    total = ("all", sum(layer["neurons"] for layer in record["layers"]))
    counts = tuple(record["phases"][word] for word in PHASES)
    terminal.table(
        f"{record['region']['name']}: the neurons of each layer",
        ("layer", "neurons", *PHASES, "what became of the identities"),
        rows,
        footer=(*total, *counts, ""),
    )
    before, after = record["before"], record["after"]
    sizes = [
        (word, before[key], after[key], share(before[key] - after[key], before[key]))
        for word, key in (
            ("ReLU neurons", "neurons"),
            ("parameters", "parameters"),
            ("multiply-adds", "multiply_adds"),
        )
    ]
    for word, key in (
        ("us for one point alone", "latency_us"),
        ("us a point in a batch", "batch_us"),
    ):
        one, two = before[key], after[key]
        sizes.append((word, f"{one:.2f}", f"{two:.2f}", share(one - two, one)))
    terminal.table("", ("size", "before", "after", "saved"), sizes)
    terminal.say(f"Proved by: {listed(record['methods'])}. {cut.plan.phases.boxes} boxes.")
    if record["open"]:
        terminal.say(
            f"{len(record['open'])} neurons stay undecided and were kept; more --timeout or "
            "--effort long may settle them."
        )
    terminal.say(f"Guarantee: {cut.guarantee}")
    terminal.say(f"Written:   {cut.target} in {cut.seconds:.1f} s")


def _print_limits(order: Order, terminal: Terminal) -> None:
    """Say what was asked for and is not used yet."""
    if order.keep is not Keep.OUTPUTS:
        terminal.say(
            f"--keep {order.keep}: only removals that keep every output exactly are made so far; "
            f"they keep the {order.keep} as well."
        )
    elif order.tolerance > 0:
        terminal.say(
            f"--tolerance {order.tolerance:g}: only neurons that are zero or the identity on the "
            "whole region are removed so far; the tolerance is spent on rounding of their weights."
        )
