"""Whether a data set is one that a network can be trained on or measured with."""

from __future__ import annotations

import numpy as np

from ...engine.errors import InputError
from ...engine.network import Network
from .dataset import Dataset


def fits(dataset: Dataset, network: Network, every_class: bool = True) -> None:
    """Raise unless a network can be trained on, or measured with, a data set.

    Args:
        dataset: where it has labels, a class for each output; where it has targets, a target for
            each output; where it has neither, its inputs alone are compared.
        network: whose inputs and outputs are meant.
        every_class: also ask that each class has at least one row.

    Raises:
        InputError: another number of inputs, classes or targets, or a class without a row.
    """
    name, outputs = dataset.name, network.size_out
    if dataset.features != network.size_in:
        raise InputError(
            f"{name}: a row has {dataset.features} features and {network.origin.path} takes "
            f"{network.size_in} inputs: give the data that it was made for"
        )
    if dataset.targets is not None and dataset.targets.shape[1] != outputs:
        raise InputError(
            f"{name}: a row has {dataset.targets.shape[1]} targets and {network.origin.path} has "
            f"{outputs} outputs: name one column for each output"
        )
    if dataset.labels is None:
        return
    if dataset.classes != outputs:
        raise InputError(
            f"{name}: there are {dataset.classes} classes and {network.origin.path} has {outputs} "
            "outputs: give data with a class for each output, or say how many classes there are"
        )
    missing = np.flatnonzero(dataset.count() == 0)
    if every_class and missing.size:
        listed = ", ".join(str(label) for label in missing[:10].tolist())
        more = ", ..." if missing.size > 10 else ""
        raise InputError(
            f"{name}: no row has class {listed}{more} of the {outputs} that {network.origin.path} "
            "tells apart: give data with rows of every class"
        )
