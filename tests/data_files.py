"""Writers of the formats in which data sets are published, as tests need them."""

import gzip
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = tuple[NDArray[Any], NDArray[Any]]
"""Levels and labels."""

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of an IDX file."""
    code = CODES[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx_folder(
    folder: Path, train: Part, test: Part, packed: bool = True, dot: str = "-"
) -> None:
    """Write two pairs of levels ``(rows, height, width)`` and labels as the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, (levels, labels) in (("train", train), ("t10k", test)):
        files = (
            (f"{prefix}-images{dot}idx3-ubyte", levels),
            (f"{prefix}-labels{dot}idx1-ubyte", labels),
        )
        for name, array in files:
            data = idx(np.asarray(array, np.uint8))
            path = folder / (name + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(data) if packed else data)


def records(levels: NDArray[Any], *marks: NDArray[Any]) -> bytes:
    """Return levels ``(rows, 3, 32, 32)``, with columns of label bytes before, as CIFAR's bytes."""
    columns = [np.asarray(mark, np.uint8)[:, None] for mark in marks]
    return np.concatenate([*columns, levels.reshape(len(levels), -1)], axis=1).tobytes()


def cifar10_files(train: Part, test: Part) -> dict[str, bytes]:
    """Return the six files of CIFAR-10, the training rows dealt to five, as bytes by name."""
    levels, labels = train
    rows = np.array_split(np.arange(len(labels)), 5)
    files = {
        f"data_batch_{number}.bin": records(levels[part], labels[part])
        for number, part in enumerate(rows, start=1)
    }
    return {**files, "test_batch.bin": records(*test)}


def cifar100_files(train: Part, test: Part) -> dict[str, bytes]:
    """Return the two files of CIFAR-100 as bytes by name; coarse labels are fine ones over 5."""
    return {
        f"{name}.bin": records(levels, labels // 5, labels)
        for name, (levels, labels) in (("train", train), ("test", test))
    }


def archive(files: dict[str, bytes], inside: str) -> bytes:
    """Return files in a folder as the bytes of a .tar.gz."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return held.getvalue()
