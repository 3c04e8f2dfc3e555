"""Regions as people write them: a file, the word ``net``, or limits on the command line.

- ``*.vnnlib``: assertions, as `vnnlib` reads them.
- ``*.json``: ``{"lower": [...], "upper": [...]}`` or ``{"box": [[lower, upper], ...]}``; beside
  them ``"units"`` (``"raw"`` or ``"network"``) and ``"name"`` if wanted.
- ``*.csv``: a line ``lower,upper`` for each input; a line of headings first if wanted; the last
  line ends in a line break, or it may be cut short.
- ``net``: the box that the network's normalisation states.
- ``lower:upper,lower:upper,...``: a pair for each input; a number alone is both.

Numbers are decimals or quotients and mean exactly what they say: ``0.1`` is one tenth. In JSON they
may stand in quotes, as a quotient must.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import FormatError, InputError, RegionError
from ..network import Network, Normalisation
from ..region import Region
from .decimals import exact, shortened, written
from .files import read_text, replace_with
from .nnet import is_limited
from .vnnlib import read_region, region_script

Units = Literal["network", "raw"]

KEYS: Final = ("lower", "upper", "box", "units", "name")
LOWER: Final = ("lower", "low", "lo", "min", "minimum")
UPPER: Final = ("upper", "high", "hi", "max", "maximum")


def parse_region(text: str | Path, network: Network, units: Units = "network") -> Region:
    """Return the region that a text or a file states, in network units.

    Args:
        text: in one of the forms on top of this file.
        network: the region is of its inputs.
        units: of the limits; the units that a JSON file states come before these.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: the text or the file is not what its form asks for.
        UnsupportedError: a VNN-LIB file with more than one box.
        RegionError: another number of inputs; an inverted, empty or unbounded box; raw limits
            outside the range that the network states.
        InputError: raw units or ``net`` for a network that states no normalisation.
    """
    stated = str(text).strip()
    name: str | None = None
    match Path(stated).suffix.lower():
        case ".vnnlib":
            region = read_region(stated, network.size_in)
        case ".json":
            region, units, name = _read_json(stated, units)
        case ".csv":
            region = _read_csv(stated)
        case _ if stated == "net":
            region, units = _stated_box(network), "raw"
        case _:
            region = _read_inline(stated)
    region = region.fit(network)
    if units == "raw":
        region = region.to_network(_normalisation(network, region.name))
    return replace(region, name=name or region.name)


def write_region(region: Region, path: str | Path) -> None:
    """Write a region, in network units, so that `parse_region` reads the same rationals.

    Args:
        region: network units.
        path: of the file, ending in .json, .csv or .vnnlib; replaced in one step.

    Raises:
        FormatError: another ending.
        FileError: the file cannot be written.
    """
    pairs = zip(region.exact_lower, region.exact_upper, strict=True)
    match Path(path).suffix.lower():
        case ".vnnlib":
            text = region_script(region)
        case ".csv":
            text = "".join(f"{written(low)},{written(high)}\n" for low, high in pairs)
        case ".json":
            limits = ",\n".join(f"    [{_number(low)}, {_number(high)}]" for low, high in pairs)
            text = (
                f'{{\n  "name": {json.dumps(region.name)},\n  "units": "network",\n'
                f'  "box": [\n{limits}\n  ]\n}}\n'
            )
        case suffix:
            raise FormatError(
                f"{path}: {suffix or 'no ending'} is no form of region files: end the name in "
                ".json, .csv or .vnnlib"
            )
    replace_with(path, text.encode())


def _number(value: Fraction) -> str:
    text = written(value)
    return f'"{text}"' if "/" in text else text


def _normalisation(network: Network, name: str) -> Normalisation:
    if network.normalisation is None:
        raise InputError(
            f"{name}: the network {network.origin.path} states no normalisation, so raw units "
            "have no meaning: give limits in network units"
        )
    return network.normalisation


def _stated_box(network: Network) -> Region:
    normal = _normalisation(network, "net")
    if not is_limited(normal):
        raise RegionError(
            f"net: the network {network.origin.path} does not limit every input: give the limits"
        )
    return Region.box(normal.minimum, normal.maximum, "net")


def _read_inline(text: str) -> Region:
    name = f"region {shortened(text)}"
    pairs: list[tuple[Fraction, Fraction]] = []
    for index, part in enumerate(text.split(",")):
        place = f"{name}, input {index}"
        lower, colon, upper = (piece.strip() for piece in part.partition(":"))
        if not lower or (colon and not upper):
            raise RegionError(
                f"{place}: {'the upper' if lower else 'the lower'} limit is missing: a region is "
                "bounded; write lower:upper"
            )
        if "," not in text and not colon and lower[0].isalpha() and lower.lower() != "nan":
            _refuse_word(text)
        low = exact(lower, place)
        pairs.append((low, exact(upper, place) if colon else low))
    return _region(pairs, name)


def _refuse_word(text: str) -> None:
    """Raise the error for a word that is no limit, such as the name of another file."""
    if text.lower() not in ("inf", "infinity"):
        raise FormatError(
            f"region {shortened(text)}: this is neither limits, nor net, nor the name of a "
            ".vnnlib, .json or .csv file: write lower:upper,lower:upper,..."
        )


def _read_csv(path: str) -> Region:
    pairs: list[tuple[Fraction, Fraction]] = []
    text = read_text(path)
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if text and not text.endswith("\n"):
        raise FormatError(
            f"{path}: the last line does not end, so its last number may be cut short: get the "
            "file whole, or end the line"
        )
    for place, (number, line) in enumerate(lines):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 2:
            raise FormatError(
                f"{path}:{number}: {len(cells)} values where 2 belong: write lower,upper for each "
                "input"
            )
        lower, upper = cells
        if place == 0 and lower.lower() in LOWER and upper.lower() in UPPER:
            continue
        if not lower or not upper:
            raise RegionError(
                f"{path}:{number}: {'the upper' if lower else 'the lower'} limit is missing: a "
                "region is bounded; write lower,upper"
            )
        pairs.append((exact(lower, f"{path}:{number}"), exact(upper, f"{path}:{number}")))
    return _region(pairs, path)


def _read_json(path: str, units: Units) -> tuple[Region, Units, str | None]:
    """Return the region that a JSON file states, named after the file, its units and its name."""
    data = _parse_json(path)
    if not isinstance(data, dict) or (unknown := sorted(set(data) - set(KEYS))):
        what = "holds no object" if not isinstance(data, dict) else f"has the key {unknown[0]!r}"
        raise FormatError(
            f"{path}: this {what}: write an object with the keys lower and upper, or box, and if "
            "wanted units and name"
        )
    box, lower, upper = (data.get(key) for key in ("box", "lower", "upper"))
    if box is not None and not (lower is None and upper is None):
        raise FormatError(f"{path}: the limits are given twice: give lower and upper, or box")
    if box is None and (lower is None or upper is None):
        raise FormatError(f"{path}: limits are missing: give lower and upper, or box")
    match data.get("units"):
        case None:
            pass
        case "network" | "raw" as word:
            units = word
        case other:
            raise FormatError(f"{path}: units: {other!r} is unknown: write raw or network")
    name = data.get("name")
    if not isinstance(name, str | None):
        raise FormatError(f"{path}: name: this is no text: write a text in quotes")
    pairs = _pairs(path, lower, upper) if box is None else _box(path, box)
    return _region(pairs, path), units, name and " ".join(name.split())


def _pairs(path: str, lower: Any, upper: Any) -> list[tuple[Fraction, Fraction]]:
    low, high = _limits(lower, f"{path}: lower"), _limits(upper, f"{path}: upper")
    if len(low) != len(high):
        raise RegionError(
            f"{path}: {len(low)} lower and {len(high)} upper limits: give one of each for every "
            "input"
        )
    return list(zip(low, high, strict=True))


def _box(path: str, box: Any) -> list[tuple[Fraction, Fraction]]:
    pairs = []
    for index, pair in enumerate(_list(box, f"{path}: box")):
        limits = _limits(pair, f"{path}: box[{index}]")
        if len(limits) != 2:
            raise FormatError(
                f"{path}: box[{index}]: {len(limits)} values where 2 belong: write [lower, upper]"
            )
        pairs.append((limits[0], limits[1]))
    return pairs


def _parse_json(path: str) -> Any:
    """Return the content of a JSON file with its numbers as they are written."""

    def no_twins(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            names = [name for name, _ in items]
            twin = next(name for name in names if names.count(name) > 1)
            raise FormatError(f"{path}: the key {twin!r} stands twice: take one away")
        return found

    try:
        return json.loads(
            read_text(path),
            parse_float=str,
            parse_int=str,
            parse_constant=str,
            object_pairs_hook=no_twins,
        )
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path}:{error.lineno}:{error.colno}: this is no JSON ({error.msg}): the file is cut "
            "short, or another file"
        ) from error
    except RecursionError as error:
        raise FormatError(f"{path}: the lists nest too deep: write a list of pairs") from error


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"{place}: this is no list: write a list with square brackets")
    return value


def _limits(value: Any, place: str) -> list[Fraction]:
    limits = []
    for index, item in enumerate(_list(value, place)):
        if item is None:
            raise RegionError(f"{place}[{index}]: null is no limit: a region is bounded; give one")
        if not isinstance(item, str):
            raise FormatError(f"{place}[{index}]: this is no number: write a decimal such as -0.5")
        limits.append(exact(item, f"{place}[{index}]"))
    return limits


def _region(pairs: Sequence[tuple[Fraction, Fraction]], name: str) -> Region:
    if not pairs:
        raise RegionError(f"{name}: there are no limits: give a pair for each input")
    return Region(tuple(low for low, _ in pairs), tuple(high for _, high in pairs), name)
