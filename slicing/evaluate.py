"""Evaluation of a family: each point by the network of its cell, in float64 or in float32.

Where the original is a chain of dense layers, a compiled loop reads the cell's code and skips what
is 0. Any other network is evaluated cell by cell. In float32 both give the bits that `single.py`
defines for the cell's network, whatever else is evaluated with it; in float64 the compiled loop
sums in the same order, and so is independent of the batch as well.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import RegionError
from ..engine.network import Affine, Network, Piecewise
from ..engine.operators import Dense
from .family import Family
from .family_loops import Chain, run
from .route import Router
from .single import as_single, evaluate_single, taken

Array = NDArray[Any]
Element = Literal["float32", "float64"]

TYPES: Final = {"float32": np.float32, "float64": np.float64}


class Evaluator:
    """Evaluates points by the networks of their cells."""

    def __init__(self, family: Family, element: Element = "float64") -> None:
        """Make ready for an element type.

        Args:
            family: the networks.
            element: float64, or float32 with every bit defined.

        Raises:
            UnsupportedError: float32 is asked for and a weight is beyond it.
        """
        self.family, self.element, self.router = family, element, Router(family.slices)
        layers = dense_chain(family.base)
        self._chain = None if layers is None else _packed(family, layers, element)

    def __call__(self, points: Any) -> Array:
        """Return the outputs ``(..., outputs)`` of points, in the element type.

        Args:
            points: ``(..., inputs)``, network units, in the region.

        Raises:
            RegionError: a point outside the region: the first one is named.
            InputError: float32 is asked for and does not hold a point.
        """
        size = self.family.base.size_in
        if self.element == "float32":
            given: Array = taken(points, size)
        else:
            given = np.asarray(points, dtype=np.float64)
        return self.at(given, self.router.route(given))

    def at(self, points: Array, cells: NDArray[np.int64]) -> Array:
        """Return the outputs ``(..., outputs)`` of points whose cells are known.

        Args:
            points: ``(..., inputs)`` of the element type.
            cells: ``(...,)`` the cell of each.

        Raises:
            RegionError: one is no cell.
        """
        flat = np.ascontiguousarray(points.reshape(-1, points.shape[-1]))
        where = np.ascontiguousarray(cells.reshape(-1))
        if where.size and not 0 <= where.min() <= where.max() < self.family.count:
            raise RegionError(f"a cell is none of the family's {self.family.count}")
        out = np.empty((len(flat), self.family.base.size_out), TYPES[self.element])
        order = np.argsort(where, kind="stable")
        if self._chain is not None:
            run(self._chain, flat, where, order, out)
        else:
            self._by_cell(flat, where, order, out)
        return out.reshape(*points.shape[:-1], out.shape[1])

    def _by_cell(
        self, flat: Array, cells: NDArray[np.int64], order: NDArray[np.int64], out: Array
    ) -> None:
        """Fill the outputs cell by cell, each network materialised once."""
        begins = np.flatnonzero(np.diff(cells[order], prepend=-1))
        for rows in np.split(order, begins[1:]) if len(order) else []:
            network = self.family.materialise(int(cells[rows[0]]))
            if self.element == "float32":
                out[rows] = evaluate_single(network, flat[rows])
            else:
                out[rows] = network.evaluate(flat[rows])


def evaluate(family: Family, points: Any, element: Element = "float64") -> Array:
    """Return the outputs ``(..., outputs)`` of points by the networks of their cells.

    Args:
        family: the networks.
        points: ``(..., inputs)``, network units, in the region.
        element: float64, or float32 with every bit defined.

    Raises:
        RegionError: a point outside the region: the first one is named.
        InputError: float32 is asked for and does not hold a point.
        UnsupportedError: float32 is asked for and a weight is beyond it.
    """
    return Evaluator(family, element)(points)


def dense_chain(network: Network) -> list[Affine] | None:
    """Return the dense layers of a chain with activations between each two; None for others."""
    found = []
    for number, node in enumerate(network.nodes[1:]):
        layer = node.layer
        if node.sources != (network.nodes[number].name,):
            return None
        if number % 2 == 0 and isinstance(layer, Affine) and isinstance(layer.operator, Dense):
            found.append(layer)
        elif number % 2 == 0 or not isinstance(layer, Piecewise):
            return None
    return found if len(network.nodes) == 2 * len(found) else None


def _packed(family: Family, layers: list[Affine], element: Element) -> Chain:
    """Return what the compiled loop reads."""
    codes = family.codes

    def near(values: Array) -> Array:
        if element == "float32":
            return as_single(values, family.base.origin.path)
        return np.asarray(values, dtype=np.float64) + 0.0

    def firsts(lengths: list[int]) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(lengths)])[: len(lengths)].astype(np.int64)

    flat = [np.zeros(0), *[layer.operator.weight.T.ravel() for layer in layers]]
    forms = [np.zeros(0, np.uint8), *[form.ravel() for form in codes.forms]]
    lists = [np.zeros(0, np.uint32), *[one.astype(np.uint32) for one in codes.lists]]
    return Chain(
        sizes=np.array([family.base.size_in, *[layer.size for layer in layers]], np.int64),
        weight=near(np.concatenate(flat)),
        bias=near(np.concatenate([layer.bias for layer in layers])),
        cell_form=np.asarray(codes.index),
        forms=np.concatenate(forms),
        form_first=firsts([form.size for form in codes.forms]),
        lists=np.concatenate(lists),
        list_first=firsts([one.size for one in codes.lists]),
        first=np.asarray(codes.first),
        lines=near(codes.lines),
    )
