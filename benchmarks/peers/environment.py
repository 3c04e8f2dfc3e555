"""The virtual environment of a peer: made once, reused, and honest about what is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...engine.errors import SolverError

CPU_TORCH = "torch==2.13.0"
"""Held fixed in every environment: an open range would pull the newest build with all of CUDA.

Where pip's own index has only CUDA builds of it, name one with CPU builds in PIP_EXTRA_INDEX_URL.
"""

DONE = "packages.txt"
"""Written last: what is in an environment that is complete."""


def cache() -> Path:
    """Return the folder of all environments: SECATEUR_PEERS, or one in the user's cache."""
    return Path(os.environ.get("SECATEUR_PEERS") or Path.home() / ".cache" / "secateur-peers")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one peer is installed.

    Attributes:
        package: its name on the package index.
        version: which one.
        more: requirements that the package itself forgets to state.
        constraints: versions that its dependencies are held to.
    """

    package: str
    version: str
    more: tuple[str, ...] = ()
    constraints: tuple[str, ...] = (CPU_TORCH,)

    @property
    def folder(self) -> Path:
        """Where it is or will be."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return cache() / f"{self.package}-{self.version}-python{python}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.program("python")

    def program(self, name: str) -> Path:
        """Return the path of a program in it."""
        return self.folder / "bin" / name

    @property
    def ready(self) -> bool:
        """Whether it was made to the end."""
        return (self.folder / DONE).is_file()

    def packages(self) -> dict[str, str]:
        """Return name and version of everything in it, names in lower case."""
        lines = (self.folder / DONE).read_text().splitlines()
        pairs = (line.partition("==") for line in lines if "==" in line)
        return {name.lower(): version for name, _, version in pairs}

    def make(self) -> None:
        """Make it where it is not there yet.

        Raises:
            SolverError: pip refuses, for instance where there is no build for this Python.
        """
        if self.ready:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._run([sys.executable, "-m", "venv", str(self.folder)])
        held = self.folder / "constraints.txt"
        held.write_text("".join(f"{line}\n" for line in self.constraints))
        wanted = [f"{self.package}=={self.version}", *self.more]
        pip = [str(self.python), "-m", "pip"]
        self._run([*pip, "install", "--no-input", "--constraint", str(held), *wanted])
        frozen = self._run([*pip, "list", "--format=freeze"])
        (self.folder / DONE).write_text(frozen)

    def _run(self, command: Sequence[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise SolverError(
                f"{self.package} {self.version} cannot be installed: {' / '.join(lines[-3:])}"
            )
        return done.stdout
