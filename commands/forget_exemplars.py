"""`secateur forget exemplars`: populations, and the inputs on which they came to differ."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..compression.corruptions import SEVERITIES, Kind, Scale, corrupted, kinds_for
from ..compression.data import Dataset, Split, fits, load_data
from ..compression.exemplars_measured import Forgotten, brittleness, forgotten
from ..compression.exemplars_store import Store, chosen
from ..compression.method import Scope
from ..compression.populations import Level, Plan, Pruned, Quantized, Storage, dense
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.network import Network
from .clock import OutOfTime, alarm
from .options import Exit, Options
from .record import write_record
from .targets import check_folder, check_targets
from .terminal import Show, Terminal

if TYPE_CHECKING:
    from ..compression.welch import Welch

Whole = NDArray[np.int64]
Array = NDArray[np.float64]

LIMIT = "the time limit; go on with --resume"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained and measured; texts are as they were typed.

    Attributes:
        data: name or file of the data.
        net: network whose layers all have; None with `hidden`.
        hidden: sizes of hidden layers; None with `net`.
        models: networks of a population.
        sparsities: shares that are pruned.
        quantize: storages; None for none.
        epochs, batch, rate: of the training.
        test: share of the rows that is measured.
        severities: of corruptions, or none.
        output: folder of the populations.
        resume: whether to go on with those that are there.
        report: where a page goes; None for nowhere.
        began: when the command did, on `time.monotonic`.
    """

    data: str
    output: Path
    net: Path | None = None
    hidden: str | None = None
    models: int = 30
    sparsities: str = "0,0.1,0.3,0.5,0.7,0.9"
    quantize: str | None = None
    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    test: float = 0.2
    severities: str = "1,3,5"
    resume: bool = False
    report: Path | None = None
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Check that one kind of network is named, and the share."""
        if (self.net is None) == (self.hidden is None):
            raise InputError("which networks? Name a network file, or --hidden 64,32")
        if not 0.0 < self.test < 1.0:
            raise InputError(f"--test {self.test:g}: give a share above 0 and below 1")

    def levels(self) -> tuple[Level, ...]:
        """Return the compressed populations.

        Raises:
            InputError: a text that names none.
        """
        found: list[Level] = []
        for word in _words(self.sparsities):
            found.append(Pruned(_number("--sparsities", word)))
        for word in _words(self.quantize or ""):
            if word not in {one.value for one in Storage}:
                raise InputError(
                    f"--quantize {word}: take {', '.join(one.value for one in Storage)}"
                )
            found.append(Quantized(Storage(word)))
        return tuple(found)

    def severe(self) -> tuple[int, ...]:
        """Return the severities of corruptions.

        Raises:
            InputError: a word that is none of them.
        """
        words = () if self.severities == "none" else _words(self.severities)
        for word in words:
            if word not in {str(one) for one in SEVERITIES}:
                raise InputError(f"--severities {word}: give numbers from 1 to 5, or none")
        return tuple(sorted({int(word) for word in words}))


@dataclass(frozen=True, slots=True)
class Corrupted:
    """What one corruption does to two populations.

    Attributes:
        kind, severity: of it.
        original, compressed: ``(models,)`` accuracies.
    """

    kind: Kind
    severity: int
    original: Array
    compressed: Array


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What is known of one compressed population.

    Attributes:
        level: which.
        found: what it forgot.
        corruptions: what each does.
        brittle: Welch's test of what each costs more than in the original population; None
            without corruptions.
        corrected: its p-values by Holm.
    """

    level: Level
    found: Forgotten
    corruptions: tuple[Corrupted, ...]
    brittle: Welch | None
    corrected: Array | None


@dataclass(slots=True, eq=False)
class Outcome:
    """What is known so far, also when the time is over.

    Attributes:
        split: of the data.
        store: with the networks.
        scale: of the training rows.
        measured: a part for each compressed population; none before all networks are there.
        reason: why it is not complete; empty where it is.
    """

    split: Split | None = None
    store: Store | None = None
    scale: Scale | None = None
    measured: tuple[Measured, ...] = ()
    reason: str = ""


