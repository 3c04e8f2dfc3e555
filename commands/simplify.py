"""`secateur simplify`: the smaller network that may replace another one on a region."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.regions import parse_region
from ..engine.network import Network
from ..engine.region import Region
from ..redundancy.aim import Aim
from ..redundancy.guarantee import Outputs
from ..redundancy.phase import Effort
from .aim import Wish, runtime_of
from .cut import Cut, make_cut, rehearse
from .cut_record import cut_record
from .cut_table import tell
from .options import Amount, Exit, Keep, Options, Side, cores
from .record import Record, envelope, network_record, write_record
from .selftest import branch, claims
from .targets import NETWORKS, PROOFS, check_targets, distinct, each_target, slug
from .terminal import Terminal

SECONDS = {Amount.QUICK: 10.0, Amount.USUAL: 120.0, Amount.LONG: 3600.0}
"""Wall time for one region by amount of work, where no --timeout is given."""

REGION_FILES = (".vnnlib", ".json", ".csv")


@dataclass(frozen=True, slots=True)
class Spending:
    """How much to spend on simplifying.

    Attributes:
        amount: work on a region.
        workers: threads; None for as many as cores.
        explain: bound the error of the removals also where it is not asked about.
    """

    amount: Amount = Amount.USUAL
    workers: int | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise InputError(f"--workers {self.workers}: give a number from 1 to 1024")

    def effort(self, options: Options, began: float, left: int) -> Effort:
        """Return the effort for the next of ``left`` regions: an equal part of the time left.

        Args:
            options: says the time and the seed.
            began: when the command began, on `time.monotonic`.
            left: number of regions still to do, this one counted.
        """
        seconds = SECONDS[self.amount]
        if options.timeout is not None:
            seconds = max(0.1, (began + options.timeout - time.monotonic()) / left)
        workers = self.workers or min(32, cores())
        return Effort(seconds=seconds, workers=workers, seed=options.seed)


@dataclass(frozen=True, slots=True)
class Order:
    """What `simplify` is asked for.

    Attributes:
        net: the network file.
        regions: as they were typed.
        output: where the simplified networks go; see `targets.each_target`.
        wish: what must stay.
        units: of the regions' limits.
        spending: how much to spend.
        report: where the report goes; None for nowhere.
        proof: where proofs go, named as `output` is; None for nowhere.
    """

    net: Path
    regions: tuple[str, ...]
    output: Path
    wish: Wish = field(default_factory=Wish)
    units: Side = Side.NETWORK
    spending: Spending = field(default_factory=Spending)
    report: Path | None = None
    proof: Path | None = None


def run(order: Order, options: Options) -> Exit:
    """Simplify a network over every region and write the results; end DONE."""
    began = time.monotonic()
    if order.proof is not None and order.wish.until is not None:
        raise InputError(
            f"--proof {order.proof}: there are no proofs of hidden layers' values yet; leave "
            "--until away, or --proof"
        )
    labels = distinct(
        [label_of(text) or f"region{index}" for index, text in enumerate(order.regions, start=1)]
    )
    targets = each_target(order.output, labels)
    proofs = [None] * len(targets) if order.proof is None else each_target(order.proof, labels)
    check_targets(
        [
            *(("--output", target, NETWORKS) for target in targets),
            *(("--proof", proof, PROOFS) for proof in proofs),
            ("--report", order.report, (".html", ".htm")),
            ("--json", options.json, ()),
        ],
        [order.net, *(Path(text) for text in order.regions if Path(text).suffix)],
    )
    network = load(order.net)
    aim = order.wish.aim(network)
    regions = [region_of(text, network, order.units) for text in order.regions]
    for target in targets:
        rehearse(network, target)
    terminal = Terminal.of(options)
    runtime = runtime_of(network)
    warm_up([order.wish], options, terminal)
    cuts, records = [], []
    for index, (region, target) in enumerate(zip(regions, targets, strict=True)):
        with terminal.progress(region.name) as show:
            cuts.append(
                make_cut(
                    network,
                    region,
                    target,
                    effort=_effort(order, options, began, len(regions) - index),
                    runtime=runtime,
                    aim=aim,
                    explain=order.spending.explain,
                    progress=show,
                )
            )
        records.append(cut_record(cuts[-1]))
        tell(cuts[-1], records[-1], terminal)
        records[-1]["explain"] = _explained(order, cuts[-1], region, options, terminal)
        records[-1]["proof_file"] = _proved(cuts[-1], proofs[index], options, began, terminal)
    record = envelope(
        "simplify",
        options,
        Exit.DONE,
        time.monotonic() - began,
        network=network_record(network),
        **wish_record(order.wish, aim),
        effort=order.spending.amount.value,
        cuts=records,
    )
    if order.report is not None:
        _report(order, network, cuts, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return Exit.DONE


def _explained(
    order: Order, cut: Cut, region: Region, options: Options, terminal: Terminal
) -> Record | None:
    """Print why the phases of a region were looked for so, and return it for the record."""
    if not options.explain:
        return None
    from .explain import of_region, of_steps

    figures = of_region(cut.plan.phases.network, region, order.spending.workers or cores())
    explained = of_steps(figures, cut.plan.phases.seconds, cut.plan.phases.boxes)
    explained.tell(terminal)
    return explained.record()


def _effort(order: Order, options: Options, began: float, left: int) -> Effort:
    """Return the effort for the next region: half of its time where a proof is to follow."""
    effort = order.spending.effort(options, began, left)
    if order.proof is None or options.timeout is None:
        return effort
    return replace(effort, seconds=0.5 * effort.seconds)


def _proved(
    cut: Cut, target: Path | None, options: Options, began: float, terminal: Terminal
) -> Record | None:
    """Make and keep the proof of a cut, if it is asked for; return what a record says of it."""
    if target is None:
        return None
    from .proof import keep, patience, proof_of_cut, words

    left = None if options.timeout is None else began + options.timeout - time.monotonic()
    with terminal.progress("proof"):
        made = proof_of_cut(cut, patience(cut.seconds, left), options.seed)
    kept = keep(made, target)
    terminal.say(words(kept))
    return kept


def single(net: Path | None, regions: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Return the network file and the regions, or raise InputError where one is missing."""
    if net is None:
        raise InputError("Missing argument 'NET'; name a network file, or --batch JOBS.csv")
    if not regions:
        raise InputError(f"Missing option '--region'; say where {net} is to be simplified")
    return net, regions


