"""What a run over cells is made of, from words: cells, recipe, and what the family says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.region import Region
from ..redundancy.aim import Aim
from ..slicing.adaptive import Until, adaptive
from ..slicing.cover import cover
from ..slicing.database import is_begun
from ..slicing.lossy import Lossy
from ..slicing.pipeline import Recipe, Stage
from ..slicing.pipeline_family import begun
from ..slicing.pools import Pool
from ..slicing.slices import Slices, identity
from ..slicing.split import grid
from ..slicing.stored import Stored
from ..slicing.undecided import Undecided
from ..slicing.work import Json, Work
from .aim import Wish
from .options import Amount, Device, cores

BOXES = {
    Stage.PHASES: {Amount.QUICK: 64, Amount.USUAL: 512, Amount.LONG: 4096},
    Stage.SIMPLIFY: {Amount.QUICK: 512, Amount.USUAL: 4096, Amount.LONG: 4096},
}
"""Sub-boxes a cell while many are bounded together, by amount of work. Where simplification follows
the pipeline adds a round; on ACAS Xu so many boxes save more seconds than they take."""

SECONDS = {Amount.QUICK: 3.0, Amount.USUAL: 10.0, Amount.LONG: 60.0}
"""Wall time for a cell alone by amount of work, where nothing else is said."""

MOST_WORKERS = 1024


@dataclass(frozen=True, slots=True)
class Cuts:
    """How a region is cut into cells.

    Attributes:
        parts: of each input; None where the cells are not those of a grid.
        cells: how many bisecting makes; None for a grid.

    Raises:
        InputError: both are given, or none.
    """

    parts: tuple[int, ...] | None = None
    cells: int | None = None

    def __post_init__(self) -> None:
        if (self.parts is None) == (self.cells is None):
            raise InputError(
                "cells: give one of --grid N,N,... (equal parts of each input) and --adaptive CELLS"
            )

    @classmethod
    def of(cls, text: str | None, cells: int | None) -> Cuts:
        """Return the cuts that a text such as ``8,8,8`` or a number of cells asks for.

        Raises:
            InputError: the text lists no whole numbers; both are given, or none.
        """
        if text is None:
            return cls(None, cells)
        parts = [one.strip() for one in text.split(",")]
        if not all(one.isdecimal() and len(one) < 9 for one in parts):
            raise InputError(f"--grid {text}: give a whole number for each input, such as 8,8,8")
        return cls(tuple(map(int, parts)), cells)

    def words(self) -> dict[str, Json]:
        """Return them as a record has them."""
        parts = None if self.parts is None else list[Json](self.parts)
        return {"grid": parts, "adaptive": self.cells}

    def slices(
        self,
        network: Network,
        region: Region,
        store: Path | None,
        workers: int,
        seconds: float | None = None,
    ) -> Slices:
        """Return the cells; they are proved to cover the region.

        Bisecting takes its time, so a store that was begun with the same cells lends them. Where
        that time runs out there are fewer cells than asked for, which cover the region as well.

        Args:
            network: the network.
            region: of its inputs.
            store: path of a store that is to be resumed, if there is one.
            workers: threads.
            seconds: wall time for bisecting; None for any.

        Raises:
            RegionError: cuts that are not possible.
        """
        if self.parts is not None:
            if len(self.parts) != region.size:
                raise InputError(
                    f"--grid {','.join(map(str, self.parts))}: {len(self.parts)} numbers for "
                    f"{region.size} inputs: give one for each, 1 where an input is not cut"
                )
            slices = grid(region, self.parts)
        else:
            assert self.cells is not None
            until = Until(self.cells, seconds=seconds)
            slices = (
                self._lent(region, store)
                or adaptive(region, Undecided(network, max(1, workers)), until).slices
            )
        cover(slices)
        return slices

    def _lent(self, region: Region, store: Path | None) -> Slices | None:
        """Return the cells that a store was begun with, if they were made by the same words."""
        if store is None or not is_begun(store):
            return None
        with Stored(store) as stored:
            family = begun(stored)
        same = identity(family.slices.whole) == identity(region)
        return family.slices if same and family.said.get("cut") == self.words() else None


@dataclass(frozen=True, slots=True)
class Spend:
    """How much to spend on cells, and who works.

    Attributes:
        amount: of work on a cell.
        seconds: wall time for a cell alone; None for that of the amount.
        workers: processes, 0 for none but this one; None for as many as cores.
        ray: address of a cluster; None for this machine.
        device: where phases are decided; another than the cpu is fed by this process alone.

    Raises:
        InputError: a number out of its range; workers or a cluster for another device.
    """

    amount: Amount = Amount.USUAL
    seconds: float | None = None
    workers: int | None = None
    ray: str | None = None
    device: Device = Device.CPU

    def __post_init__(self) -> None:
        if self.device is not Device.CPU and (self.workers or self.ray is not None):
            raise InputError(
                f"--device {self.device}: one process feeds the device: leave --workers and --ray "
                "away"
            )
        if self.seconds is not None and not 0.0 < self.seconds < 1e9:
            raise InputError(f"--seconds {self.seconds:g}: give seconds above 0 for a cell")
        if self.workers is not None and not 0 <= self.workers <= MOST_WORKERS:
            raise InputError(f"--workers {self.workers}: give a number from 0 to {MOST_WORKERS}")

    @property
    def crew(self) -> int:
        """How many processes of this machine work, 0 for none but this one."""
        if self.device is not Device.CPU:
            return 0
        return min(32, cores()) if self.workers is None else self.workers

    def recipe(
        self,
        network: Network,
        aim: Aim,
        stage: Stage,
        *,
        proof: bool,
        seed: int,
        lossy: Lossy | None = None,
    ) -> Recipe:
        """Return what is done to each cell.

        Raises:
            InputError: a certificate of phases alone, or of a network without a file; another
                device for what runs on the CPU.
        """
        if self.device is not Device.CPU and stage is not Stage.PHASES:
            raise InputError(
                f"--device {self.device}: simplification of cells one by one runs on the CPU; add "
                "--stage phases, or leave --device away"
            )
        if self.device is not Device.CPU and self.amount is Amount.LONG:
            raise InputError(
                f"--device {self.device}: --effort long searches cells one by one on the CPU; take "
                "--effort usual, or leave --device away"
            )
        seconds = SECONDS[self.amount] if self.seconds is None else self.seconds
        boxes = BOXES[stage][self.amount]
        alone = stage is Stage.PHASES and self.amount is Amount.LONG
        device = self.device.value
        return Recipe(network, aim, stage, boxes, seconds, proof, seed, alone, lossy, device)

    def pool(self) -> Callable[[Work], Pool]:
        """Return what opens the workers."""
        return self._open

    def _open(self, work: Work) -> Pool:
        if self.ray is not None:
            from ..slicing.run_ray import cluster

            return cluster(work, self.workers or None, self.ray)
        if self.crew == 0:
            from ..slicing.run_here import Here

            return Here(work)
        from ..slicing.run_processes import processes

        return processes(work, self.crew)


def said_of(
    wish: Wish, aim: Aim, stage: Stage, cuts: Cuts, lossy: Lossy | None = None
) -> dict[str, Json]:
    """Return what a family says of itself; the same run says the same words."""
    alone = stage is Stage.PHASES
    said: dict[str, Json] = {} if lossy is None else {"compression": lossy.words()}
    return said | {
        "cut": cuts.words(),
        "stage": stage.value,
        "keep": "outputs" if alone else wish.keep.value,
        "tolerance": "0" if alone else str(wish.tolerance),
        "tolerance_units": wish.units.value,
        "guarantee": "equals the original" if alone else aim.guarantee.text(),
    }
