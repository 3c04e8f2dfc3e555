"""What a record says of a self-compression, see docs/json.md, and what the terminal does."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ..compression.data import Dataset
from ..compression.safety_certificate import Kept
from ..compression.selfcompress_chain import links_of
from ..compression.selfcompress_plan import accuracy
from ..engine.network import Network
from ..engine.verdict import Proved, Refuted, Unknown, Verdict
from .record import Record, network_record, sizes
from .terminal import Terminal

if TYPE_CHECKING:
    from .selfcompress import Order, Trained

SHOWN = 12
"""Epochs that the terminal lists at most; the record has all."""


def selfcompress_record(order: Order, done: Trained, stored: bytes) -> Record:
    """Return what a record says of a self-compression."""
    found = done.found
    made = found.coded.network()
    links = links_of(done.start)
    weights = sum(link.operator.weight.size for link in links)
    return {
        "network": network_record(done.start),
        "data": _data(done),
        "plan": asdict(order.plan),
        "safety": _safety(order, done),
        "complete": found.complete,
        "curve": [look.record() for look in found.curve],
        "weights": weights,
        "weight_bits": found.coded.weight_bits,
        "layers": [
            {
                "channels": link.channels,
                "kept": layer.link.channels,
                "inputs": layer.link.channels_in,
                "bits": layer.bits.tolist(),
            }
            for link, layer in zip(links, found.coded.layers, strict=True)
        ],
        "accuracy": _accuracy(done, made),
        "packed_bytes": len(done.packed),
        "float_bytes": 4 * done.start.parameters,
        "compressed": sizes(made),
        "output": _file(str(order.output), stored),
        "pack": None if order.pack is None else _file(str(order.pack), done.packed),
        "original": None if order.original is None else str(order.original),
        "certified": _certified(order, done),
        "certify": _certify(order),
    }


def _file(path: str, data: bytes) -> Record:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _data(done: Trained) -> Record:
    parts = {"train": done.data.train, "validation": done.data.validation, "test": done.data.test}
    name = done.data.train.name.removesuffix(", train")
    return {
        "name": name,
        "rows": {part: len(rows) for part, rows in parts.items()},
        "files": [{"path": one.path, "sha256": one.sha256} for one in done.data.train.source],
    }


def _safety(order: Order, done: Trained) -> Record | None:
    safety = done.safety
    if safety is None:
        return None
    assert safety.images.labels is not None
    watch = order.watch
    return {
        "images": len(safety),
        "lambda": watch.weight,
        "threshold": watch.threshold,
        "restores": watch.restores,
        "reasons": {reason.name.lower(): count for reason, count in safety.count().items()},
        "rows": safety.images.rows.tolist(),
        "labels": safety.images.labels.tolist(),
        "file": None if watch.images is None else str(watch.images),
    }


def _accuracy(done: Trained, made: Network) -> Record | None:
    """Return accuracies of the float network and of the compressed one on each part."""
    if done.data.train.labels is None:
        return None
    parts = {"train": done.data.train, "validation": done.data.validation, "test": done.data.test}
    return {
        part: {"original": _rate(done.start, rows), "compressed": _rate(made, rows)}
        for part, rows in parts.items()
        if len(rows)
    }


def _rate(network: Network, rows: Dataset) -> float:
    assert rows.labels is not None
    return accuracy(network.evaluate(rows.inputs), rows.labels)


def _certified(order: Order, done: Trained) -> Record | None:
    if order.watch.radius is None:
        return None
    words = [_word(one.verdict) for one in done.kept]
    return {
        "radius": order.watch.radius,
        **{word: words.count(word) for word in ("proved", "refuted", "unknown")},
        "images": [_image(one, word) for one, word in zip(done.kept, words, strict=True)],
    }


def _image(one: Kept, word: str) -> Record:
    return {"row": one.row, "label": one.label, "verdict": word, "seconds": one.seconds}


def _word(verdict: Verdict) -> str:
    match verdict:
        case Proved():
            return "proved"
        case Refuted():
            return "refuted"
        case Unknown():
            return "unknown"


def _certify(order: Order) -> str | None:
    """Return the command that certifies how far the network is from the one it began with."""
    first = order.net or order.original
    if first is None:
        return None
    files = f"{shlex.quote(str(first))} {shlex.quote(str(order.output))}"
    return f"secateur compare {files} --region REGION"


# --- for people -----------------------------------------------------------------------------------


def tell(record: Record, terminal: Terminal) -> None:
    """Print what was found."""
    curve = record["curve"]
    columns = ("epoch", "bytes", "bits of weights", "channels", "validation", "safety")
    rows = [
        (
            look["epoch"],
            look["bytes"],
            look["weight_bits"],
            " ".join(map(str, look["channels"])),
            _share(look["validation"], record),
            _share(look["safety"], record),
        )
        for look in _some(curve)
    ]
    terminal.table("The training", columns, rows, words=0)
    if record["accuracy"]:
        parts = [
            (part, f"{100 * rates['original']:.2f} %", f"{100 * rates['compressed']:.2f} %")
            for part, rates in record["accuracy"].items()
        ]
        terminal.table("Rows with the right label", ("part", "float", "compressed"), parts)
    mean = record["weight_bits"] / record["weights"]
    removed = sum(one["channels"] - one["kept"] for one in record["layers"])
    terminal.say(
        f"Packed: {record['packed_bytes']} bytes, {record['float_bytes']} as plain floats; "
        f"{mean:.2f} bits a weight of the float network's. Channels removed: {removed}."
    )
    restored = sum(look["restored"] for look in curve)
    if restored:
        terminal.say(f"Channels restored when safety fell: {restored}.")
    if record["certified"]:
        kept = record["certified"]
        terminal.say(
            f"Within {kept['radius']} of {len(kept['images'])} images of the safety set the right "
            f"class is proved for {kept['proved']}, refuted for {kept['refuted']}, open for "
            f"{kept['unknown']}."
        )
    if not record["complete"]:
        terminal.say("The time ended before the epochs did; --checkpoint and --resume go on.")
    terminal.say(f"Written: {record['output']['path']}.")
    if record["certify"]:
        terminal.say("How far it is from the float network on a region is certified by:")
        terminal.say(f"  {record['certify']}")


def _some(curve: Sequence[Record]) -> list[Record]:
    places = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), SHOWN)).round().astype(int))
    return [curve[at] for at in places.tolist()]


def _share(value: float | None, record: Record) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if record["accuracy"] else f"{value:.6g}"
