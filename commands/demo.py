"""`secateur demo`: the embedded controllers, simplified over named regions."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..benchmarks.controllers.catalogue import Controller, catalogue
from ..benchmarks.controllers.encounter import Advisory
from ..benchmarks.controllers.table import Winner
from ..engine.formats.onnx_runtime import Runtime
from ..engine.network import Network
from ..redundancy.phase import Effort
from ..report import Seen, write_report
from .cut import Cut, make_cut
from .cut_record import cut_record
from .maps import Names, winners
from .options import Exit, Family, Options, cores
from .record import Record, envelope, network_record, write_record
from .selftest import branch
from .targets import check_folder, check_targets
from .terminal import Terminal, share

SECONDS = 10.0
"""Wall time for one region, where no --timeout is given."""

PHASES = ("zero", "identity", "active", "open")

TIMES = ("latency, us", "speed", "in batch")

PROBLEMS = {Family.HORIZONTAL: "horizontal", Family.ACAS: "acas-like"}


def run(folder: Path, families: Sequence[Family], every: bool, options: Options) -> Exit:
    """Simplify the embedded controllers and write networks and a report; end DONE."""
    began = time.monotonic()
    check_folder("--output", folder)
    page = folder / "demo.html"
    check_targets([("--output", page, ()), ("--json", options.json, ())])
    terminal = Terminal.of(options)
    chosen = [entry for family in dict.fromkeys(families) for entry in _chosen(family, every)]
    left = sum(len(entry.regions) for entry in chosen)
    networks_folder = folder / "networks"
    check_folder("--output", networks_folder)
    with terminal.progress("warming up; the first time takes half a minute"):
        branch(options.seed)
    controllers: list[Record] = []
    seen: list[Seen] = []
    for entry in chosen:
        network, cuts = entry.network(), []
        runtime = Runtime(entry.path)
        for region, title in zip(entry.regions, entry.titles, strict=True):
            target = networks_folder / f"{entry.name}-{region.name}.onnx"
            seconds = _seconds(options, began, left)
            what = f"{entry.name}, {region.name}"
            with terminal.progress(what) as show:
                cuts.append(
                    make_cut(
                        network,
                        region.to_network(entry.normalisation),
                        target,
                        effort=Effort(seconds=seconds, workers=min(32, cores()), seed=options.seed),
                        runtime=runtime,
                        title=title,
                        progress=show,
                    )
                )
            left -= 1
            _tell(what, cuts[-1], terminal)
        controllers.append(_controller(entry, network, cuts))
        seen.append(_seen(entry, network, cuts))
    record = envelope(
        "demo",
        options,
        Exit.DONE,
        time.monotonic() - began,
        controllers=controllers,
        report=str(page),
    )
    write_report(page, record, seen)
    write_record(record, options.json)
    for controller in controllers:
        _print(controller, terminal)
    terminal.say(
        "Each simplified network equals its original at every point of its region, in real "
        "arithmetic; open neurons could not be decided in time and were kept."
    )
    terminal.say(f"Networks: {networks_folder}   Report: {page}   {record['seconds']:.0f} s in all")
    return Exit.DONE


def _chosen(family: Family, every: bool) -> list[Controller]:
    """Return the controllers of a family: all, or the one for clear of conflict in force."""
    entries = [entry for entry in catalogue() if entry.problem == PROBLEMS[family]]
    return entries if every else [e for e in entries if e.previous is Advisory.COC]


def _seconds(options: Options, began: float, left: int) -> float:
    """Return the time for the next of ``left`` regions."""
    if options.timeout is None:
        return SECONDS
    return max(0.1, (began + options.timeout - time.monotonic()) / left)


def _tell(what: str, cut: Cut, terminal: Terminal) -> None:
    """Say that a region is done, where no bar shows it."""
    if not terminal.silent and not terminal.err.is_terminal:
        before, after = cut.plan.phases.network.neurons, cut.after.neurons
        sys.stderr.write(f"{what}: {before} -> {after} neurons in {cut.seconds:.1f} s\n")


def _controller(entry: Controller, network: Network, cuts: list[Cut]) -> Record:
    """Return what the record says of a controller and its cuts."""
    force = f"{entry.previous.title} in force"
    return {
        "name": entry.name,
        "title": entry.title if force in entry.title else f"{entry.title}; {force}",
        "network": network_record(network) | {"path": entry.path.name},
        "cuts": [cut_record(cut) for cut in cuts],
    }


def _seen(entry: Controller, network: Network, cuts: list[Cut]) -> Seen:
    """Return the maps of the regions, and what the inputs are called."""
    names = Names(entry.inputs, entry.units, tuple(a.title for a in Advisory))
    smallest = entry.winner is Winner.SMALLEST
    maps = [
        winners(network, cut.after, cut.plan.phases.region, smallest, names, (0, 1)) for cut in cuts
    ]
    labels = tuple(f"{n}, {u}" for n, u in zip(entry.inputs, entry.units, strict=True))
    return Seen(maps, labels)


def _print(controller: Record, terminal: Terminal) -> None:
    network = controller["network"]
    terminal.say()
    terminal.table(
        f"{controller['name']}: {network['neurons']} ReLU neurons, {network['parameters']} "
        f"parameters, {network['multiply_adds']} multiply-adds",
        ("region", "neurons", *PHASES, "parameters", "multiply-adds", *TIMES, "s"),
        [_row(cut) for cut in controller["cuts"]],
    )


def _row(cut: Record) -> list[object]:
    before, after = cut["before"], cut["after"]
    return [
        cut["region"]["name"],
        f"{before['neurons']} -> {after['neurons']}",
        *(cut["phases"][word] for word in PHASES),
        f"{after['parameters']} ({share(after['parameters'], before['parameters'])})",
        f"{after['multiply_adds']} ({share(after['multiply_adds'], before['multiply_adds'])})",
        f"{before['latency_us']:.1f} -> {after['latency_us']:.1f}",
        f"{cut['speedup']:.2f} x",
        f"{cut['batch_speedup']:.2f} x",
        f"{cut['seconds']:.1f}",
    ]
