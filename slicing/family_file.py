r"""A family as one file that is mapped into memory: a line, a header in JSON, arrays.

    secateur family 1\n | length of the header, 8 bytes | header | SHA-256 of all that | arrays

Numbers are little-endian. Each array begins at a multiple of 64 bytes, with zeros in between, and
the header states its type, shape, place and SHA-256. Everything is checked when the file is read,
so of a damaged, foreign or newer file nothing is ever used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FileError, FormatError, InputError
from ..engine.formats.files import WHY, replace_with
from .codes import Codes
from .family import Family
from .network_words import Words, network_words, read_network
from .slices import LEAF, Slices

Bytes = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]

MAGIC: Final = b"secateur family 1\n"

ALIGN: Final = 64
"""Bytes at multiples of which arrays begin: a processor's cache line."""

HEADER: Final = 64 * 2**20
"""Bytes of a header at most."""

_TYPES: Final = ("|u1", "|i1", "<u2", "<u4", "<u8", "<i2", "<i4", "<i8", "<f4", "<f8")
_WRONG: Final = (InputError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What comes of a header that says something else than it should; its digest was right."""

_FAMILY: Final = re.compile(rb"secateur family ([0-9]{1,9})\n")


def save_family(family: Family, path: str | Path) -> None:
    """Write a family as a file, whole or not at all; the same family gives the same bytes.

    Raises:
        FileError: the file cannot be written.
        FormatError: what is said of the family are no words of JSON.
    """
    replace_with(path, family_bytes(family))


def family_bytes(family: Family) -> bytes:
    """Return the bytes of a family's file.

    Raises:
        FormatError: what is said of the family are no words of JSON.
    """
    words, arrays = network_words(family.base)
    own: Arrays = {f"network.{name}": array for name, array in arrays.items()}
    slices = family.slices.arrays()
    split = slices["axis"] != LEAF
    own["axis"] = slices["axis"].astype(np.min_scalar_type(-1 - max(0, int(slices["axis"].max()))))
    own["cut"] = slices["cut"][split]
    own["mark"] = family.mark
    own |= {f"codes.{name}": array for name, array in family.codes.arrays()}
    places, body = _laid_out(own)
    header = {
        "program": version("secateur"),
        "network": words,
        "network_sha256": network_digest(words, arrays),
        "region": {"name": str(slices["name"]), "limits": slices["limits"].tolist()},
        "cells": family.count,
        "said": dict(family.said),
        "neurons": list(family.codes.sizes),
        "bytes": len(body),
        "arrays": places,
    }
    try:
        text = json.dumps(header, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"what is said of the family cannot be written ({error})") from error
    front = b"".join((MAGIC, len(text).to_bytes(8, "little"), text))
    front += hashlib.sha256(front).digest()
    return b"".join((front, bytes(-len(front) % ALIGN), body))


def load_family(path: str | Path) -> Family:
    """Return the family of a file; its arrays are read where they are needed.

    Args:
        path: of the file, which must not be changed as long as the family is used.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no family, is damaged, or is of a newer program: one line says which.
    """
    data = _mapped(path)
    try:
        header, body = _opened(data)
        arrays = _arrays(header, body)
        return _family(header, arrays)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except _WRONG as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise FormatError(f"{path}: this is no family ({reason}): make it again") from error


def network_digest(words: Words, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of what a network computes, hexadecimal; its file's name is not in it."""
    said = {name: words[name] for name in ("nodes", "output", "normalisation")}
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"\n{name} {arrays[name].dtype.str}\n".encode())
        found.update(np.ascontiguousarray(arrays[name]).data)
    return found.hexdigest()


