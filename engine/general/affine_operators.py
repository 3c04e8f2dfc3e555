"""Affine forms through a graph's operators: exact for linear ones, relaxed for ReLU.

An operator without a rule here gives a form without symbols; nothing is wrong, only loose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..rounding import Array
from .affine import Form, curved, linear, relu, rounded, total
from .enclosure import Enclosure
from .operators import RULES
from .operators_functions import Curve, sigmoid_of, wide
from .operators_layout import MOVING, places
from .operators_windows import taps
from .step import Step, Values

STEEPNESS: Final = 2.0**-40
"""Absolute error charged for a slope computed from a function's value in binary64."""

Forms = Sequence[Form | None]
"""For each input of a step its form; None for constants and where an input is left out."""

FormRule = Callable[[Step, Values, Forms, int], Form | None]
"""Gives the form of a step's output in real arithmetic; an int says which symbols are free. None
where it cannot say more than the enclosure."""


def follow(
    step: Step, values: Values, forms: Forms, results: Values, fresh: int
) -> list[tuple[Form, Enclosure]]:
    """Return forms of a step's outputs, and enclosures of them that are at least as tight.

    Args:
        step: the step.
        values: enclosures of its inputs.
        forms: of its inputs.
        results: enclosures of its outputs.
        fresh: number of the first symbol that is free.
    """
    if step.operator in MOVING:
        return [_moved(step, forms[0], result, index) for index, result in enumerate(results)]
    rule = FORM_RULES.get(step.operator)
    form = None if rule is None or len(results) != 1 else rule(step, values, forms, fresh)
    if form is None:
        return [(Form.of(result), result) for result in results]
    if step.operator not in ("Relu",):
        form = rounded(form, _local(step, values), results[0].kind)
    tight = form.tightened(results[0])
    if not np.isfinite(form.center).all() or not np.isfinite(form.value.radius).all():
        form = Form.of(tight)
    return [(form, tight)]


def _local(step: Step, values: Values) -> Array:
    """Return what the operation itself rounds: the error it gives to operands without error."""
    exact = [Enclosure(x.least, x.most, np.zeros_like(x.error), x.kind) for x in values]
    return RULES[step.operator](step, exact)[0].error


def _moved(step: Step, form: Form | None, result: Enclosure, index: int) -> tuple[Form, Enclosure]:
    if form is None:
        return Form.of(result), result
    if step.operator in ("Identity", "Dropout"):
        return form, result
    at = places(step, form.center.shape[1:], index)

    def change(part: Array) -> Array:
        return part.reshape(len(part), -1)[:, at.ravel()].reshape(len(part), *at.shape)

    return form.moved(change), result


