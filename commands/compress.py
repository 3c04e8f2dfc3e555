"""`secateur compress`: a smaller network that computes about the same, and what was lost."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..compression import compress as engine
from ..compression.files import load_compressed, save_compressed
from ..compression.form import Compressed
from ..compression.method import Method
from ..compression.packed import pack, unpack
from ..engine.errors import MismatchError
from ..engine.formats import load
from ..engine.formats.files import read_bytes, replace_with
from ..engine.formats.regions import parse_region
from ..engine.network import Network, Quantize
from ..engine.region import Region
from .compress_loss import Loss, loss
from .compress_method import Wish
from .compress_record import compress_record, tell
from .options import Exit, Options, Side
from .record import envelope, write_record
from .replay import corners_and_more
from .targets import check_targets
from .terminal import Terminal

if TYPE_CHECKING:
    from ..compression.data.dataset import Dataset

Array = NDArray[np.float64]

CALIBRATION = 4096
"""Points at which activations are looked at."""

REPLAYED = 256
"""Points on which the file's runtime is held against a fixed-point network, bit for bit."""

READ = (".vnnlib", ".json", ".csv", ".gz", ".npz")
"""Endings of files that a region or data may be read from."""


@dataclass(frozen=True, slots=True)
class Order:
    """What `compress` is asked for.

    Attributes:
        net: the network file.
        output: where the compressed network goes.
        wish: what is taken away.
        region: as it was typed; None for the one that the network states, if it does.
        units: of the region's limits, and of a table's inputs.
        data: a data set by name or file; None for none.
        pack: where the packed file goes; None for nowhere.
        report: where the report goes; None for nowhere.
    """

    net: Path
    output: Path
    wish: Wish
    region: str | None = None
    units: Side = Side.NETWORK
    data: str | None = None
    pack: Path | None = None
    report: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A compressed network and its files.

    Attributes:
        before: the original.
        after: the compressed network, as its file holds it.
        region: where the loss was looked at; None for nowhere.
        data: the data set that was named, or None.
        packed: the packed file.
        stored: the ONNX file.
        loss: what was seen of it; None where there was nowhere to look.
        digests: SHA-256 of the packed and of the ONNX file.
    """

    before: Network
    after: Compressed
    region: Region | None
    data: Dataset | None
    packed: bytes
    stored: bytes
    loss: Loss | None
    digests: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the digests."""
        digests = tuple(hashlib.sha256(data).hexdigest() for data in (self.packed, self.stored))
        object.__setattr__(self, "digests", digests)


def compress(network: str | Path | Network, method: Method, *, seed: int = 0) -> Compressed:
    """Return a smaller network that computes about the same, and how its numbers are stored.

    Args:
        network: a file ending in .onnx or .nnet, or a network.
        method: what is taken away, one of those in `secateur.compression.method`.
        seed: of weights drawn at random.

    Raises:
        InputError: a file or a method that cannot be used; see `compression.compress.compress`.
    """
    net = network if isinstance(network, Network) else load(network)
    return engine.compress(net, method, seed=seed)


def run(order: Order, options: Options) -> Exit:
    """Compress a network, hold its file against it, and write it; end DONE."""
    began = time.monotonic()
    typed = [Path(text) for text in (order.region, order.data) if text is not None]
    check_targets(
        [
            ("--output", order.output, (".onnx",)),
            ("--pack", order.pack, ()),
            ("--report", order.report, (".html", ".htm")),
            ("--json", options.json, ()),
        ],
        [order.net, *(path for path in typed if path.suffix.lower() in READ)],
    )
    network, terminal = load(order.net), Terminal.of(options)
    with terminal.progress(order.wish.way.value):
        made = _made(order, network, options.seed)
    replace_with(order.output, made.stored)
    if order.pack is not None:
        replace_with(order.pack, made.packed)
    record = envelope(
        "compress",
        options,
        Exit.DONE,
        time.monotonic() - began,
        **compress_record(order, made),
    )
    tell(record, terminal)
    if order.report is not None:
        from ..report import write_compress_report

        write_compress_report(order.report, record)
        terminal.say(f"Report: {order.report}")
    write_record(record, options.json)
    return Exit.DONE


def _made(order: Order, network: Network, seed: int) -> Made:
    rng = np.random.default_rng(seed)
    region = _region(order, network)
    data = None if order.data is None else _data(order.data, network, order.units)
    points = _calibration(region, data, rng)
    compressed = engine.compress(network, order.wish.method(region, points), seed=seed)
    with TemporaryDirectory(prefix="secateur-") as folder:
        draft = Path(folder) / "draft.onnx"
        save_compressed(compressed, draft)
        after = load_compressed(draft)
        _hold(after, compressed, draft, points)
        stored = read_bytes(draft)
    packed = pack(after)
    unpack(packed)
    return Made(
        network, after, region, data, packed, stored, loss(network, after, region, data, rng)
    )


def _region(order: Order, network: Network) -> Region | None:
    if order.region is not None:
        return parse_region(order.region, network, order.units.value)
    if order.data is None and network.normalisation is not None:
        return parse_region("net", network)
    return None


def _data(spec: str, network: Network, units: Side) -> Dataset:
    from ..compression.data.fits import fits
    from ..compression.data.load import Reading, load_data

    raw = network.normalisation if units is Side.RAW else None
    dataset = load_data(spec, Reading(units=raw))
    fits(dataset, network, every_class=False)
    return dataset


def _calibration(
    region: Region | None, data: Dataset | None, rng: np.random.Generator
) -> Array | None:
    """Return the points at which activations are looked at: of the data before the region's."""
    if data is not None:
        rows = np.linspace(0, len(data.inputs) - 1, min(CALIBRATION, len(data.inputs)))
        return data.inputs[rows.astype(np.int64)].astype(np.float64)
    if region is not None:
        return corners_and_more(region.lattice("float32"), CALIBRATION, rng)
    return None


def _hold(after: Compressed, made: Compressed, draft: Path, points: Array | None) -> None:
    """Raise MismatchError unless the file is read, and where nothing rounds runs, as it was made.

    Every import is compared with its runtime within what float32 rounds; where all sums are exact
    there is nothing to round, and the runtime has to give the same bits.
    """
    network = made.network
    rounding = any(isinstance(node.layer, Quantize) for node in network.nodes)
    if pack(_flat(after)) != pack(_flat(made)):
        raise MismatchError(
            f"{draft.name}: the compressed network is read otherwise than it was written"
        )
    if not rounding or points is None:
        return
    from ..engine.formats.onnx_runtime import Runtime

    some = points[:REPLAYED].astype(np.float32).astype(np.float64)
    if not np.array_equal(Runtime(draft).outputs(some), network.evaluate(some)):
        raise MismatchError(
            f"{draft.name}: onnxruntime computes other outputs than the fixed-point network; "
            "update onnxruntime"
        )


def _flat(compressed: Compressed) -> Compressed:
    """Return the same without the shapes of values, which files do not keep of all."""
    network = compressed.network
    nodes = tuple(
        node if node is network.input else replace(node, shape=()) for node in network.nodes
    )
    flat = Network(nodes, network.output, network.origin, network.normalisation)
    return Compressed(flat, compressed.forms)
