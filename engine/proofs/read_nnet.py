"""The network of a .nnet file, in network units: what its header says of raw units is passed over.

Lines of comments that start with ``//``; four whole numbers, the layers, inputs and outputs and the
largest layer; the sizes; an unused flag; smallest and largest inputs, means and ranges; then for
each layer its weights, a row a line, and its biases, one a line. A comma may end a line. A decimal
is the nearest float64 number, which is what the format's own evaluators compute with.

Source: https://github.com/sisl/NNet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import Final

import numpy as np

from .model import Affine, Array, FormatError, Input, Model, Node, Relu

WHOLE: Final = re.compile(r"[0-9]{1,9}")
DECIMAL: Final = re.compile(r"[0-9eE.+\-, \t]*")


def read_nnet(data: bytes) -> Model:
    """Return the network of a .nnet file: a chain of dense layers with ReLUs between each two.

    Args:
        data: the file, UTF-8.

    Raises:
        FormatError: it is not what the format asks for; the text gives the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError("is no text: name a .nnet file") from None
    if text.rstrip(" \t")[-1:] not in ("\n", ","):
        raise FormatError("ends without a comma or a line break, maybe inside a number: end it")
    lines = _lines(text)
    layers, inputs, outputs, _ = _wholes(lines, 4)
    sizes = _wholes(lines, layers + 1)
    if (sizes[0], sizes[-1]) != (inputs, outputs):
        raise FormatError(f"has {sizes[0]} inputs and {sizes[-1]} outputs, or {inputs}, {outputs}")
    _texts(lines, 1)
    for count in (inputs, inputs, inputs + 1, inputs + 1):
        _reals(lines, count)
    nodes: list[Node] = [Input(inputs)]
    names = ["input"]
    for layer in range(1, layers + 1):
        size, read = sizes[layer], sizes[layer - 1]
        weight = [_reals(lines, read) for _ in range(size)]
        bias = [_reals(lines, 1) for _ in range(size)]
        nodes.append(Affine(len(nodes) - 1, np.array(weight), np.concatenate(bias)))
        names.append(f"affine{layer}")
        if layer < layers:
            nodes.append(Relu(len(nodes) - 1))
            names.append(f"relu{layer}")
    left = next(lines, None)
    if left is not None:
        raise FormatError(f"line {left[0]} stands after the last bias: correct the sizes")
    widths = [inputs, *(size for size in sizes[1:] for _ in (0, 1))][: len(nodes)]
    return Model(tuple(nodes), tuple(widths), len(nodes) - 1, tuple(names))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers, after the comments on top."""
    top = True
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip()
        top = top and (not bare or bare.startswith("//"))
        if bare and not top:
            yield number, bare


def _texts(lines: Iterator[tuple[int, str]], count: int) -> tuple[int, list[str]]:
    """Return the number of the next line and the texts between its commas."""
    number, line = next(lines, (0, ""))
    if not line:
        raise FormatError("ends too soon: it is cut short, or its sizes are wrong")
    texts = line.removesuffix(",").split(",")
    if len(texts) != count:
        raise FormatError(f"line {number} has {len(texts)} values where {count} belong: correct it")
    return number, texts


def _wholes(lines: Iterator[tuple[int, str]], count: int) -> list[int]:
    number, texts = _texts(lines, count)
    if not all(WHOLE.fullmatch(text.strip()) and int(text) for text in texts):
        raise FormatError(f"line {number} holds what is no whole number above 0: correct it")
    return [int(text) for text in texts]


def _reals(lines: Iterator[tuple[int, str]], count: int) -> Array:
    number, texts = _texts(lines, count)
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = [np.nan]
    if not all(map(isfinite, values)) or not DECIMAL.fullmatch(",".join(texts)):
        raise FormatError(f"line {number} holds what is no finite decimal number: correct it")
    return np.array(values)
