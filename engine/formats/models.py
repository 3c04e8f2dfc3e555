"""Model files as engines use them: one flat input, one flat output, and tensors by their names.

Several input tensors of a file are one flat input, one after the other, and so are its outputs. A
file with a single input and a single output gives the network that `load` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UnsupportedError
from ..network import Network
from . import load
from .onnx_file import read_file
from .onnx_read import checked_network
from .onnx_runtime import Runtime
from .onnx_signature import Signature, TensorInfo, read_signature


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network and what its file calls its tensors.

    Attributes:
        network: the IR.
        inputs: in the order in which the flat input holds them.
        outputs: in the order in which the flat output holds them.
        hidden: the tensors inside that an IR node holds, by name.
        opset: version of the standard operators; 0 for other formats than ONNX.
        runtime: the file's own; None for formats without one.
    """

    network: Network
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    hidden: Mapping[str, TensorInfo]
    opset: int
    runtime: Runtime | None = None


def signature_of(path: str | Path) -> Signature:
    """Return names, element types and shapes of a model file's inputs and outputs.

    Args:
        path: of the file, ending in .onnx or .nnet.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: another ending, or the file is not what its format asks for.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        return read_signature(path)
    network = load(path)
    return Signature(path, 0, *_ends(network))


def read_model(path: str | Path, *, hidden: Sequence[str] = ()) -> Model:
    """Return the model of a file, compared with the reference evaluator of its format.

    Args:
        path: of the file, ending in .onnx or .nnet.
        hidden: names of tensors that the network must hold.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: another ending, or the file is not what its format asks for.
        UnsupportedError: an operator that is not handled; a hidden tensor that the import folds
            away.
        MismatchError: the import and the reference evaluator disagree.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        return _from_onnx(path, hidden)
    network = load(path)
    if hidden:
        raise _not_held(path, hidden[0])
    return Model(network, *_ends(network), {}, 0)


def _from_onnx(path: Path, hidden: Sequence[str]) -> Model:
    file = read_file(path, several=True)
    for name in hidden:
        if not any(name in node.output for node in file.nodes):
            raise _not_held(path, name)
    lowered = checked_network(file, frozenset(hidden))
    network = lowered.network
    held = {
        name: TensorInfo(name, file.dtype, tensor.shape, tensor.node)
        for name, tensor in lowered.activations.items()
    }
    for name in hidden:
        if name not in held or held[name].node == network.input.name:
            raise _not_held(path, name)
    ports = []
    for port in file.inputs:
        node = held[port.name].node if port.name in held else ""  # empty where nothing reads it
        ports.append(TensorInfo(port.name, file.dtype, port.shape, node))
    ends = []
    for name in file.outputs:
        if name in held:
            ends.append(held[name])
        else:  # a constant, lifted into the network
            ends.append(TensorInfo(name, file.dtype, lowered.constants[name].shape))
    runtime = Runtime.of(file)
    return Model(network, tuple(ports), tuple(ends), held, file.opset, runtime)


def _ends(network: Network) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Return input and output of a network whose file does not name them."""
    output = network.by_name[network.output]
    kind = network.origin.dtype
    return (
        (TensorInfo("input", kind, network.input.shape, network.input.name),),
        (TensorInfo("output", kind, output.shape, output.name),),
    )


def _not_held(path: Path, name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path}: tensor {name!r} is no part of the imported network: it is not there, is "
        "constant, is the input itself, or no output depends on it"
    )
