"""Bounds of a chain of ReLU layers by auto_LiRPA, timed without imports and model building.

This file runs inside the peer's environment and imports nothing of secateur:
`python lirpa_driver.py ASKED.npz FOUND.npz`. `lirpa.py` writes the one and reads the other.
"""

import importlib
import json
import sys
import sysconfig
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

VENDOR = Path(sysconfig.get_paths()["purelib"]) / "src" / "abstractor"
"""Where NeuralSAT's wheel keeps its copy of auto_LiRPA."""


Tensor = torch.Tensor
Ends = tuple[Tensor, Tensor]


def model(arrays: dict[str, NDArray[Any]]) -> torch.nn.Module:
    """Return the chain as a torch module."""
    layers: list[torch.nn.Module] = []
    count = sum(name.startswith("weight") for name in arrays)
    for k in range(count):
        weight, bias = arrays[f"weight{k}"], arrays[f"bias{k}"]
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class Bounder:
    """A network that auto_LiRPA bounds, all pre-activations and the output."""

    def __init__(self, library: Any, arrays: dict[str, NDArray[Any]], told: dict[str, Any]) -> None:
        """Build auto_LiRPA's graph and find the pre-activations in it."""
        self.library, self.told = library, told
        self.graph: Any = library.BoundedModule(
            model(arrays),
            torch.zeros(1, arrays["lower"].shape[1]),
            bound_opts={"optimize_bound_args": told["options"]},
            device="cpu",
        )
        relus = [node for node in self.graph.nodes() if type(node).__name__ == "BoundRelu"]
        self.targets = [node.inputs[0].name for node in relus] + [self.graph.final_name]

    def bounds(self, lower: Tensor, upper: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return lower and upper bounds ``(boxes, neurons)`` over boxes, as one batch."""
        box = self.library.PerturbationLpNorm(norm=np.inf, x_L=lower, x_U=upper)
        at = (self.library.BoundedTensor(0.5 * (lower + upper), box),)
        plain = self.told["method"] == "CROWN"
        found = self._once(at) if plain else self._layer_by_layer(at)
        low, high = (torch.cat([ends[i] for ends in found], dim=1) for i in (0, 1))
        return low.detach().numpy(), high.detach().numpy()

    def _once(self, at: Any) -> list[Ends]:
        """Return what one call for the output leaves behind at every layer."""
        with torch.no_grad():
            last = self.graph.compute_bounds(x=at, method="CROWN")
        ends = [self.graph[name] for name in self.targets[:-1]]
        return [(node.lower, node.upper) for node in ends] + [last]

    def _layer_by_layer(self, at: Any) -> list[Ends]:
        """Return the bounds of each layer, those of its unstable neurons with slopes of their own.

        Optimised slopes serve the bounds that they are optimised for: one call for the output alone
        would leave all other layers as plain CROWN bounds them.
        """
        known: dict[str, Ends] = {}
        for name in self.targets:
            with torch.no_grad():
                low, high = self.graph.compute_bounds(
                    x=at, method="CROWN", final_node_name=name, interm_bounds=dict(known)
                )
            low, high = low.detach().clone(), high.detach().clone()
            wanted = (low < 0) & (high > 0)
            if name == self.targets[-1]:
                wanted = torch.ones_like(wanted)
            if known and wanted.any():
                self._optimise(at, name, known, low, high, wanted)
            known[name] = (low, high)
        return list(known.values())

    def _optimise(
        self, at: Any, name: str, known: dict[str, Ends], low: Tensor, high: Tensor, wanted: Tensor
    ) -> None:
        """Tighten the wanted neurons of one layer in place; each box asks for its own only."""
        boxes, size = wanted.shape
        rows = int(wanted.sum(dim=1).max())
        order = torch.argsort(wanted.int(), dim=1, descending=True, stable=True)[:, :rows]
        ask = torch.zeros(boxes, rows, size).scatter_(2, order[:, :, None], 1.0)
        some = self.graph.compute_bounds(
            x=at, C=ask, method="CROWN-Optimized", final_node_name=name, interm_bounds=dict(known)
        )
        held = low.gather(1, order), high.gather(1, order)
        low.scatter_(1, order, torch.maximum(held[0], some[0].detach()))
        high.scatter_(1, order, torch.minimum(held[1], some[1].detach()))


def main(asked: str, written: str) -> None:
    """Read the question, bound every box, write the answer."""
    arrays = dict(np.load(asked))
    told = json.loads(str(arrays.pop("told")))
    sys.path.insert(0, str(VENDOR))
    warnings.simplefilter("ignore")
    library = importlib.import_module("auto_LiRPA")
    torch.set_num_threads(told["threads"])
    torch.manual_seed(0)
    bounder = Bounder(library, arrays, told)
    sides = [torch.from_numpy(arrays[name].astype(np.float32)) for name in ("lower", "upper")]
    batches = list(zip(*(torch.split(side, told["batch"]) for side in sides), strict=True))
    if told["warm"]:
        bounder.bounds(*batches[0])
    wall, processor = [], []
    for _ in range(told["repeats"]):
        start, spent = time.perf_counter(), time.process_time()
        found = [bounder.bounds(*batch) for batch in batches]
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - spent)
    lower, upper = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    np.savez(
        written,
        lower=lower.astype(np.float64),
        upper=upper.astype(np.float64),
        seconds=np.array(wall),
        cpu_seconds=np.array(processor),
        version=np.array([library.__version__, torch.__version__]),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