def _matmul(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    weight = step.constants[1]
    x = forms[0]
    if x is None or weight is None or weight.ndim != 2 or x.center.ndim < 2:
        return None
    return _product(x, fresh, weight.astype(np.float64))


def _product(x: Form, fresh: int, weight: NDArray[np.float64]) -> Form:
    size = np.abs(weight)

    def times(matrix: Array) -> Callable[[Array], Array]:
        def change(part: Array) -> Array:
            rows = part.reshape(-1, part.shape[-1]) @ matrix
            return rows.reshape(*part.shape[:-1], matrix.shape[1])

        return change

    return linear(x, fresh, times(weight), times(size), len(weight))


def _gemm(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    weight, x = step.constants[1], forms[0]
    factors = [float(step.attributes.get(name, 1.0)) for name in ("alpha", "beta")]
    if x is None or weight is None or step.attributes.get("transA", 0) or factors != [1.0, 1.0]:
        return None
    turned = weight.T if step.attributes.get("transB", 0) else weight
    found = _product(x, fresh, turned.astype(np.float64))
    if not step.has(2):
        return found
    addend = _form(2, values, forms)
    missing = (1,) * (found.center.ndim - addend.center.ndim)
    shaped = addend.moved(lambda part: part.reshape(len(part), *missing, *part.shape[1:]))
    return total(found, shaped, 1.0)


def _form(index: int, values: Values, forms: Forms) -> Form:
    """Return the form of an input, a constant's if need be."""
    found = forms[index]
    return Form.of(values[index]) if found is None else found


def _pair(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    if len(values) != 2:
        return None
    x, y = (_ranked(_form(index, values, forms), values) for index in (0, 1))
    return total(x, y, -1.0 if step.operator == "Sub" else 1.0)


def _ranked(x: Form, values: Values) -> Form:
    """Return the form with as many axes as the operands have together."""
    axes = max(len(value.shape) for value in values)
    missing = (1,) * (axes + 1 - x.center.ndim)
    return x.moved(lambda part: part.reshape(len(part), *missing, *part.shape[1:]))


def _multiply(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    """Mul by a constant, entry by entry."""
    if step.constants[0] is None and step.constants[1] is None:
        return None
    moving = 0 if step.constants[0] is None else 1
    if forms[moving] is None:
        return None
    x = _ranked(_form(moving, values, forms), values)
    constant = values[1 - moving].ranked(x.center.ndim - 1).low
    if not np.isfinite(constant).all():
        return None
    shape = np.broadcast_shapes(x.center.shape[1:], constant.shape[1:])
    if shape != x.center.shape[1:]:
        return None
    return linear(x, fresh, lambda p: p * constant, lambda p: p * np.abs(constant), 1)


def _relu(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    return None if forms[0] is None else relu(forms[0], values[0])


def _logistic(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    """Sigmoid, whose slope is ``y (1 - y)``."""
    return _bell(values[0], forms[0], sigmoid_of, lambda y: y * (1.0 - y))


def _tangent(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    """Tanh, whose slope is ``1 - y^2``."""
    return _bell(values[0], forms[0], np.tanh, lambda y: 1.0 - y * y)


def _bell(before: Enclosure, x: Form | None, curve: Curve, slope: Curve) -> Form | None:
    """Return the form of a rising function whose slope falls away from zero on both sides."""
    if x is None:
        return None
    far = np.minimum(slope(curve(before.least)), slope(curve(before.most)))
    near = np.maximum(np.maximum(before.least, -before.most), 0.0)
    steep = np.maximum(far - STEEPNESS, 0.0), slope(curve(near)) + STEEPNESS
    ends = wide(curve(before.low), curve(before.high))
    return curved(x, before, ends, steep)


def _convolution(step: Step, values: Values, forms: Forms, fresh: int) -> Form | None:
    """Conv with a constant kernel."""
    x, weight = forms[0], step.constants[1]
    if x is None or weight is None or x.center.ndim < 4 or x.center.shape[1] != 1:
        return None
    at, shape, _ = taps(step, x.center.shape[3:], weight.shape[2:])
    groups = int(step.attributes.get("group", 1))
    flat = weight.reshape(groups, len(weight) // groups, -1).astype(np.float64)

    def through(kernel: NDArray[np.float64]) -> Callable[[Array], Array]:
        def change(part: Array) -> Array:
            rows = part.reshape(len(part), groups, part.shape[2] // groups, -1)
            taken = np.where(at < 0, 0.0, rows[..., np.maximum(at, 0)])
            columns = taken.transpose(0, 1, 2, 4, 3).reshape(len(part), groups, -1, len(at))
            out = np.matmul(kernel[None], columns)
            return np.asarray(out.reshape(len(part), 1, -1, *shape))

        return change

    found = linear(x, fresh, through(flat), through(np.abs(flat)), flat.shape[2])
    if not step.has(2):
        return found
    bias = step.constant(2).reshape(1, -1, *(1,) * len(shape))
    return total(found, Form.of(Enclosure.constant(bias)), 1.0)


FORM_RULES: Final[Mapping[str, FormRule]] = {
    "Add": _pair,
    "Conv": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Mul": _multiply,
    "Relu": _relu,
    "Sigmoid": _logistic,
    "Sub": _pair,
    "Tanh": _tangent,
}
