"""`secateur info`: what a network file holds; see `slice_info.py` for families."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ..engine.formats import load
from ..engine.network import Affine, Network, Normalisation, Piecewise, State
from ..engine.operators import Convolution, Dense, Diagonal
from .options import Exit, Options
from .record import Record, envelope, layer_record, network_record, number, write_record
from .slice_words import is_family
from .targets import check_targets
from .terminal import Terminal


def run(net: Path, options: Options) -> Exit:
    """Print what the file of a network or of a family holds; end DONE."""
    if is_family(net):
        from .slice_info import run as run_family

        return run_family(net, options)
    began = time.monotonic()
    check_targets([("--json", options.json, ())], [net])
    network = load(net)
    record = envelope(
        "info",
        options,
        Exit.DONE,
        time.monotonic() - began,
        network=network_record(network),
        layers=[layer_record(node) for node in network.nodes],
        normalisation=_normalisation(network.normalisation),
    )
    write_record(record, options.json)
    _print(network, Terminal.of(options))
    return Exit.DONE


def _normalisation(normal: Normalisation | None) -> Record | None:
    if normal is None:
        return None
    names = ("minimum", "maximum", "mean", "range")
    vectors: Record = {name: getattr(normal, name).tolist() for name in names}
    return vectors | {
        "output_mean": number(normal.output_mean),
        "output_range": number(normal.output_range),
    }


def _print(network: Network, terminal: Terminal) -> None:
    origin, output = network.origin, network.by_name[network.output]
    terminal.say(f"{origin.path}: {origin.format}, computes in {origin.dtype}")
    terminal.say(f"SHA-256     {origin.digest or '-'}")
    terminal.say(f"input       {list(network.input.shape)}   output {list(output.shape)}")
    terminal.say(
        f"size        {network.neurons} neurons in {len(network.piecewise)} hidden layers, "
        f"{network.parameters} parameters, {network.multiply_adds} multiply-adds"
    )
    rows = [
        (
            node.name,
            describe(node.layer),
            "x".join(map(str, node.shape)),
            ", ".join(node.sources),
        )
        for node in network.nodes
    ]
    terminal.table("Layers", ("name", "computes", "shape", "reads"), rows, words=4)
    normal = network.normalisation
    if normal is None:
        terminal.say("No normalisation is stated: raw units have no meaning for this network.")
        return
    table = zip(normal.minimum, normal.maximum, normal.mean, normal.range, strict=True)
    terminal.table(
        "Normalisation: network input = (raw input - mean) / range",
        ("input", "smallest", "largest", "mean", "range"),
        [(index, *(f"{value:.9g}" for value in row)) for index, row in enumerate(table)],
    )
    terminal.say(
        f"raw output = network output * {normal.output_range:.9g} + {normal.output_mean:.9g}"
    )


def describe(layer: object) -> str:
    """Return in words what a layer computes."""
    match layer:
        case Affine(operator=Dense(weight=weight)):
            return f"dense, {weight.shape[1]} to {weight.shape[0]}"
        case Affine(operator=Diagonal()):
            return "scale and shift"
        case Affine(operator=Convolution(weight=weight)):
            return f"convolution, kernel {'x'.join(map(str, weight.shape))}"
        case Piecewise(state=state):
            kinds = [(kind, int(np.count_nonzero(state == kind))) for kind in State]
            return ", ".join(f"{count} {kind.name.lower()}" for kind, count in kinds if count)
        case _:
            return type(layer).__name__.lower()
