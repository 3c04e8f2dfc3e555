"""One proof for all cells: they cover the region, and each certificate says the same of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..engine.errors import InputError, MismatchError
from ..engine.proofs.cover import check_cover
from ..engine.proofs.form import Cover, File, Proof, SameBest, Within
from ..engine.proofs.store import read_proof
from .pipeline import PROOF
from .slices import LEAF, Slices
from .stored import Stored

Said = Within | SameBest


def proof_of_cells(stored: Stored, slices: Slices) -> Proof:
    """Return the proof that names all certificates that a store has of its cells.

    Raises:
        InputError: it has none.
        MismatchError: they say things of different kinds, or of different networks.
    """
    said: dict[int, tuple[str, Said]] = {}
    files: set[File] = set()
    for row in stored.rows():
        if PROOF in row.blobs:
            proof = read_proof(stored.blob(row.cell, PROOF))
            if proof.simplified is not None:
                said[row.cell] = row.blobs[PROOF].digest, proof.simplified.claim
                files.add(proof.files[0])
    if not said:
        raise InputError(
            f"{stored.path}: no cell has a certificate: slice with --proof, or name a cell that has"
        )
    if len(files) > 1:
        raise MismatchError(f"{stored.path}: certificates of cells are about different networks")
    return cover_proof(slices, files.pop(), said)


def cover_proof(slices: Slices, file: File, said: Mapping[int, tuple[str, Said]]) -> Proof:
    """Return the proof that cells cover a region, which names the cells' own certificates.

    Args:
        slices: the cells.
        file: of the original network.
        said: by cell the SHA-256 of its certificate, and what that says of the cell's network.

    Raises:
        MismatchError: certificates say things of different kinds.
    """
    leaves = np.flatnonzero(slices.axis == LEAF)
    proofs = tuple(said[cell][0] if cell in said else "" for cell in slices.first[leaves].tolist())
    whole = slices.whole
    lower, upper = tuple(whole.exact_lower), tuple(whole.exact_upper)
    claim = weakest([claim for _, claim in said.values()]) if said else None
    cover = Cover(lower, upper, slices.axis, slices.cut, claim, proofs)
    check_cover(cover)
    return Proof((file,), (), None, {}, cover)


def weakest(claims: list[Said]) -> Said:
    """Return the claim that follows from each of some.

    Raises:
        MismatchError: they are of different kinds, or speak of different outputs.
    """
    first = claims[0]
    match first:
        case Within():
            rest = [one for one in claims if isinstance(one, Within)]
            if len(rest) == len(claims) and {one.outputs for one in rest} == {first.outputs}:
                return Within(max(one.tolerance for one in rest), first.outputs)
        case SameBest(sign=sign, outputs=outputs):
            same = [one for one in claims if isinstance(one, SameBest)]
            if len(same) == len(claims) and {(o.sign, o.outputs) for o in same} == {
                (sign, outputs)
            }:
                band, room = max(one.band for one in same), min(one.room for one in same)
                return SameBest(sign, band, outputs, room)
    raise MismatchError("certificates of cells say things that have nothing in common")
