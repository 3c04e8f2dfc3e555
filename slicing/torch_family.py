"""A family as a torch module: inputs find their cells and are evaluated together, on any device.

Every layer of the original is one product for the whole batch, whatever cells its rows belong to,
and the states of a row's neurons are picked from the codes. So the time hardly depends on how the
batch is spread over the cells, and what is skipped elsewhere is computed and set to 0 here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..engine.errors import UnsupportedError
from ..engine.formats.torch_write import write_torch
from ..engine.layers import State
from ..engine.network import Network, Piecewise
from .codes import PER_BYTE, width
from .family import Family
from .route import Router
from .slices import LEAF

FORMS: Final = 2**31
"""Bytes of codes and rows of lines at most, as torch indexes them here."""


class FamilyModule(nn.Module):
    """Computes ``(batch, *output shape)`` of ``(batch, *input shape)``, each row by its cell.

    Rows outside the region give NaN; `cells` tells which they are.
    """

    axis: torch.Tensor
    cut: torch.Tensor
    child: torch.Tensor
    first_cell: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor
    index: torch.Tensor

    def __init__(self, family: Family, dtype: torch.dtype = torch.float32) -> None:
        """Make the module.

        Args:
            family: the networks.
            dtype: element type to compute in, to which inputs are rounded once their cells are
                found, exactly, in float64.

        Raises:
            UnsupportedError: the codes are too many.
        """
        super().__init__()
        slices, router = family.slices, Router(family.slices)
        self.depth, self.size_in = slices.depth, family.base.size_in
        tree = {"axis": slices.axis, "cut": slices.cut, "child": slices.child}
        tree |= {"first_cell": slices.first, "least": router.least, "most": router.most}
        for name, array in tree.items():
            self.register_buffer(name, torch.tensor(array))
        self.register_buffer("index", torch.tensor(family.codes.index.astype(np.int32)))
        base = family.base
        self.output = [node.name for node in base.nodes].index(base.output)
        self.shape = base.by_name[base.output].shape
        self.layers = _layers(family, dtype)
        self.sources = _sources(family.base)
        self.dtype = dtype

    def cells(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the cell of each row of ``(batch, inputs)``; -1 outside the region and for NaN."""
        points = inputs.to(torch.float64)
        inside = ((points >= self.least) & (points <= self.most)).all(dim=1)
        node = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        for _ in range(self.depth):
            axis = self.axis[node]
            value = points.gather(1, axis.clamp(min=0)[:, None])[:, 0]
            below = self.child[node] + (value >= self.cut[node]).to(torch.int64)
            node = torch.where(axis == LEAF, node, below)
        return torch.where(inside, self.first_cell[node], -1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a batch."""
        flat = inputs.reshape(len(inputs), self.size_in)
        cells = self.cells(flat)
        forms = self.index[cells.clamp(min=0)].to(torch.int64)
        values = [flat.to(self.dtype)]
        for layer, sources in zip(self.layers, self.sources, strict=True):
            read = [values[place] for place in sources]
            if isinstance(layer, _Coded):
                values.append(layer(read[0], forms))
            else:
                values.append(layer(*read))
        out = torch.where(cells[:, None] >= 0, values[self.output], torch.nan)
        return out.reshape(len(inputs), *self.shape)


class _Coded(nn.Module):
    """A layer of activations, each row's as its form says."""

    packed: torch.Tensor
    line_first: torch.Tensor
    lines: torch.Tensor
    shifts: torch.Tensor

    def __init__(self, family: Family, layer: int, dtype: torch.dtype) -> None:
        super().__init__()
        codes = family.codes
        if codes.forms[layer].size > FORMS or len(codes.lines) > FORMS:
            raise UnsupportedError(f"the codes of layer {layer} are too many for a torch module")
        self.layer, self.size = layer, codes.sizes[layer]
        first = codes.first[codes.lists[layer].astype(np.int64)]
        self.linear = bool(np.diff(codes.first)[codes.lists[layer].astype(np.int64)].any())
        shifts = np.arange(PER_BYTE * width(self.size)) % PER_BYTE * 2
        self.register_buffer("packed", _tensor(codes.forms[layer]))
        self.register_buffer("line_first", _tensor(first))
        self.register_buffer("lines", _tensor(codes.lines).to(dtype) if self.linear else None)
        self.register_buffer("shifts", torch.tensor(shifts[: self.size], dtype=torch.uint8))

    def forward(self, z: torch.Tensor, forms: torch.Tensor) -> torch.Tensor:
        form = forms[:, self.layer]
        wide = self.packed[form].repeat_interleave(PER_BYTE, dim=1)[:, : self.size]
        state = (wide >> self.shifts) & 3
        out = torch.where((state == State.RELU) & ~(z > 0), 0.0, z)
        if self.linear:
            line = state == State.LINEAR
            place = self.line_first[form][:, None] + line.cumsum(dim=1) - 1
            own = self.lines[torch.where(line, place, 0)]
            out = torch.where(line, own[..., 0] * z + own[..., 1], out)
        return torch.where(state == State.ZERO, 0.0, out)


def _layers(family: Family, dtype: torch.dtype) -> nn.ModuleList:
    """Return a module for each layer behind the input: those of the network, or coded ones."""
    plain = write_torch(family.base, dtype)
    made: Any = plain.layers
    coded = iter(range(len(family.codes.sizes)))
    return nn.ModuleList(
        _Coded(family, next(coded), dtype) if isinstance(node.layer, Piecewise) else layer
        for node, layer in zip(family.base.nodes[1:], made, strict=True)
    )


def _sources(network: Network) -> list[list[int]]:
    places = {node.name: place for place, node in enumerate(network.nodes)}
    return [[places[name] for name in node.sources] for node in network.nodes[1:]]


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array))
