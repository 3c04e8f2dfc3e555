"""Reading and writing of whole files, with errors that name the file and the mend."""

import errno
import os
import stat
import threading
from pathlib import Path

from ..errors import FileError, FormatError

WHY = {
    errno.ENOENT: "there is no such file: check its name and folder",
    errno.EISDIR: "this is a folder: name a file in it",
    errno.ENOTDIR: "a part of this path is a file, not a folder: check the path",
    errno.EACCES: "this may not be {verb}: give yourself the permission, or name another file",
    errno.EPERM: "this may not be {verb}: give yourself the permission, or name another file",
    errno.EROFS: "this file system is read-only: name a file elsewhere",
    errno.ENOSPC: "the disk is full: make room, or name a file elsewhere",
    errno.ENAMETOOLONG: "this name is too long: name a file",
}
"""What is wrong and the mend, for the error numbers that people meet."""


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Return the bytes of a file.

    Args:
        path: of the file.
        most: how many there may be; None for as many as there are.

    Raises:
        FileError: it is missing, a folder, or cannot be read.
        FormatError: there are more.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read() if most is None else file.read(most + 1)
    except (OSError, ValueError) as error:
        raise _refusal(path, "read", error) from error
    if most is not None and len(data) > most:
        raise FormatError(f"{path}: this is larger than {most >> 20} MiB: name a smaller file")
    return data


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Args:
        path: of the file.

    Raises:
        FileError: it is missing, a folder, or cannot be read.
        FormatError: its bytes are not UTF-8.
    """
    return as_text(read_bytes(path), path)


def as_text(data: bytes, path: str | Path) -> str:
    """Return the text that a file's bytes spell, without a byte order mark.

    Args:
        data: UTF-8.
        path: of the file, for the error.

    Raises:
        FormatError: the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: byte {error.start} is not UTF-8: this is no text file; name a text file"
        ) from error


def replace_with(path: str | Path, data: bytes) -> None:
    """Write the bytes to a file; at every moment it holds its old bytes or all of the new ones.

    They are written beside it, under a name that ends in ``.part``, and moved over it. A link
    stays a link and its target changes; a device or a pipe is written straight.

    Args:
        path: of the file; its folder must exist.
        data: the bytes.

    Raises:
        FileError: it is a folder, its folder is missing, or it cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not target.parent.is_dir():
            raise FileError(f"{path}: there is no folder {target.parent}: make it, or name another")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_bytes(data)
            return
        _move_over(target, data)
    except FileError:
        raise
    except (OSError, ValueError) as error:
        raise _refusal(path, "written", error) from error


def _move_over(target: Path, data: bytes) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refusal(path: str | Path, verb: str, error: OSError | ValueError) -> FileError:
    name = repr(str(path)) if not str(path).isprintable() else str(path)
    if not isinstance(error, OSError):
        return FileError(f"{name}: this is no file name ({error}): name a file")
    why = WHY.get(error.errno or 0)
    reason = why or f"this cannot be {{verb}} ({error.strerror or error}): name another file"
    return FileError(f"{name}: {reason.replace('{verb}', verb)}")
