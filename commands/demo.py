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
from ..report import Chapter, write_report
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
    chapters: list[Chapter] = []
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
        chapters.append(_chapter(entry, network, cuts))
    record = envelope(
        "demo",
        options,
        Exit.DONE,
        time.monotonic() - began,
        controllers=[
            {
                "name": chapter.name,
                "title": chapter.title,
                "network": chapter.network,
                "cuts": chapter.cuts,
            }
            for chapter in chapters
        ],
        report=str(page),
    )
    write_report(page, chapters, record)
    write_record(record, options.json)
    for chapter in chapters:
        _print(chapter, terminal)
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


def _chapter(entry: Controller, network: Network, cuts: list[Cut]) -> Chapter:
    names = Names(entry.inputs, entry.units, tuple(a.title for a in Advisory))
    smallest = entry.winner is Winner.SMALLEST
    maps = [
        winners(network, cut.after, cut.plan.phases.region, smallest, names, (0, 1)) for cut in cuts
    ]
    said = network_record(network) | {"path": entry.path.name}
    force = f"{entry.previous.title} in force"
    title = entry.title if force in entry.title else f"{entry.title}; {force}"
    labels = tuple(f"{n}, {u}" for n, u in zip(entry.inputs, entry.units, strict=True))
    return Chapter(entry.name, title, said, [cut_record(cut) for cut in cuts], maps, labels)


def _print(chapter: Chapter, terminal: Terminal) -> None:
    network = chapter.network
    terminal.say()
    terminal.table(
        f"{chapter.name}: {network['neurons']} ReLU neurons, {network['parameters']} parameters, "
        f"{network['multiply_adds']} multiply-adds",
        ("region", "neurons", *PHASES, "parameters", "multiply-adds", *TIMES, "s"),
        [_row(cut) for cut in chapter.cuts],
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
