"""The packed file of a self-compressed network, and its reader.

All numbers are little-endian. After the head comes layer by layer: what it is, then for each
channel its bits (a byte) and, where it has any, its scale (float32); the biases (float32, each
channel's); and the weights channel by channel, each a whole number of
exactly the channel's bits, ``k + 2^(bits-1)``, most significant bit first, nothing between them.
Eight bytes of BLAKE2b end the file. Its length is what reports call the size in bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Normalisation
from ..engine.operators import Convolution, Dense, Shape
from .selfcompress_chain import Link
from .selfcompress_form import MOST_BITS, Coded, CodedNetwork

MAGIC: Final = b"sc-bits\x01"
DIGEST: Final = 8
"""Bytes of the digest at the end."""

DENSE, CONVOLUTION = 0, 1
RELU = 2
"""Flag of a layer, added to its kind."""

LARGEST: Final = 1 << 30
"""Weights that a file may hold."""


def pack(coded: CodedNetwork) -> bytes:
    """Return the packed file; hidden channels that are 0 everywhere are left out."""
    small = coded.without_dead()
    parts = [MAGIC, _wholes("B", [len(small.shape)]), _wholes("I", small.shape)]
    parts.append(_pack_normalisation(small.normalisation))
    parts.append(_wholes("H", [len(small.layers)]))
    for layer in small.layers:
        parts += _pack_layer(layer)
    body = b"".join(parts)
    return body + _digest(body)


def _pack_layer(layer: Coded) -> list[bytes]:
    link, operator = layer.link, layer.link.operator
    dense = isinstance(operator, Dense)
    kind = (DENSE if dense else CONVOLUTION) | RELU * link.relu
    parts = [_wholes("B", [kind]), _wholes("I", [link.channels, link.channels_in])]
    if isinstance(operator, Convolution):
        geometry = (*operator.shape_in[1:], *operator.weight.shape[2:])
        steps = (*operator.strides, *operator.padding, *operator.dilations)
        parts.append(_wholes("H", [*geometry, *steps]))
    else:
        parts.append(_wholes("I", [link.run]))
    parts.append(layer.bits.astype("u1").tobytes())
    parts.append(layer.scale[layer.bits > 0].astype("<f4").tobytes())
    parts.append(link.bias.astype("<f4").tobytes())
    rows = layer.levels.reshape(link.channels, -1)
    pieces = [_bits_of(row, int(count)) for row, count in zip(rows, layer.bits, strict=True)]
    parts.append(np.packbits(np.concatenate(pieces)).tobytes())
    return parts


def unpack(data: bytes, name: str = "packed") -> CodedNetwork:
    """Return the network of a packed file, bit for bit the one that was packed.

    Args:
        data: the file's bytes.
        name: of the file, for errors.

    Raises:
        FormatError: other bytes than `pack` gives, or not all of them.
    """
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if not data.startswith(MAGIC):
        raise FormatError(
            f"{name}: this is no packed self-compressed network: name a file that selfcompress "
            "--pack wrote"
        )
    if digest != _digest(body):
        raise FormatError(f"{name}: bytes are missing or changed: fetch it or pack it again")
    source = _Source(body[len(MAGIC) :])
    try:
        shape = tuple(source.wholes("I", source.whole("B")))
        normal = _unpack_normalisation(source)
        layers = tuple(_unpack_layer(source) for _ in range(source.whole("H")))
        if source.left:
            raise FormatError("it has bytes after its end")
        coded = CodedNetwork(layers, shape, normal)
        coded.network(name)
    except (InputError, ValueError, IndexError, struct.error) as error:
        raise FormatError(f"{name}: this packed network makes no sense: {error}") from None
    return coded


def _unpack_layer(source: _Source) -> Coded:
    kind = source.whole("B")
    channels, channels_in = source.wholes("I", 2)
    run, geometry = 1, list[int]()
    if kind & CONVOLUTION:
        geometry = source.wholes("H", 12)
        taps = geometry[2] * geometry[3]
    else:
        taps = run = source.whole("I")
    per = channels_in * taps
    if not 0 < channels * per <= LARGEST:
        raise FormatError(f"a layer has {channels * per} weights: it may have 1 to {LARGEST}")
    bits = np.frombuffer(source.take(channels), dtype="u1").astype(np.int64)
    if bits.max() > MOST_BITS:
        raise FormatError(f"a channel has {int(bits.max())} bits, {MOST_BITS} is the most")
    scale = np.ones(channels, dtype=np.float32)
    live = int(np.count_nonzero(bits))
    scale[bits > 0] = np.frombuffer(source.take(4 * live), dtype="<f4")
    bias = np.frombuffer(source.take(4 * channels), dtype="<f4").astype(np.float64)
    total = int(bits.sum()) * per
    stream = np.unpackbits(np.frombuffer(source.take((total + 7) // 8), dtype="u1"), count=total)
    levels, start = np.zeros((channels, per), dtype=np.int64), 0
    for row, count in enumerate(bits.tolist()):
        end = start + count * per
        levels[row] = _whole_of(stream[start:end], count, per)
        start = end
    operator = _operator(channels, channels_in, run, geometry)
    link = Link(operator, bias, bool(kind & RELU), run)
    return Coded(link, levels.reshape(operator.weight.shape), scale, bits)


def _operator(
    channels: int, channels_in: int, run: int, geometry: Sequence[int]
) -> Dense | Convolution:
    if not geometry:
        return Dense(np.zeros((channels, channels_in * run)))
    height, width, tall, wide, down, across, top, left, bottom, right, gap, step = geometry
    return Convolution(
        np.zeros((channels, channels_in, tall, wide)),
        (channels_in, height, width),
        (down, across),
        (top, left, bottom, right),
        (gap, step),
    )


def save_packed(coded: CodedNetwork, path: str | Path) -> int:
    """Write the packed file in one step, and return its length in bytes.

    Raises:
        FileError: it cannot be written.
    """
    data = pack(coded)
    replace_with(Path(path), data)
    return len(data)


def load_packed(path: str | Path) -> CodedNetwork:
    """Return the network of a packed file.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no packed file, or is damaged.
    """
    return unpack(read_bytes(path), str(path))


class _Source:
    """Bytes that are taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """How many there still are."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise FormatError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def wholes(self, kind: str, count: int) -> list[int]:
        form = f"<{count}{kind}"
        return list(struct.unpack(form, self.take(struct.calcsize(form))))

    def whole(self, kind: str) -> int:
        return self.wholes(kind, 1)[0]

    def floats(self, count: int) -> NDArray[np.float64]:
        return np.frombuffer(self.take(8 * count), dtype="<f8").astype(np.float64)


def _wholes(kind: str, numbers: Shape | Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}{kind}", *numbers)


def _bits_of(row: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    if count == 0:
        return np.zeros(0, dtype=np.uint8)
    shifted = (row + (1 << (count - 1)))[:, None] >> np.arange(count - 1, -1, -1)
    return (shifted & 1).astype(np.uint8).ravel()


def _whole_of(stream: NDArray[np.uint8], count: int, length: int) -> NDArray[np.int64]:
    if count == 0:
        return np.zeros(length, dtype=np.int64)
    powers = 1 << np.arange(count - 1, -1, -1)
    return stream.reshape(length, count).astype(np.int64) @ powers - (1 << (count - 1))


def _pack_normalisation(normal: Normalisation | None) -> bytes:
    if normal is None:
        return _wholes("I", [0])
    parts = (normal.minimum, normal.maximum, normal.mean, normal.range)
    ends = np.array([normal.output_mean, normal.output_range])
    return _wholes("I", [normal.mean.size]) + np.concatenate([*parts, ends]).astype("<f8").tobytes()


def _unpack_normalisation(source: _Source) -> Normalisation | None:
    size = source.whole("I")
    if not size:
        return None
    minimum, maximum, mean, width = (source.floats(size) for _ in range(4))
    ends = source.floats(2).tolist()
    return Normalisation(minimum, maximum, mean, width, ends[0], ends[1])


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()
