"""Aims: what to simplify a network for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..engine.errors import InputError
from ..engine.network import Network
from .choice import Order
from .guarantee import Guarantee, Outputs
from .head import head, layer_named


class Lines(StrEnum):
    """Which line a relaxed neuron gets."""

    NEAREST = "nearest"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Aim:
    """What to simplify for.

    Attributes:
        guarantee: what must stay.
        order: how removals are chosen.
        lines: which lines relaxed neurons get; `OUTPUT` tries both.
        until: the layer whose values take the place of the outputs, by name or number; what is
            behind it stays as it is. None for the outputs.
    """

    guarantee: Guarantee = field(default_factory=Outputs)
    order: Order = Order.GREEDY
    lines: Lines = Lines.OUTPUT
    until: str | None = None

    def fit(self, network: Network) -> tuple[Aim, Network]:
        """Return the aim with its layer's name, and the network or its head up to that layer.

        Raises:
            InputError: it makes no sense for the network.
        """
        if self.until is None:
            self.guarantee.fit(network)
            return self, network
        if not isinstance(self.guarantee, Outputs):
            raise InputError(
                f"layer {self.until}: values of a hidden layer have no best one to keep; keep "
                "outputs, which are then that layer's values"
            )
        layer = layer_named(network, self.until)
        return replace(self, until=layer), head(network, layer)
