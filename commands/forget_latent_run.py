"""`secateur forget latent`: divergences of weights beside what is lost by compressing them."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from ..compression.architectures import Architecture, Plan
from ..compression.architectures.build import fresh, plan_of, read_state, restore
from ..compression.architectures.names import SIDE
from ..compression.data import Dataset, Split, load_data
from ..compression.latent import Basis, Row, Spread, basis_of, study
from ..compression.latent_certify import Judge, balls
from ..compression.latent_samples import Samples, directions, gathered, iterates, layers_of
from ..compression.latent_table import groups
from ..compression.latent_train import Lesson, performance, train
from ..compression.latent_tune import Curve, fine_tune
from ..engine.answer import Effort
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.files import read_bytes
from ..engine.formats.regions import parse_region
from ..engine.formats.torch_module import read_torch, write_torch
from .forget_latent_order import Order, claim
from .forget_latent_record import Found, Kept, latent_record, tell
from .options import Device, Exit, Options
from .record import envelope, write_record
from .targets import check_folder, check_targets
from .terminal import Show, Terminal

SHARES = (0.8, 0.0, 0.2)
"""Of the data, to train on and to measure with; a publisher's test set is taken as it is."""

LOOKED = 16
"""Rows whose inputs to each layer are looked at."""

LIMIT = "the time limit was reached"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The network and its data.

    Attributes:
        module: on its device.
        shape: of one input.
        plan: of an architecture; None for a network file.
        digest: SHA-256 of the file that gave the weights; None where a seed did.
        split: of the data.
        lesson, test: the parts to train on and to measure with.
        make: gives a module of the same kind from another seed.
    """

    module: nn.Module
    shape: tuple[int, ...]
    plan: Plan | None
    digest: str | None
    split: Split
    lesson: Lesson
    test: Lesson
    make: Callable[[int], nn.Module]


def run(order: Order, options: Options) -> Exit:
    """Study a network; end DONE if every row is there, UNKNOWN if the time ran out."""
    began = time.monotonic()
    check_targets(
        [("--report", order.report, (".html", ".htm")), ("--json", options.json, ())],
        [path for path in (order.source.net, order.source.state) if path is not None],
    )
    check_folder("--output", order.output)
    torch.set_num_threads(1)
    terminal = Terminal(options.silent)
    until = None if options.timeout is None else began + options.timeout
    subject = _subject(order, options)
    claim(order.output, _key(order, subject, options), order.resume)
    with terminal.progress("latent divergence") as show:
        found = _found(order, subject, options, show, until)
    end = Exit.DONE if found.is_complete else Exit.UNKNOWN
    record = envelope(
        "latent",
        options,
        end,
        time.monotonic() - began,
        **latent_record(order, subject.plan, subject.digest, subject.split, found),
    )
    record["device"] = options.device.value
    record["versions"]["torch"] = torch.__version__
    tell(record, terminal)
    if end is Exit.UNKNOWN:
        terminal.say(f"{LIMIT}; the same command with --resume goes on.")
    if order.report is not None:
        from ..report import write_forget_report

        write_forget_report(order.report, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return end


def _found(
    order: Order, subject: Subject, options: Options, show: Show, until: float | None
) -> Found:
    """Return what the study finds; less than all where the time runs out."""
    module, lesson, test = subject.module, subject.lesson, subject.test
    course = order.training.course(order.source.is_trained)
    folder = order.output
    train(
        module, lesson, course, options.seed, checkpoint=folder / "training.checkpoint", told=show
    )
    known = directions(module, lesson.drawn(LOOKED, options.seed), options.seed)
    samples = _samples(order, subject, options, show)
    basis = basis_of(module, order.settings, samples, lesson, known, show)
    judge = _judge(order, subject, options)
    kept = Kept(folder / "rows.jsonl")
    rows = kept.rows()
    done = [(row.layer, row.method, row.share) for row in rows]
    for row in study(module, order.settings, basis, lesson, test, judge, done, show):
        rows.append(row)
        kept.add(row)
        if until is not None and time.monotonic() > until:
            break
    layers, settings = layers_of(module), order.settings
    whole = len(layers) * len(settings.methods) * len(settings.shares)
    rows = _ordered(rows, [layer.name for layer in layers])
    curves = _curves(order, subject, basis, until) if len(rows) == whole else []
    asked = len(settings.methods) * len(settings.shares) if order.fine_tune else 0
    return Found(
        layers,
        performance(module, test),
        rows,
        groups(rows, options.seed) if len(rows) == whole else [],
        curves,
        len(rows) == whole and len(curves) == asked,
    )


def _ordered(rows: list[Row], layers: list[str]) -> list[Row]:
    return sorted(rows, key=lambda row: layers.index(row.layer))


def _curves(order: Order, subject: Subject, basis: Basis, until: float | None) -> list[Curve]:
    curves: list[Curve] = []
    if not order.fine_tune:
        return curves
    course = order.training.tuning(order.fine_tune)
    settings = order.settings
    for method in settings.methods:
        for share in settings.shares:
            if until is not None and time.monotonic() > until:
                return curves
            curves.append(
                fine_tune(
                    subject.module,
                    (method, share),
                    settings,
                    basis,
                    subject.lesson,
                    subject.test,
                    course,
                )
            )
    return curves


def _samples(order: Order, subject: Subject, options: Options, show: Show) -> Samples | None:
    """Return samples of the weights; None where every covariance comes from gradients."""
    if set(order.settings.spreads) == {Spread.FISHER}:
        return None
    how, module = order.sampling, subject.module
    if not how.seeds:
        walk = order.training.walk()
        file = order.output / "iterates.npy"
        return iterates(
            module, subject.lesson, walk, options.seed, how.count, how.every, file, show
        )
    course = order.training.course(trained=False)
    others = []
    for number in range(1, how.count + 1):
        other = subject.make(options.seed + number)
        file = order.output / f"training-{number}.checkpoint"
        train(other, subject.lesson, course, options.seed + number, checkpoint=file, told=show)
        others.append(other)
    return gathered(others, layers_of(module))


def _judge(order: Order, subject: Subject, options: Options) -> Judge | None:
    how = order.proving
    if how is None:
        return None
    module = copy.deepcopy(subject.module).cpu().eval()
    if how.region is not None:
        regions = [parse_region(how.region, read_torch(module, subject.shape))]
    else:
        regions = balls(_network_rows(subject), how.around, how.distance)
    effort = Effort(seed=options.seed, workers=1, boxes=how.boxes)
    return Judge(module, subject.shape, regions, effort)


def _network_rows(subject: Subject) -> Dataset:
    """Return the test rows as the network takes them: widened where it is wider."""
    inputs = subject.test.inputs.cpu().numpy()
    flat = inputs.reshape(len(inputs), -1)
    return Dataset(flat, subject.shape, name=subject.split.test.name)


def _subject(order: Order, options: Options) -> Subject:
    data = load_data(order.data)
    if order.rows is not None and order.rows < len(data):
        step = len(data) / order.rows
        data = data.subset((torch.arange(order.rows) * step).long().numpy())
    split = data.split(SHARES, options.seed)
    device = "cuda" if options.device is Device.CUDA else "cpu"
    make, shape, plan, digest = _maker(order, data)
    module = make(options.seed)
    outputs = _outputs(module, shape)
    if data.labels is not None and outputs < data.classes:
        raise InputError(
            f"{data.name}: has {data.classes} classes, the network {outputs} outputs: take data "
            "and a network of the same task"
        )
    if data.labels is None and data.targets is not None and data.targets.shape[1] != outputs:
        raise InputError(
            f"{data.name}: has {data.targets.shape[1]} targets, the network {outputs} outputs: "
            "take data and a network of the same task"
        )
    return Subject(
        module.to(device),
        shape,
        plan,
        digest,
        split,
        Lesson.of(split.train, shape, device),
        Lesson.of(split.test, shape, device),
        lambda seed: make(seed).to(device),
    )


@torch.no_grad()
def _outputs(module: nn.Module, shape: tuple[int, ...]) -> int:
    scores: torch.Tensor = module.eval()(torch.zeros(2, *shape))
    return int(scores.flatten(1).shape[1])


Maker = tuple[Callable[[int], nn.Module], tuple[int, ...], Plan | None, str | None]


def _maker(order: Order, data: Dataset) -> Maker:
    """Return what makes a module from a seed, its input's shape, its plan and its file's digest."""
    source = order.source
    if source.net is not None:
        network = load(source.net)
        return (
            lambda seed: write_torch(network, torch.float32),
            network.input.shape,
            None,
            network.origin.digest,
        )
    assert source.architecture is not None
    if len(data.shape) != 3 or data.shape[1] != data.shape[2]:
        raise InputError(
            f"{data.name}: a row has shape {data.shape}; {source.architecture} takes square "
            "pictures: name a network file"
        )
    side = data.shape[1] if source.architecture is Architecture.SMALL else SIDE
    if source.state is None:
        classes = data.classes or (0 if data.targets is None else data.targets.shape[1])
        plan = Plan(source.architecture, classes, data.shape[0], source.width)
        return (lambda seed: fresh(plan, side, seed)), (plan.channels, side, side), plan, None
    path = source.state
    state = read_state(path)
    read = plan_of(source.architecture, state)

    def make(seed: int) -> nn.Module:
        module = fresh(read, side, seed)
        restore(module, state, str(path))
        return module

    digest = hashlib.sha256(read_bytes(path)).hexdigest()
    return make, (read.channels, side, side), read, digest


def _key(order: Order, subject: Subject, options: Options) -> dict[str, Any]:
    """Return all that a row depends on, as JSON."""
    settings = asdict(order.settings)
    return {
        "network": subject.digest or "seed",
        "architecture": None if subject.plan is None else repr(subject.plan),
        "data": [subject.split.train.digest, subject.split.test.digest],
        "training": {**asdict(order.training), "epochs": order.training.epochs},
        "settings": {name: str(value) for name, value in settings.items()},
        "sampling": asdict(order.sampling),
        "certify": None if order.proving is None else asdict(order.proving),
        "device": options.device.value,
        "seed": options.seed,
    }
