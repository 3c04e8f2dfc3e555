"""Jobs: the table of networks and regions that a batch works through.

A .csv file whose first line names its columns: `network` and `region`, and if wanted `keep`,
`tolerance`, `units` (of the region's limits and of the tolerance) and `output` (a file's name in
the folder that the batch writes to). A region with commas stands in double quotes. An empty cell
means what the command line says for all rows.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePath
from typing import NoReturn, TypeVar

from ..engine.errors import FormatError, InputError
from ..engine.formats import load
from ..engine.formats.decimals import shortened
from ..engine.formats.files import read_text
from ..engine.network import Network
from ..engine.region import Region
from .aim import Wish, tolerance_of
from .cut import rehearse
from .options import Keep, Side
from .simplify import label_of, region_of
from .targets import NETWORKS, slug

NEEDED = ("network", "region")
COLUMNS = (*NEEDED, "keep", "tolerance", "units", "output")

LONGEST = 10_000_000
"""Characters of a cell: a region of a network with very many inputs still fits."""

STEM = 80
"""Characters of a network's and of a region's name in the name of a result."""

KEPT = 5_000_000
"""Parameters of all networks that stay in memory while rows are worked through."""

Word = TypeVar("Word", Keep, Side)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What empty cells mean.

    Attributes:
        wish: what must stay.
        units: of the limits of regions.
        tolerance_units: of tolerances; None for those of the row's region.
    """

    wish: Wish
    units: Side
    tolerance_units: Side | None


@dataclass(frozen=True, slots=True)
class Job:
    """One row.

    Attributes:
        line: of the file, from 1.
        network: file.
        digest: of the network's file when it was checked.
        region: as it was typed.
        units: of its limits.
        limits: of the region when it was checked: a digest of its exact corners.
        wish: what must stay.
        output: name of the file to write, inside the batch's folder.
    """

    line: int
    network: Path
    digest: str
    region: str
    units: Side
    limits: str
    wish: Wish
    output: str


class Shelf:
    """Networks by file: those last asked for stay in memory, so that rows may take turns."""

    def __init__(self) -> None:
        """Begin with none."""
        self._networks: dict[Path, Network] = {}

    def network(self, path: Path) -> Network:
        """Return a network; raise what `load` raises."""
        found = self._networks.pop(path, None) or load(path)
        self._networks[path] = found
        while len(self._networks) > 1 and self._size > KEPT:
            del self._networks[next(iter(self._networks))]
        return found

    @property
    def _size(self) -> int:
        return sum(network.parameters for network in self._networks.values())


def read_jobs(path: Path, folder: Path, defaults: Defaults, shelf: Shelf) -> list[Job]:
    """Return the rows of a table, all of them checked: no row fails later for what it says.

    Args:
        path: of the .csv file.
        folder: where the results go.
        defaults: what empty cells mean.
        shelf: gives the networks.

    Raises:
        FormatError: it is no such table.
        InputError: a cell cannot be used; the message names its line and column.
        FileError: a file is missing or cannot be read.
    """
    jobs: list[Job] = []
    given: dict[str, int] = {}
    rehearsed: set[tuple[str, str]] = set()
    for line, cells in _rows(path):
        job = _job(path, line, cells, defaults, shelf)
        if cells["output"]:
            name = _output(path, line, cells["output"])
            if name.casefold() in given:
                _refuse(path, line, "output", f"line {given[name.casefold()]} writes {name!r} too")
            given[name.casefold()] = line
        else:
            name = ""
        target = (job.digest, PurePath(name or "x.onnx").suffix.lower())
        if target not in rehearsed:
            with _Cell(path, line, "output"):
                rehearse(shelf.network(job.network), folder / f"x{target[1]}")
            rehearsed.add(target)
        jobs.append(replace(job, output=name))
    names = _Names(given)
    jobs = [job if job.output else replace(job, output=names.fresh(job)) for job in jobs]
    _spare_sources(path, folder, jobs)
    return jobs


class _Names:
    """Names for the results of rows that state none: the network's and the region's."""

    def __init__(self, given: Iterable[str]) -> None:
        self._taken = set(given)
        self._next: dict[str, int] = {}

    def fresh(self, job: Job) -> str:
        """Return a name that no other row has."""
        label = label_of(job.region) or hashlib.sha256(job.region.encode()).hexdigest()[:8]
        stem = f"{slug(job.network.stem)[:STEM]}-{label[:STEM]}"
        for number in itertools.count(self._next.get(stem, 1)):
            name = f"{stem}.onnx" if number == 1 else f"{stem}-{number}.onnx"
            if name.casefold() not in self._taken:
                break
        self._taken.add(name.casefold())
        self._next[stem] = number + 1
        return name


