"""What `secateur forget exemplars` says: the record, and the same for people."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..compression.data import Dataset
from ..compression.exemplars import TIED, Outcome
from ..compression.exemplars_measured import Accuracy, ByChance, Forgotten, Mean
from ..compression.populations import Pruned
from ..compression.welch import LEVEL
from .forget_pictures import png
from .options import Exit, Options
from .record import Record, envelope, number
from .terminal import Terminal

if TYPE_CHECKING:
    from .forget_exemplars import Measured, Order
    from .forget_exemplars import Outcome as Known

SHOWN = 24
"""Exemplars of a population that a record shows, the clearest."""

RULE = (
    "An input is an exemplar where the modal labels differ however ties are broken, none where "
    "they are the same however ties are broken, and undecided otherwise."
)
"""What is said of ties."""


def exemplars_record(order: Order, options: Options, known: Known) -> Record:
    """Return the record of a run; see docs/forget.md."""
    end = Exit.UNKNOWN if known.reason else Exit.DONE
    return envelope(
        "exemplars",
        options,
        end,
        time.monotonic() - order.began,
        reason=known.reason or None,
        folder=str(order.output),
        data=_data(known),
        plan=_plan(known),
        level=LEVEL,
        rule=RULE,
        populations=[_population(one, known) for one in known.measured],
    )


def _data(known: Known) -> Record | None:
    if known.split is None:
        return None
    split = known.split
    return {
        "name": split.train.name.removesuffix(", train"),
        "classes": split.train.classes,
        "shape": list(split.train.shape),
        "train": len(split.train),
        "test": len(split.test),
        "digest": split.train.digest,
        "sources": [{"path": one.path, "sha256": one.sha256} for one in split.train.source],
    }


def _plan(known: Known) -> Record | None:
    if known.store is None:
        return None
    plan = known.store.plan
    missing = sum(1 for _ in known.store.missing())
    return {
        "neurons": plan.shape.neurons,
        "parameters": plan.shape.parameters,
        "models": plan.models,
        "epochs": plan.epochs,
        "batch": plan.batch,
        "rate": plan.rate,
        "scope": plan.scope.value,
        "networks": plan.models * len(plan.every),
        "missing": missing,
    }


def _population(one: Measured, known: Known) -> Record:
    found = one.found
    assert known.split is not None
    return {
        "name": one.level.name,
        "share": one.level.share if isinstance(one.level, Pruned) else None,
        "exemplars": found.count(Outcome.EXEMPLAR),
        "undecided": found.count(Outcome.UNDECIDED),
        "kept": found.count(Outcome.KEPT),
        "ties": {"original": found.original.ties, "compressed": found.compressed.ties},
        "overall": _accuracy(found.overall),
        "on_exemplars": _accuracy(found.on_exemplars),
        "elsewhere": _accuracy(found.elsewhere),
        "by_chance": _accuracy(found.by_chance),
        "classes": _classes(found, known.split.test),
        "corruptions": _corruptions(one),
        "gallery": _gallery(found, known),
    }


def _accuracy(found: Accuracy | ByChance | None) -> Record | None:
    if found is None:
        return None
    record: Record = {
        "rows": found.rows,
        "original": _mean(found.original),
        "compressed": _mean(found.compressed),
    }
    if isinstance(found, ByChance):
        record["draws"] = found.draws
    return record


def _mean(mean: Mean) -> Record:
    return {name: number(end) for name, end in zip(("mean", "low", "high"), mean, strict=True)}


def _classes(found: Forgotten, test: Dataset) -> list[Record]:
    tested, rows = found.classes, test.count().tolist()
    return [
        {
            "label": label,
            "rows": rows[label],
            "change": number(tested.change[label]),
            "low": number(tested.low[label]),
            "high": number(tested.high[label]),
            "freedom": number(tested.freedom[label]),
            "p": number(tested.p[label]),
            "corrected": number(found.corrected[label]),
            "changed": bool(found.corrected[label] <= LEVEL),
        }
        for label in range(test.classes)
    ]


def _corruptions(one: Measured) -> list[Record]:
    if one.brittle is None or one.corrected is None:
        return []
    tested = one.brittle
    return [
        {
            "kind": case.kind.value,
            "severity": case.severity,
            "original": float(case.original.mean()),
            "compressed": float(case.compressed.mean()),
            "change": number(tested.change[place]),
            "low": number(tested.low[place]),
            "high": number(tested.high[place]),
            "p": number(tested.p[place]),
            "corrected": number(one.corrected[place]),
            "changed": bool(one.corrected[place] <= LEVEL),
        }
        for place, case in enumerate(one.corruptions)
    ]


def _gallery(found: Forgotten, known: Known) -> list[Record]:
    """Return the clearest exemplars, with pictures where inputs are pictures."""
    assert known.split is not None
    test, truth = known.split.test, known.split.test.labels
    assert truth is not None
    records = []
    for row in found.order[:SHOWN].tolist():
        sides = found.original, found.compressed
        labels = [None if (label := int(one.labels[row])) == TIED else label for one in sides]
        records.append(
            {
                "row": int(test.rows[row]),
                "label": int(truth[row]),
                "original": labels[0],
                "original_votes": int(found.original.votes[row].max()),
                "compressed": labels[1],
                "compressed_votes": int(found.compressed.votes[row].max()),
                "picture": _picture(test.inputs[row], known),
                "values": None if len(test.shape) == 3 else test.inputs[row].astype(float).tolist(),
            }
        )
    return records


def _picture(row: NDArray[np.float32], known: Known) -> str | None:
    """Return an input as a PNG in base64; None where it is no picture of one or three channels."""
    assert known.split is not None
    assert known.scale is not None
    shape = known.split.test.shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        return None
    span = (known.scale.high - known.scale.low) or 1.0
    levels = np.clip((row.astype(np.float64) - known.scale.low) / span, 0.0, 1.0) * 255.0
    return base64.b64encode(png(np.rint(levels).astype(np.uint8).reshape(shape))).decode()


def say(terminal: Terminal, record: Record) -> None:
    """Print what a record says, for people."""
    plan, data = record["plan"], record["data"]
    if plan is not None and data is not None:
        terminal.say(
            f"{plan['networks'] - plan['missing']} of {plan['networks']} networks in "
            f"{record['folder']}, trained on {data['train']} rows of {data['name']}, measured on "
            f"{data['test']}."
        )
    if record["populations"]:
        terminal.table(
            "What was forgotten",
            (
                "population",
                "accuracy, %",
                "exemplars",
                "undecided",
                "on exemplars, before",
                "after",
                "classes changed",
                "corruptions worse",
            ),
            [_row(one) for one in record["populations"]],
        )
        terminal.say(record["rule"])
    if record["reason"]:
        terminal.say(f"Not complete: {record['reason']}.")


def _row(one: Record) -> tuple[object, ...]:
    there = one["on_exemplars"]
    before, after = (
        "-" if there is None else f"{100 * there[side]['mean']:.1f}"
        for side in ("original", "compressed")
    )
    return (
        one["name"],
        f"{100 * one['overall']['compressed']['mean']:.2f}",
        one["exemplars"],
        one["undecided"],
        before,
        after,
        sum(case["changed"] for case in one["classes"]),
        sum(case["changed"] and case["change"] < 0 for case in one["corruptions"]),
    )
