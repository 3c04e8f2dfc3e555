"""The .nnet text format: fully connected ReLU networks with the normalisation of their inputs.

Lines that start with ``//``, then the numbers, separated by commas, a comma after the last one:

    layers, inputs, outputs, largest layer
    size of the input, of the first layer, ..., of the output
    flag (unused)
    smallest value of each input, raw units
    largest value of each input
    mean of each input, one mean for all outputs
    range of each input, one range for all outputs
    for each layer: its weights, a row a line; then its biases, one a line

Decimals are read as the nearest float64 and the network computes in float64, as the format's own
evaluators do; no number is taken for a rounded float32. The network speaks network units: raw
inputs go through `Normalisation`, which a network keeps beside its layers.

Source: https://github.com/sisl/NNet.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import FormatError, InputError, UnsupportedError
from ..network import Affine, Array, Network, Normalisation, Origin, Piecewise, State
from ..operators import Convolution
from .decimals import nearest, shortened
from .files import as_text, read_bytes, replace_with
from .selfcheck import check_import

WIDEST: Final = float(np.finfo(np.float32).max)
"""Limit of an input that has none, raw units: as large as every evaluator of the format can read.
A limit at or beyond it is no limit."""

WHOLE: Final = re.compile(r"[0-9]{1,9}")


def read_nnet(path: str | Path) -> Network:
    """Return the network of a .nnet file, compared with a plain evaluation of the file.

    Args:
        path: of the file.

    Returns:
        A chain of dense layers in network units, with its normalisation.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is not what the format asks for; the message gives the line.
        MismatchError: the network and the plain evaluation disagree.
    """
    data = read_bytes(path)
    text = as_text(data, path)
    lines = _Lines(str(path), text)
    layers, inputs, outputs, _ = lines.whole(4, "layers, inputs, outputs, largest layer")
    sizes = lines.whole(layers + 1, f"the sizes of the input and of {layers} layers")
    if (sizes[0], sizes[-1]) != (inputs, outputs):
        raise lines.error(
            f"the sizes run from {sizes[0]} to {sizes[-1]}, the first line states {inputs} inputs "
            f"and {outputs} outputs: correct one of them"
        )
    lines.take(1, "the unused flag")
    normalisation = _normalisation(lines, inputs)
    weights, biases = [], []
    for index in range(1, layers + 1):
        read, rows = sizes[index - 1], range(1, sizes[index] + 1)
        weights.append([lines.real(read, f"layer {index}, weights of row {row}") for row in rows])
        biases.append([lines.real(1, f"layer {index}, bias of row {row}")[0] for row in rows])
    lines.end()
    network = Network.dense(
        [np.array(rows) for rows in weights],
        [np.array(column) for column in biases],
        Origin(str(path), "nnet", hashlib.sha256(data).hexdigest(), "float64"),
        normalisation,
    )
    check_import(_around_zero(network), _plain_evaluation(text))
    return network


def write_nnet(network: Network, path: str | Path) -> None:
    """Write a network as a .nnet file; reading it gives the same bits.

    A network with no normalisation gets means 0, ranges 1 and limits of `WIDEST`, so that raw units
    are network units.

    Args:
        network: dense layers in a chain with ReLUs between each two.
        path: of the file; replaced in one step.

    Raises:
        UnsupportedError: the network is not of that shape.
        FileError: the file cannot be written.
    """
    chain = _chain(network)
    sizes = [network.size_in, *(layer.size for layer in chain)]
    normal = network.normalisation or _none(network.size_in)
    rows: list[Iterable[object]] = [
        [len(chain), network.size_in, network.size_out, max(sizes)],
        sizes,
        [0],
        normal.minimum.tolist(),
        normal.maximum.tolist(),
        [*normal.mean.tolist(), float(normal.output_mean)],
        [*normal.range.tolist(), float(normal.output_range)],
    ]
    for layer in chain:
        rows += layer.operator.matrix().tolist()
        rows += [[value] for value in layer.bias.tolist()]
    lines = ["// Fully connected ReLU network in the .nnet format, written by secateur"]
    lines += ["".join(f"{value!r}," for value in row) for row in rows]
    replace_with(path, ("\n".join(lines) + "\n").encode())


def evaluate_raw(network: Network, raw: Array) -> Array:
    """Return the outputs in raw units, as an evaluator of the .nnet file gives them.

    Args:
        network: with a normalisation.
        raw: ``(..., inputs)`` raw units; clipped into the box that the normalisation states.

    Returns:
        ``(..., outputs)`` raw units: network output times the output range plus the output mean.

    Raises:
        InputError: the network states no normalisation.
    """
    normal = network.normalisation
    if normal is None:
        raise InputError(
            f"{network.origin.path}: this network states no normalisation, raw units have no "
            "meaning for it: give network units"
        )
    outputs = network.evaluate(normal.to_network(np.asarray(raw, dtype=np.float64)))
    return outputs * normal.output_range + normal.output_mean


class _Lines:
    """The lines of a file in turn; each is asked for by what it must hold."""

    def __init__(self, path: str, text: str) -> None:
        lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), start=1)]
        numbered = [(n, line) for n, line in lines if line]
        start = next((i for i, (_, line) in enumerate(numbered) if line[:2] != "//"), len(numbered))
        self.path, self.whole_end = path, text.rstrip(" \t")[-1:] in ("\n", ",")
        self.rest = iter(numbered[start:])
        self.number = numbered[start - 1][0] if start else 0

    def error(self, what: str) -> FormatError:
        return FormatError(f"{self.path}:{self.number}: {what}")

    def take(self, count: int, what: str) -> Sequence[str]:
        """Return the ``count`` texts between the commas of the next line."""
        self.number, line = next(self.rest, (self.number, ""))
        if not line:
            raise self.error(f"the file ends here, next come {what}: it is cut short; get it whole")
        texts = line.removesuffix(",").split(",")
        if len(texts) != count:
            raise self.error(
                f"{len(texts)} values where {count} belong ({what}): this is no .nnet file, or its "
                "sizes are wrong; correct the line"
            )
        return texts

    def whole(self, count: int, what: str) -> list[int]:
        texts = self.take(count, what)
        for text in texts:
            if not WHOLE.fullmatch(text.strip()) or not int(text):
                raise self.error(
                    f"{shortened(text.strip())} is no whole number above 0 ({what}): correct the "
                    "line"
                )
        return [int(text) for text in texts]

    def real(self, count: int, what: str) -> list[float]:
        texts = self.take(count, what)
        return [nearest(text, f"{self.path}:{self.number}") for text in texts]

    def end(self) -> None:
        self.number, line = next(self.rest, (self.number, ""))
        if line:
            raise self.error(
                f"{shortened(line)} stands after the last bias: the sizes on top of the file are "
                "wrong, or the line is superfluous"
            )
        if not self.whole_end:
            raise self.error(
                "the file ends without a comma or a line break, so its last number may be cut "
                "short: get it whole, or end the line"
            )


def _normalisation(lines: _Lines, inputs: int) -> Normalisation:
    minimum = lines.real(inputs, "smallest values of the inputs")
    maximum = lines.real(inputs, "largest values of the inputs")
    for index, (low, high) in enumerate(zip(minimum, maximum, strict=True)):
        if low > high:
            raise lines.error(
                f"input {index} has the smallest value {low!r} above its largest {high!r}: swap or "
                "correct them"
            )
    mean = lines.real(inputs + 1, "means of the inputs and of the outputs")
    scale = lines.real(inputs + 1, "ranges of the inputs and of the outputs")
    if min(scale) <= 0:
        raise lines.error(f"the range {min(scale)!r} is not positive: correct it")
    return Normalisation(
        np.array(minimum),
        np.array(maximum),
        np.array(mean[:-1]),
        np.array(scale[:-1]),
        mean[-1],
        scale[-1],
    )


def is_limited(normalisation: Normalisation) -> bool:
    """Return whether a normalisation states a limit on both sides of every input."""
    limits = np.abs([normalisation.minimum, normalisation.maximum])
    return bool((limits < WIDEST).all())


def _around_zero(network: Network) -> Network:
    """Return the network, without a normalisation whose box is too wide to draw points from."""
    normal = network.normalisation
    return network if normal and is_limited(normal) else replace(network, normalisation=None)


def _none(inputs: int) -> Normalisation:
    """Return the normalisation under which raw units are network units."""
    return Normalisation(
        np.full(inputs, -WIDEST), np.full(inputs, WIDEST), np.zeros(inputs), np.ones(inputs)
    )


def _plain_evaluation(text: str) -> Callable[[Array], Array]:
    """Return an evaluator of normalised inputs, straight from the numbers in their order.

    It shares no code with `read_nnet`: it reads the file as one row of numbers.
    """
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("//")]
    values = [float(part) for part in ",".join(lines).split(",") if part.strip()]
    layers, inputs = int(values[0]), int(values[1])
    sizes = [int(value) for value in values[4 : 5 + layers]]
    first = 5 + layers + 1 + 4 * inputs + 2

    def evaluate(batch: Array) -> Array:
        at, active = first, batch
        for layer in range(layers):
            size_in, size_out = sizes[layer], sizes[layer + 1]
            total = np.zeros((len(batch), size_out))
            for row in range(size_out):
                total[:, row] = active @ np.array(values[at : at + size_in])
                at += size_in
            total += values[at : at + size_out]
            at += size_out
            active = total if layer == layers - 1 else np.maximum(total, 0.0)
        return active

    return evaluate


def _chain(network: Network) -> list[Affine]:
    """Return the dense layers of a network that .nnet can hold."""

    def refuse(name: str, what: str) -> UnsupportedError:
        return UnsupportedError(
            f"{network.origin.path}: {name} {what}; a .nnet file holds dense layers in a chain "
            "with a ReLU after each but the last: write ONNX instead"
        )

    chain: list[Affine] = []
    previous = network.input.name
    for index, node in enumerate(network.nodes[1:]):
        if node.sources != (previous,):
            raise refuse(node.name, "is no link of a chain")
        match node.layer:
            case Affine(operator=Convolution()):
                raise refuse(node.name, "is a convolution")
            case Affine() as layer if index % 2 == 0:
                chain.append(layer)
            case Piecewise(state=state) if index % 2 == 1:
                if (state != State.RELU).any():
                    neuron = int(np.flatnonzero(state != State.RELU)[0])
                    raise refuse(node.name, f"has neuron {neuron}, which is no ReLU")
            case layer:
                raise refuse(node.name, f"is a {type(layer).__name__} layer out of turn")
        previous = node.name
    if previous != network.output or len(network.nodes) % 2:
        raise refuse(network.output, "is the output and no dense layer")
    return chain
