"""The packed file of a compressed network: its structure and its numbers, each as its form asks.

Masked weights are a bit for each weight and the numbers that stay, or all numbers where that is
shorter; grids are whole numbers of the fewest bytes with their scales; halves are float16. The
file ends in a digest of all before it. Its length is what reports call the size in bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, InputError
from ..engine.network import Affine, Network, Node, Normalisation, Origin
from .form import (
    Compressed,
    Fixed,
    Free,
    Grid,
    Half,
    LayerForm,
    Masked,
    Values,
    levels,
    numbers,
)
from .packing import Packer, Unpacker
from .structure import pack_layer, unpack_layer

Array = NDArray[np.float64]

MAGIC: Final = b"secateur packed\n"
VERSION: Final = 1
DIGEST: Final = 16
"""Bytes of the digest, BLAKE2b."""

DTYPES: Final[Sequence[Literal["float16", "float32", "float64"]]] = (
    "float16",
    "float32",
    "float64",
)
FORMS: Final = (Free, Half, Fixed, Masked, Grid)
WIDTHS: Final = ("<i1", "<i2", "<i4", "<i8")


def pack(compressed: Compressed) -> bytes:
    """Return the packed file of a compressed network.

    The network's origin is not kept, but for the element type it computes in.
    """
    network, out = compressed.network, Packer()
    places = {node.name: place for place, node in enumerate(network.nodes)}
    out.whole(VERSION, DTYPES.index(network.origin.dtype), len(network.nodes))
    out.whole(places[network.output])
    for place, node in enumerate(network.nodes):
        out.text(node.name)
        out.whole(len(node.sources), *(place - places[name] for name in node.sources))
        out.whole(len(node.shape), *node.shape)
        if isinstance(node.layer, Affine):
            form = compressed.forms[node.name]
            pack_layer(out, node.layer)
            _pack_values(out, form.weight, node.layer.operator.weight, 1)
            _pack_values(out, form.bias, node.layer.bias, _run(node.layer))
        else:
            pack_layer(out, node.layer)
    _pack_normalisation(out, network.normalisation)
    data = MAGIC + bytes(out.parts)
    return data + _digest(data)


def unpack(data: bytes, name: str = "packed") -> Compressed:
    """Return the compressed network of a packed file, bit for bit the one that was packed.

    Args:
        data: the file's bytes.
        name: of the file, for errors and for the network's origin.

    Raises:
        FormatError: other bytes than `pack` gives, or not all of them.
    """
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if not data.startswith(MAGIC):
        raise FormatError(f"{name}: this is no packed network; name a file that --pack wrote")
    if digest != _digest(body):
        raise FormatError(f"{name}: bytes are missing or changed; fetch or pack it again")
    source = Unpacker(body[len(MAGIC) :])
    try:
        if (version := source.whole()) != VERSION:
            raise FormatError(f"it is of version {version}, {VERSION} is read")
        compressed = _unpack(source, name)
        if not source.ended:
            raise FormatError("it has bytes after its end")
    except (InputError, ValueError, IndexError) as error:
        raise FormatError(f"{name}: this packed network makes no sense: {error}") from None
    return compressed


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def _unpack(source: Unpacker, name: str) -> Compressed:
    dtype, count = DTYPES[source.whole()], source.size()
    output, nodes, forms = source.size(), list[Node](), dict[str, LayerForm]()
    for place in range(count):
        own = source.text()
        steps = [source.size() for _ in range(source.size())]
        if any(not 0 < step <= place for step in steps):
            raise FormatError(f"{own} reads what does not come before it")
        read = [nodes[place - step] for step in steps]
        shape = tuple(source.size() for _ in range(source.size()))
        layer = unpack_layer(source, shape, read)
        if isinstance(layer, Affine):
            weight, numbers_w = _unpack_values(source, layer.operator.weight.shape, 1)
            bias, numbers_b = _unpack_values(source, layer.bias.shape, _run(layer))
            layer = Affine(replace(layer.operator, weight=numbers_w), numbers_b)
            forms[own] = LayerForm(weight, bias)
        nodes.append(Node(own, layer, tuple(node.name for node in read), shape))
    normal = _unpack_normalisation(source)
    origin = Origin(name, dtype=dtype)
    return Compressed(Network(tuple(nodes), nodes[output].name, origin, normal), forms)


def _run(layer: Affine) -> int:
    """Return how many biases one channel has: the positions of a convolution."""
    return int(layer.bias.size // len(layer.operator.weight))


def _pack_values(out: Packer, form: Values, values: Array, run: int) -> None:
    """Add a form and numbers of it; `run` numbers in a row may be the same, and are written once.

    A scale for each number falls into the same rows as the numbers do.
    """
    out.whole(next(tag for tag, kind in enumerate(FORMS) if isinstance(form, kind)))
    rows = values.reshape(-1, run) if values.size else values.reshape(0, 1)
    alike = run > 1 and bool((rows == rows[:, :1]).all())
    if isinstance(form, Grid):
        scales = form.scale.reshape(-1, run) if form.scale.size == values.size else form.scale
        alike = alike and (scales.ndim == 1 or bool((scales == scales[:, :1]).all()))
    out.whole(int(alike))
    step = run if alike else 1
    match form:
        case Free() | Fixed():
            wide = not _is(values, "<f4")
            out.whole(int(wide))
            out.numbers(values.ravel()[::step], "<f8" if wide else "<f4")
        case Half():
            out.numbers(values.ravel()[::step], "<f2")
        case Masked(kept=kept):
            told = not np.array_equal(kept, values != 0.0)
            out.whole(int(told))
            if told:
                out.bits(kept)
            out.numbers(values[kept] if told else values, "<f4")
        case Grid(scale=scale, low=low, high=high):
            out.signed(low)
            out.signed(high)
            out.whole(scale.size)
            out.numbers(scale[::step] if scale.size == values.size else scale, "<f4")
            whole = levels(form, values).ravel()[::step]
            width = next(index for index, kind in enumerate(WIDTHS) if _is(whole, kind))
            out.whole(width)
            out.numbers(whole, WIDTHS[width])
        case _ as never:
            assert_never(never)


def _unpack_values(source: Unpacker, shape: tuple[int, ...], run: int) -> tuple[Values, Array]:
    kind = FORMS[source.whole()]
    step = run if source.whole() else 1
    size = int(np.prod(shape))
    form: Values
    if kind is Masked:
        told = source.whole()
        kept = source.bits(size) if told else np.zeros(0, np.bool_)
        held = source.numbers(int(np.count_nonzero(kept)) if told else size, "<f4")
        values = np.zeros(size)
        values[kept if told else slice(None)] = held
        form = Masked((kept if told else values != 0.0).reshape(shape))
        return form, values.reshape(shape)
    if kind is Grid:
        low, high, scales = source.signed(), source.signed(), source.size()
        each = scales == size
        scale = source.numbers(scales // step if each else scales, "<f4").astype(np.float64)
        form = Grid(np.repeat(scale, step) if each else scale, low, high)
        whole = source.numbers(size // step, WIDTHS[source.whole()]).astype(np.int64)
        return form, numbers(form, np.repeat(whole, step).reshape(shape))
    dtype = "<f2" if kind is Half else ("<f8" if source.whole() else "<f4")
    held = source.numbers(size // step, dtype).astype(np.float64)
    form = Half() if kind is Half else Free() if kind is Free else Fixed()
    return form, np.repeat(held, step).reshape(shape)


def _is(values: NDArray[np.float64] | NDArray[np.int64], dtype: str) -> bool:
    with np.errstate(over="ignore"):
        return bool((values.astype(dtype) == values).all())


def _pack_normalisation(out: Packer, normal: Normalisation | None) -> None:
    out.whole(int(normal is not None))
    if normal is None:
        return
    ends = np.array([normal.output_mean, normal.output_range])
    for part in (normal.minimum, normal.maximum, normal.mean, normal.range, ends):
        out.whole(part.size)
        out.numbers(part, "<f8")


def _unpack_normalisation(source: Unpacker) -> Normalisation | None:
    if not source.whole():
        return None
    parts = [source.numbers(source.size(), "<f8") for _ in range(5)]
    minimum, maximum, mean, width, ends = parts
    return Normalisation(minimum, maximum, mean, width, float(ends[0]), float(ends[1]))
