"""Proofs of single cells: those that a cover names, found by their digests in a folder."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError
from ..engine.formats.files import read_bytes
from ..engine.proofs.check import LateError, check_proof
from ..engine.proofs.cover import Box, cells, check_cell
from ..engine.proofs.form import Cover, File, Proof
from ..engine.proofs.judge import ProofError
from ..engine.proofs.model import FormatError
from ..engine.proofs.read import LARGEST
from ..engine.proofs.store import read_proof


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the proofs that a cover names.

    Attributes:
        proved: cells whose proofs hold.
        bare: cells without a proof.
        reason: why the first one that does not hold does not; None where all do.
    """

    proved: int
    bare: int
    reason: str | None


def check_cells(
    proof: Proof, network: Path, folder: Path, exact: bool, deadline: float | None
) -> Judged:
    """Return what became of the proofs of cells.

    Args:
        proof: has a cover, and was checked.
        network: its file.
        folder: holds the proofs and the networks that they speak of, under whatever names.
        exact: whether to compute bounds in rational numbers.
        deadline: wall time, seconds; None for as long as it takes.

    Raises:
        InputError: there is no such folder, or the proof names no proofs of cells.
        LateError: the time ended.
    """
    cover = proof.cover
    if cover is None or cover.claim is None:
        raise InputError("--cells: the proof names no proofs of cells: leave it away")
    if not folder.is_dir():
        raise InputError(f"--cells: {folder} is no folder: name that of the cells' proofs")
    begun, found = time.monotonic(), _by_digest(folder)
    found[proof.files[0].digest] = network
    proved = 0
    for at, (cell, digest) in enumerate(zip(cells(cover), cover.proofs, strict=True)):
        if not digest:
            continue
        left = None if deadline is None else deadline - (time.monotonic() - begun)
        if left is not None and left <= 0.0:
            raise LateError
        try:
            _judge(cover, proof.files[0], found, digest, cell, exact, left)
        except LateError:
            raise
        except (FormatError, ProofError) as error:
            return Judged(proved, cover.proofs.count(""), f"cell {at}: {error}")
        proved += 1
    return Judged(proved, cover.proofs.count(""), None)


def _judge(
    cover: Cover,
    network: File,
    found: dict[str, Path],
    digest: str,
    cell: Box,
    exact: bool,
    left: float | None,
) -> None:
    if digest not in found:
        raise ProofError(f"its proof, with SHA-256 {digest}, is not there")
    one = read_proof(read_bytes(found[digest], LARGEST))

    def open_file(_: int, file: File) -> bytes:
        if file.digest not in found:
            raise ProofError(f"a network of SHA-256 {file.digest} is not there")
        return read_bytes(found[file.digest], LARGEST)

    check_cell(cover, cell, network.digest, one)
    check_proof(one, open_file, exact, left)


def _by_digest(folder: Path) -> dict[str, Path]:
    """Return a folder's files by what is in them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                found[hashlib.file_digest(stream, "sha256").hexdigest()] = path
    return found
