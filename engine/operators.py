"""The linear operators an affine layer can hold: dense, diagonal, convolution.

Each one maps vectors of ``size_in`` to vectors of ``size_out``. Vectors are flat, in C order of
the tensor they stand for; leading axes are batch axes. The same code runs on float64 and, for
exact arithmetic, on object arrays of python integers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import NetworkError

AnyArray = NDArray[Any]
Shape = tuple[int, ...]

_COLUMNS = 1 << 17
"""Entries of the columns of a convolution made at a time: 1 MB of float64, which caches hold."""


def frozen(values: AnyArray, what: str, axes: int) -> NDArray[np.float64]:
    """Return a read-only, contiguous float64 copy of ``values``.

    Args:
        values: array with ``axes`` axes.
        what: how to name it in an error.
        axes: the number of axes it must have.

    Raises:
        NetworkError: another number of axes, or a NaN or infinite entry.
    """
    array = np.array(values, dtype=np.float64, order="C")
    if array.ndim != axes:
        raise NetworkError(f"{what} has shape {array.shape}: it must have {axes} axes")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise NetworkError(
            f"{what} holds {array[place]} at {list(place)}: every weight must be finite"
        )
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A full matrix.

    Attributes:
        weight: ``(out, in)`` float64, finite, read-only.
    """

    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight, "weight", 2))

    @property
    def size_in(self) -> int:
        """Number of values it takes."""
        return int(self.weight.shape[1])

    @property
    def size_out(self) -> int:
        """Number of values it gives."""
        return int(self.weight.shape[0])

    @property
    def terms(self) -> int:
        """Largest number of products summed in one output."""
        return self.size_in

    @property
    def terms_back(self) -> int:
        """Largest number of products summed in one entry of ``pull``."""
        return self.size_out

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.weight.size)

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of one application."""
        return int(self.weight.size)

    def push(self, values: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return ``W v`` for each ``v`` in ``values`` of shape ``(..., in)``."""
        return values @ (self.weight if weight is None else weight).T

    def pull(self, rows: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return ``r W`` for each row ``r`` in ``rows`` of shape ``(..., out)``."""
        return rows @ (self.weight if weight is None else weight)

    def magnitude(self) -> "Dense":
        """Return the operator whose weights are the magnitudes of these."""
        return Dense(np.abs(self.weight))

    def matrix(self) -> NDArray[np.float64]:
        """Return the ``(out, in)`` matrix."""
        return self.weight


@dataclass(frozen=True, slots=True, eq=False)
class Diagonal:
    """A scale for each component.

    Attributes:
        weight: ``(size,)`` float64, finite, read-only.
    """

    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight, "scale", 1))

    @property
    def size_in(self) -> int:
        """Number of values it takes."""
        return int(self.weight.size)

    @property
    def size_out(self) -> int:
        """Number of values it gives."""
        return int(self.weight.size)

    @property
    def terms(self) -> int:
        """Largest number of products summed in one output."""
        return 1

    @property
    def terms_back(self) -> int:
        """Largest number of products summed in one entry of ``pull``."""
        return 1

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.weight.size)

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of one application."""
        return int(self.weight.size)

    def push(self, values: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return each of ``values`` ``(..., size)`` scaled."""
        return values * (self.weight if weight is None else weight)

    def pull(self, rows: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return each of ``rows`` ``(..., size)`` scaled."""
        return rows * (self.weight if weight is None else weight)

    def magnitude(self) -> "Diagonal":
        """Return the operator whose weights are the magnitudes of these."""
        return Diagonal(np.abs(self.weight))

    def matrix(self) -> NDArray[np.float64]:
        """Return the ``(size, size)`` matrix."""
        return np.diag(self.weight)


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A two-dimensional convolution (cross-correlation, as ONNX and torch have it), kept compact.

    Attributes:
        weight: kernel ``(channels_out, channels_in / groups, height, width)``, finite, read-only.
        shape_in: ``(channels_in, height, width)`` of the input tensor.
        strides: ``(vertical, horizontal)``, at least 1.
        padding: zeros added ``(top, left, bottom, right)``, at least 0.
        dilations: ``(vertical, horizontal)``, at least 1.
        groups: number of channel groups; divides both channel counts.
    """

    weight: NDArray[np.float64]
    shape_in: tuple[int, int, int]
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen(self.weight, "kernel", 4))
        channels_out, per_group = self.weight.shape[:2]
        if (
            self.groups < 1
            or channels_out % self.groups
            or per_group * self.groups != self.shape_in[0]
        ):
            raise NetworkError(
                f"kernel {self.weight.shape} with {self.groups} groups does not fit an input of "
                f"{self.shape_in[0]} channels"
            )
        if min(self.strides) < 1 or min(self.dilations) < 1 or min(self.padding) < 0:
            raise NetworkError("strides and dilations must be at least 1, padding at least 0")
        if min(self.shape_out) < 1:
            raise NetworkError(
                f"kernel {self.weight.shape} is larger than its input {self.shape_in}"
            )

    @property
    def shape_out(self) -> tuple[int, int, int]:
        """``(channels_out, height, width)`` of the output tensor."""
        top, left, bottom, right = self.padding
        _, height, width = self.shape_in
        tall, wide = (
            (size + pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in zip(
                (height, width),
                (top + bottom, left + right),
                self.dilations,
                self.weight.shape[2:],
                self.strides,
                strict=True,
            )
        )
        return int(self.weight.shape[0]), tall, wide

    @property
    def size_in(self) -> int:
        """Number of values it takes."""
        return int(np.prod(self.shape_in))

    @property
    def size_out(self) -> int:
        """Number of values it gives."""
        return int(np.prod(self.shape_out))

    @property
    def terms(self) -> int:
        """Largest number of products summed in one output."""
        return int(np.prod(self.weight.shape[1:]))

    @property
    def terms_back(self) -> int:
        """Largest number of products summed in one entry of ``pull``."""
        return int(self.weight.shape[0] * np.prod(self.weight.shape[2:]))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.weight.size)

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of one application."""
        return int(self.weight.size * np.prod(self.shape_out[1:]))

    def _taps(self) -> Iterator[tuple[slice, slice]]:
        """Yield for each entry of the kernel the padded rows and columns that it meets."""
        _, tall, wide = self.shape_out
        for row in range(self.weight.shape[2]):
            for column in range(self.weight.shape[3]):
                first, left = row * self.dilations[0], column * self.dilations[1]
                yield (
                    slice(first, first + (tall - 1) * self.strides[0] + 1, self.strides[0]),
                    slice(left, left + (wide - 1) * self.strides[1] + 1, self.strides[1]),
                )

    def _padded(self, batch: int, dtype: Any) -> AnyArray:
        channels, height, width = self.shape_in
        top, left, bottom, right = self.padding
        return np.zeros((batch, channels, height + top + bottom, width + left + right), dtype=dtype)

    def _parts(self, batch: int) -> Iterator[slice]:
        """Yield slices of a batch whose columns fit a processor's cache."""
        _, tall, wide = self.shape_out
        columns = self.shape_in[0] * int(np.prod(self.weight.shape[2:])) * tall * wide
        size = max(1, _COLUMNS // columns)
        yield from (slice(start, start + size) for start in range(0, batch, size))

    def _columns(self, flat: AnyArray) -> AnyArray:
        """Return what each output sees, ``(batch, groups, terms, positions)``, zeros at the rim."""
        channels, height, width = self.shape_in
        top, left = self.padding[:2]
        padded = self._padded(len(flat), flat.dtype)
        padded[:, :, top : top + height, left : left + width] = flat.reshape(-1, *self.shape_in)
        (tall, wide), (down, across) = self.weight.shape[2:], self.dilations
        window = down * (tall - 1) + 1, across * (wide - 1) + 1
        seen = sliding_window_view(padded, window, axis=(2, 3))
        seen = seen[:, :, :: self.strides[0], :: self.strides[1], ::down, ::across]
        _, rows, columns = self.shape_out
        return seen.transpose(0, 1, 4, 5, 2, 3).reshape(
            len(flat), self.groups, channels // self.groups * tall * wide, rows * columns
        )

    def _kernel(self, weight: AnyArray | None) -> AnyArray:
        """Return the kernel as one matrix a group, ``(groups, channels out, terms)``."""
        kernel = self.weight if weight is None else weight
        return kernel.reshape(self.groups, -1, self.terms)

    def push(self, values: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return the convolution of each of ``values`` ``(..., in)``, flat."""
        kernel = self._kernel(weight)
        lead, flat = values.shape[:-1], values.reshape(-1, self.size_in)
        out = np.empty((len(flat), self.size_out), dtype=np.result_type(flat, kernel))
        for part in self._parts(len(flat)):
            out[part] = (kernel @ self._columns(flat[part])).reshape(-1, self.size_out)
        return out.reshape(*lead, self.size_out)

    def pull(self, rows: AnyArray, weight: AnyArray | None = None) -> AnyArray:
        """Return ``r W`` for each ``r`` in ``rows`` ``(..., out)``: the transposed convolution."""
        kernel = self._kernel(weight).transpose(0, 2, 1)
        lead, flat = rows.shape[:-1], rows.reshape(-1, self.size_out)
        channels, height, width = self.shape_in
        (tall, wide), (top, left) = self.shape_out[1:], self.padding[:2]
        taps = list(self._taps())
        out = np.empty((len(flat), *self.shape_in), dtype=np.result_type(flat, kernel))
        for part in self._parts(len(flat)):
            tensor = flat[part].reshape(-1, self.groups, kernel.shape[2], tall * wide)
            spread = (kernel @ tensor).reshape(-1, channels, len(taps), tall, wide)
            padded = self._padded(len(spread), out.dtype)
            for tap, (down, across) in enumerate(taps):
                padded[:, :, down, across] += spread[:, :, tap]
            out[part] = padded[:, :, top : top + height, left : left + width]
        return out.reshape(*lead, self.size_in)

    def magnitude(self) -> "Convolution":
        """Return the operator whose weights are the magnitudes of these."""
        return Convolution(
            np.abs(self.weight),
            self.shape_in,
            self.strides,
            self.padding,
            self.dilations,
            self.groups,
        )

    def matrix(self) -> NDArray[np.float64]:
        """Return the ``(out, in)`` matrix; only for encodings, it can be large."""
        return self.pull(np.eye(self.size_out))


Operator = Dense | Diagonal | Convolution
