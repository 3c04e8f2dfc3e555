"""The phase of every ReLU on many cells, decided in large batches on a torch device.

The steps are those of `phases.py`, from cheap to dear and each over all cells before the next
begins: intervals; backward linear bounds; points; then rounds of bisection. On an accelerator the
boxes of one level of many cells' trees are bounded together, so a round costs a few hundred passes
over large batches, whatever the number of cells.

Proved and refuted mean the same as there: bounds are float64, rounded outward; points show both
signs by more than rounding can make. What is found on a cell depends on the cell, the network and
the effort, up to the last places of bounds, which depend on the order in which the device adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..engine.bounds.batched import Pass, bound_batch
from ..engine.bounds.batched_points import doubts, look, within
from ..engine.bounds.batched_trees import Cells, cells_together, search
from ..engine.bounds.device import Placed, place
from ..engine.bounds.packed import LOWER, UPPER
from ..engine.network import Network, Piecewise, State
from ..engine.stages import stages
from ..engine.verdict import Method
from .phases import Effort, Progress, check_cells, shares
from .phases_found import METHODS, CellPhases, Step

Array = NDArray[np.float64]

_INTERVAL, _LINEAR, _SPLIT = (
    METHODS.index(method) for method in (Method.INTERVAL, Method.LINEAR, Method.SPLIT)
)

_POINTS = 256
"""Points that a cell is looked at in one step."""


def decide_cells_on(
    device: str,
    network: Network,
    lower: Array,
    upper: Array,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> CellPhases:
    """Return the phase of every ReLU on every cell; see `phases.decide_cells`.

    Args:
        device: a name such as cpu or cuda.
        network: the network.
        lower: ``(cells, inputs)`` float64, closed, network units.
        upper: the same.
        effort: how much work to spend; the workers have no meaning here.
        progress: is told the step, how many cells it has done, and how many it has to do.

    Raises:
        RegionError: corners of another shape, infinite, or a lower one above an upper one.
        InputError: no such device.
        UnsupportedError: a network that rounds its activations, or is too large.
    """
    lower, upper = np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)
    check_cells(network, lower, upper)
    with torch.inference_mode():
        return _Work(device, network, lower, upper, effort or Effort(), progress).run()


class _Work:
    def __init__(
        self,
        device: str,
        network: Network,
        lower: Array,
        upper: Array,
        effort: Effort,
        progress: Progress | None,
    ) -> None:
        self.network, self.effort, self.progress = network, effort, progress
        self.deadline = time.monotonic() + effort.seconds
        staged = stages(network)
        self.net: Placed = place(staged, device)
        layers = [node.layer for node in network.piecewise if isinstance(node.layer, Piecewise)]
        self.own = np.concatenate([np.zeros(0, np.int8), *(layer.state for layer in layers)])
        starts = [self.net.offset[staged.of[node.name]] for node in network.piecewise]
        ranges = (
            start + np.arange(layer.size) for start, layer in zip(starts, layers, strict=True)
        )
        flat = np.concatenate([np.zeros(0, np.int64), *ranges])
        relu = flat[self.own == State.RELU]
        self.flat = self.net.tensor(flat)
        self.asked = torch.zeros(self.net.total, dtype=torch.bool, device=self.net.device)
        self.asked[self.net.tensor(relu)] = True
        shape = len(lower), self.net.total
        known, seen = (
            torch.zeros(shape, dtype=torch.uint8, device=self.net.device) for _ in range(2)
        )
        boxes = torch.zeros(len(lower), dtype=torch.int64, device=self.net.device)
        doubt = torch.full(shape, torch.inf, dtype=torch.float64, device=self.net.device)
        self.cells = Cells(
            self.net.tensor(lower), self.net.tensor(upper), doubt, known, seen, boxes
        )
        self.how = torch.full(shape, -1, dtype=torch.int8, device=self.net.device)
        self.points = torch.zeros_like(boxes)
        self.steps: list[Step] = []

    def late(self) -> bool:
        """Return whether the time is spent."""
        return time.monotonic() > self.deadline

    def run(self) -> CellPhases:
        """Go through the steps and return what was found."""
        every = torch.arange(len(self.cells.boxes), device=self.net.device)
        self._step(Method.INTERVAL.value, every, self.net.together(), self._enclose)
        unit = self.net.tensor(shares(self.network.size_in, self.effort))
        first = min(self.effort.points, len(unit))
        self._step(Method.LINEAR.value, every, self.net.together(), self._bound)
        if first:
            self._step(
                "points", every, self._together(), lambda some: self._look(some, unit, first)
            )
        gain = torch.zeros(len(every), dtype=torch.float64, device=self.net.device)
        left = every
        for budget in self.effort.rounds:
            left = left[(self._questions(left) > 0).any(dim=1)]
            left = left[torch.argsort(-gain[left], stable=True)]
            before, spent = self._proved(left), self.cells.boxes[left]
            self._step(
                f"{Method.SPLIT.value} {budget}",
                left,
                cells_together(self.net, budget),
                lambda some, budget=budget: self._search(some, budget),  # type: ignore[misc]
            )
            boxes = (self.cells.boxes[left] - spent).clamp(min=1)
            gain[left] = (self._proved(left) - before).double() / boxes
        return self._result()

    def _together(self) -> int:
        """Return how many cells are looked at together."""
        return self.net.fitting(_POINTS * (self.net.total + 4 * self.net.widest))

    def _step(
        self, name: str, cells: Tensor, together: int, work: Callable[[Tensor], None]
    ) -> None:
        """Do some work on cells, some together, until all is done or it is late."""
        start, cpu, done = time.monotonic(), time.process_time(), 0
        for at in range(0, len(cells), together):
            if self.late():
                break
            some = cells[at : at + together]
            work(some)
            done += len(some)
            if self.progress is not None:
                self.progress(name, done, len(cells))
        proved = int((self.how >= 0).sum())  # waits for the device: the times are its own
        refuted = int((self._refuted() & self.asked).sum())
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        self.steps.append(Step(name, seconds, cpu, done, proved, refuted))

    def _enclose(self, some: Tensor) -> None:
        """Settle what intervals can."""
        done = Pass.over(self.net, self.cells.lower[some], self.cells.upper[some])
        for k in range(1, len(self.net.layers) - 1):
            done.enclose(k, None)
            done.relax(k)
            high, low = done.high[k] <= 0.0, done.low[k] >= 0.0
            sound = done.sound[:, None]
            signs = (high & sound) * UPPER + (low & sound) * LOWER
            self.cells.known[some, self.net.flat(k)] = signs.to(torch.uint8)
        self._note(some, _INTERVAL)

    def _bound(self, some: Tensor) -> None:
        """Settle what linear bounds can, and take the doubt of points from them."""
        found = bound_batch(self.net, self.cells.lower[some], self.cells.upper[some])
        self.cells.doubt[some] = doubts(self.net, found.low, found.high)
        signs = (found.high <= 0.0) * UPPER + (found.low >= 0.0) * LOWER
        signs[:, self.net.flat(0)] = 0
        self.cells.known[some] |= signs.to(torch.uint8)
        self._note(some, _LINEAR)

    def _look(self, some: Tensor, unit: Tensor, first: int) -> None:
        """Look at points; at more of them in cells where the last quarter refuted a neuron."""
        fresh, done = torch.zeros_like(some), 0
        while done < len(unit) and len(some):
            size = min(_POINTS, (first if done < first else len(unit)) - done)
            points = within(
                self.cells.lower[some], self.cells.upper[some], unit[done : done + size]
            )
            before = self._both(some)
            self.cells.seen[some] |= look(self.net, points, self.cells.doubt[some])
            done += size
            self.points[some] += size
            fresh = torch.where(self._both(some) > before, done, fresh)
            if done >= first:
                going = 4 * (done - fresh) < done
                some, fresh = some[going], fresh[going]

    def _both(self, some: Tensor) -> Tensor:
        """Return how many neurons whose sign is not known were seen with both signs."""
        both = self.cells.seen[some] == UPPER | LOWER
        return (both & (self.cells.known[some] == 0)).sum(dim=1)

    def _questions(self, some: Tensor) -> Tensor:
        """Return what is open, ``(cells, neurons)`` bits: whether z <= 0 and whether z >= 0."""
        known, seen = self.cells.known[some], self.cells.seen[some]
        open_ = self.asked & (known == 0) & (seen != UPPER | LOWER)
        return torch.where(open_, ~seen & (UPPER | LOWER), 0).to(torch.uint8)

    def _search(self, some: Tensor, budget: int) -> None:
        """Bisect cells for what is open on them."""
        own = self.cells
        part = Cells(
            own.lower[some],
            own.upper[some],
            own.doubt[some],
            own.known[some],
            own.seen[some],
            own.boxes[some],
        )
        search(self.net, part, self._questions(some), budget, self.late)
        own.known[some], own.seen[some], own.boxes[some] = part.known, part.seen, part.boxes
        self._note(some, _SPLIT)

    def _note(self, some: Tensor, method: int) -> None:
        """Note by what newly proved neurons were proved."""
        how = self.how[some]
        new = self.asked & (self.cells.known[some] != 0) & (how < 0)
        self.how[some] = torch.where(new, method, how).to(torch.int8)

    def _proved(self, some: Tensor) -> Tensor:
        return (self.how[some] >= 0).sum(dim=1)

    def _refuted(self) -> Tensor:
        return self.cells.seen == UPPER | LOWER

    def _result(self) -> CellPhases:
        def here(values: Tensor) -> NDArray[np.generic]:
            return np.array(values[:, self.flat].cpu().numpy())

        known, how = here(self.cells.known), here(self.how).astype(np.int8)
        asked = np.asarray(self.own == State.RELU)
        zero = (known.astype(np.uint8) & UPPER) != 0
        state = np.where(zero, np.int8(State.ZERO), np.int8(State.IDENTITY))
        refuted = np.asarray(here(self._refuted()).astype(np.bool_) & asked)
        return CellPhases(
            tuple((node.name, node.size) for node in self.network.piecewise),
            asked,
            np.where(how >= 0, state, self.own).astype(np.int8),
            how,
            refuted,
            np.array(self.cells.boxes.cpu().numpy()),
            np.array(self.points.cpu().numpy()),
            tuple(self.steps),
        )
