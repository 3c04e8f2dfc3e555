"""Safety sets in files: which rows of which data, and a contact sheet to look at."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from .data import Dataset
from .safety import Reason, SafetySet

FORMAT: Final = "secateur safety set 1"
COLUMNS: Final = ("rows", "labels", "reason", "heat", "margin", "cluster")

SIDE: Final = 56
"""Side of a picture on the sheet, in its units."""

CAPTION: Final = 14
ACROSS: Final = 12
"""Pictures in a row of the sheet."""

COLOURS: Final = {
    Reason.EVIDENCE: "#2b6cb0",
    Reason.MARGIN: "#c05621",
    Reason.CENTRE: "#2f855a",
}
WORDS: Final = {
    Reason.EVIDENCE: "strong evidence",
    Reason.MARGIN: "small margin",
    Reason.CENTRE: "near a centre",
}


def save_safety(safety: SafetySet, path: str | Path) -> None:
    """Write a safety set in one step: the rows' numbers, labels and reasons, not the images.

    Args:
        safety: what to write.
        path: of the .npz file. Its arrays are rows, labels, reason, heat, margin and cluster, and
            head, a JSON text with the data set's name, files and the digest of the images.

    Raises:
        FileError: it cannot be written.
    """
    images = safety.images
    head = {
        "format": FORMAT,
        "data": images.name,
        "source": [[one.path, one.sha256] for one in images.source],
        "sha256": images.digest,
        "reasons": {str(reason.value): WORDS[reason] for reason in Reason},
    }
    assert images.labels is not None
    arrays: dict[str, NDArray[Any]] = {
        "rows": images.rows,
        "labels": images.labels,
        "reason": safety.reason,
        "heat": safety.heat,
        "margin": safety.margin,
        "cluster": safety.cluster,
        "head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
    }
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    replace_with(Path(path), out.getvalue())


def load_safety(path: str | Path, data: Dataset) -> SafetySet:
    """Return the safety set of a file, its images taken from the data that it was drawn from.

    Args:
        path: of the file.
        data: as it was read then; rows are found by their numbers.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no safety set.
        InputError: the data lack its rows, or have other images or labels there.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
            rows, labels, reason, heat, margin, cluster = (file[name] for name in COLUMNS)
            head = json.loads(file["head"].tobytes())
        if head["format"] != FORMAT:
            raise ValueError(f"it is {head['format']!r}")
        digest = str(head["sha256"])
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: this is no safety set: {error}") from None
    places = {row: at for at, row in enumerate(data.rows.tolist())}
    missing = [row for row in rows.tolist() if row not in places]
    if missing:
        raise InputError(
            f"{path}: {data.name} has no row {missing[0]}: give the data that it was drawn from"
        )
    chosen = np.array([places[row] for row in rows.tolist()], dtype=np.int64)
    images = data.subset(chosen, f"{data.name}, safety set")
    if images.labels is None or not np.array_equal(images.labels, labels):
        raise InputError(f"{path}: labels differ from those of {data.name}: give the same data")
    if images.digest != digest:
        raise InputError(f"{path}: images differ from those of {data.name}: give the same data")
    return SafetySet(images, reason, heat, margin, cluster)


def contact_sheet(safety: SafetySet) -> str:
    """Return a picture of all images with their labels and row numbers, as SVG.

    Colours say why an image is there.

    Raises:
        InputError: the inputs are no pictures of 1 or 3 channels.
    """
    images = safety.images
    if len(images.shape) != 3 or images.shape[0] not in (1, 3):
        raise InputError(
            f"{images.name}: inputs of shape {images.shape} are no pictures of 1 or 3 channels: "
            "there is no contact sheet of them"
        )
    assert images.labels is not None
    levels = _levels(images.inputs).reshape(-1, *images.shape)
    cell, tall = SIDE + 8, SIDE + CAPTION + 8
    lines = (len(images) + ACROSS - 1) // ACROSS
    wide, high = ACROSS * cell + 8, lines * tall + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" font-family="sans-serif" font-size="9">',
        f"<title>{len(images)} images of a safety set</title>",
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
    ]
    for at, reason in enumerate(Reason):
        left = 8 + 150 * at
        parts.append(f'<rect x="{left}" y="8" width="10" height="10" fill="{COLOURS[reason]}"/>')
        said = f"{WORDS[reason]} ({safety.count()[reason]})"
        parts.append(f'<text x="{left + 14}" y="17">{said}</text>')
    order = np.argsort(safety.reason, kind="stable").tolist()
    for place, at in enumerate(order):
        line, column = divmod(place, ACROSS)
        left, top = 8 + column * cell, 28 + line * tall
        colour = COLOURS[Reason(int(safety.reason[at]))]
        data = base64.b64encode(_png(levels[at])).decode()
        parts.append(
            f'<rect x="{left - 2}" y="{top - 2}" width="{SIDE + 4}" height="{SIDE + 4}" '
            f'fill="{colour}"/><image x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" '
            f'preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{data}"/>'
            f'<text x="{left}" y="{top + SIDE + 11}">{int(images.labels[at])}, row '
            f"{int(images.rows[at])}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _levels(inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(inputs.min()), float(inputs.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    return np.asarray(np.rint((inputs - low) * scale), dtype=np.uint8)


def _png(levels: NDArray[np.uint8]) -> bytes:
    """Return a picture ``(channels, height, width)`` as PNG, grey or of three colours."""
    channels, height, width = levels.shape
    pixels = levels.transpose(1, 2, 0).reshape(height, -1)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
