"""Score tables: what each advisory is worth at the nodes of a grid in raw units.

A solution of the decision process is turned into *regrets*: how much worse an advisory is than
the best one there, capped, in units of one near mid-air collision. The cap keeps what a network
has to learn (which advisory wins, and by how much) from drowning in what it need not (how bad a
lost encounter is). Every order among advisories that matters within the cap is kept.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FileError, FormatError
from ...engine.network import Normalisation
from .encounter import Advisory, Reals, angles

Indices = NDArray[np.int64]
Singles = NDArray[np.float32]


class Winner(Enum):
    """Which output is the advisory."""

    LARGEST = "argmax"
    SMALLEST = "argmin"

    @property
    def sign(self) -> int:
        """+1 where the largest wins, -1 where the smallest does."""
        return 1 if self is Winner.LARGEST else -1

    def of(self, scores: NDArray[np.floating]) -> Indices:
        """Return the winning advisory of scores (..., advisories); the first of equals wins."""
        return np.asarray(np.argmax(self.sign * scores, axis=-1), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One input.

    Attributes:
        name: in words.
        unit: of the nodes.
        nodes: shape (nodes,), float64, strictly increasing; an angle states -pi and pi both.

    Raises:
        FormatError: fewer than two nodes, or nodes that are not finite and strictly increasing.
    """

    name: str
    unit: str
    nodes: Reals

    def __post_init__(self) -> None:
        """Check and freeze the nodes."""
        nodes = np.array(self.nodes, dtype=np.float64)
        if nodes.ndim != 1 or nodes.size < 2 or not (np.diff(nodes) > 0).all():
            raise FormatError(f"axis {self.name}: nodes must be two or more and increase strictly")
        if not np.isfinite(nodes).all():
            raise FormatError(f"axis {self.name}: a node is not finite")
        nodes.setflags(write=False)
        object.__setattr__(self, "nodes", nodes)

    @classmethod
    def angle(cls, name: str, count: int) -> "Axis":
        """Return an axis of `count` evenly spaced angles and, once more, the first one as pi."""
        return cls(name, "rad", np.append(angles(count), np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scores of the advisories at the nodes of a grid.

    Attributes:
        axes: one per input, in the order of the network's inputs.
        scores: shape (nodes of axis 0, nodes of axis 1, ..., advisories), float32, in near mid-air
            collisions.
        winner: which score is the advisory.

    Raises:
        FormatError: scores of another shape than the axes state, or not finite.
    """

    axes: tuple[Axis, ...]
    scores: Singles
    winner: Winner

    def __post_init__(self) -> None:
        """Check and freeze the scores."""
        scores = np.array(self.scores, dtype=np.float32)
        wanted = (*(axis.nodes.size for axis in self.axes), len(Advisory))
        if scores.shape != wanted:
            raise FormatError(f"table: scores have shape {scores.shape}, the axes state {wanted}")
        if not np.isfinite(scores).all():
            raise FormatError("table: a score is not finite")
        scores.setflags(write=False)
        object.__setattr__(self, "scores", scores)

    def points(self) -> Reals:
        """Return all nodes in raw units, shape (rows, inputs), float64, last input fastest."""
        mesh = np.meshgrid(*(axis.nodes for axis in self.axes), indexing="ij")
        return np.stack([values.ravel() for values in mesh], axis=-1)

    def advisories(self) -> Indices:
        """Return the advisory at every node, shape (rows,), in the order of `points`."""
        return self.winner.of(self.scores).ravel()

    def normalisation(self) -> Normalisation:
        """Return how raw inputs and scores relate to a network's, as .nnet files state it.

        Inputs are centred on the mean over all nodes and divided by the length of the axis;
        scores likewise by their mean and spread.
        """
        nodes = [axis.nodes for axis in self.axes]
        low, high = np.array([n[0] for n in nodes]), np.array([n[-1] for n in nodes])
        scores = self.scores.astype(np.float64)
        spread = float(np.ptp(scores)) or 1.0
        mean = np.round([n.mean() for n in nodes], 6) + 0.0  # no -1e-17 or -0 in the files
        return Normalisation(low, high, mean, high - low, float(scores.mean()), spread)

    def rows(self) -> tuple[Singles, Singles]:
        """Return what a network is trained on, in network units.

        Returns:
            Inputs, shape (rows, inputs), and scores, shape (rows, advisories), float32.
        """
        normal = self.normalisation()
        scores = (self.scores.astype(np.float64) - normal.output_mean) / normal.output_range
        inputs = normal.to_network(self.points())
        return inputs.astype(np.float32), scores.reshape(-1, len(Advisory)).astype(np.float32)

    def lookup(self, points: Reals, nearest: bool = False) -> Reals:
        """Return the scores at raw points.

        Args:
            points: shape (points, inputs), raw units; beyond the last node counts as that node.
            nearest: take the nearest node instead of the linear mean of the cell's corners.

        Returns:
            Scores, shape (points, advisories), float64.
        """
        lows, shares = [], []
        for axis, values in zip(self.axes, points.T, strict=True):
            inside = np.clip(values, axis.nodes[0], axis.nodes[-1])
            low = np.searchsorted(axis.nodes, inside, side="right") - 1
            low = np.minimum(low, axis.nodes.size - 2)
            share = (inside - axis.nodes[low]) / (axis.nodes[low + 1] - axis.nodes[low])
            lows.append(low)
            shares.append(np.round(share) if nearest else share)
        found = np.zeros((points.shape[0], len(Advisory)))
        for corner in np.ndindex(*(2 for _ in self.axes)):
            weight = np.ones(points.shape[0])
            for upper, share in zip(corner, shares, strict=True):
                weight = weight * (share if upper else 1.0 - share)
            place = tuple(low + upper for low, upper in zip(lows, corner, strict=True))
            found += weight[:, None] * self.scores[place]
        return found

    def save(self, path: Path) -> None:
        """Write the table as NPZ."""
        arrays: dict[str, Any] = {f"nodes_{i}": axis.nodes for i, axis in enumerate(self.axes)}
        words = np.array([[axis.name, axis.unit] for axis in self.axes])
        winner = np.array(self.winner.value)
        np.savez_compressed(path, axes=words, scores=self.scores, winner=winner, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Table":
        """Return the table that `save` wrote.

        Raises:
            FileError: the file is missing or cannot be read.
            FormatError: it is not a table.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                axes = tuple(
                    Axis(str(name), str(unit), held[f"nodes_{index}"])
                    for index, (name, unit) in enumerate(held["axes"])
                )
                return cls(axes, held["scores"], Winner(str(held["winner"])))
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error}); make the table anew") from error
        except (KeyError, ValueError) as error:
            raise FormatError(f"{path}: is no score table ({error}); make it anew") from error


def regrets(scores: Reals, cap: float, winner: Winner) -> Singles:
    """Return how much worse than the best each advisory is, as scores of which `winner` wins.

    Args:
        scores: shape (..., advisories); the largest is the best.
        cap: largest regret that is told apart, in near mid-air collisions, above 0.
        winner: with LARGEST the best scores 0 and the others less, with SMALLEST more.

    Returns:
        Same shape, float32, each at most `cap` away from 0.
    """
    behind = np.minimum(scores.max(axis=-1, keepdims=True) - scores, cap)
    return np.asarray(-winner.sign * behind, dtype=np.float32)


def closed(scores: Singles, axes: tuple[int, ...]) -> Singles:
    """Return scores with the first entry of each of these (angular) axes repeated at its end."""
    for axis in axes:
        scores = np.concatenate([scores, scores.take([0], axis=axis)], axis=axis)
    return scores
