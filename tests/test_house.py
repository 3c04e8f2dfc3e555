"""The house rules: one-way imports, the packages that ship, and the start-up trap."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDS_ON = {
    "encodings": set(),
    "engine": {"encodings"},
    "redundancy": {"encodings", "engine"},
    "compression": {"engine"},
    "slicing": {"engine", "redundancy", "compression"},
}
FILES = [path for folder in STANDS_ON for path in sorted((ROOT / folder).rglob("*.py"))]
ROOF = ("benchmarks", "browse", "commands", "reports")
BESIDE = [path for folder in ROOF for path in (ROOT / folder).rglob("*.py")]
SHIPPED = [*FILES, *sorted(BESIDE)]


def imported(path):
    """Yield (line, dotted name from the root); '!' marks a name of ours written flat."""
    here = path.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: -node.level], *([node.module] if node.module else [])]
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
            )
            for name in names:
                ours = name.split(".")[0] in {*STANDS_ON, "secateur"}
                yield node.lineno, "!" + name if ours else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_only_what_it_stands_on(path):
    folder = path.relative_to(ROOT).parts[0]
    allowed = {"", folder, *STANDS_ON[folder]}
    wrong = [(line, name) for line, name in imported(path) if name.split(".")[0] not in allowed]
    assert not wrong


def test_the_proof_checker_stands_alone():
    """What check.py needs, and what that needs, is in its folder, numpy or python's own."""
    waiting, seen = ["check"], set()
    while waiting:
        path = ROOT / "engine" / "proofs" / f"{waiting.pop()}.py"
        if path in seen:
            continue
        seen.add(path)
        for line, name in imported(path):
            if name:
                *folder, module, _ = name.split(".")
                assert folder == ["engine", "proofs"], f"{path.name}:{line}: {name}"
                waiting.append(module)
        for node in ast.walk(ast.parse(path.read_text())):
            flat = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            flat += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in flat:
                first = name.split(".")[0]
                assert first == "numpy" or first in sys.stdlib_module_names, f"{path.name}: {name}"
    assert not {path.stem for path in seen} & {"asked", "branch", "climb", "record", "search"}


def test_every_package_ships():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    found = {".".join(["secateur", *path.parent.relative_to(ROOT).parts]) for path in SHIPPED}
    assert set(tool["setuptools"]["packages"]) == {"secateur", *found}


def test_the_root_on_the_path_does_not_hide_the_standard_library():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", "import encodings.idna"], env=env, check=True)
