"""Files to write: checked before the long work starts, replaced in one step after it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..engine.errors import FileError, InputError

NETWORKS = (".onnx", ".nnet")
PROOFS = (".proof",)
STANDARD_OUTPUT = Path("-")


def check_targets(
    targets: Iterable[tuple[str, Path | None, Sequence[str]]], sources: Iterable[Path] = ()
) -> None:
    """Raise unless every file can be written where it is asked for.

    Args:
        targets: for each file the option that asks for it, its path (None where it is not asked
            for, ``-`` for standard output) and the endings it may have (none: any).
        sources: files that are read and so must not be written over.

    Raises:
        InputError: another ending; two options that name one file; a file that is read.
        FileError: a missing folder, a folder, or a place that cannot be written.
    """
    taken = {_real(path): f"the input {path}" for path in sources}
    for option, path, endings in targets:
        if path is None or path == STANDARD_OUTPUT:
            continue
        if endings and path.suffix.lower() not in endings:
            raise InputError(
                f"{option} {path}: {path.suffix or 'no ending'} is no format to write; end the "
                f"name in {' or '.join(endings)}"
            )
        _check_place(option, path)
        real = _real(path)
        if real in taken:
            raise InputError(f"{option} {path}: this is {taken[real]} too; name another file")
        if not _is_device(path):
            taken[real] = f"what {option} writes"


def check_folder(option: str, folder: Path) -> None:
    """Make a folder where it is missing, and raise FileError unless files can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"{option} {folder}: this is a file; name a folder") from None
    except OSError as error:
        raise _refusal(option, folder, error) from error
    _try_to_write(option, folder, folder)


def slug(text: str) -> str:
    """Return a text as a part of a file name: letters, digits, points and dashes."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in text)
    return "-".join(part for part in kept.split("-") if part).strip(".") or "region"


def each_target(pattern: Path, labels: Sequence[str]) -> list[Path]:
    """Return a file for each region.

    Args:
        pattern: as the user gave it; ``{region}`` in its name stands for the region's label, and
            without that a label is put before the ending where there are several regions.
        labels: one for each region, all different.
    """
    if "{region}" in pattern.name:
        return [pattern.with_name(pattern.name.replace("{region}", label)) for label in labels]
    if len(labels) == 1:
        return [pattern]
    return [pattern.with_name(f"{pattern.stem}-{label}{pattern.suffix}") for label in labels]


def distinct(labels: Sequence[str]) -> list[str]:
    """Return the labels, numbered where two are the same."""
    out: list[str] = []
    for label in labels:
        new, number = label, 2
        while new in out:
            new, number = f"{label}-{number}", number + 1
        out.append(new)
    return out


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _is_device(path: Path) -> bool:
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def _check_place(option: str, path: Path) -> None:
    try:
        target = Path(_real(path))
        if target.is_dir():
            raise FileError(f"{option} {path}: this is a folder; name a file in it")
        if not target.parent.is_dir():
            raise FileError(f"{option} {path}: there is no folder {target.parent}; make it first")
        if _is_device(target):
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise FileError(f"{option} {path}: this file may not be written; name another")
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise _refusal(option, path, error) from error
    _try_to_write(option, path, target.parent)


def _try_to_write(option: str, path: Path, folder: Path) -> None:
    """Make a nameless file in the folder: permissions alone do not tell, root has them all."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _refusal(option, path, error) from error


def _refusal(option: str, path: Path, error: OSError | ValueError) -> FileError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return FileError(f"{option} {path}: cannot be written here ({why}); name another place")
