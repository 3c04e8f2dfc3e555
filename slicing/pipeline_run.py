"""A run over the cells of a region: from the recipe to outcomes in a store."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FileError, InputError
from .blobs import blob_file, blobs_of
from .database import is_begun
from .family import Family
from .family_file import network_digest
from .key import Key, Shard, limits_of
from .network_words import network_words
from .pipeline import GRACE, Recipe
from .pipeline_cells import cells_of
from .pipeline_family import NOTED, blank, leave, note
from .pools import Pool
from .schedule import Limits, Tally
from .schedule import run as run_all
from .slices import Slices
from .store import Store
from .work import Ended, Failed, Json, Late, Quarantined, Work

Index = NDArray[np.int64]

BATCHES = {False: 64, True: 4}
"""Cells that a worker is given together, where phases are all and where more is done to each: some
seconds of work at most, so that little is lost and the phases of all have something to share."""

BATCH_ON_DEVICE = 8192
"""The same where another device than the processor decides the phases of many cells at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A run and where it is kept.

    Attributes:
        recipe: what is done to each cell.
        slices: the cells.
        some: ``(cells,)`` numbers of those that are to be worked on.
        store: path of the store.
        shard: the part of the cells that this store is for.
        resume: whether the store may be there, and has to be.
        retry: whether cells that failed, were late or in quarantine are worked on again.
        said: what the family will say of itself.
    """

    recipe: Recipe
    slices: Slices
    some: Index
    store: Path
    shard: Shard = field(default_factory=Shard)
    resume: bool = False
    retry: bool = False
    said: Mapping[str, Json] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What the outcomes depend on."""
        digest = network_digest(*network_words(self.recipe.network))
        limits = limits_of(self.slices.whole)
        options = self.recipe.options()
        return Key(digest, limits, self.slices.digest, options, version("secateur"))

    @property
    def limits(self) -> Limits:
        """What a cell and a batch may take before their worker is ended."""
        more, seconds = self.recipe.one_by_one, self.recipe.seconds
        if more:  # these steps watch the clock themselves
            seconds = 2.0 * seconds + GRACE
        on_cpu = self.recipe.device == "cpu"
        return Limits(batch=BATCHES[more] if on_cpu else BATCH_ON_DEVICE, seconds=seconds)

    def asked(self) -> Index:
        """Return the cells of the shard that are to be worked on."""
        return np.array([one for one in self.some.tolist() if self.shard.holds(one)], np.int64)


def begin(
    job: Job,
    pool: Callable[[Work], Pool],
    record: Callable[[Sequence[Ended]], None],
    stop: Callable[[], bool] = lambda: False,
    environment: Mapping[str, Json] | None = None,
) -> tuple[Tally, Family]:
    """Work on what is left of a job; return how that ended, and the family that it began with.

    Args:
        job: the run.
        pool: opens the workers, which are closed at the end; asked only if a cell is left.
        record: is told of outcomes as they come.
        stop: asked all the time; once it says so, nothing is begun any more.
        environment: what the store shall note beside versions and machine.

    A run that cannot begin leaves no new store behind.

    Raises:
        FileError: the store cannot be written; it is to be resumed and is not there.
        InputError: the store is there and not to be resumed, or is of another run; no worker can
            load.
    """
    if job.resume and not is_begun(job.store):
        raise FileError(f"{job.store}: there is no store to resume: leave --resume away")
    base = blank(job.recipe.network, job.slices, job.said)
    data, digest = note(base)
    noted = {**(environment or {}), "machine": _machine(), NOTED: digest}
    count, asked, begun = job.slices.count, job.asked(), is_begun(job.store)
    told, opened = 0, False
    try:
        with Store(job.store, job.key, count, job.shard, noted, resume=job.resume) as store:
            opened = True
            leave(job.store, data)
            if job.retry:
                store.forget((Failed, Late, Quarantined))
            left = store.left(cells_of(job.slices, asked))
            first = next(left, None)
            if first is None:
                return Tally(0, 0, 0, 0, stopped=False), base

            def kept(ended: Sequence[Ended]) -> None:
                nonlocal told
                store.record(ended)
                told += len(ended)
                record(ended)

            every = chain([first], left)
            tally = run_all(every, pool(job.recipe.work()), job.limits, kept, stop)
    except InputError:
        if opened and not begun and not told:  # nothing was ever worked on
            _take_away(job.store, digest)
        raise
    return tally, base


def _take_away(store: Path, digest: str) -> None:
    """Take away a store that this run has made and in which there is nothing."""
    blob = blob_file(store, digest)
    for name in (store.name, *(f"{store.name}{end}" for end in ("-wal", "-shm", ".lock"))):
        store.with_name(name).unlink(missing_ok=True)
    blob.unlink(missing_ok=True)
    for folder in (blob.parent, blobs_of(store)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _machine() -> Json:
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