def label_of(text: str) -> str | None:
    """Return a region's part of a file name, or None where it has no name of its own."""
    if Path(text).suffix.lower() in REGION_FILES:
        return slug(Path(text).stem)
    return "net" if text.strip() == "net" else None


def region_of(text: str, network: Network, units: Side) -> Region:
    """Return a region, named after its file's last part; refuse a single point at once."""
    region = parse_region(text, network, units.value)
    if region.is_point:
        raise InputError(
            f"{region.name} is a single point: every neuron is constant there; widen an input"
        )
    return replace(region, name=Path(text).name) if region.name == text.strip() else region


def warm_up(wishes: Iterable[Wish], options: Options, terminal: Terminal) -> None:
    """Compile the inner loops that wishes need, so that the time given is spent on the work."""
    with terminal.progress("warming up; the first time takes a minute"):
        branch(options.seed)
        if not all(wish.equal for wish in wishes):
            claims(options.seed)


def wish_record(wish: Wish, aim: Aim) -> Record:
    """Return what a record says of what was asked for."""
    guarantee = aim.guarantee
    tolerance = guarantee.tolerance if isinstance(guarantee, Outputs) else guarantee.band
    return {
        "keep": wish.keep.value,
        "tolerance": float(wish.tolerance),
        "tolerance_units": wish.units.value,
        "exact_tolerance": str(tolerance),
        "order": wish.order.value,
        "lines": wish.lines.value,
        "until": aim.until,
    }


def _report(order: Order, network: Network, cuts: list[Cut], record: Record) -> None:
    from ..report import Seen, write_report
    from .maps import winners

    assert order.report is not None
    smallest = order.wish.keep is Keep.ARGMIN
    maps = [winners(network, cut.after, cut.plan.phases.region, smallest) for cut in cuts]
    write_report(order.report, record, [Seen(maps)])
