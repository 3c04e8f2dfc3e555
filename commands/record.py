"""Records: what a verb found, as JSON with a named and versioned schema (see docs/json.md)."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..engine.formats.files import replace_with
from ..engine.network import Network, Node, Piecewise, State
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from .options import Exit, Options
from .targets import STANDARD_OUTPUT

Record = dict[str, Any]

PARTS = ("secateur", "numpy", "networkx", "highspy", "numba", "pebble", "onnx", "onnxruntime")
"""The libraries whose versions a record states."""

EDITIONS = {"simplify": 2, "demo": 2}
"""The versions of schemas that are not in their first."""


def envelope(verb: str, options: Options, end: Exit, seconds: float, **found: Any) -> Record:
    """Return the record of a command.

    Args:
        verb: of the command; names the schema.
        options: what it was told.
        end: how it ended.
        seconds: wall time of the command.
        found: what the verb adds.
    """
    return {
        "schema": f"secateur.{verb}/{EDITIONS.get(verb, 1)}",
        "command": options.command,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "seed": options.seed,
        "device": options.device.value,
        "timeout": options.timeout,
        "exit": int(end),
        "seconds": seconds,
        **found,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that take part."""
    out = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in PARTS:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def write_record(record: Record, path: Path | None) -> None:
    """Write a record to a file in one step, to standard output for ``-``, or nowhere for None.

    Raises:
        FileError: it cannot be written.
    """
    if path is None:
        return
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        replace_with(path, text.encode())


def digest(path: Path, options: Options) -> str | None:
    """Return the SHA-256 of a file as it is now, hexadecimal.

    None where no record is wanted, and where the file is a pipe, is gone or cannot be read.
    """
    if options.json is None or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def number(value: float | Fraction | None) -> float | None:
    """Return a number as JSON holds it: None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def network_record(network: Network) -> Record:
    """Return what is said of a network everywhere."""
    origin = network.origin
    return {
        "path": origin.path,
        "format": origin.format,
        "sha256": origin.digest,
        "dtype": origin.dtype,
        "input_shape": list(network.input.shape),
        "output_shape": list(network.by_name[network.output].shape),
        **sizes(network),
    }


def sizes(network: Network) -> Record:
    """Return how large a network is."""
    return {
        "neurons": network.neurons,
        "parameters": network.parameters,
        "multiply_adds": network.multiply_adds,
    }


def layer_record(node: Node) -> Record:
    """Return what is said of one layer."""
    counts: Mapping[str, int] = {}
    if isinstance(node.layer, Piecewise):
        state = node.layer.state
        counts = {kind.name.lower(): int((state == kind).sum()) for kind in State}
    return {
        "name": node.name,
        "kind": type(node.layer).__name__.lower(),
        "shape": list(node.shape),
        "size": node.size,
        "reads": list(node.sources),
        "states": dict(counts),
    }


def region_record(region: Region, network: Network, title: str = "") -> Record:
    """Return a region in network units, and in raw units where the network states them."""
    record: Record = {
        "name": region.name,
        "title": title,
        "lower": region.lower.tolist(),
        "upper": region.upper.tolist(),
        "exact_lower": [str(value) for value in region.exact_lower],
        "exact_upper": [str(value) for value in region.exact_upper],
        "raw_lower": None,
        "raw_upper": None,
    }
    normal = network.normalisation
    if normal is not None:
        scale = [Fraction(float(value)) for value in normal.range]
        mean = [Fraction(float(value)) for value in normal.mean]
        low, high = (
            [limit * s + m for limit, s, m in zip(corner, scale, mean, strict=True)]
            for corner in (region.exact_lower, region.exact_upper)
        )
        record["raw_lower"] = [float_below(value) + 0.0 for value in low]
        record["raw_upper"] = [float_above(value) + 0.0 for value in high]  # no -0.0
    return record
