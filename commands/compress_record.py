"""What a record says of a compression, see docs/json.md, and what the terminal does."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, assert_never

import numpy as np

from ..compression.compress import nonzero
from ..compression.form import Compressed, Fixed, Free, Grid, Half, Masked, Values, affine_layers
from ..compression.packed import pack
from ..compression.plain import plain
from ..engine.network import Quantize
from .compress_loss import Loss
from .options import Side
from .record import Record, network_record, number, region_record, sizes
from .terminal import Terminal, share

if TYPE_CHECKING:
    from .compress import Made, Order


def compress_record(order: Order, made: Made) -> Record:
    """Return what a record says of a compression."""
    network, region, data = made.before, made.region, made.data
    wish, after = order.wish, made.after.network
    file = order.net.stat().st_size if order.net.is_file() else None
    return {
        "network": network_record(network),
        "method": {
            "name": wish.way.value,
            "share": wish.share,
            "scope": None if wish.scope is None else wish.scope.value,
            "rank": wish.rank,
            "ranges": None if wish.ranges is None else wish.ranges.value,
            "fit": None if wish.fit is None else wish.fit.value,
        },
        "region": None if region is None else region_record(region, network),
        "data": None
        if data is None
        else {
            "name": data.name,
            "rows": len(data.inputs),
            "files": [{"path": one.path, "sha256": one.sha256} for one in data.source],
        },
        "before": {
            **sizes(network),
            "nonzero": nonzero(network),
            "packed_bytes": len(pack(plain(network))),
            "file_bytes": file,
        },
        "after": {
            **sizes(after),
            "nonzero": nonzero(after),
            "packed_bytes": len(made.packed),
            "file_bytes": len(made.stored),
        },
        "layers": _layers(made.after),
        "seen": None if made.loss is None else _seen(made.loss),
        "output": {
            "path": str(order.output),
            "sha256": made.digests[1],
            "bytes": len(made.stored),
        },
        "pack": None
        if order.pack is None
        else {"path": str(order.pack), "sha256": made.digests[0], "bytes": len(made.packed)},
        "certify": _certify(order, made),
    }


def _layers(compressed: Compressed) -> list[Record]:
    network, out = compressed.network, []
    for node, layer in affine_layers(network):
        form, weight = compressed.forms[node.name], layer.operator.weight
        source = network.by_name[node.sources[0]]
        grid = source.layer if isinstance(source.layer, Quantize) else None
        out.append(
            {
                "layer": node.name,
                "weight": kind(form.weight),
                "bias": kind(form.bias),
                "weights": int(weight.size),
                "zeros": int(weight.size - np.count_nonzero(weight)),
                "step": None if grid is None else float(grid.scale[0]),
            }
        )
    return out


def kind(values: Values) -> str:
    """Return in a word what numbers a form holds."""
    match values:
        case Free():
            return "float32"
        case Masked():
            return "masked"
        case Half():
            return "float16"
        case Grid(low=low, high=high):
            return "int8" if max(-low, high) <= 128 else "int32"
        case Fixed():
            return "fixed"
        case _ as never:
            assert_never(never)


def _seen(found: Loss) -> Record:
    return {
        "points": found.points,
        "difference": number(float(found.outputs.max())),
        "mean": number(found.mean),
        "outputs": [
            {"index": index, "difference": number(apart), "largest": number(most)}
            for index, (apart, most) in enumerate(
                zip(found.outputs.tolist(), found.largest.tolist(), strict=True)
            )
        ],
        "same_largest": found.same[0],
        "same_smallest": found.same[1],
        "accuracy": None
        if found.accuracy is None
        else {"before": found.accuracy[0], "after": found.accuracy[1]},
    }


def _certify(order: Order, made: Made) -> str:
    """Return the command that bounds the difference over the region."""
    where = order.region or ("net" if made.region is not None else "REGION")
    units = ["--units", "raw"] if order.region and order.units is Side.RAW else []
    words = ["secateur", "compare", str(order.net), str(order.output), "--region", where]
    return shlex.join([*words, *units])


SIZES = (
    ("neurons", "neurons"),
    ("parameters", "parameters"),
    ("nonzero", "of them not zero"),
    ("multiply_adds", "multiply-adds"),
    ("packed_bytes", "packed file, bytes"),
    ("file_bytes", "network file, bytes"),
)
"""The sizes that are told, and how."""


def tell(record: Record, terminal: Terminal) -> None:
    """Print what was lost and how to certify it."""
    before, after, seen = record["before"], record["after"], record["seen"]
    name = record["method"]["name"]
    rows = [
        (
            said,
            *("-" if one[key] is None else one[key] for one in (before, after)),
            _left(key, record),
        )
        for key, said in SIZES
    ]
    title = f"{record['network']['path']}, compressed by {name}"
    terminal.table(title, ("", "before", "after", "left"), rows)
    if seen is None:
        terminal.say("Nothing was looked at: name a --region or --data to see what was lost.")
    else:
        where = record["region"]["name"] if record["region"] else record["data"]["name"]
        terminal.say(
            f"Largest difference of an output at {seen['points']} points of {where}: "
            f"{seen['difference']:.6g} (mean {seen['mean']:.3g}), seen and not proved."
        )
        if seen["accuracy"] is not None:
            one, two = (f"{100 * seen['accuracy'][key]:.2f} %" for key in ("before", "after"))
            terminal.say(f"Accuracy on {record['data']['name']}: {one} before, {two} after.")
    terminal.say(f"Written: {record['output']['path']}")
    if record["pack"] is not None:
        terminal.say(f"Packed: {record['pack']['path']}")
    terminal.say(f"To bound what was lost: {record['certify']}")


def _left(key: str, record: Record) -> str:
    before, after = (record[side][key] for side in ("before", "after"))
    return "-" if not before or after is None else share(after, before)
