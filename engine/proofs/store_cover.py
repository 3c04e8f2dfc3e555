"""Covers as a proof's header and arrays have them."""

from __future__ import annotations

import numpy as np

from .form import Cover, SameBest, Within
from .model import FormatError
from .store_arrays import Reader, Writer
from .store_claim import claim_words, read_claim
from .words import fields, numbers, spell

CELLS = 10_000_000
"""Cells at most."""

SIZE = 32
"""Bytes of a digest; zeros stand for none."""


def cover_words(cover: Cover, arrays: Writer) -> dict[str, object]:
    """Return what the header says of a cover, and add its arrays.

    Raises:
        FormatError: a digest is none.
    """
    try:
        digests = b"".join(bytes.fromhex(one) if one else bytes(SIZE) for one in cover.proofs)
    except ValueError:
        raise FormatError("a digest of a cell's proof is none") from None
    if len(digests) != SIZE * len(cover.proofs):
        raise FormatError("a digest of a cell's proof is none")
    arrays.whole("cover.axis", cover.axis)
    arrays.real("cover.cut", cover.cut)
    arrays.whole("cover.proof", np.frombuffer(digests, np.uint8).astype(np.int64))
    return {
        "lower": [spell(limit, "lower") for limit in cover.lower],
        "upper": [spell(limit, "upper") for limit in cover.upper],
        "claim": None if cover.claim is None else claim_words(cover.claim),
    }


def read_cover(value: object, arrays: Reader) -> Cover:
    """Return the cover that a header speaks of.

    Raises:
        FormatError: it is none.
    """
    lower, upper, claim = fields(value, "cover", ("lower", "upper", "claim"))
    said = None if claim is None else read_claim(claim, "cover, claim")
    if not isinstance(said, Within | SameBest | None):
        raise FormatError("cover, claim: within or same-best is needed")
    axis = arrays.whole("cover.axis", 2 * CELLS)
    cut = arrays.real("cover.cut", 2 * CELLS)
    found = arrays.whole("cover.proof", SIZE * CELLS)
    if found.size % SIZE or ((found < 0) | (found > 255)).any():
        raise FormatError("cover: the digests of its proofs are none")
    rows = found.astype(np.uint8).reshape(-1, SIZE)
    proofs = tuple(row.tobytes().hex() if row.any() else "" for row in rows)
    limits = numbers(lower, "cover, lower"), numbers(upper, "cover, upper")
    return Cover(*limits, axis, cut, said, proofs)