class _Cell:
    """Names the line and the column in whatever goes wrong inside."""

    def __init__(self, path: Path, line: int, column: str) -> None:
        self.place = path, line, column

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            raise InputError(f"{_place(*self.place)}: {error}") from error


def _job(path: Path, line: int, cells: Mapping[str, str], defaults: Defaults, shelf: Shelf) -> Job:
    for column in NEEDED:
        if not cells[column]:
            _refuse(path, line, column, "this is empty: fill it in")
    wish, units = defaults.wish, defaults.units
    keep, tolerance = wish.keep, wish.tolerance
    side = defaults.tolerance_units
    if cells["keep"]:
        keep = _word(path, line, "keep", Keep, cells["keep"])
    if cells["units"]:
        side = units = _word(path, line, "units", Side, cells["units"])
    if cells["tolerance"]:
        with _Cell(path, line, "tolerance"):
            tolerance = tolerance_of(cells["tolerance"], "the tolerance")
    wish = replace(wish, keep=keep, tolerance=tolerance, units=side or units)
    with _Cell(path, line, "network"):
        network = shelf.network(Path(cells["network"]))
    with _Cell(path, line, "region"):
        region = region_of(cells["region"], network, units)
    with _Cell(path, line, "keep" if wish.units is Side.NETWORK else "tolerance"):
        wish.aim(network)
    return Job(
        line,
        Path(cells["network"]),
        network.origin.digest,
        cells["region"],
        units,
        corners(region),
        wish,
        "",
    )


def corners(region: Region) -> str:
    """Return a digest of a region's exact corners."""
    exact: tuple[Fraction, ...] = (*region.exact_lower, *region.exact_upper)
    return hashlib.sha256(" ".join(str(value) for value in exact).encode()).hexdigest()


def _spare_sources(path: Path, folder: Path, jobs: Sequence[Job]) -> None:
    """Raise InputError where a row would write over a file that a row reads."""
    sources = {os.path.realpath(job.network) for job in jobs}
    sources |= {os.path.realpath(job.region) for job in jobs if label_of(job.region)}
    for job in jobs:
        if os.path.realpath(folder / job.output) in sources:
            _refuse(path, job.line, "output", f"{folder / job.output} is an input; name another")


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return each row's line and its cells by column, empty where it has none."""
    text = read_text(path)
    if not text.strip():
        raise FormatError(f"{path}: this is empty: begin with a line network,region")
    if not text.endswith("\n"):
        raise FormatError(
            f"{path}: the last line does not end, so it may be cut short: get the file whole, or "
            "end the line"
        )
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    out: list[tuple[int, dict[str, str]]] = []
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if header is None:
                header = _header(path, line, stripped)
                continue
            if len(stripped) != len(header):
                raise FormatError(
                    f"{path}:{line}: {len(stripped)} cells where the header names {len(header)}: "
                    "put a region with commas in double quotes"
                )
            out.append(
                (line, dict.fromkeys(COLUMNS, "") | dict(zip(header, stripped, strict=True)))
            )
    except csv.Error as error:
        raise FormatError(
            f"{path}:{start}: this is no table of comma-separated values ({error}): check its "
            "quotes"
        ) from error
    if not out:
        raise FormatError(f"{path}: there is no row below the header: add one")
    return out


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    known = ", ".join(COLUMNS)
    for name in names:
        if name not in COLUMNS:
            raise FormatError(
                f"{path}:{line}: the column {shortened(name)} is unknown: the first line names "
                f"columns, out of {known}"
            )
        if names.count(name) > 1:
            raise FormatError(f"{path}:{line}: the column {name!r} stands twice: take one away")
    for name in NEEDED:
        if name not in names:
            raise FormatError(f"{path}:{line}: the column {name!r} is missing: add it")
    return names


def _output(path: Path, line: int, text: str) -> str:
    name = PurePath(text)
    if name.name != text or text in (".", "..") or "\\" in text or text.startswith("."):
        _refuse(path, line, "output", f"{shortened(text)} is no plain name: name a file alone")
    if len(text.encode()) > 2 * STEM:
        _refuse(path, line, "output", f"{shortened(text)} is too long a name; take a shorter one")
    if name.suffix.lower() not in NETWORKS:
        ending = name.suffix or "no ending"
        _refuse(
            path,
            line,
            "output",
            f"{ending} is no format to write: end it in {' or '.join(NETWORKS)}",
        )
    return text


def _word(path: Path, line: int, column: str, kind: type[Word], text: str) -> Word:
    try:
        return kind(text.lower())
    except ValueError:
        words = ", ".join(one.value for one in kind)
        _refuse(path, line, column, f"{shortened(text)} is unknown: take one of {words}")


def _place(path: Path, line: int, column: str) -> str:
    return f"{path}:{line}: column {column}"


def _refuse(path: Path, line: int, column: str, what: str) -> NoReturn:
    raise InputError(f"{_place(path, line, column)}: {what}")
