"""What bounds the rows of a question on many boxes at once: one network, or two alike.

Both give, for every box and row, a proved lower bound of the row's value, the plane it came from,
and how much each input is to be blamed for what is missing.
"""

from __future__ import annotations

import itertools
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .alike import Alike, alike
from .bounds import rows_plain
from .bounds.aligned import aligned
from .bounds.packed import Packed, pack
from .network import State
from .question import Question
from .stages import stages

if TYPE_CHECKING:
    from .bounds.difference import PairRows

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class Planes:
    """What is known of rows on boxes.

    Attributes:
        low: ``(boxes, rows)`` proved lower bounds, rounded outward; -inf where none was asked.
        base, slopes: ``(boxes, rows)``, ``(boxes, rows, inputs)``; on its box a row is at least
            base plus the sum of |slope| times the distance from the corner where the slopes are
            least. base is -inf where no plane was computed.
        parts: ``(boxes, rows, inputs)`` how much of the looseness each input is to be blamed for.
        equal: ``(boxes,)`` whether both networks of the question are proved to be equal there.
        doubt: ``(boxes, inputs)`` how much each input is to be blamed where they are not proved to
            be equal, though some signs of their neurons would make them so.
    """

    low: Array
    base: Array
    slopes: Array
    parts: Array
    equal: NDArray[np.bool_]
    doubt: Array


class Bounder(Protocol):
    """Bounds the rows of one question."""

    @property
    def flags(self) -> tuple[int, int]:
        """Shape of what is known of the signs of pre-activations on a box."""
        ...

    @property
    def relus(self) -> NDArray[np.bool_]:
        """Which of these signs decide a ReLU's phase; of the shape of `flags`."""
        ...

    def bound(
        self, lower: Array, upper: Array, stable: Flags, wanted: Flags, cut: Array, pool: Executor
    ) -> Planes:
        """Return what can be proved of the wanted rows.

        Args:
            lower: ``(boxes, inputs)``.
            upper: ``(boxes, inputs)``.
            stable: ``(boxes, *flags)`` bits of known signs; more are set on return.
            wanted: ``(boxes, rows)``, 1 where a bound is wanted.
            cut: ``(rows,)`` a bound that reaches it is good enough.
            pool: threads.
        """
        ...


class Single:
    """Bounds rows by backward linear bounds of the merged network.

    Attributes:
        spared: boxes that are still bounded by arrays, before compiled loops are loaded.
    """

    def __init__(self, net: Packed, workers: int, spared: int = 0) -> None:
        self._net, self._workers, self.spared = net, workers, spared

    @property
    def flags(self) -> tuple[int, int]:
        """Shape of what is known of signs."""
        return 1, int(self._net.offset[-1])

    @property
    def relus(self) -> NDArray[np.bool_]:
        """Which of these are of ReLUs."""
        return np.asarray(self._net.state[None] == State.RELU)

    def bound(
        self, lower: Array, upper: Array, stable: Flags, wanted: Flags, cut: Array, pool: Executor
    ) -> Planes:
        """Return what can be proved; see `Bounder`."""
        out = _blank(wanted.shape, lower.shape[1])
        self.spared -= len(lower)
        if self.spared >= 0:
            planes = out.low, out.base, out.slopes, out.parts
            rows_plain.bound_rows(self._net, lower, upper, stable, wanted, cut, *planes)
            return out
        from .bounds.rows import bound_rows  # loading what is compiled takes half a second

        self.spared = 0

        def work(part: slice) -> None:
            bound_rows(
                self._net,
                lower[part],
                upper[part],
                stable[part],
                wanted[part],
                cut,
                out.low[part],
                out.base[part],
                out.slopes[part],
                out.parts[part],
            )

        _spread(work, len(lower), self._workers, pool)
        return out


class Paired:
    """Bounds rows by difference bounds of two networks of one shape.

    Attributes:
        alike: which signs make both networks equal; None where none can.
    """

    def __init__(self, pair: Any, rows: PairRows, alike: Alike | None, workers: int) -> None:
        self._pair, self._rows, self.alike, self._workers = pair, rows, alike, workers
        self._watched = np.zeros(0, np.int64) if alike is None else alike.places

    @property
    def flags(self) -> tuple[int, int]:
        """Shape of what is known of signs, f's and g's."""
        return 2, int(self._pair.offset[-1])

    @property
    def relus(self) -> NDArray[np.bool_]:
        """Which of these are of ReLUs."""
        return np.asarray(self._pair.state == State.RELU)

    def bound(
        self, lower: Array, upper: Array, stable: Flags, wanted: Flags, cut: Array, pool: Executor
    ) -> Planes:
        """Return what can be proved; see `Bounder`."""
        from .bounds.pairs_linear import bound_pairs_linear  # loaded for pairs alone

        out = _blank(wanted.shape, lower.shape[1])

        def work(part: slice) -> None:
            bound_pairs_linear(
                self._pair,
                self._rows,
                lower[part],
                upper[part],
                stable[part],
                wanted[part],
                cut,
                out.low[part],
                out.base[part],
                out.slopes[part],
                out.parts[part],
                self._watched,
                out.doubt[part],
            )

        _spread(work, len(lower), self._workers, pool)
        if self.alike is not None:
            out.equal[:] = self.alike.where(stable)
        return out


def bounder(question: Question, workers: int, *, alone: bool = False) -> Single | Paired:
    """Return the best bounder for a question: difference bounds where two networks are alike.

    Args:
        question: what is asked.
        workers: threads.
        alone: whether nothing else is asked of this process, so that compiled loops are worth
            loading only for more boxes than a few.
    """
    if question.plain and len(question.sources) == 2:
        first, second = question.sources
        every = np.arange(question.size)
        if np.array_equal(first.inputs, every) and np.array_equal(second.inputs, every):
            chains = aligned(*(stages(one.network, grids=True) for one in (first, second)))
            if chains is not None:
                from .bounds.difference import pack_pair, pair_rows  # compiled

                one, two = question.weights
                rows = pair_rows(one, two, question.direct, question.bias)
                return Paired(pack_pair(*chains), rows, alike(*chains), workers)
    net = pack(stages(question.network, grids=True))
    return Single(net, workers, rows_plain.few(net) if alone else 0)


def _blank(shape: tuple[int, ...], inputs: int) -> Planes:
    return Planes(
        np.full(shape, -np.inf),
        np.full(shape, -np.inf),
        np.zeros((*shape, inputs)),
        np.zeros((*shape, inputs)),
        np.zeros(shape[0], np.bool_),
        np.zeros((shape[0], inputs)),
    )


def _spread(work: Any, count: int, workers: int, pool: Executor) -> None:
    cuts = np.linspace(0, count, min(workers * 2, count) + 1).astype(int)
    for done in [pool.submit(work, slice(a, b)) for a, b in itertools.pairwise(cuts)]:
        done.result()
