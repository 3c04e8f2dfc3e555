"""`slice`, the Python face of the verb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from ..compression.method import Method
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.regions import parse_region
from ..engine.network import Network
from ..engine.region import Region
from ..slicing.family import Family
from ..slicing.key import Shard
from ..slicing.lossy import Lossy
from ..slicing.pipeline import Stage
from ..slicing.pipeline_cells import chosen
from ..slicing.pipeline_family import family_from
from ..slicing.pipeline_run import Job, begin
from ..slicing.stored import Stored
from ..slicing.work import Ended
from .aim import Number, Wish, tolerance_of
from .options import Amount, Device, Keep, Options, Side
from .slice_job import Cuts, Spend, said_of

Told = Callable[[Sequence[Ended]], None]
Word = TypeVar("Word", bound=StrEnum)


def slice(  # noqa: A001 - the verb's name
    network: str | Path | Network,
    region: str | Path | Region,
    *,
    grid: Sequence[int] | None = None,
    adaptive: int | None = None,
    keep: Literal["outputs", "argmin", "argmax"] = "outputs",
    tolerance: Number = 0,
    units: Literal["network", "raw"] = "network",
    tolerance_units: Literal["network", "raw"] | None = None,
    stage: Literal["phases", "simplify"] = "simplify",
    effort: Literal["quick", "usual", "long"] = "usual",
    seconds: float | None = None,
    compress: Method | None = None,
    repair: Number | None = None,
    workers: int = 0,
    ray: str | None = None,
    cells: str = "all",
    store: str | Path | None = None,
    resume: bool = False,
    retry: bool = False,
    shard: str | None = None,
    proof: bool = False,
    seed: int = 0,
    device: Literal["cpu", "cuda"] = "cpu",
    progress: Told | None = None,
) -> Family:
    """Return a smaller network for each cell of a region, as one family.

    Args:
        network: a file ending in .onnx or .nnet, or a network.
        region: closed box in network units, or a text or file as `parse_region` reads it.
        grid: into how many equal parts each input is cut.
        adaptive: in place of a grid how many cells to make, cut where that saves most.
        keep: what must stay on each cell, as for `simplify`.
        tolerance: at least 0; a text means exactly what it says.
        units: of the limits in a text or a file.
        tolerance_units: of the tolerance; those of the limits where absent.
        stage: whether cells lose their phases alone, or all that what is kept allows.
        effort: work to spend on a cell.
        seconds: wall time for a cell alone; that of the effort where absent.
        compress: a method of compression for each cell's small network, kept in the store.
        repair: with that, the distance from the small network that is to be proved of it.
        workers: processes; 0 works in this one. A script that asks for some has to begin its work
            under ``if __name__ == "__main__":``, as `multiprocessing` needs it.
        ray: address of a Ray cluster to work on instead.
        cells: which of them, as ``--cells`` takes them; others keep the original network.
        store: file for what each cell gives; none that lasts where absent.
        resume: go on with that file.
        retry: with that, try cells again that failed, were late or in quarantine.
        shard: ``i/n`` for the i-th of n parts of the cells; the others keep the original network.
        proof: whether the store gets a certificate of each cell, where possible.
        seed: of all randomness.
        device: where phases are decided, where they are all that is asked for; cpu does the rest.
        progress: is told of cells as they end.

    Raises:
        InputError: a file, a region, cells, a tolerance or a word that cannot be used; a store
            that is there and not to be resumed, or is of another run.
    """
    net = network if isinstance(network, Network) else load(network)
    if isinstance(region, Region):
        box = region.fit(net)
    else:
        box = parse_region(region, net, _one(Side, units, "units").value)
    text = tolerance if isinstance(tolerance, str) else str(_finite(tolerance))
    own = _one(Side, tolerance_units or units, "tolerance_units")
    wish = Wish(_one(Keep, keep, "keep"), tolerance_of(text, "tolerance"), own)
    cuts = Cuts(None if grid is None else tuple(grid), adaptive)
    on = Options(seed=seed, device=_one(Device, device, "device")).device
    if adaptive is not None and on is not Device.CPU:
        raise InputError(f"device {on}: adaptive bisects on the CPU; give grid, or leave it away")
    spend = Spend(_one(Amount, effort, "effort"), seconds, workers, ray, on)
    aim, depth = wish.aim(net), _one(Stage, stage, "stage")
    if compress is None and repair is not None:
        raise InputError(f"repair {repair}: is of compressed cells; give a method by compress too")
    near = None if repair is None else tolerance_of(str(repair), "repair")
    lossy = None if compress is None else Lossy(compress, near)
    if depth is Stage.PHASES and not wish.equal:
        raise InputError("stage 'phases': it keeps every output as it is: take 'simplify' for more")
    with TemporaryDirectory(prefix="secateur-") as folder:
        path = Path(folder) / "cells" if store is None else Path(store)
        slices = cuts.slices(net, box, path if resume else None, workers)
        recipe = spend.recipe(net, aim, depth, proof=proof, seed=seed, lossy=lossy)
        some, said = chosen(cells, slices.count, seed), said_of(wish, aim, depth, cuts, lossy)
        part = Shard() if shard is None else Shard.parse(shard)
        job = Job(recipe, slices, some, path, part, resume, retry, said)
        _, base = begin(job, spend.pool(), progress or (lambda ended: None))
        with Stored(path) as stored:
            return family_from(stored, base)


def _one(kind: type[Word], text: str, place: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(repr(one.value) for one in kind)
        raise InputError(f"{place} {text!r} is unknown: take one of {words}") from None


def _finite(value: int | float | Fraction) -> Fraction:
    try:
        return Fraction(value)
    except (ValueError, OverflowError):
        raise InputError(f"tolerance {value}: give a finite number that is 0 or more") from None
