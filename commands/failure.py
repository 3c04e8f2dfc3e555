"""How an error ends a command: one line that says what was wrong and the mend, and a code."""

from __future__ import annotations

import sys
from typing import Any, cast

import typer

from .options import Exit

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""The root of typer's errors about usage; typer takes it from click or from a copy of click, and
gives no public name to it."""


def explained(error: Exception) -> tuple[str, int]:
    """Return the line and the exit code for an error."""
    if isinstance(error, USAGE_ERROR):
        message = cast("Any", error).format_message().replace("Value error, ", "")
        return f"{message.rstrip('.')}; ask secateur --help", Exit.WRONG
    from ..engine.errors import SecateurError

    if isinstance(error, SecateurError):
        return str(error), Exit.WRONG
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", Exit.WRONG
    if isinstance(error, MemoryError):
        return "the memory does not suffice; take a smaller region or network", Exit.WRONG
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"this is a mistake in secateur itself ({what}); run again with SECATEUR_DEBUG=1 and "
        "report what it prints",
        1,
    )


def fail(message: str, code: int) -> int:
    """Say in one line why a command ends, and return its exit code."""
    sys.stderr.write(f"secateur: error: {' '.join(message.split())}\n")
    return int(code)
