"""A network as JSON words and plain arrays, for files that hold one among other things.

Every number is kept bit for bit, in float64; a float32 file's weights are stored as float32, which
holds them exactly. Reading builds the network anew, so whatever is wrong with it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, assert_never, cast

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, NetworkError, UnsupportedError
from ..engine.network import (
    Affine,
    Concat,
    Input,
    Layer,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    Quantize,
    Select,
    Sum,
)
from ..engine.operators import Convolution, Dense, Diagonal, Operator
from .single import narrowed

Arrays = Mapping[str, NDArray[Any]]
Words = dict[str, Any]

_NORMAL: Final = ("minimum", "maximum", "mean", "range")


def network_words(network: Network) -> tuple[Words, dict[str, NDArray[Any]]]:
    """Return what JSON says of a network, and the arrays that it speaks of by name."""
    arrays: dict[str, NDArray[Any]] = {}
    nodes = []
    for number, node in enumerate(network.nodes):
        words, own = _layer_words(node.layer)
        arrays |= {f"{number}.{name}": array for name, array in own.items()}
        nodes.append(
            {"name": node.name, "sources": list(node.sources), "shape": list(node.shape), **words}
        )
    words = {
        "nodes": nodes,
        "output": network.output,
        "origin": {one.name: getattr(network.origin, one.name) for one in fields(Origin)},
        "normalisation": None,
    }
    normal = network.normalisation
    if normal is not None:
        arrays |= {f"normalisation.{name}": getattr(normal, name) for name in _NORMAL}
        words["normalisation"] = [normal.output_mean, normal.output_range]
    return words, {name: narrowed(array) for name, array in arrays.items()}


def read_network(words: Words, arrays: Arrays) -> Network:
    """Return the network that words and arrays tell of.

    Raises:
        FormatError: they are not those of a network.
    """
    try:
        nodes = tuple(
            Node(
                str(one["name"]),
                _layer(one, number, arrays),
                tuple(map(str, one["sources"])),
                tuple(map(int, one["shape"])),
            )
            for number, one in enumerate(words["nodes"])
        )
        normal = None
        if words["normalisation"] is not None:
            least, most, mean, wide = (
                arrays[f"normalisation.{name}"].astype(np.float64) for name in _NORMAL
            )
            normal = Normalisation(least, most, mean, wide, *map(float, words["normalisation"]))
        origin = Origin(**words["origin"])
        return Network(nodes, str(words["output"]), origin, normal)
    except (KeyError, TypeError, ValueError, NetworkError) as error:
        raise FormatError(f"what is said of the network is none ({error})") from error


def _layer_words(layer: Layer) -> tuple[Words, dict[str, NDArray[Any]]]:
    match layer:
        case Input():
            return {"kind": "input"}, {}
        case Affine(operator=operator, bias=bias):
            words, weight = _operator_words(operator)
            return words, {"weight": weight, "bias": bias}
        case Piecewise(state=state, slope=slope, intercept=intercept):
            return {"kind": "piecewise"}, {
                "state": state,
                "slope": slope,
                "intercept": intercept,
            }
        case Quantize():
            raise UnsupportedError(
                "a network that rounds its activations is no base of a family: slice the network "
                "before they are quantized"
            )
        case Sum(size=size):
            return {"kind": "sum", "size": size}, {}
        case Concat(sizes=sizes):
            return {"kind": "concat", "sizes": list(sizes)}, {}
        case Select(indices=indices, size_in=size_in):
            return {"kind": "select", "size_in": size_in}, {"indices": indices}
        case _ as never:
            assert_never(never)


def _operator_words(operator: Operator) -> tuple[Words, NDArray[np.float64]]:
    match operator:
        case Dense(weight=weight):
            return {"kind": "dense"}, weight
        case Diagonal(weight=weight):
            return {"kind": "diagonal"}, weight
        case Convolution() as one:
            words = {
                "kind": "convolution",
                "shape_in": list(one.shape_in),
                "strides": list(one.strides),
                "padding": list(one.padding),
                "dilations": list(one.dilations),
                "groups": one.groups,
            }
            return words, one.weight
        case _ as never:
            assert_never(never)


def _layer(words: Words, number: int, arrays: Arrays) -> Layer:
    def wide(name: str) -> NDArray[np.float64]:
        return arrays[f"{number}.{name}"].astype(np.float64)

    match words["kind"]:
        case "input":
            return Input(tuple(map(int, words["shape"])))
        case "dense":
            return Affine(Dense(wide("weight")), wide("bias"))
        case "diagonal":
            return Affine(Diagonal(wide("weight")), wide("bias"))
        case "convolution":
            sides = [tuple(map(int, words[name])) for name in ("strides", "padding", "dilations")]
            strides, padding, dilations = cast(Any, sides)
            shape = cast(Any, tuple(map(int, words["shape_in"])))
            kernel = wide("weight")
            operator = Convolution(kernel, shape, strides, padding, dilations, words["groups"])
            return Affine(operator, wide("bias"))
        case "piecewise":
            return Piecewise(arrays[f"{number}.state"], wide("slope"), wide("intercept"))
        case "sum":
            return Sum(int(words["size"]))
        case "concat":
            return Concat(tuple(map(int, words["sizes"])))
        case "select":
            return Select(arrays[f"{number}.indices"].astype(np.int64), int(words["size_in"]))
        case kind:
            raise FormatError(f"layer {number} is {kind!r}, which is no kind of layer")
