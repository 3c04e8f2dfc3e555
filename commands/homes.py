"""Where each collection of public files lives, and the digests that pin them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from .options import Collection


@dataclass(frozen=True, slots=True)
class Home:
    """A collection's place on the web.

    Attributes:
        addresses: of the files, the one to ask first in front; each has them all.
        largest: bytes of the largest file that is read from a server.
        competition: the files lie as the later competitions keep them: networks in onnx/,
            properties in vnnlib/, each gzipped.
        words: how to speak of the files; None to name each, with its digest.
    """

    addresses: tuple[str, ...]
    largest: int
    competition: bool = False
    words: str | None = None


HOMES: Final[Mapping[Collection, Home]] = MappingProxyType(
    {
        Collection.ACASXU: Home(
            (
                "https://raw.githubusercontent.com/ChristopherBrix/vnncomp2023_benchmarks/main/"
                "benchmarks/acasxu",
            ),
            1 << 20,
            competition=True,
            words="the 55 files ACASXU_run2a_1_1_batch_2000.onnx to "
            "ACASXU_run2a_5_9_batch_2000.onnx, and prop_1.vnnlib to prop_10.vnnlib",
        ),
        Collection.MNIST: Home(
            (
                "https://storage.googleapis.com/cvdf-datasets/mnist",
                "https://ossci-datasets.s3.amazonaws.com/mnist",
            ),
            16 << 20,
        ),
        Collection.FASHION_MNIST: Home(
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/"
                "fashion",
            ),
            32 << 20,
        ),
        Collection.CIFAR10: Home(("https://www.cs.toronto.edu/~kriz",), 256 << 20),
        Collection.CIFAR100: Home(("https://www.cs.toronto.edu/~kriz",), 256 << 20),
    }
)
"""The largest pinned files have 55 889, 9 912 422, 26 421 880, 170 052 171, 168 513 733 bytes."""


def pins(collection: Collection = Collection.ACASXU) -> dict[str, str]:
    """Return the SHA-256 of every file of a collection, by name, in order."""
    text = files(__package__).joinpath(f"{collection}.sha256").read_text("ascii")
    pairs = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, name in pairs}
