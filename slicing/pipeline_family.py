"""The family of a store: what a run began with, and what came of its cells since.

A run leaves a family without a result beside its store, as a blob. So a store alone is enough to
write the family of what it holds, at any time and on any machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from ..engine.errors import FormatError, InputError
from ..engine.network import Network
from .blobs import blob_file, put_blob
from .family import Family, FamilyWriter, Mark
from .family_file import family_bytes, load_family
from .slices import Slices
from .stored import PAGE, Stored
from .work import Done, Failed, Json, Late, Quarantined

NOTED = "family"
"""Under what name a store's environment states the digest of the family that it began with."""

MARKS = {Failed: Mark.FAILED, Late: Mark.LATE, Quarantined: Mark.QUARANTINED}
"""How a cell without a result is marked."""


def blank(base: Network, slices: Slices, said: Mapping[str, Json]) -> Family:
    """Return the family of which no cell is known."""
    return FamilyWriter(base, slices, said).finish()


def note(family: Family) -> tuple[bytes, str]:
    """Return a family's bytes, and the digest that a store's environment states of them."""
    data = family_bytes(family)
    return data, hashlib.sha256(data).hexdigest()


def leave(store: Path, data: bytes) -> None:
    """Put a family's bytes beside a store.

    Raises:
        FileError: they cannot be written.
    """
    put_blob(store, data)


def begun(stored: Stored) -> Family:
    """Return the family that a store's run began with.

    Raises:
        InputError: the store states none.
        FileError: it is gone.
        FormatError: it is damaged, or of other cells than the store.
    """
    digests = [found for one in stored.environments if isinstance(found := one.get(NOTED), str)]
    if not digests:
        raise InputError(
            f"{stored.path}: the store does not say which network and cells it is of: name one "
            "that `secateur slice` wrote"
        )
    family = load_family(blob_file(stored.path, digests[0]))
    if family.slices.digest != stored.key.get("slices") or family.count != stored.cells:
        raise FormatError(f"{stored.path}: what lies beside the store is of other cells than it")
    return family


def family_from(stored: Stored, base: Family) -> Family:
    """Return the family of what a store holds; cells without an outcome are MISSING.

    Args:
        stored: the store.
        base: what it began with.

    Raises:
        FormatError: the store is damaged, or of another network.
    """
    writer = FamilyWriter(base.base, base.slices, base.said)
    rows = stored.rows()
    while page := list(islice(rows, PAGE)):
        codes: dict[int, bytes] = {}
        for row in page:
            match row.outcome:
                case Done(result=result):
                    codes[row.cell] = result.code
                case outcome:
                    writer.miss(row.cell, MARKS[type(outcome)])
        writer.add_records(codes)
    return writer.finish()
