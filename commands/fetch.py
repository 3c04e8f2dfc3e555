"""`secateur fetch`: public networks, properties and data, checked against pinned digests.

Every file is compared with its pinned SHA-256 before it takes its place, so it does not matter
where it comes from.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..engine.errors import FileError, FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from .download import Download
from .homes import HOMES, pins
from .options import Collection, Exit, Options
from .record import envelope, write_record
from .targets import check_folder, check_targets
from .terminal import Terminal


def run(
    collection: Collection, to: Path | None, source: Path | None, url: str | None, options: Options
) -> Exit:
    """Fetch a collection into a folder; end DONE when every file is there and verified."""
    began = time.monotonic()
    folder = Path(collection.value) if to is None else to
    if source is not None and not source.is_dir():
        raise FileError(f"--from {source}: this is no folder; name the folder with the files")
    if url is not None and not url.lower().startswith(("https://", "http://", "file://")):
        raise InputError(f"--url {url}: this is no web address; begin with https://")
    check_folder("--to", folder)
    check_targets([("--json", options.json, ())])
    terminal = Terminal.of(options)
    wanted, home = pins(collection), HOMES[collection]
    addresses = home.addresses if url is None else (url.rstrip("/"),)
    deadline = None if options.timeout is None else began + options.timeout
    by_hand = (
        f"put {home.words or _named(wanted)} into {folder} and run again to verify them, or name a "
        "folder that has them with --from"
    )
    web = Download(addresses, home.largest, home.competition, deadline, by_hand)
    record_files = []
    with terminal.progress(f"fetching {collection}") as show:
        for done, (name, digest) in enumerate(wanted.items()):
            tell = partial(show, settled=done, total=len(wanted))
            get = (
                partial(web.read, name, tell)
                if source is None
                else partial(read_bytes, source / name)
            )
            had = _take(folder / name, digest, get)
            show("kept" if had else "fetched", done + 1, len(wanted))
            record_files.append({"name": name, "sha256": digest, "kept": had})
    kept = sum(item["kept"] is True for item in record_files)
    record = envelope(
        "fetch",
        options,
        Exit.DONE,
        time.monotonic() - began,
        collection=collection.value,
        folder=str(folder),
        source=addresses[0] if source is None else str(source),
        files=record_files,
    )
    write_record(record, options.json)
    terminal.say(
        f"{folder}: {len(wanted)} files, every one with its pinned SHA-256; {len(wanted) - kept} "
        f"written, {kept} were there."
    )
    return Exit.DONE


def _take(path: Path, digest: str, get: Callable[[], bytes]) -> bool:
    """Put a verified file in its place; return whether it was there before.

    Raises:
        FormatError: its bytes are not the pinned ones; nothing is written.
    """
    if path.is_file() and _digest(read_bytes(path)) == digest:
        return True
    data = get()
    if (seen := _digest(data)) != digest:
        raise FormatError(
            f"{path.name}: SHA-256 is {seen}, pinned is {digest}: this is another file and was "
            "not written; try another source with --url or --from"
        )
    replace_with(path, data)
    return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _named(wanted: dict[str, str]) -> str:
    """Return each file's name with its digest, in words."""
    return ", ".join(f"{name} (SHA-256 {digest})" for name, digest in wanted.items())
