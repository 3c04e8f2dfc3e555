"""A headless browser as tests use it: a picture of a page, its complaints, what it asks for."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-extensions", "--virtual-time-budget=2000"),
)

OWN = "not an origin"
"""The initiator of what the browser asks for by itself, whatever page is open."""


def browser() -> str:
    """Return the path of a browser, or skip."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is installed")
    return found


def look(
    page: Path, folder: Path, size: tuple[int, int] = (500, 400)
) -> tuple[Pixels, list[str], list[str]]:
    """Return a picture of a page ``(rows, columns, 3)``, console lines and requested addresses."""
    picture, log = folder / "look.png", folder / "net.json"
    words = (
        *(browser(), *QUIET, f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}"),
        *(f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"),
        *("--enable-logging=stderr", page.as_uri()),
    )
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if not picture.exists():
        pytest.skip(f"the browser takes no pictures here: {done.stderr[-300:]}")
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return pixels(picture.read_bytes()), said, asked(log)


def asked(log: Path) -> list[str]:
    """Return the addresses that the page in a log of the network asked for."""
    events = json.loads(log.read_text())["events"]
    given = [event.get("params", {}) for event in events]
    assert given
    return [one["url"] for one in given if "url" in one and one.get("initiator", OWN) != OWN]


def pixels(data: bytes) -> Pixels:
    """Return the pixels of a PNG of 8 bits, RGB or RGBA, not interlaced."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    header = next(body for name, body in chunks if name == b"IHDR")
    columns, rows, depth, kind, *rest = struct.unpack(">IIBBBBB", header)
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {2: 3, 6: 4}[kind]
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    lines = np.frombuffer(raw, np.uint8).reshape(rows, 1 + columns * channels)
    out = np.zeros((rows, columns, channels), np.uint8)
    before = np.zeros((columns, channels), np.uint8)
    for row, line in enumerate(lines):
        body = line[1:].reshape(columns, channels)
        before = out[row] = _unfiltered(int(line[0]), body, before)
    return out[:, :, :3]


def _unfiltered(kind: int, line: Pixels, up: Pixels) -> Pixels:
    """Return a line of a PNG without its filter; see the PNG specification, chapter 9."""
    if kind == 0:
        return line
    if kind == 1:
        return np.asarray(np.cumsum(line, axis=0, dtype=np.uint8))
    if kind == 2:
        return line + up
    out, left, corner = [], [0] * line.shape[1], [0] * line.shape[1]
    for here, above in zip(line.tolist(), up.tolist(), strict=True):
        if kind == 3:
            left = [(x + (a + b) // 2) & 255 for x, a, b in zip(here, left, above, strict=True)]
        else:
            near = zip(here, left, above, corner, strict=True)
            left = [(x + _paeth(a, b, c)) & 255 for x, a, b, c in near]
        out.append(left)
        corner = above
    return np.array(out, np.uint8)


def _paeth(a: int, b: int, c: int) -> int:
    guess = a + b - c
    return min((abs(guess - a), 0, a), (abs(guess - b), 1, b), (abs(guess - c), 2, c))[2]


def complaints(said: list[str]) -> list[str]:
    """Return the console lines without what the browser puts before them."""
    return [re.sub(r"^\[[^\]]*\]\s*", "", line) for line in said]
