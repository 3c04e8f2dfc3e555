"""Maps: which output wins over two inputs, before and after, with the region drawn on them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network
from ..engine.region import Region

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

COLUMNS: Final = 240
ROWS: Final = 160
"""Pixels of a map."""

MANY: Final = 32
"""Inputs from which on a plane through two of them says nothing."""

COLOURS: Final = (
    "#d9d9d9",
    "#9ecae1",
    "#fdbe85",
    "#2171b5",
    "#d94801",
    "#a1d99b",
    "#238b45",
    "#bcbddc",
    "#6a51a3",
    "#fa9fb5",
    "#7a0177",
    "#fed976",
)
"""A colour for each output, told apart by eyes of every kind; taken again from the start."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An input that a map shows.

    Attributes:
        index: of the input.
        label: its name and unit.
        low, high: ends of the map, in the unit shown.
        from_, to: ends of the region, in the unit shown.
    """

    index: int
    label: str
    low: float
    high: float
    from_: float
    to: float


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """Which output wins over two inputs, all others fixed at the middle of the region.

    Attributes:
        region: its name.
        across, along: the inputs from left to right and from bottom to top.
        fixed: the inputs that are fixed, in words; empty where there are none.
        before, after: ``(ROWS, COLUMNS)`` the winner, the top row first.
        words: for each output what its winning means.
        rule: how the winner is found, in words.
    """

    region: str
    across: Axis
    along: Axis
    fixed: str
    before: Pixels
    after: Pixels
    words: tuple[str, ...]
    rule: str

    @property
    def inside(self) -> tuple[int, int]:
        """Number of pixels inside the region, and of those among them that differ."""
        columns = _within(self.across, COLUMNS)
        rows = _within(self.along, ROWS)[::-1]
        where = rows[:, None] & columns[None, :]
        return int(where.sum()), int((self.before != self.after)[where].sum())

    @property
    def outside(self) -> float:
        """Share of all pixels that differ; those outside the region may."""
        return float((self.before != self.after).mean())

    @property
    def seen(self) -> list[int]:
        """The outputs that win somewhere on the map."""
        return sorted({*np.unique(self.before).tolist(), *np.unique(self.after).tolist()})


@dataclass(frozen=True, slots=True)
class Names:
    """What the inputs and outputs of a network mean to people.

    Attributes:
        inputs: names of the inputs; empty where nobody has said.
        units: their raw units.
        outputs: names of the outputs.
    """

    inputs: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def winners(
    network: Network,
    after: Network,
    region: Region,
    smallest: bool,
    names: Names | None = None,
    axes: tuple[int, int] | None = None,
) -> Map | None:
    """Return the map of a region, or None where there is nothing to show.

    Args:
        network: the original.
        after: the simplified network.
        region: network units.
        smallest: whether the smallest output wins; the largest does otherwise.
        names: what inputs and outputs mean.
        axes: inputs to show; the two in which the region is widest when absent.
    """
    if network.size_out < 2 or not 2 <= network.size_in <= MANY:
        return None
    names = names or Names()
    low, high = _view(network, region)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        return None
    if axes is None:
        first, second = np.argsort(-(region.upper - region.lower) / (high - low), kind="stable")[:2]
        axes = (int(min(first, second)), int(max(first, second)))
    middle = 0.5 * (region.lower + region.upper)
    points = np.tile(middle, (ROWS, COLUMNS, 1))
    points[:, :, axes[0]] = _ticks(low[axes[0]], high[axes[0]], COLUMNS)[None, :]
    points[:, :, axes[1]] = _ticks(low[axes[1]], high[axes[1]], ROWS)[::-1][:, None]
    pictures = []
    for net in (network, after):
        scores = np.array([net.evaluate(row) for row in points])  # a row stays in the cache
        best = scores.argmin(axis=-1) if smallest else scores.argmax(axis=-1)
        pictures.append(best.astype(np.uint8))
    fixed = [i for i in range(network.size_in) if i not in axes]
    across, along = (
        Axis(i, _label(i, network, names), *_shown(i, network, names, low, high, region))
        for i in axes
    )
    return Map(
        region.name,
        across,
        along,
        ", ".join(_fixed(i, network, names, middle) for i in fixed),
        pictures[0],
        pictures[1],
        names.outputs or tuple(f"output {i}" for i in range(network.size_out)),
        "the smallest output wins" if smallest else "the largest output wins",
    )


def png(pixels: Pixels) -> bytes:
    """Return a PNG of winners ``(rows, columns)``, each in its colour of `COLOURS`."""
    rows, columns = pixels.shape
    palette = bytes(int(c[i : i + 2], 16) for c in COLOURS for i in (1, 3, 5))
    lines = (pixels % len(COLOURS)).astype(np.uint8)
    raw = np.concatenate([np.zeros((rows, 1), np.uint8), lines], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _view(network: Network, region: Region) -> tuple[Array, Array]:
    """Return the corners of what a map can show: the stated box, else twice the region."""
    normal = network.normalisation
    margin = 0.5 * (region.upper - region.lower)
    margin = np.where(margin > 0, margin, 0.5)
    if normal is None or max(np.abs(normal.minimum).max(), np.abs(normal.maximum).max()) > 1e30:
        return region.lower - margin, region.upper + margin
    low, high = normal.to_network(normal.minimum), normal.to_network(normal.maximum)
    return np.minimum(low, region.lower), np.maximum(high, region.upper)


def _ticks(low: float, high: float, count: int) -> Array:
    """Return the middles of ``count`` pixels between two ends."""
    return low + (np.arange(count) + 0.5) / count * (high - low)


def _within(axis: Axis, count: int) -> NDArray[np.bool_]:
    middles = _ticks(axis.low, axis.high, count)
    return (axis.from_ <= middles) & (middles <= axis.to)


def _unit(index: int, network: Network, names: Names) -> tuple[str, float]:
    """Return the unit that an input is shown in and its factor from raw units."""
    if network.normalisation is None:
        return "network units", 1.0
    unit = names.units[index] if names.units else "raw units"
    return ("degrees", 180.0 / np.pi) if unit == "rad" else (unit, 1.0)


def _shown(
    index: int, network: Network, names: Names, low: Array, high: Array, region: Region
) -> tuple[float, float, float, float]:
    """Return the ends of the map and of the region in the unit shown."""
    ends = (low[index], high[index], region.lower[index], region.upper[index])
    left, right, from_, to = (_raw(index, network, names, float(end)) for end in ends)
    # Units there and back leave dust beside zero.
    left, right = (0.0 if abs(end) < 1e-9 * (right - left) else end for end in (left, right))
    return left, right, from_, to


def _raw(index: int, network: Network, names: Names, value: float) -> float:
    normal, factor = network.normalisation, _unit(index, network, names)[1]
    if normal is not None:
        value = value * float(normal.range[index]) + float(normal.mean[index])
    return value * factor


def _name(index: int, names: Names) -> str:
    return names.inputs[index] if names.inputs else f"input {index}"


def _label(index: int, network: Network, names: Names) -> str:
    return f"{_name(index, names)}, {_unit(index, network, names)[0]}"


def _fixed(index: int, network: Network, names: Names, middle: Array) -> str:
    value = _raw(index, network, names, float(middle[index]))
    unit = _unit(index, network, names)[0] if network.normalisation is not None else ""
    return f"{_name(index, names)} = {value:.4g} {unit}".rstrip().replace("-", "\u2212")
