"""`secateur serve`: pages of this machine alone, to browse what runs found and what proofs say."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..browse.find import roots
from ..browse.shelf import Line, Look, Shelf
from ..engine.errors import InputError
from .options import Exit, Options
from .record import Record, envelope, write_record
from .targets import check_targets
from .terminal import Terminal

HERE: Final = "127.0.0.1"
"""The one address that is listened on."""

MOST: Final = 100
"""Folders and files that are named."""

INSTALL: Final = "python -m pip install 'secateur[serve]'"

PARTS: Final = ("starlette", "uvicorn")

GRACE: Final = 2
"""Seconds that an answer may still take after the end."""

SHARED: Final = 64
"""Requests that are answered or wait at a time."""


def run(paths: Sequence[Path], port: int, options: Options) -> Exit:
    """Serve until an interrupt or the end of the time; end DONE.

    Args:
        paths: folders and files.
        port: to listen on; 0 for any that is free.
        options: of every verb.

    Raises:
        InputError: a path is not there, the port is taken, or the extra is not installed.
    """
    began = time.monotonic()
    if len(paths) > MOST:
        raise InputError(f"{len(paths)} paths are too many: name at most {MOST}, folders say more")
    missing = [name for name in PARTS if find_spec(name) is None]
    if missing:
        raise InputError(f"serve: {' and '.join(missing)} must be installed: {INSTALL}")
    check_targets([("--json", options.json, ())], [path for path in paths if not path.is_dir()])
    from ..browse.site import site

    shelf = Shelf(roots(paths))
    terminal = Terminal.of(options)
    with _listening(port) as listener:
        taken = int(listener.getsockname()[1])
        url = f"http://{HERE}:{taken}/"
        try:
            with terminal.progress("reading") as show:
                look = shelf.look(lambda done, of: show("reading", done, of))
            terminal.say(f"{_counted(look)} at {url} on this machine alone; Ctrl-C ends it.")
            sys.stdout.flush()
            found = {"url": url, "port": taken, **_found(look, url)}
            spent = time.monotonic() - began
            write_record(envelope("serve", options, Exit.DONE, spent, **found), options.json)
            sys.stdout.flush()
            left = None if options.timeout is None else options.timeout - spent
            asyncio.run(_served(site(shelf, taken), listener, left))
        except KeyboardInterrupt:
            terminal.say("")
    return Exit.DONE


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine's own address.

    Raises:
        InputError: the port is taken, may not be taken, or is none.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two listen on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HERE, port))
        listener.listen(SHARED)
    except OSError as error:
        listener.close()
        mend = "name another by --port N, or let one be found by --port 0"
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"--port {port}: something else listens there: {mend}") from error
        raise InputError(f"--port {port}: cannot be had ({error.strerror}): {mend}") from error
    return listener


async def _served(app: Callable[..., Any], listener: socket.socket, left: float | None) -> None:
    """Answer until an interrupt, or until the seconds that are left are over."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=SHARED,
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)

    def end() -> None:
        server.should_exit = True

    if left is not None:
        asyncio.get_running_loop().call_later(max(left, 0.0), end)
    await server.serve(sockets=[listener])


def _counted(look: Look) -> str:
    """Return how much there is, in words."""
    counts = {"proof": 0, "run": 0, "unreadable file": 0}
    for line in look.lines:
        entry = line.entry
        counts[
            "unreadable file" if not entry.verb else "proof" if entry.verb == "proof" else "run"
        ] += 1
    parts = [f"{counts[what]} {what}{'s' * (counts[what] != 1)}" for what in ("run", "proof")]
    if counts["unreadable file"]:
        parts.append(f"{counts['unreadable file']} that cannot be read")
    return ", ".join(parts)


def _found(look: Look, url: str) -> Record:
    return {"complete": not look.more, "found": [_line(line, url) for line in look.lines]}


def _line(line: Line, url: str) -> Record:
    entry = line.entry
    return {
        "path": str(line.item.path),
        "url": f"{url}item/{line.item.key}",
        "kind": line.item.kind.value,
        "verb": entry.verb or None,
        "state": entry.state.value,
        "question": entry.question or None,
        "answer": entry.answer,
        "sha256": entry.sha256 or None,
        "bytes": line.item.stamp.size,
    }
