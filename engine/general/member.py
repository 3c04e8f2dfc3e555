"""A declared network of a problem: its graph, its inputs, and what is read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..rounding import Array
from .affine import MOST_SYMBOLS, Form
from .enclosure import Enclosure
from .forms import Ties
from .graph import Graph
from .replay import Replay


@dataclass(slots=True, eq=False)
class Member:
    """One declared network.

    Attributes:
        graph: of its model file; equal networks share it.
        columns: which inputs of the problem are its own, in the order of the file.
        tensors: of the graph that the problem reads.
        runtime: made when it is first asked for.
    """

    graph: Graph
    columns: slice
    tensors: tuple[str, ...] = ()
    runtime: Replay | None = None

    @property
    def entries(self) -> int:
        """About how many numbers an enclosure of its tensors over one box takes."""
        entries = self.graph.entries
        return entries * (3 + (min(entries, MOST_SYMBOLS) if self.graph.small else 0))

    def replay(self) -> Replay:
        """Return the runtime of the tensors that the problem reads."""
        if self.runtime is None:
            self.runtime = Replay(self.graph, self.tensors)
        return self.runtime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable of the claim takes its value from.

    Attributes:
        member: index of the network.
        tensor: name in its file; empty for an input.
        index: flat place in the tensor, or the column of the input.
        computed: whether it is the value that a float evaluation computes, not the real one.
    """

    member: int
    tensor: str
    index: int
    computed: bool


def tied(
    member: Member,
    slots: Sequence[int],
    places: Sequence[Place],
    forms: Mapping[str, Form],
    box: tuple[Array, Array],
) -> Ties | None:
    """Return the affine forms of a network's inputs and of those slots that have one."""
    lower, upper = box
    inputs = Form.of(
        Enclosure(lower, upper, np.zeros_like(lower), "float64"),
        np.arange(lower.shape[1], dtype=np.int64),
    )
    chosen = [(i, place) for i, place in zip(slots, places, strict=True) if place.tensor in forms]
    if not chosen:
        return None
    names = np.unique(
        np.concatenate([inputs.value.names, *(f.value.names for f in forms.values())])
    )
    boxes = len(lower)
    centers, slopes, rests = [inputs.center], [inputs.value.over(names)], [inputs.value.rest]
    for _, place in chosen:
        form = forms[place.tensor]
        wide = form.value.over(names).reshape(boxes, len(names), -1)
        centers.append(form.center.reshape(boxes, -1)[:, [place.index]])
        slopes.append(wide[:, :, [place.index]])
        rests.append(form.value.rest.reshape(boxes, -1)[:, [place.index]])
    first = member.columns.start
    variables = (*range(first, first + lower.shape[1]), *(i for i, _ in chosen))
    return Ties(
        variables,
        np.concatenate(centers, axis=1),
        np.concatenate(slopes, axis=2),
        np.concatenate(rests, axis=1),
    )
