"""Key: what every row of a store depends on, and which part of the cells a store holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ..engine.errors import InputError
from ..engine.region import Region
from .work import Cell, Json, digest_of


@dataclass(frozen=True, slots=True)
class Key:
    """What results depend on; a store holds the results of one key.

    Attributes:
        network: digest of the network's file, hexadecimal.
        region: the region's limits, a pair of `exact_text` for every input.
        slices: digest of the cut into cells, hexadecimal.
        options: whatever else a result depends on, by name; the time given is no part of it.
        version: of the program.
    """

    network: str
    region: tuple[tuple[str, str], ...]
    slices: str
    options: Mapping[str, Json] = field(default_factory=dict)
    version: str = ""

    def parts(self) -> dict[str, Json]:
        """Return the key as JSON."""
        return {
            "network": self.network,
            "region": [list(pair) for pair in self.region],
            "slices": self.slices,
            "options": dict(self.options),
            "version": self.version,
        }

    @classmethod
    def of(cls, parts: Mapping[str, Json]) -> Key:
        """Return the key with these parts; the inverse of `parts`.

        Raises:
            TypeError, ValueError, KeyError: they are no key's.
        """
        sides, options = parts["region"], parts["options"]
        if not isinstance(sides, list) or not isinstance(options, dict):
            raise ValueError("no parts of a key")
        pairs = [(str(low), str(high)) for low, high in map(_pair, sides)]
        names = (str(parts[name]) for name in ("network", "slices", "version"))
        network, slices, version = names
        return cls(network, tuple(pairs), slices, options, version)

    def digest(self) -> str:
        """Return the SHA-256 of its parts, hexadecimal."""
        return digest_of(self.parts())


def row_key(run: str, cell: Cell) -> bytes:
    """Return 16 bytes that tell a cell of one key from every other.

    Args:
        run: the key's digest.
        cell: its number and its identity count, its payload does not.
    """
    text = f"{run}\n{cell.id}\n{cell.identity}"
    return hashlib.sha256(text.encode()).digest()[:16]


def limits_of(region: Region) -> tuple[tuple[str, str], ...]:
    """Return a region's limits for a `Key`."""
    sides = zip(region.exact_lower, region.exact_upper, strict=True)
    return tuple((exact_text(lower), exact_text(upper)) for lower, upper in sides)


def exact_text(value: Fraction) -> str:
    """Return a number as a hexadecimal float where that is exact, else as p/q."""
    try:
        near = float(value)
    except OverflowError:
        return str(value)
    return near.hex() if Fraction(near) == value else str(value)


def differences(asked: Mapping[str, Json], held: Mapping[str, Json]) -> list[str]:
    """Return a phrase for each part in which the keys of a run and of a store differ."""
    out = []
    for name in sorted(asked.keys() | held.keys()):
        new, old = asked.get(name), held.get(name)
        if new == old:
            continue
        if isinstance(new, dict) and isinstance(old, dict):
            deeper = differences(new, old)
            out += [one if one.startswith("option ") else f"option {one}" for one in deeper]
        elif name == "region" and isinstance(new, list) and isinstance(old, list):
            out.append(_sides(new, old))
        else:
            out.append(f"{name} is {_short(new)} here and {_short(old)} there")
    return out


def _pair(side: Json) -> tuple[Json, Json]:
    if not isinstance(side, list):
        raise ValueError("no limits of an input")
    low, high = side
    return low, high


def _sides(new: list[Json], old: list[Json]) -> str:
    if len(new) != len(old):
        return f"region has {len(new)} inputs here and {len(old)} there"
    index = next(i for i, (one, other) in enumerate(zip(new, old, strict=True)) if one != other)
    return f"region's input {index} is {_short(new[index])} here and {_short(old[index])} there"


def _short(value: Json) -> str:
    if isinstance(value, list):
        return "..".join(str(one) for one in value)
    text = "unset" if value is None else str(value)
    return text if len(text) <= 48 else f"{text[:16]}..."


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a run's cells; the parts are disjoint and together are all cells.

    Part ``index`` of ``count`` has every ``count``-th cell, so that hard neighbours are shared.

    Attributes:
        index: from 1.
        count: how many parts.

    Raises:
        InputError: no such part.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise InputError(f"shard {self.index}/{self.count}: give i/n with 1 <= i <= n")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that ``i/n`` names.

        Raises:
            InputError: it names none.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.strip().isdecimal() and count.strip().isdecimal()):
            raise InputError(f"shard {text!r}: give i/n with 1 <= i <= n, such as 2/4")
        return cls(int(index), int(count))

    def holds(self, cell: int) -> bool:
        """Return whether a cell is in this part."""
        return cell % self.count == self.index - 1

    def size(self, cells: int) -> int:
        """Return how many of so many cells are in this part."""
        return len(range(self.index - 1, cells, self.count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
