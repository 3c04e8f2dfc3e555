"""What a command loads before it answers: questions by the thousand are asked from a shell."""

import json
import subprocess
import sys

import pytest
from calls import tiny

from secateur.engine.formats import save

CODE = """
import json, sys
from secateur.__main__ import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""

COMPILER = {"numba", "llvmlite"}
HEAVY = COMPILER | {"torch", "highspy", "pulp", "scipy", "networkx", "jinja2", "rich", "pandas"}


def loaded(*words):
    """Return a command's exit code and what it loaded, in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, words)], capture_output=True, text=True, check=True
    )
    code, names = json.loads(told.stdout.splitlines()[-1])
    return code, set(names)


@pytest.fixture
def asked(tmp_path):
    """Return a function that writes a question about a network too large for exact arithmetic."""
    save(tiny(sizes=(3, 40, 40, 2)), tmp_path / "net.onnx")

    def write(limit):
        lines = [f"(declare-const X_{i} Real)" for i in range(3)]
        lines += [f"(declare-const Y_{i} Real)" for i in range(2)]
        lines += [f"(assert (>= X_{i} -0.125))\n(assert (<= X_{i} 0.125))" for i in range(3)]
        lines.append(f"(assert (>= Y_0 {limit}))")
        (tmp_path / "query.vnnlib").write_text("\n".join(lines))
        return "verify", tmp_path / "query.vnnlib", "--network", f"N={tmp_path / 'net.onnx'}"

    return write


@pytest.mark.parametrize(("limit", "code"), [("1000.0", 0), ("-1000.0", 10)])
def test_a_tiny_verify_waits_for_no_compiler(asked, limit, code):
    found, names = loaded(*asked(limit))
    assert found == code
    assert not HEAVY & names
