"""`secateur bounds`: proved bounds of a network's outputs over a region."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.regions import parse_region
from ..engine.network import Network, Normalisation
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from ..engine.solvers import NAMES
from .options import Exit, How, Options, Side
from .record import Record, envelope, network_record, number, region_record, write_record
from .targets import check_targets
from .terminal import Terminal, above, below

Array = NDArray[np.float64]
Bounds = dict[str, tuple[Array, Array]]

STEPS = 20
"""Gradient steps on the slopes of the optimised bounds."""


def bounds(
    network: Network,
    region: Region,
    method: str = "optimised",
    *,
    solver: str = "highs",
    deadline: float = math.inf,
    seed: int = 0,
    device: str = "cpu",
) -> Bounds:
    """Return proved bounds of every layer's values over a region.

    Args:
        network: any network.
        region: closed box in network units.
        method: interval, linear, optimised or lp; each is at least as tight as those before it.
        solver: of the linear programs, for lp.
        deadline: on `time.monotonic`; what lp has not asked by then keeps its bound.
        seed: of the solver.
        device: where to compute, as torch names it; linear programs know the cpu alone.

    Returns:
        By layer name, lower and upper ``(size,)`` float64, rounded outward; infinite where
        magnitudes pass `engine.rounding.LARGEST`.

    Raises:
        RegionError: another number of inputs than the network's.
        InputError: an unknown method or solver; a device that is not there, or not for the method.
        SolverError: a solver that is not installed or contradicts itself.
    """
    if method not in set(How):
        raise InputError(f"unknown method {method!r}: take one of {', '.join(How)}")
    if solver not in NAMES:
        raise InputError(f"unknown solver {solver!r}: take one of {', '.join(NAMES)}")
    region.fit(network)
    lower, upper = region.lower[None], region.upper[None]
    if device != "cpu":
        return _on_device(network, region, How(method), device)
    match How(method):
        case How.INTERVAL:
            found = interval(network, lower, upper)
        case How.LINEAR:
            found = linear(network, lower, upper)
        case How.OPTIMISED:
            found = linear(network, lower, upper, steps=STEPS)
        case How.LP:
            return _by_programs(network, region, solver, deadline, seed)
    return {name: (low[0], high[0]) for name, (low, high) in found.items()}


def _on_device(network: Network, region: Region, how: How, device: str) -> Bounds:
    """Return bounds that another device than the processor computes."""
    from ..engine.bounds.batched_network import bounds_on

    if how is How.LP:
        raise InputError(
            f"--method lp with --device {device}: linear programs are solved on the CPU; take "
            "--method optimised, or leave --device away"
        )
    steps = {How.INTERVAL: None, How.LINEAR: 0, How.OPTIMISED: STEPS}[how]
    found = bounds_on(network, region.lower[None], region.upper[None], device, steps)
    return {name: (low[0], high[0]) for name, (low, high) in found.items()}


def _by_programs(
    network: Network, region: Region, solver: str, deadline: float, seed: int
) -> Bounds:
    """Return bounds by linear programs, layer after layer, each with the tighter ones before it."""
    from ..engine.bounds.tighten import Effort, tighten
    from ..engine.solvers import solver as named

    lower, upper = region.lower[None], region.upper[None]
    effort = Effort(deadline=deadline, seed=seed, solver=named(solver))
    tight = linear(network, lower, upper, steps=STEPS)
    known = dict(tight)
    for node in dict.fromkeys([*(n.sources[0] for n in network.piecewise), network.output]):
        low, high = (side[0].copy() for side in tight[node])
        final = node == network.output
        ask = np.arange(low.size) if final else np.flatnonzero((low < 0) & (high > 0))
        if not ask.size or not np.isfinite(low).all() or not np.isfinite(high).all():
            continue
        flat = {name: (a[0], b[0]) for name, (a, b) in tight.items()}
        better = tighten(network, region.lower, region.upper, flat, node, ask, effort=effort)
        low[ask], high[ask] = better.lower, better.upper
        known[node] = low[None], high[None]
        tight = linear(network, lower, upper, known=known)
        known |= tight
    return {name: (low[0], high[0]) for name, (low, high) in tight.items()}


def run(
    net: Path,
    region_text: str,
    how: How,
    units: Side,
    solver: str,
    hidden: bool,
    options: Options,
) -> Exit:
    """Print proved bounds of the outputs; end DONE."""
    began = time.monotonic()
    check_targets([("--json", options.json, ())], [net])
    if solver not in NAMES:
        raise InputError(f"--solver {solver}: unknown; take one of {', '.join(NAMES)}")
    network = load(net)
    region = parse_region(region_text, network, units.value)
    deadline = math.inf if options.timeout is None else began + options.timeout
    found = bounds(
        network,
        region,
        how,
        solver=solver,
        deadline=deadline,
        seed=options.seed,
        device=options.device.value,
    )
    late = time.monotonic() > deadline
    seconds = time.monotonic() - began
    record = envelope(
        "bounds",
        options,
        Exit.DONE,
        seconds,
        network=network_record(network),
        region=region_record(region, network),
        method=how.value,
        complete=not (late and how is How.LP),
        outputs=_outputs(network, found),
        layers=_layers(network, found) if hidden else [],
    )
    write_record(record, options.json)
    _print(record, Terminal.of(options))
    return Exit.DONE


def _outputs(network: Network, found: Mapping[str, tuple[Array, Array]]) -> list[Record]:
    lower, upper = found[network.output]
    return [
        {
            "index": index,
            "lower": number(low),
            "upper": number(high),
            "raw_lower": _raw(low, network.normalisation),
            "raw_upper": _raw(high, network.normalisation, up=True),
        }
        for index, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True))
    ]


def _raw(value: float, normal: Normalisation | None, up: bool = False) -> float | None:
    """Return a bound of an output in raw units, rounded outward."""
    if normal is None or not math.isfinite(value):
        return None
    exact = Fraction(value) * Fraction(normal.output_range) + Fraction(normal.output_mean)
    return float_above(exact) if up else float_below(exact)


def _layers(network: Network, found: Mapping[str, tuple[Array, Array]]) -> list[Record]:
    """Return for each hidden layer its extreme pre-activation bounds and its phases."""
    out = []
    for node in network.piecewise:
        low, high = found[node.sources[0]]
        zero = int((high <= 0).sum())
        identity = int(((low >= 0) & (high > 0)).sum())
        out.append(
            {
                "layer": node.name,
                "neurons": node.size,
                "lower": number(float(low.min())),
                "upper": number(float(high.max())),
                "zero": zero,
                "identity": identity,
                "open": node.size - zero - identity,
            }
        )
    return out


def _print(record: Record, terminal: Terminal) -> None:
    def low(value: float | None) -> str:
        return "-inf" if value is None else below(value)

    def high(value: float | None) -> str:
        return "inf" if value is None else above(value)

    raw = record["region"]["raw_lower"] is not None
    rows = []
    for output in record["outputs"]:
        row = [output["index"], low(output["lower"]), high(output["upper"])]
        if raw:
            row += [low(output["raw_lower"]), high(output["raw_upper"])]
        rows.append(row)
    columns = ["output", "lower", "upper", *(["lower, raw", "upper, raw"] if raw else [])]
    where = f"{record['network']['path']} over {record['region']['name']}"
    terminal.table(f"Proved bounds of {where}", columns, rows)
    if record["layers"]:
        terminal.table(
            "Pre-activations of the hidden layers",
            ("layer", "neurons", "lowest", "highest", "zero", "identity", "open"),
            [
                (
                    layer["layer"],
                    layer["neurons"],
                    low(layer["lower"]),
                    high(layer["upper"]),
                    layer["zero"],
                    layer["identity"],
                    layer["open"],
                )
                for layer in record["layers"]
            ],
        )
    if not record["complete"]:
        terminal.say("The time was spent before every linear program was solved: bounds hold, but")
        terminal.say("some could be tighter; give more with --timeout.")
    terminal.say(
        f"Method {record['method']}; every bound holds for real arithmetic on the whole region and "
        f"is rounded outward. {record['seconds']:.2f} s."
    )
