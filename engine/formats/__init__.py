"""Reading and writing of network files; each format is loaded when it is asked for.

`load` and `save` go by the ending of the file's name. Regions are read by `regions`, torch modules
by `torch_module`; neither torch nor onnx is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import FormatError, UnsupportedError
from ..network import Network
from .onnx_stored import StoredLayer

__all__ = ["load", "save"]


def load(path: str | Path) -> Network:
    """Return the network of a file, compared with the reference evaluator of its format.

    Args:
        path: of the file, ending in .onnx or .nnet.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: another ending, or the file is not what its format asks for.
        UnsupportedError: it holds an operator that is not handled.
        MismatchError: the import and the reference evaluator disagree.
    """
    match Path(path).suffix.lower():
        case ".onnx":
            from .onnx_read import read_onnx

            return read_onnx(path)
        case ".nnet":
            from .nnet import read_nnet

            return read_nnet(path)
        case suffix:
            raise _unknown(path, suffix)


def save(
    network: Network, path: str | Path, stored: Mapping[str, StoredLayer] | None = None
) -> None:
    """Write a network as a file.

    Args:
        network: what to write.
        path: of the file, ending in .onnx or .nnet; replaced in one step.
        stored: how the numbers of affine nodes are stored in an ONNX file, by their names.

    Raises:
        FileError: the file cannot be written.
        FormatError: another ending.
        UnsupportedError: the format cannot hold this network.
    """
    match Path(path).suffix.lower():
        case ".onnx":
            from .onnx_write import write_onnx

            write_onnx(network, path, stored=stored)
        case ".nnet":
            from .nnet import write_nnet

            if stored:
                raise UnsupportedError(
                    f"{path}: a .nnet file holds decimal numbers alone: name a file that ends in "
                    ".onnx for compressed numbers"
                )
            write_nnet(network, path)
        case suffix:
            raise _unknown(path, suffix)


def _unknown(path: str | Path, suffix: str) -> FormatError:
    return FormatError(
        f"{path}: {suffix or 'no ending'} is no format of networks: name a file that ends in .onnx "
        "or .nnet"
    )
