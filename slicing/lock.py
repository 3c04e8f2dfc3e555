"""Lock: one writer at a time for a store, released by the system when the writer is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import FileError


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Hold the block's store for this process alone; readers are not kept away.

    Raises:
        FileError: another process holds it, or its folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    path = store.with_name(f"{store.name}.lock")
    try:
        lock = path.open("ab")
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FileError(
                f"{store}: another run writes to this store: wait for it, or name another file"
            ) from None
        yield
