"""Networks from torch modules: the module is traced, each operation lowered, the result compared.

No other part of the engine needs torch to read or write a network.
"""

import copy
import hashlib
import io
import operator
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from ..errors import FormatError, InputError, NetworkError, UnsupportedError
from ..network import Array, Network, Origin
from .files import read_bytes
from .onnx_tensors import Activation, Builder
from .selfcheck import check_import
from .torch_calls import (
    ASKED,
    ASKING_METHODS,
    CASTING_METHODS,
    MOVING,
    MOVING_METHODS,
    MOVING_MODULES,
    RENAMED,
    handled,
    lowering_of,
    stays_on_grid,
)
from .torch_lower import FUNCTIONS, METHODS, MODULES, Translation, relu
from .torch_write import write_torch

__all__ = ["read_torch", "read_torch_file", "write_torch"]

BATCH: Final = 7
"""Points in the batch that shapes are traced with: few, and a size that layers seldom have."""

DTYPES: Final[Mapping[torch.dtype, Literal["float32", "float64"]]] = {
    torch.float32: "float32",
    torch.float64: "float64",
}


def read_torch(module: nn.Module, example_shape: Sequence[int]) -> Network:
    """Return the network of a module in evaluation mode, compared with the module itself.

    The module stays as it is: a copy of it is traced. The network is its real-valued function for
    one point; the output is made flat.

    Args:
        module: takes one tensor, whose first axis is the batch, and returns one; it can be traced
            by ``torch.fx`` and its parameters are float32, or all float64.
        example_shape: of one input, without the batch axis.

    Raises:
        UnsupportedError: an operation that is not handled, or one that mixes the batch.
        FormatError: the module fails on inputs of this shape, or holds a weight that is not finite.
        MismatchError: the network and the module disagree.
    """
    return _read(module, example_shape, Origin(type(module).__name__, "torch"))


def read_torch_file(path: str | Path, example_shape: Sequence[int]) -> Network:
    """Return the network of a module that ``torch.save`` wrote whole, without running its code.

    Only modules that consist of torch's own layers are loaded.

    Args:
        path: of the file.
        example_shape: of one input, without the batch axis.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is no file of torch, or holds no module.
        UnsupportedError: it holds anything but torch's own layers; or as for `read_torch`.
        MismatchError: the network and the module disagree.
    """
    data = read_bytes(path)
    plain: list[Any] = [nn.Sequential, nn.ModuleList, *MODULES, *MOVING_MODULES]
    try:
        with torch.serialization.safe_globals(plain):
            module = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsupportedError(
            f"{path}: this holds more than torch's own layers, and code from a file is not run: "
            "load the module yourself and call read_torch"
        ) from error
    except Exception as error:
        raise FormatError(
            f"{path}: this is no file of torch ({_first_line(error)}): save it with torch.save"
        ) from error
    if not isinstance(module, nn.Module):
        raise FormatError(
            f"{path}: this holds a {type(module).__name__} and no module: build the module, load "
            "the state into it and call read_torch"
        )
    return _read(
        module, example_shape, Origin(str(path), "torch", hashlib.sha256(data).hexdigest())
    )


def _read(module: nn.Module, example_shape: Sequence[int], origin: Origin) -> Network:
    model, fresh = (_evaluated_copy(module, origin.path) for _ in range(2))
    if lowering_of(model) is not None:
        model = nn.Sequential(model)
    shape = tuple(int(size) for size in example_shape)
    dtype = _dtype(model, origin.path)
    graph = _trace(model, origin.path)
    seen = _Seen(graph)
    try:
        with torch.no_grad():
            seen.run(torch.zeros(BATCH, *shape, dtype=dtype))
    except Exception as error:
        raise FormatError(
            f"{origin.path}: the module fails on {BATCH} inputs of shape {list(shape)} "
            f"({_first_line(error)}): give the shape of one input, without the batch axis"
        ) from error
    reading = _Reading(graph, dtype, shape, seen.results, replace(origin, dtype=DTYPES[dtype]))
    network = reading.network()

    def reference(points: Array) -> Array:
        batch = torch.tensor(points, dtype=dtype).reshape(len(points), *shape)
        with torch.no_grad():
            outputs = fresh(batch).double().reshape(len(points), -1)
        return np.asarray(outputs.numpy(), dtype=np.float64)

    check_import(network, reference)
    return network


def _evaluated_copy(module: nn.Module, name: str) -> nn.Module:
    # Pruning leaves a module with weights that torch computes from others, and copies no such.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(module, computed).cpu().eval()
    except Exception as error:
        raise UnsupportedError(
            f"{name}: this module cannot be copied ({_first_line(error)}): keep only layers and "
            "plain data in it"
        ) from error


