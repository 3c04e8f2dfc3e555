"""Which architectures there are, and what of them is free; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ...engine.errors import InputError

SIDE: Final = 32
"""Height and width that the large architectures are made for; others are widened to it."""

_ALLOWED: Final = {
    "stem": "give an odd side, and to alexnet and resnet50 alone",
    "pooled": "give a side of at least 1, and to alexnet and vgg16 alone",
}


class Architecture(StrEnum):
    """A network for pictures.

    The names of its parameters are those of torchvision's definition; `small` is our own.
    """

    ALEXNET = "alexnet"
    VGG16 = "vgg16"
    RESNET50 = "resnet50"
    SMALL = "small"


STEM: Final = {Architecture.ALEXNET: 11, Architecture.RESNET50: 7}
"""Side of the first kernel, as torchvision has it."""

POOLED: Final = {Architecture.ALEXNET: 2, Architecture.VGG16: 1}
"""Side of the maps that the classifier reads: what 32 by 32 leaves. torchvision has 6 and 7."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is free in an architecture.

    Attributes:
        architecture: which.
        classes: outputs.
        channels: of a picture.
        width: factor of all numbers of channels and hidden units; 1 is the published size.
        batch_norm: of vgg16, whether it is the variant with batch normalisation.
        stem: side of the first kernel, odd; the published one when None. Of alexnet and resnet50.
        pooled: side of the maps that the classifier of alexnet and vgg16 reads; what 32 by 32
            leaves when None. With 6 and 7 every shape is torchvision's.
        dropout: probability that a hidden unit of their classifier is left out in training.

    Raises:
        InputError: a size below 1, a width or a dropout out of range, an even stem.
    """

    architecture: Architecture
    classes: int = 10
    channels: int = 3
    width: float = 1.0
    batch_norm: bool = False
    stem: int | None = None
    pooled: int | None = None
    dropout: float = 0.5

    def __post_init__(self) -> None:
        kind = self.architecture
        for name in ("classes", "channels"):
            if getattr(self, name) < 1:
                raise InputError(f"{kind}: {getattr(self, name)} {name}: give 1 or more")
        if not 0 < self.width <= 4:
            raise InputError(f"{kind}: width {self.width:g}: give a factor above 0 and up to 4")
        if not 0 <= self.dropout < 1:
            raise InputError(f"{kind}: dropout {self.dropout:g}: give a share in [0, 1)")
        for name, known in (("stem", STEM), ("pooled", POOLED)):
            given = getattr(self, name)
            if given is not None and (kind not in known or given < 1):
                raise InputError(f"{kind}: {name} {given}: {_ALLOWED[name]}")
            if given is None:
                object.__setattr__(self, name, known.get(kind))
        if self.stem is not None and self.stem % 2 == 0:
            raise InputError(f"{kind}: a first kernel of side {self.stem}: give an odd side")
        if self.batch_norm and kind is not Architecture.VGG16:
            raise InputError(f"{kind}: batch normalisation is an option of vgg16 alone")

    def scaled(self, size: int) -> int:
        """Return a number of channels or units at this width; at least 1."""
        return max(1, round(size * self.width))
