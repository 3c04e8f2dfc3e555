"""`secateur supports`: what `verify` takes, one word a line, by the VNN-LIB standard.

Source: the VNN-LIB standard, version 2.0, sections 4 and 5.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..engine.errors import InputError
from .options import Exit


def _operators() -> list[str]:
    from ..engine.formats.onnx_ops import OPERATORS
    from ..engine.general.operators import RULES

    return sorted({*OPERATORS, *RULES, "Constant"})


def _opsets() -> list[str]:
    import onnx

    from ..engine.general.model import OLDEST

    return [str(OLDEST), str(onnx.defs.onnx_opset_version())]


ELEMENTS: Final = ("real", "float16", "float32", "float64", "int32", "int64", "bool")
"""Element types over which proofs hold: those of inputs and outputs, rounding included."""

CAPABILITIES: Final[Mapping[str, Callable[[], list[str]]]] = {
    "--onnx-opset-versions": _opsets,
    "--onnx-element-types": lambda: list(ELEMENTS),
    "--onnx-operators": _operators,
    "--vnnlib-versions": lambda: ["1.0", "2.0"],
    "--hidden-node-theories": lambda: ["NH", "H"],
    "--multiple-input-output-theories": lambda: ["SIO", "MIO"],
    "--multiple-network-theories": lambda: ["SNET", "MENET", "MINET", "MNET"],
    "--multiple-node-comparison-theories": lambda: ["SNC", "MNC"],
    "--arithmetic-complexity-theories": lambda: ["BND", "OUTC", "LIN", "POLY"],
    "--optimised-disjunctive-reasoning": lambda: ["true"],
    "--serialise-assignments": lambda: ["true"],
    "--unsat-proofs": lambda: ["false"],
}
"""What can be asked, and what gives the lines of the answer. All cases of a formula share boxes and
bounds, so to split a query into its cases beforehand gains nothing."""


def run(capability: str) -> Exit:
    """Print the lines of a capability; end DONE.

    Raises:
        InputError: no capability of the standard.
    """
    if capability not in CAPABILITIES:
        raise InputError(
            f"supports {capability}: no such capability; ask for one of {', '.join(CAPABILITIES)}"
        )
    print("\n".join(CAPABILITIES[capability]()))
    return Exit.DONE