def _laid_out(arrays: Arrays) -> tuple[dict[str, object], bytes]:
    """Return what a header says of arrays, and their bytes."""
    places: dict[str, object] = {}
    parts: list[bytes] = []
    offset = 0
    for name in sorted(arrays):
        plain = np.ascontiguousarray(arrays[name], arrays[name].dtype.newbyteorder("<"))
        data = plain.tobytes()
        places[name] = {
            "dtype": plain.dtype.str,
            "shape": list(plain.shape),
            "offset": offset,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        parts += [data, bytes(-len(data) % ALIGN)]
        offset += len(data) + len(parts[-1])
    return places, b"".join(parts)


def _mapped(path: str | Path) -> Bytes:
    try:
        if not Path(path).stat().st_size:
            return np.zeros(0, np.uint8)
        return np.asarray(np.memmap(path, np.uint8, "r"))
    except (OSError, ValueError) as error:
        why = WHY.get(getattr(error, "errno", None) or 0)
        reason = why.replace("{verb}", "read") if why else f"this cannot be read ({error})"
        raise FileError(f"{path}: {reason}") from error


def _opened(data: Bytes) -> tuple[Words, Bytes]:
    """Return header and body of a file's bytes."""
    begin = bytes(data[:64])
    found = _FAMILY.match(begin)
    if found is None:
        raise FormatError("this is no family: name a file that `secateur slice` wrote")
    if begin[: len(MAGIC)] != MAGIC:
        edition = found.group(1).decode()
        raise FormatError(f"this family is of edition {edition}, 1 is read: update secateur")
    first = len(MAGIC) + 8
    length = int.from_bytes(begin[len(MAGIC) : first], "little")
    last = first + length + 32
    if length > HEADER or len(data) < last:
        raise FormatError("the family is damaged or cut short: its header is not all there")
    text = bytes(data[first : first + length])
    if hashlib.sha256(data[: first + length].data).digest() != bytes(data[first + length : last]):
        raise FormatError("the family is damaged: its header has another digest")
    try:
        header = json.loads(text)
    except RecursionError:
        raise FormatError("the family's header is nested too deeply") from None
    last += -last % ALIGN
    if len(data) != last + header["bytes"]:
        raise FormatError(
            f"the family is damaged or cut short: it has {len(data)} bytes, not "
            f"{last + header['bytes']}"
        )
    if data[first + length + 32 : last].any():
        raise FormatError("the family is damaged: there are bytes behind its header")
    return header, data[last:]


def _arrays(header: Words, body: Bytes) -> Arrays:
    """Return the arrays of a body; every byte of it is checked."""
    found: Arrays = {}
    at = 0
    for name, place in sorted(header["arrays"].items(), key=lambda one: int(one[1]["offset"])):
        kind, shape, offset = place["dtype"], tuple(place["shape"]), place["offset"]
        if kind not in _TYPES or not all(type(n) is int and n >= 0 for n in (*shape, offset)):
            raise FormatError(f"array {name}: type, shape or place are none")
        size = np.dtype(kind).itemsize * prod(shape)
        if offset != at or offset + size > len(body):
            raise FormatError(f"array {name}: it is not where it should be")
        raw = body[offset : offset + size]
        at = offset + size + -size % ALIGN
        if (
            hashlib.sha256(raw.data).hexdigest() != place["sha256"]
            or body[offset + size : at].any()
        ):
            raise FormatError(f"the family is damaged: array {name} has another digest")
        found[name] = raw.view(kind).reshape(shape)
    if at != len(body):
        raise FormatError("the family is damaged: there are bytes behind its arrays")
    return found


def _family(header: Words, arrays: Arrays) -> Family:
    own = {name[8:]: array for name, array in arrays.items() if name.startswith("network.")}
    if network_digest(header["network"], own) != header["network_sha256"]:
        raise FormatError("the family's network has another digest than is stated")
    axis = arrays["axis"].astype(np.int64)
    cut = np.zeros(axis.size)
    cut[axis != LEAF] = arrays["cut"]
    tree = {
        "limits": np.array(header["region"]["limits"]),
        "name": np.array(header["region"]["name"]),
        "axis": axis,
        "cut": cut,
    }
    sizes = tuple(header["neurons"])
    codes = Codes(
        sizes,
        arrays["codes.index"],
        tuple(arrays[f"codes.forms.{layer}"] for layer in range(len(sizes))),
        tuple(arrays[f"codes.lists.{layer}"] for layer in range(len(sizes))),
        arrays["codes.first"],
        arrays["codes.lines"],
    )
    base, slices = read_network(header["network"], own), Slices.of_arrays(tree)
    family = Family(base, slices, codes, arrays["mark"], dict(header["said"]))
    if family.count != header["cells"]:
        raise FormatError(f"{family.count} cells are there, {header['cells']} are stated")
    return family
