"""The shipped controllers: where they are, what their inputs mean, and what they advise.

Reads `networks/networks.json`, which `make.py` writes. All of it is data about the networks;
nothing here needs the decision process or a training library.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.errors import FileError, FormatError
from ...engine.formats.onnx_read import read_onnx
from ...engine.network import Network, Normalisation
from ...engine.region import Region
from .encounter import Advisory, Reals
from .table import Indices, Winner

LIST = "networks.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Controller:
    """One shipped network and all that its file does not say.

    Attributes:
        name: short name, unique in the catalogue.
        title: one line for people.
        problem: name of the problem that it solves: horizontal or acas-like.
        path: of the ONNX file.
        digest: SHA-256 of the file, hexadecimal.
        previous: advisory in force for which it was made.
        seconds: time to loss of vertical separation for which it was made, s.
        inputs: names of the inputs, in order.
        units: units of the inputs, in order.
        winner: which output is the advisory.
        normalisation: how raw inputs and scores relate to the network's.
        regions: named regions, raw units.
        titles: one line for people on each region, in the same order.
        agreement: share of the table's nodes where it advises what the table does.
        agreement_between: the same on random points between the nodes.
    """

    name: str
    title: str
    problem: str
    path: Path
    digest: str
    previous: Advisory
    seconds: int
    inputs: tuple[str, ...]
    units: tuple[str, ...]
    winner: Winner
    normalisation: Normalisation
    regions: tuple[Region, ...]
    titles: tuple[str, ...]
    agreement: float
    agreement_between: float

    def network(self) -> Network:
        """Return the network, read from its file with its normalisation.

        Raises:
            FileError: the file is missing or cannot be read.
            FormatError: its bytes are not those that the catalogue states.
        """
        try:
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read ({error}); install again") from error
        if digest != self.digest:
            raise FormatError(
                f"{self.path}: SHA-256 is {digest}, {LIST} states {self.digest}; "
                "install again or make the networks anew"
            )
        return read_onnx(self.path)

    def region(self, name: str) -> Region:
        """Return the region of this name, raw units.

        Raises:
            FormatError: there is none.
        """
        for region in self.regions:
            if region.name == name:
                return region
        known = ", ".join(region.name for region in self.regions)
        raise FormatError(f"controller {self.name} has no region {name}; it has {known}")

    def advise(self, network: Network, points: Reals) -> Indices:
        """Return what a network in this controller's place advises.

        Args:
            network: this controller's network, or one made from it.
            points: raw inputs, shape (..., inputs); clipped into the stated box.

        Returns:
            Values of `Advisory`, shape (...).
        """
        return self.winner.of(network.evaluate(self.normalisation.to_network(points)))

    def section(
        self, network: Network, region: Region, across: int, along: int, counts: tuple[int, int]
    ) -> Indices:
        """Return the advisories on a plane through the middle of a region, for a picture.

        Args:
            network: as in `advise`.
            region: raw units; the inputs that are not drawn stay at its middle.
            across: index of the input that grows from left to right.
            along: index of the input that grows from bottom to top.
            counts: columns and rows.

        Returns:
            Values of `Advisory`, shape (rows, columns), the top row first.
        """
        columns = np.linspace(region.lower[across], region.upper[across], counts[0])
        rows = np.linspace(region.upper[along], region.lower[along], counts[1])
        points = np.tile((region.lower + region.upper) / 2.0, (counts[1], counts[0], 1))
        points[:, :, across] = columns[None, :]
        points[:, :, along] = rows[:, None]
        return self.advise(network, points)

    def plan_view(
        self, network: Network, others: Reals, reach: float, counts: tuple[int, int]
    ) -> Indices:
        """Return the advisories by where the intruder is, seen from above, for a picture.

        The ownship flies up the picture and stands a quarter of the way from its lower edge;
        columns and rows are equally far apart when `counts` are equal.

        Args:
            network: as in `advise`.
            others: the inputs from the heading on, raw units, shape (inputs - 2,).
            reach: width and height of the picture, ft.
            counts: columns and rows.

        Returns:
            Values of `Advisory`, shape (rows, columns), the top row first.
        """
        left = np.linspace(reach / 2.0, -reach / 2.0, counts[0])[None, :]
        ahead = np.linspace(0.75 * reach, -0.25 * reach, counts[1])[:, None]
        points = np.empty((counts[1], counts[0], len(self.inputs)))
        points[:, :, 0] = np.hypot(ahead, left)
        points[:, :, 1] = np.arctan2(left, ahead)
        points[:, :, 2:] = others
        return self.advise(network, points)


def catalogue(folder: Path | None = None) -> tuple[Controller, ...]:
    """Return the controllers of a folder that `make.py` wrote; without one, those that ship.

    Raises:
        FileError: the list is missing or cannot be read.
        FormatError: it is not such a list.
    """
    folder = folder or Path(str(files(__package__).joinpath("networks")))
    path = folder / LIST
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["version"] != VERSION:
            raise FormatError(
                f"{path}: has version {held['version']}, this release reads {VERSION}"
            )
        return tuple(
            _controller(folder, held["problems"][entry["problem"]], entry)
            for entry in held["networks"]
        )
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error}); install again") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise FormatError(f"{path}: is no list of controllers ({error!r})") from error


def controller(name: str) -> Controller:
    """Return the shipped controller of this name.

    Raises:
        FormatError: there is none.
    """
    known = catalogue()
    for entry in known:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in known)
    raise FormatError(f"there is no shipped controller {name}; there are {names}")


def _controller(folder: Path, problem: dict[str, Any], entry: dict[str, Any]) -> Controller:
    """Return one controller from its entry in the list and that of its problem."""
    inputs, output = problem["inputs"], entry["output"]
    minimum, maximum, mean, length = (
        np.array([axis[key] for axis in inputs], dtype=np.float64)
        for key in ("minimum", "maximum", "mean", "range")
    )
    regions = problem["regions"]
    return Controller(
        name=entry["name"],
        title=problem["title"],
        problem=entry["problem"],
        path=folder / entry["file"],
        digest=entry["sha256"],
        previous=Advisory[entry["previous"]],
        seconds=problem["seconds"],
        inputs=tuple(axis["name"] for axis in inputs),
        units=tuple(axis["unit"] for axis in inputs),
        winner=Winner(problem["winner"]),
        normalisation=Normalisation(
            minimum, maximum, mean, length, float(output["mean"]), float(output["range"])
        ),
        regions=tuple(Region.box(r["lower"], r["upper"], r["name"]) for r in regions),
        titles=tuple(r["title"] for r in regions),
        agreement=entry["agreement"]["nodes"],
        agreement_between=entry["agreement"]["between"],
    )
