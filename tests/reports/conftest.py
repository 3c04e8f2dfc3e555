"""Records of every verb that a report is made of, made once by the verbs themselves."""

import copy
import json

import pytest
from calls import REGION, call, tiny

from secateur.engine.formats import save

QUERY = """(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const X_2 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (>= X_0 -0.25))
(assert (<= X_0 0.75))
(assert (>= X_1 0.0))
(assert (<= X_1 0.5))
(assert (>= X_2 -0.5))
(assert (<= X_2 0.0))
(assert (>= Y_0 {}))
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A folder with networks, queries and records."""
    home = tmp_path_factory.mktemp("records")
    save(tiny(), home / "f.onnx")
    save(tiny(seed=4), home / "g.onnx")
    for name, least in (("sat", -1000), ("unsat", 1000)):
        (home / f"{name}.vnnlib").write_text(QUERY.format(least))
    (home / "jobs.csv").write_text(
        f'network,region,keep\nf.onnx,"{REGION}",outputs\nf.onnx,"0:1,0:1,0:1",argmin\n'
    )
    return home


@pytest.fixture(scope="session")
def paths(home):
    """Make the records; return their files by name."""
    old = pytest.MonkeyPatch()
    old.chdir(home)
    pair = ("compare", "f.onnx", "g.onnx", "--region", REGION, "--workers", 1)
    net = ("--network", "f.onnx")
    loose = ("--tolerance", "0.25", "--region", "0:1,0:1,0:1", "-o", "s.onnx", "--timeout", 2)
    best = ("simplify", "f.onnx", "--region", REGION, "--keep", "argmin", "-o", "a.onnx")
    made = {
        "sat": (10, "verify", "sat.vnnlib", *net),
        "unsat": (0, "verify", "unsat.vnnlib", *net),
        "late": (20, "verify", "unsat.vnnlib", *net, "--timeout", 1e-6),
        "distance": (0, *pair),
        "near": (0, *pair, "--epsilon", 1000, "--proof", "near.proof"),
        "checked": (0, "check", "near.proof"),
        "unproved": (10, "check", "near.proof", *(2 * ("--network", "f.onnx"))),
        "hasty": (20, "check", "near.proof", "--timeout", 1e-9),
        "far": (10, *pair, "--epsilon", "0.001"),
        "best": (10, *pair, "--top1", "max"),
        "floats": (0, *pair, "--semantics", "float32", "--epsilon", 1000),
        "unknown": (20, *pair, "--timeout", 1e-6),
        "bounds": (0, "bounds", "f.onnx", "--region", REGION, "--hidden"),
        "simplify": (0, "simplify", "f.onnx", "--region", REGION, *loose),
        "argmin": (0, *best, "--proof", "argmin.proof", "--timeout", 20),
        "batch": (0, "simplify", "--batch", "jobs.csv", "-o", "out"),
        "info": (0, "info", "f.onnx"),
        "doctor": (0, "doctor"),
        "cut": (0, "check", "argmin.proof", "--exact"),
    }
    try:
        for name, (code, *words) in made.items():
            limit = () if "--timeout" in words else ("--timeout", 5)
            ended = call(*words, *limit, "-q", "--json", f"{name}.json")
            assert ended == code, name
    finally:
        old.undo()
    return {name: home / f"{name}.json" for name in made}


@pytest.fixture(scope="session")
def made(paths):
    return {name: json.loads(path.read_text()) for name, path in paths.items()}


@pytest.fixture
def records(made):
    """The records themselves, to be changed at will."""
    return copy.deepcopy(made)
