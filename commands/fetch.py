"""`secateur fetch`: public networks and properties, checked against pinned digests.

Every file is compared with its pinned SHA-256 before it takes its place, so it does not matter
where it comes from.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path

from ..engine.errors import FileError, FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from .options import Collection, Exit, Options
from .record import envelope, write_record
from .targets import check_folder, check_targets
from .terminal import Terminal

SECONDS = 30.0
"""Longest wait for one answer of the server, when no time is given."""

LARGEST = 1 << 20
"""Bytes of the largest file that is read from a server; the largest pinned one has 55 889."""


def pins(collection: Collection = Collection.ACASXU) -> dict[str, str]:
    """Return the SHA-256 of every file of a collection, by name, in order."""
    text = files(__package__).joinpath(f"{collection}.sha256").read_text("ascii")
    pairs = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, name in pairs}


def run(
    collection: Collection, to: Path | None, source: Path | None, url: str, options: Options
) -> Exit:
    """Fetch a collection into a folder; end DONE when every file is there and verified."""
    began = time.monotonic()
    folder = Path(collection.value) if to is None else to
    if source is not None and not source.is_dir():
        raise FileError(f"--from {source}: this is no folder; name the folder with the files")
    if not url.lower().startswith(("https://", "http://", "file://")):
        raise InputError(f"--url {url}: this is no web address; begin with https://")
    check_folder("--to", folder)
    check_targets([("--json", options.json, ())])
    terminal = Terminal.of(options)
    wanted = pins(collection)
    deadline = None if options.timeout is None else began + options.timeout
    if source is None:

        def get(name: str) -> bytes:
            return _from_layouts(url.rstrip("/"), name, folder, len(wanted), deadline)
    else:

        def get(name: str) -> bytes:
            return read_bytes(source / name)

    record_files = []
    with terminal.progress(f"fetching {collection}") as show:
        for done, (name, digest) in enumerate(wanted.items(), start=1):
            had = _take(folder / name, digest, get)
            show("kept" if had else "fetched", done, len(wanted))
            record_files.append({"name": name, "sha256": digest, "kept": had})
    kept = sum(item["kept"] is True for item in record_files)
    record = envelope(
        "fetch",
        options,
        Exit.DONE,
        time.monotonic() - began,
        collection=collection.value,
        folder=str(folder),
        source=url if source is None else str(source),
        files=record_files,
    )
    write_record(record, options.json)
    terminal.say(
        f"{folder}: {len(wanted)} files, every one with its pinned SHA-256; {len(wanted) - kept} "
        f"written, {kept} were there."
    )
    return Exit.DONE


def _take(path: Path, digest: str, get: Callable[[str], bytes]) -> bool:
    """Put a verified file in its place; return whether it was there before.

    Raises:
        FormatError: its bytes are not the pinned ones; nothing is written.
    """
    if path.is_file() and _digest(read_bytes(path)) == digest:
        return True
    data = get(path.name)
    if (seen := _digest(data)) != digest:
        raise FormatError(
            f"{path.name}: SHA-256 is {seen}, pinned is {digest}: this is another file and was "
            "not written; try another source with --url or --from"
        )
    replace_with(path, data)
    return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _from_layouts(url: str, name: str, folder: Path, count: int, deadline: float | None) -> bytes:
    """Return a file's bytes from the layout of the later competitions, or from a flat folder.

    The later ones keep networks in onnx/ and properties in vnnlib/, compressed by gzip.

    Raises:
        FileError: neither place has it.
        FormatError: it is larger than any file of the collection.
    """
    packed = f"{url}/{'onnx' if name.endswith('.onnx') else 'vnnlib'}/{name}.gz"
    try:
        data = _download(packed, folder, count, deadline)
    except FileError as error:
        if not isinstance(error.__cause__, urllib.error.HTTPError):
            raise
        return _download(f"{url}/{name}", folder, count, deadline)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
            plain = unpacked.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{packed}: is no sound gzip file ({error}); try another --url"
        ) from error
    if len(plain) > LARGEST:
        raise FormatError(f"{packed}: holds more than {LARGEST} bytes; try another --url")
    return plain


def _download(url: str, folder: Path, count: int, deadline: float | None) -> bytes:
    """Return the bytes at an address.

    Raises:
        FileError: no answer in time, or a refusal; says which files to put where instead.
    """
    left = SECONDS if deadline is None else min(SECONDS, deadline - time.monotonic())
    if left <= 0:
        raise FileError(f"{url}: the time given with --timeout is spent; run again to go on")
    try:
        with urllib.request.urlopen(url, timeout=left) as answer:
            data: bytes = answer.read(LARGEST + 1)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        why = error.reason if type(error) is urllib.error.URLError else error
        raise FileError(
            f"{url}: cannot be fetched ({' '.join(str(why).split())}): with no network, put the "
            f"{count} files ACASXU_run2a_1_1_batch_2000.onnx to ACASXU_run2a_5_9_batch_2000.onnx, "
            f"and prop_1.vnnlib to prop_10.vnnlib into {folder} and run again to verify them, or "
            "name a folder that has them with --from"
        ) from error
    if len(data) > LARGEST:
        raise FormatError(f"{url}: sends more than {LARGEST} bytes; try another --url")
    return data
