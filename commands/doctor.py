"""`secateur doctor`: what is installed, and whether the parts that prove things work."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from .options import Exit, Options
from .record import envelope, write_record
from .targets import check_targets
from .terminal import Terminal

NEEDED = (
    "numpy",
    "scipy",
    "networkx",
    "highspy",
    "pulp",
    "onnx",
    "onnxruntime",
    "torch",
    "numba",
    "jinja2",
    "rich",
    "typer",
)
MEND = "pip install --upgrade secateur"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: of it.
        found: a version, or what was seen; empty where it is missing.
        needed: whether secateur cannot do without it.
        ok: whether it is there and works.
        mend: what to do where it is not ok.
    """

    name: str
    found: str
    needed: bool
    ok: bool
    mend: str = ""


def run(options: Options) -> Exit:
    """Print what is installed and works; end DONE when all that is needed does, else WRONG."""
    began = time.monotonic()
    check_targets([("--json", options.json, ())])
    terminal = Terminal.of(options)
    checks = [*_machine(), *(_package(name) for name in NEEDED)]
    with terminal.progress("self-test") as show:
        tests = (_bounds, _linear_programs, _kernels, _claims, _files)
        for step, test in enumerate(tests, start=1):
            checks.append(_tried(test, options.seed))
            show(checks[-1].name, step, len(tests))
    checks += _solvers()
    sick = [check for check in checks if check.needed and not check.ok]
    end = Exit.WRONG if sick else Exit.DONE
    record = envelope(
        "doctor",
        options,
        end,
        time.monotonic() - began,
        checks=[
            {
                "name": check.name,
                "found": check.found,
                "needed": check.needed,
                "ok": check.ok,
                "mend": check.mend,
            }
            for check in checks
        ],
    )
    write_record(record, options.json)
    rows = []
    for check in checks:
        state = "ok" if check.ok else "MISSING" if check.needed else "absent"
        rows.append((check.name, state, check.found or "-", "" if check.ok else check.mend))
    terminal.table("", ("part", "state", "found", "what to do"), rows, words=4)
    terminal.say(
        f"{len(sick)} needed parts are missing or fail: {', '.join(c.name for c in sick)}."
        if sick
        else "All that is needed is there and works; absent parts are optional."
    )
    return end


def _machine() -> list[Check]:
    # What this process may use, where the system tells; what the machine has elsewhere.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        Check("secateur", version("secateur"), True, True),
        Check("python", platform.python_version(), True, True),
        Check("system", f"{platform.system()} {platform.release()}", True, True),
        Check("processor", f"{cores} cores, {platform.machine()}", True, True),
    ]


def _package(name: str) -> Check:
    try:
        return Check(name, version(name), True, True)
    except PackageNotFoundError:
        return Check(name, "", True, False, MEND)


def _tried(test: Callable[[int], str], seed: int) -> Check:
    """Run a self-test; whatever goes wrong is its finding."""
    name = f"self-test:{test.__name__.replace('_', ' ')}"
    began = time.monotonic()
    try:
        found = test(seed)
    except Exception as error:
        why = " ".join(str(error).split())
        return Check(name, f"{type(error).__name__}: {why}"[:200], True, False, MEND)
    return Check(name, f"{found} in {time.monotonic() - began:.1f} s", True, True)


def _expect(true: bool, what: str) -> None:
    if not true:
        raise AssertionError(what)


def _bounds(seed: int) -> str:
    from .bounds import bounds
    from .selftest import diamond

    network, region = diamond()
    low, high = bounds(network, region, "linear", seed=seed)["affine2"]
    _expect(low[0] <= -2.5 and high[0] >= -0.5, f"bounds {low[0]}, {high[0]} miss the values")
    return "linear bounds hold"


def _linear_programs(seed: int) -> str:
    from .bounds import bounds
    from .selftest import diamond

    network, region = diamond()
    low, high = bounds(network, region, "lp", seed=seed)["affine2"]
    _expect(low[0] <= -2.5 and -0.5 <= high[0] <= 1.6, f"bounds {low[0]}, {high[0]} are wrong")
    return "HiGHS solves, bounds rebuilt from duals"


def _kernels(seed: int) -> str:
    from ..engine.verdict import Proved
    from .selftest import branch

    verdict = branch(seed)
    _expect(isinstance(verdict, Proved), f"the verdict is {verdict}")
    return "compiled, or taken from the cache, and a proof by branching found"


def _claims(seed: int) -> str:
    from ..engine.verdict import Proved
    from .selftest import claims

    verdicts = claims(seed)
    _expect(all(isinstance(one, Proved) for one in verdicts), f"the verdicts are {verdicts}")
    return "claims about one network and about two proved"


def _files(seed: int) -> str:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from ..engine.formats import load, save
    from .selftest import diamond

    network, _ = diamond()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "diamond.onnx"
        save(network, path)
        read = load(path)
    points = np.random.default_rng(seed).uniform(-1.0, 1.0, (8, 2))
    _expect(bool((read.evaluate(points) == network.evaluate(points)).all()), "values differ")
    return "ONNX written, read and compared with onnxruntime"


def _solvers() -> list[Check]:
    """Return which solvers can be had: HiGHS in process, the others through PuLP."""
    from ..engine.errors import SolverError
    from ..engine.solvers import NAMES, solver

    checks = []
    for name in NAMES:
        needed = name == "highs"
        try:
            solver(name)
        except SolverError:
            mend = MEND if needed else f"optional: install {name} so that PuLP finds it"
            checks.append(Check(f"solver {name}", "", needed, False, mend))
        else:
            found = "in process" if needed else "through PuLP"
            checks.append(Check(f"solver {name}", found, needed, True))
    return checks