def _dtype(model: nn.Module, name: str) -> torch.dtype:
    """Return the element type that a module computes in."""
    tensors = [*model.parameters(), *model.buffers()]
    found = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    if len(found) > 1 or not found <= set(DTYPES):
        names = sorted(str(dtype).removeprefix("torch.") for dtype in found)
        raise UnsupportedError(
            f"{name}: the parameters are {' and '.join(names)}: make all float32 with .float(), or "
            "all float64 with .double()"
        )
    return found.pop() if found else torch.float32


def _trace(model: nn.Module, name: str) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(model)
    except Exception as error:
        raise UnsupportedError(
            f"{name}: torch.fx cannot trace this module ({_first_line(error)}): make its path "
            "independent of the values"
        ) from error


class _Seen(fx.Interpreter):
    """An evaluation of a graph that keeps what every node gave."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.results: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.results[n] = super().run_node(n)
        return self.results[n]


class _Reading:
    """A walk over the nodes of a graph that lowers each."""

    def __init__(
        self,
        graph: fx.GraphModule,
        dtype: torch.dtype,
        shape: tuple[int, ...],
        seen: Mapping[fx.Node, Any],
        origin: Origin,
    ) -> None:
        self.graph, self.dtype, self.seen, self.origin = graph, dtype, seen, origin
        first = next(node for node in graph.graph.nodes if node.op == "placeholder")
        names = frozenset(node.name for node in graph.graph.nodes)
        self.builder = Builder(first.name, (1, *shape), names)
        self.translation = Translation(self.builder, dtype)
        self.known: dict[fx.Node, Any] = {first: self.builder.input}

    def network(self) -> Network:
        for node in self.graph.graph.nodes:
            if node in self.known:
                continue
            try:
                self.known[node] = self.value(node)
            except InputError as error:
                kind = UnsupportedError if isinstance(error, UnsupportedError) else FormatError
                raise kind(f"{self.origin.path}: {self.place(node)}: {error}") from None
            except (TypeError, ValueError, IndexError, RuntimeError) as error:
                raise UnsupportedError(
                    f"{self.origin.path}: {self.place(node)}: these arguments are not handled "
                    f"({_first_line(error)}): write the operation in a plainer form"
                ) from error
        output = self.known[node]
        try:
            return Network(tuple(self.builder.nodes.values()), output.node, self.origin)
        except NetworkError as error:
            raise FormatError(f"{self.origin.path}: {error}") from error

    def place(self, node: fx.Node) -> str:
        match node.op:
            case "call_module":
                kind = type(self.graph.get_submodule(str(node.target))).__name__
                return f"module {str(node.target)!r} ({kind})"
            case "call_function":
                return f"node {node.name!r} (function {getattr(node.target, '__name__', '?')})"
            case "call_method":
                return f"node {node.name!r} (method {node.target})"
        return f"node {node.name!r}"

    def value(self, node: fx.Node) -> Any:
        """Return what a node gives: an activation, a tuple of them, or what does not depend."""
        arguments, keywords = map_aggregate(
            (node.args, node.kwargs),
            lambda a: self.known[a] if isinstance(a, fx.Node) else a,
        )
        moving = _activations((arguments, keywords))
        if node.op == "output":
            if not isinstance(arguments[0], Activation):
                raise UnsupportedError("the output is not one tensor that depends on the input")
            return arguments[0]
        if not moving or self.asks(node, arguments):
            return self.seen[node]
        before, self.builder.stem = len(self.builder.nodes), node.name
        value = self.lowered(node, arguments, keywords, moving)
        if not self.keeps_grid(node):
            raise UnsupportedError(
                "this rounds quantized values in a way that is not handled: leave it in floats, "
                "behind a DeQuantStub"
            )
        parts = {node.name: value}
        if isinstance(value, tuple):
            parts = {f"{node.name}_{index}": part for index, part in enumerate(value)}
        _check_shapes(self.seen[node], list(parts.values()), self.dtype)
        named = tuple(self.builder.finish(parts, before).values())
        return named if isinstance(value, tuple) else named[0]

    def asks(self, node: fx.Node, arguments: Sequence[Any]) -> bool:
        """Return whether a node only asks for the form of a tensor."""
        if node.op == "call_method":
            return node.target in ASKING_METHODS
        return node.target is getattr and arguments[1] in ASKED

    def keeps_grid(self, node: fx.Node) -> bool:
        """Return whether a node's result is on a grid as its lowering says, if it is quantized."""
        seen = self.seen[node]
        if not (isinstance(seen, torch.Tensor) and seen.is_quantized):
            return True
        match node.op:
            case "call_module":
                module = self.graph.get_submodule(str(node.target))
                return isinstance(module, MOVING_MODULES) or stays_on_grid(module)
            case "call_method":
                return node.target in MOVING_METHODS or node.target in ("relu", "relu_")
        return node.target in MOVING or FUNCTIONS.get(node.target) is relu

    def lowered(
        self,
        node: fx.Node,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        moving: Sequence[Activation],
    ) -> Any:
        lowering = None
        match node.op:
            case "call_module":
                module = self.graph.get_submodule(str(node.target))
                if isinstance(module, MOVING_MODULES):
                    return self.moved(module, arguments, keywords, moving)
                found = lowering_of(module)
                if found is not None:
                    return found(self.translation, module, *arguments, **keywords)
            case "call_method" if node.target in MOVING_METHODS:
                return self.moved(
                    getattr(torch.Tensor, str(node.target)), arguments, keywords, moving
                )
            case "call_method" if node.target in CASTING_METHODS:
                return arguments[0]
            case "call_method":
                lowering = METHODS.get(str(node.target))
            case "call_function" if node.target is operator.getitem and isinstance(
                arguments[0], tuple
            ):
                return arguments[0][arguments[1]]
            case "call_function" if node.target in MOVING:
                return self.moved(node.target, arguments, keywords, moving)
            case "call_function":
                lowering = FUNCTIONS.get(node.target)
        if lowering is None:
            raise UnsupportedError(f"this operation is not handled; handled are {handled()}")
        named = {RENAMED.get(name, name): value for name, value in keywords.items()}
        return lowering(self.translation, *arguments, **named)

    def moved(
        self,
        function: Any,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        moving: Sequence[Activation],
    ) -> Any:
        """Return what a function that only moves entries makes of its arguments.

        The function itself moves the numbers of the entries, for a whole batch at once; that shows
        where each entry goes, and that no point of the batch gets entries of another.
        """
        sources = list(dict.fromkeys(moving))
        total = sum(source.size for source in sources)
        starts = dict(
            zip(sources, np.cumsum([0, *(s.size for s in sources)]).tolist(), strict=False)
        )
        rows = torch.arange(BATCH) * total

        def numbers(argument: Any) -> Any:
            if isinstance(argument, torch.Tensor) and function is not operator.getitem:
                raise UnsupportedError("moves constants among entries: only activations are moved")
            if not isinstance(argument, Activation):
                return argument
            entries = torch.arange(argument.size).reshape(argument.shape) + starts[argument]
            return entries + rows.reshape(-1, *(1,) * (len(argument.shape) - 1))

        given, named = map_aggregate((arguments, keywords), numbers)
        found = function(*given, **named)
        together = self.builder.concat(sources)
        activations = []
        for part in [found] if isinstance(found, torch.Tensor) else found:
            alone = part.ndim > 0 and len(part) == BATCH
            if (
                not alone
                or not (part == part[:1] + rows.reshape(-1, *(1,) * (part.ndim - 1))).all()
            ):
                raise UnsupportedError(
                    "this moves entries between the points of a batch: keep the first axis for it"
                )
            activations.append(self.builder.select(together, part[:1].numpy()))
        return activations[0] if isinstance(found, torch.Tensor) else tuple(activations)


def _activations(values: Any) -> list[Activation]:
    """Return the activations among nested arguments, in order."""
    found: list[Activation] = []

    def keep(value: Any) -> Any:
        if isinstance(value, Activation):
            found.append(value)
        return value

    map_aggregate(values, keep)
    return found


def _check_shapes(seen: Any, values: Sequence[Activation], dtype: torch.dtype) -> None:
    """Raise UnsupportedError unless the values have the shapes and the type that torch's have."""
    tensors = [seen] if isinstance(seen, torch.Tensor) else list(seen)
    for tensor, value in zip(tensors, values, strict=True):
        if (BATCH, *value.shape[1:]) != tuple(tensor.shape) or value.shape[:1] != (1,):
            raise UnsupportedError(
                f"this gives the shape {list(tensor.shape)} for a batch of {BATCH}, and "
                f"{list(value.shape)} for one point: keep the first axis for the batch"
            )
        if tensor.dtype != dtype and not tensor.is_quantized:
            raise UnsupportedError(
                f"this turns {dtype} into {tensor.dtype}: keep one element type throughout"
            )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
