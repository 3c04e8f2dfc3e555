"""Where the commands spend their time, by kind of work, on a frozen list of jobs.

`python -m secateur.benchmarks.profile [--jobs slice,compare-isomorphic] [--places 6] [--json F]`
runs each job in a process of its own under a sampling profiler and prints the share of every part
of the work, then the functions that took most. py-spy is used where it is found, by its name or by
`--py-spy PATH`: it sees threads that run compiled loops, from outside. Without it a thread inside
the process samples (`profile_sample`). The compiled loops are warm: each job runs once before, for
a second or so.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .machine import acas, data, machine, table
from .profile_parts import EXPLAINED, shares

DOMAIN = "-0.328422877:0.679857769,-0.5:0.5,-0.5:0.5,-0.5:0.5,-0.5:0.5"

RATE = 100
"""Samples a second."""

INSIDE = "from secateur.benchmarks.profile_sample import main; main()"
"""Runs the words behind ``STACKS --`` under the sampling thread."""


@dataclass(frozen=True, slots=True)
class Job:
    """One command; ``{data}``, ``{acas:1_1}`` and ``{out}`` in its words are filled in.

    Attributes:
        name: short name.
        words: of the command line.
        warm: words of a shorter run that compiles the same loops; none for the command itself.
    """

    name: str
    words: tuple[str, ...]
    warm: tuple[str, ...] = ()

    def filled(self, words: tuple[str, ...], folder: Path) -> list[str]:
        """Return words with files in place of what stands for them."""
        return [
            re.sub(r"\{acas:(\w+)\}", lambda found: str(acas(found[1])), word)
            .replace("{data}", str(data()))
            .replace("{out}", str(folder))
            for word in words
        ]


def _slice(cells: str, *more: str) -> tuple[str, ...]:
    first = ("slice", "{acas:1_1}", f"--region={DOMAIN}", "--grid", "8,8,8,8,8")
    return (*first, "--cells", cells, "--workers", "1", "-o", "{out}/family", *more)


def _compare(pair: tuple[str, str], region: str) -> tuple[str, ...]:
    files = (f"{{data}}/pairs/nets/{name}.onnx" for name in pair)
    return ("compare", *files, f"--region={region}", "--epsilon", "0.05", "--workers", "1")


_BEST = ("--keep", "argmin")
_THIRD = (
    "-0.30353115613746867:-0.29855281193475053,-0.009549296585513092:0.009549296585513092,"
    "0.4933803235848431:0.49999999589,0.3:0.5,0.3:0.5"
)
_CELL = "0.049681:0.175717,0:0.125,-0.125:0,0.25:0.375,0:0.125"
_ISOMORPHIC = ("ACASXU_run2a_2_6_batch_2000", "ACASXU_run2a_2_6_batch_2000_perturbed_3")

JOBS = (
    Job("slice", _slice("random:24", *_BEST), _slice("random:2", *_BEST)),
    Job("slice-phases", _slice("random:256", "--stage", "phases")),
    Job(
        "simplify-cell",
        ("simplify", "{acas:1_1}", f"--region={_CELL}", "--keep", "argmin", "-o", "{out}/a.onnx"),
    ),
    Job(
        "simplify-domain",
        ("simplify", "{acas:5_9}", f"--region={DOMAIN}", "--timeout", "20", "-o", "{out}/a.onnx"),
    ),
    Job(
        "compare-pruned",
        _compare(("acasvd_5_1", "acasvd_5_1_pruned5"), _THIRD),
    ),
    Job(
        "compare-isomorphic",
        (*_compare(_ISOMORPHIC, "{data}/acasxu/prop_1.vnnlib"), "--timeout", "30"),
    ),
    Job("verify", ("verify", "{data}/acasxu/prop_2.vnnlib", "--network", "N={acas:4_1}")),
    Job("verify-short", ("verify", "{data}/acasxu/prop_3.vnnlib", "--network", "N={acas:1_1}")),
    Job("demo", ("demo", "--output", "{out}/demo")),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of one job.

    Attributes:
        wall: seconds.
        busy: seconds that threads of all its processes were seen at work.
        parts: weight of each part of the work.
        places: weight of the functions.
    """

    wall: float
    busy: float
    parts: Counter[str]
    places: Counter[str]


def measure(job: Job, sampler: Path | None) -> Measured:
    """Return what a job spends its time on.

    Raises:
        SystemExit: the command failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(_command(job.filled(job.warm or job.words, folder)))
        shutil.rmtree(folder)
        folder.mkdir()
        stacks, words = folder / "stacks", job.filled(job.words, folder)
        begun = time.perf_counter()
        if sampler is None:
            _run([sys.executable, "-c", INSIDE, str(stacks), "--", *words])
        else:
            _run([*_watched(sampler, stacks), "--", *_command(words)])
        wall = time.perf_counter() - begun
        parts, places = shares(stacks.read_text().splitlines())
        busy = sum(parts.values()) / (RATE if sampler is not None else 1e9)
        return Measured(wall, busy, parts, places)


def _command(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "secateur", *words, "--quiet"]


def _watched(sampler: Path, stacks: Path) -> list[str]:
    form = ["-f", "raw", "-o", str(stacks), "-r", str(RATE), "--subprocesses", "--nonblocking"]
    return [str(sampler), "record", *form]


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 10, 20):  # proved or done, refuted, unknown
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")


def found(path: str | None) -> Path | None:
    """Return where py-spy is, or None."""
    place = path or shutil.which("py-spy")
    return None if place is None else Path(place)


def row(name: str, one: Measured) -> dict[str, str]:
    """Return a row of the table."""
    total = max(1, sum(one.parts.values()))
    cells = {part: f"{100 * one.parts[part] / total:.0f}" for part in EXPLAINED}
    return {"job": name, "wall (s)": f"{one.wall:.1f}", "busy (s)": f"{one.busy:.1f}", **cells}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="", help="names from the list with commas; all if absent")
    parser.add_argument("--places", type=int, default=6, help="functions shown for each job")
    parser.add_argument("--py-spy", help="where it is")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    wanted = [one for one in given.jobs.split(",") if one]
    sampler, rows, seen = found(given.py_spy), [], {}
    for job in JOBS:
        if wanted and job.name not in wanted:
            continue
        one = measure(job, sampler)
        rows.append(row(job.name, one))
        seen[job.name] = one
        print(job.name, file=sys.stderr, flush=True)
    print(table(rows))
    print("\n" + "; ".join(f"{part}: {what}" for part, what in EXPLAINED.items()) + "\n")
    lines = []
    for name, one in seen.items():
        total = max(1, sum(one.places.values()))
        for place, weight in one.places.most_common(given.places):
            lines.append({"job": name, "share (%)": f"{100 * weight / total:.1f}", "where": place})
    print(table(lines))
    how = f"py-spy, {RATE} samples a second" if sampler else "a sampling thread"
    print(f"\n{how}; {machine('numpy', 'numba')}")
    if given.json is not None:
        given.json.write_text(json.dumps({"rows": rows, "places": lines}, indent=1))


if __name__ == "__main__":
    main()
