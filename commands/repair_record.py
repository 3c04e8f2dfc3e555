"""What a record says of a repair, see docs/json.md, and what the terminal does."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from ..compression.repair_bound import Certified
from .record import Record, network_record, number, region_record
from .terminal import Terminal, above, below

if TYPE_CHECKING:
    from .repair import Mended, Order

NAMES = ("original", "compressed", "repaired")


def repair_record(order: Order, mended: Mended) -> Record:
    """Return what a record says of a repair."""
    found, method = mended.found, order.method
    stored, packed = mended.digests
    return {
        "networks": [network_record(n) for n in (mended.original, mended.start.network)],
        "regions": [region_record(region, mended.original) for region in mended.regions],
        "tolerance": order.tolerance,
        "method": {
            "damping": method.damping,
            "iterations": method.iterations,
            "boxes": number(method.boxes),
            "fit": method.fit,
            "steps": method.training.steps,
            "rate": method.training.rate,
        },
        "data": _data(mended),
        "verdict": "proved" if found.proved else "unknown",
        "stop": found.stop.value,
        "improved": found.improved,
        "least_met": found.met,
        "before": _certified(found.before),
        "after": _certified(found.after),
        "iterations": [
            {
                "number": one.number,
                "move": one.move.value,
                "attained": number(one.attained),
                "proved": number(one.proved),
                "best": one.best,
                "accuracy": one.accuracy,
                "boxes": one.boxes,
                "seconds": one.seconds,
            }
            for one in found.iterations
        ],
        "accuracy": _accuracy(mended),
        "packed_bytes": dict(zip(NAMES, map(len, mended.packed), strict=True)),
        "output": {"path": str(order.output), "sha256": stored, "bytes": len(mended.stored)},
        "pack": None
        if order.pack is None
        else {"path": str(order.pack), "sha256": packed, "bytes": len(mended.packed[2])},
        "certify": _certify(order, mended),
    }


def _certified(found: Certified) -> Record:
    return {
        "attained": number(found.attained),
        "proved": number(found.proved),
        "boxes": found.boxes,
        "seconds": found.seconds,
        "outputs": [
            {
                "index": index,
                "attained": number(span.attained),
                "proved": number(span.proved),
                "input": [float(value) for value in span.point] or None,
            }
            for index, span in enumerate(found.outputs)
        ],
        "regions": [
            {"attained": number(attained), "proved": number(proved)}
            for attained, proved in found.regions
        ],
    }


def _data(mended: Mended) -> Record | None:
    if mended.data is None:
        return None
    dataset, split = mended.data
    return {
        "name": dataset.name,
        "rows": {"train": len(split.train), "test": len(split.test)},
        "files": [{"path": one.path, "sha256": one.sha256} for one in dataset.source],
    }


def _accuracy(mended: Mended) -> Record | None:
    if mended.accuracy is None:
        return None
    parts = zip(("train", "test"), mended.accuracy, strict=True)
    return {part: dict(zip(NAMES, values, strict=True)) for part, values in parts}


def _certify(order: Order, mended: Mended) -> list[str]:
    """Return the commands that certify what was written, one for each region."""
    files = f"{shlex.quote(str(order.original))} {shlex.quote(str(order.output))}"
    asked = f"--epsilon {order.tolerance}" if mended.found.proved else ""
    units = "" if order.units.value == "network" else f"--units {order.units.value}"
    return [
        " ".join(f"secateur compare {files} --region {shlex.quote(one)} {units} {asked}".split())
        for one in order.regions
    ]


# --- for people -----------------------------------------------------------------------------------


def tell(record: Record, terminal: Terminal) -> None:
    """Print what was found."""
    before, after = record["before"], record["after"]
    rows = [
        (
            str(one["index"]),
            *(_low(side["attained"]) for side in (other, one)),
            *(_high(side["proved"]) for side in (other, one)),
        )
        for one, other in zip(after["outputs"], before["outputs"], strict=True)
    ]
    columns = ("output", "attained before", "after", "proved before", "after")
    terminal.table("Largest distance from the original", columns, rows)
    if record["accuracy"]:
        parts = [
            (part, *(f"{100.0 * values[name]:.2f} %" for name in NAMES))
            for part, values in record["accuracy"].items()
        ]
        terminal.table("Rows with the right label", ("part", *NAMES), parts)
    sizes = record["packed_bytes"]
    terminal.say(
        f"Packed: {sizes['original']} bytes as floats, {sizes['compressed']} compressed, "
        f"{sizes['repaired']} repaired."
    )
    for line in verdict(record):
        terminal.say(line)
    terminal.say(f"Written: {record['output']['path']}. To certify it again:")
    for line in record["certify"]:
        terminal.say(f"  {line}")


def verdict(record: Record) -> list[str]:
    """Return what is proved, in sentences."""
    after, asked = record["after"], record["tolerance"]
    if record["verdict"] == "proved":
        return [
            f"Proved: no output is farther than {asked} from the original's; the bound is "
            f"{_high(after['proved'])}."
        ]
    known = _high(after["proved"])
    if after["proved"] is None:
        said = "No bound is proved."
    elif record["improved"]:
        said = f"The best that was found is proved to stay within {known}."
    else:
        said = f"Nothing was better than what came in, which is proved to stay within {known}."
    met = record["least_met"]
    reach = f"No network of this format is known that comes nearer than {_low(met)}."
    return [f"Unknown: not within {asked}, for {record['stop']}. {said}", reach]


def _low(value: float | None) -> str:
    return "-" if value is None else below(value)


def _high(value: float | None) -> str:
    return "no bound" if value is None or not math.isfinite(value) else above(value)
