"""Runs NeuralSAT's own command line from its wheel, which installs no program.

This file runs inside NeuralSAT's environment and imports nothing of secateur.

Importing it imports torchvision. The published torchvision is built against CUDA, so beside a CPU
torch its compiled operators do not load, and the import fails where torchvision describes two of
them, `nms` and `qnms`. Networks of this benchmark use neither; declaring them lets the import pass.
"""

import importlib
import runpy
import sys
import sysconfig
from pathlib import Path

import torch

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def declare_operators() -> None:
    """Declare torchvision's operators where its own library does not load."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in OPERATORS:
            library.define(operator + SIGNATURE)  # type: ignore[no-untyped-call]
        KEPT.append(library)


KEPT: list[torch.library.Library] = []
"""Operators vanish with the library that declares them."""

if __name__ == "__main__":
    declare_operators()
    source = Path(sysconfig.get_paths()["purelib"]) / "src"
    sys.path.insert(0, str(source))
    sys.argv[0] = str(source / "main.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
