"""Rows of a study as JSON holds them, the record of `forget latent`, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..compression.architectures import Plan
from ..compression.data import Split
from ..compression.divergence import Estimate, Projection
from ..compression.latent import Divergence, Row, Spread
from ..compression.latent_certify import Certified
from ..compression.latent_cut import Method
from ..compression.latent_rank import Correlation, Rank
from ..compression.latent_samples import Layer
from ..compression.latent_table import Damage, Group
from ..compression.latent_train import Performance
from ..compression.latent_tune import Curve
from ..engine.errors import FileError, FormatError
from .forget_latent_order import Order
from .record import Record, number
from .terminal import Terminal


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a study found.

    Attributes:
        layers: of the network.
        before: of the original on test rows.
        rows: one for each layer, method and share.
        groups: correlations; empty where rows are missing.
        curves: of fine-tuning.
        is_complete: whether all that was asked for is there.
    """

    layers: tuple[Layer, ...]
    before: Performance
    rows: Sequence[Row]
    groups: Sequence[Group]
    curves: Sequence[Curve]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows in a file, one a line; a last line that was not written whole is left out.

    Attributes:
        path: of the file.
    """

    path: Path

    def rows(self) -> list[Row]:
        """Return the rows that are there, and cut off what is no whole line.

        Raises:
            FormatError: a line holds no row.
        """
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            self.path.write_bytes(whole)
        found = []
        for at, line in enumerate(whole.splitlines(), start=1):
            try:
                found.append(row_of(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{self.path}: line {at} holds no row: take the file away"
                ) from error
        return found

    def add(self, row: Row) -> None:
        """Write a row at the end.

        Raises:
            FileError: it cannot be written.
        """
        try:
            with self.path.open("ab") as file:
                file.write((json.dumps(row_record(row)) + "\n").encode())
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written ({error.strerror})") from error


def row_record(row: Row) -> Record:
    """Return a row as JSON holds it."""
    certified = row.certified
    return {
        "layer": row.layer,
        "method": row.method.value,
        "sparsity": row.share,
        "stored": row.stored,
        "rank": row.rank,
        "ap2": {kind.value: value for kind, value in row.ap2.items()},
        "ap3": {kind.value: asdict(one) for kind, one in row.ap3.items()},
        "loss": row.loss,
        "accuracy": row.accuracy,
        "certified": None
        if certified is None
        else {
            "attained": certified.attained,
            "proved": number(certified.proved),
            "closed": certified.closed,
        },
    }


def row_of(value: dict[str, Any]) -> Row:
    """Return the row that JSON holds."""
    held = value["certified"]
    certified = None
    if held is not None:
        proved = float("inf") if held["proved"] is None else held["proved"]
        certified = Certified(held["attained"], proved, held["closed"])
    return Row(
        value["layer"],
        Method(value["method"]),
        value["sparsity"],
        value["stored"],
        value["rank"],
        {Projection(kind): float(one) for kind, one in value["ap2"].items()},
        {
            Spread(kind): Divergence(
                one["gaussian"], Estimate(**one["student"]), one["limit"], one["general"]
            )
            for kind, one in value["ap3"].items()
        },
        value["loss"],
        value["accuracy"],
        certified,
    )


def latent_record(
    order: Order, plan: Plan | None, digest: str | None, split: Split, found: Found
) -> Record:
    """Return what `forget latent` adds to a record."""
    settings, path = order.settings, order.source.net or order.source.state
    course = order.training.course(order.source.is_trained)
    return {
        "network": {
            "path": None if path is None else str(path),
            "sha256": digest,
            "architecture": None if plan is None else plan.architecture.value,
            "width": None if plan is None else plan.width,
            "layers": [
                {"name": one.name, "outputs": one.outputs, "inputs": one.inputs}
                for one in found.layers
            ],
        },
        "data": {
            "name": order.data,
            "sha256": [one.sha256 for one in split.train.source],
            "train": len(split.train),
            "test": len(split.test),
        },
        "training": {"epochs": course.epochs, "batch": course.batch, "rate": course.rate},
        "samples": {
            "kind": "seeds" if order.sampling.seeds else "iterates",
            "count": order.sampling.count,
            "every": order.sampling.every,
            "rank": settings.rank,
            "examples": settings.examples,
        },
        "freedom": settings.freedom,
        "region": None if order.proving is None else _region(order),
        "before": asdict(found.before),
        "rows": [row_record(row) for row in found.rows],
        "correlations": [_group(one) for one in found.groups],
        "fine_tuning": [_curve(one) for one in found.curves],
        "complete": found.is_complete,
        "folder": str(order.output),
    }


def _region(order: Order) -> str:
    how = order.proving
    assert how is not None
    if how.region is not None:
        return how.region
    rows = "the first test row" if how.around == 1 else f"each of the first {how.around} test rows"
    return f"all inputs within {how.radius} of {rows}"


def _group(group: Group) -> Record:
    return {
        "method": None if group.method is None else group.method.value,
        "sparsity": group.share,
        "damage": group.damage.value,
        "rank": group.rank.value,
        "rows": group.found.rows,
        "layers": group.found.layers,
        "each": {name: asdict(one) for name, one in group.found.each.items()},
        "over_certified": {name: asdict(one) for name, one in group.found.over.items()},
    }


def _curve(curve: Curve) -> Record:
    return {
        "method": curve.method.value,
        "sparsity": curve.share,
        "epochs": [
            {
                "epoch": one.epoch,
                "ap3": {spread.value: one.total(spread) for spread in one.ap3},
                "layers": {spread.value: dict(held) for spread, held in one.ap3.items()},
                **asdict(one.performance),
            }
            for one in curve.epochs
        ],
    }


def tell(record: Record, terminal: Terminal) -> None:
    """Print what was found: how well each predictor orders the layers by their loss."""
    chosen = [
        one
        for one in record["correlations"]
        if one["damage"] == Damage.LOSS and one["rank"] == Rank.SPEARMAN
    ]
    network = record["network"]
    named = network["path"] or network["architecture"]
    terminal.say(
        f"{named}: {len(network['layers'])} layers, {len(record['rows'])} rows; loss "
        f"{record['before']['loss']:.4g} before"
        + (
            ""
            if record["before"]["accuracy"] is None
            else f", accuracy {record['before']['accuracy']:.2%}"
        )
        + f" on {record['data']['test']} test rows."
    )
    if not chosen:
        return
    pooled = [one for one in chosen if one["sparsity"] is None] or chosen
    columns = [f"{one['method'] or 'all methods'}{_share(one['sparsity'])}" for one in pooled]
    rows = [
        (
            name,
            *(
                said(Correlation(**one["each"][name])) if name in one["each"] else "-"
                for one in pooled
            ),
        )
        for name in pooled[-1]["each"]
    ]
    terminal.table(
        "Spearman's rank correlation with the rise of the loss, and 95 % intervals",
        ("predictor", *columns),
        rows,
    )


def _share(share: float | None) -> str:
    return "" if share is None else f" {share:g}"


def said(one: Correlation) -> str:
    """Return a correlation and its interval for people."""
    if one.value is None:
        return "-"
    if one.low is None or one.high is None:
        return f"{one.value:+.2f}"
    return f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"