def run(order: Order, options: Options) -> Exit:
    """Train what is missing, measure, print and write what the populations forgot.

    Ends DONE, or UNKNOWN where the time ended first.

    Raises:
        InputError: data, a network, a number or a folder that cannot be used.
    """
    from .forget_record import exemplars_record, say

    check_targets(
        [("--json", options.json, ()), ("--report", order.report, (".html", ".htm"))],
        [] if order.net is None else [order.net],
    )
    terminal, outcome = Terminal.of(options), Outcome()
    limit = math.inf if options.timeout is None else options.timeout
    try:
        with alarm(limit - (time.monotonic() - order.began)):
            _work(order, options, terminal, outcome)
    except OutOfTime:
        outcome.reason = LIMIT
    record = exemplars_record(order, options, outcome)
    say(terminal, record)
    if outcome.measured:
        from ..engine.formats.files import replace_with
        from ..reports.forgotten_pictures import sheets

        for name, svg in sheets(record):
            replace_with(order.output / name, svg.encode())
            terminal.say(f"Picture: {order.output / name}")
    if order.report is not None:
        from ..report import write_forget_report

        write_forget_report(order.report, record)
    write_record(record, options.json)
    return Exit(record["exit"])


def _work(order: Order, options: Options, terminal: Terminal, outcome: Outcome) -> None:
    """Do all of it, noting what is found as it is found."""
    severe, levels = order.severe(), order.levels()
    data = load_data(order.data)
    shape = _shape(order, data)
    fits(data, shape)
    split = outcome.split = data.split((1.0 - order.test, 0.0, order.test), options.seed)
    plan = Plan(
        shape,
        levels,
        order.models,
        order.epochs,
        order.batch,
        order.rate,
        Scope.GLOBAL,
        options.seed,
    )
    check_folder("--output", order.output)
    store = outcome.store = Store.open(order.output, plan, split.train, order.resume)
    outcome.scale = Scale.of(split.train.inputs)
    with terminal.progress("training") as show:
        store.fill(show)
    with terminal.progress("measuring") as show:
        outcome.measured = _measure(store, split.test, outcome.scale, severe, show)


def _shape(order: Order, data: Dataset) -> Network:
    if order.net is not None:
        return load(order.net)
    sizes = [_whole("--hidden", word) for word in _words(order.hidden or "")]
    return dense(sizes, data)


def _measure(
    store: Store, test: Dataset, scale: Scale, severe: tuple[int, ...], show: Show
) -> tuple[Measured, ...]:
    """Return what each compressed population forgot."""
    plan, truth = store.plan, test.labels
    assert truth is not None
    cases: list[tuple[Kind, int] | None] = [None]
    cases += [(kind, severity) for kind in kinds_for(test.shape) for severity in severe]
    rows = [
        test.inputs if case is None else corrupted(test.inputs, test.shape, *case, scale, plan.seed)
        for case in cases
    ]
    labels: dict[str, Whole] = {}
    done, total = 0, plan.models * len(plan.every)
    for level in plan.every:
        found = np.zeros((plan.models, len(cases), len(test)), np.int64)
        for member in range(plan.models):
            show(level.name, done, total)
            network, done = store.network(level, member), done + 1
            for place, inputs in enumerate(rows):
                found[member, place] = chosen(network, inputs)
        labels[level.name] = found
    return tuple(
        _measured(level, labels[plan.every[0].name], labels[level.name], cases, test, plan.seed)
        for level in plan.levels
    )


def _measured(
    level: Level,
    original: Whole,
    compressed: Whole,
    cases: list[tuple[Kind, int] | None],
    test: Dataset,
    seed: int,
) -> Measured:
    """Return what is known of one population.

    Args:
        level: which.
        original: ``(models, cases, rows)`` labels; the first case is clean.
        compressed: the same.
        cases: the corruptions.
        test: the rows.
        seed: of random sets.
    """
    truth = test.labels
    assert truth is not None
    found = forgotten(original[:, 0], compressed[:, 0], truth, test.classes, seed)
    right = [(labels == truth).mean(axis=2) for labels in (original, compressed)]
    corruptions = tuple(
        Corrupted(*case, right[0][:, place], right[1][:, place])
        for place, case in enumerate(cases)
        if case is not None
    )
    if not corruptions:
        return Measured(level, found, (), None, None)
    tested, corrected = brittleness(
        [one[:, 0] for one in right], [(one.original, one.compressed) for one in corruptions]
    )
    return Measured(level, found, corruptions, tested, corrected)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number(option: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(f"{option} {word}: give numbers parted by commas: 0.1,0.5") from None


def _whole(option: str, word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise InputError(f"{option} {word}: give whole numbers parted by commas: 64,32")
    return int(word)
