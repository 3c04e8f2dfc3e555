"""Reading the networks that a certificate speaks of, from the bytes of their files."""

from __future__ import annotations

import hashlib
from typing import Final

from .model import FormatError, Model
from .read_nnet import read_nnet
from .read_onnx import read_onnx

LARGEST: Final = 2**29
"""Most bytes of a file."""

SHOWN: Final = 400
"""Most characters of an error."""


def read_model(data: bytes, name: str) -> Model:
    """Return the network that a file holds, as an exact real function in network units.

    Args:
        data: the bytes of the file.
        name: of the file. Its ending says what it holds, .onnx or .nnet; with any other ending the
            first bytes do: a .nnet file starts with a comment or a digit.

    Raises:
        FormatError: the file is damaged, or holds what is not handled; one line, with its name.
    """
    try:
        if len(data) > LARGEST:
            raise FormatError(f"has {len(data)} bytes: at most {LARGEST} are handled")
        if not data:
            raise FormatError("is empty: export or download it again")
        return read_nnet(data) if _is_text(data, name) else read_onnx(data)
    except FormatError as error:
        text = f"{name}: {error}"
        bare = "".join(c if c.isprintable() else "?" for c in text)
        raise FormatError(bare if len(bare) <= SHOWN else bare[: SHOWN - 3] + "...") from None


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _is_text(data: bytes, name: str) -> bool:
    ending = name.lower().rpartition(".")[2]
    if ending in ("onnx", "nnet"):
        return ending == "nnet"
    first = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:2]
    return first == b"//" or first[:1].isdigit()
