"""The closed table of operators: by ONNX name, the rule that encloses its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .operators_arithmetic import ARITHMETIC
from .operators_functions import FUNCTIONS
from .operators_layout import LAYOUTS
from .operators_logic import LOGIC
from .operators_windows import WINDOWS
from .step import Rule

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {**ARITHMETIC, **FUNCTIONS, **LAYOUTS, **LOGIC, **WINDOWS}
)
"""The operators that may read what depends on the inputs. Shape and Size are constant then."""
