"""What every row of a measurement says: machine, versions, commit, peak memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def data() -> Path:
    """Return the folder with the real networks, from SECATEUR_DATA or beside the checkout."""
    folder = Path(os.environ.get("SECATEUR_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        raise SystemExit(f"there is no folder {folder}: name the one with acasxu/ in SECATEUR_DATA")
    return folder


def acas(name: str) -> Path:
    """Return the file of an ACAS Xu network such as 5_9."""
    return data() / "acasxu" / f"ACASXU_run2a_{name}_batch_2000.onnx"


def processor() -> str:
    """Return the name of the processor, as the system tells it."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return model


def versions(*packages: str) -> str:
    """Return Python's version and those of packages, on one line."""
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"Python {platform.python_version()}, {found}"


def machine(*packages: str) -> str:
    """Return one line: processor, cores, python, versions of packages, commit."""
    cores = len(os.sched_getaffinity(0))
    return f"{processor()}, {cores} cores, {versions(*packages)}, {commit()}"


def commit() -> str:
    """Return the checkout's commit, short, with a + where files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    dirty = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return f"commit {git('rev-parse', '--short', 'HEAD') or 'unknown'}{dirty}"


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows with the same keys as a Markdown table."""
    rows = list(rows)
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
