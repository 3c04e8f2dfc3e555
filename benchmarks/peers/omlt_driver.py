"""Answers questions about single neurons by OMLT's big-M program and HiGHS, one after another.

This file runs inside OMLT's environment and imports nothing of secateur. A line of standard input
names a question's arrays and a time limit; a line of standard output says what became of it.

The program is built as OMLT documents it: a NetworkDefinition of dense layers with bounds of the
inputs, a ReluBigMFormulation, z as objective. Every other bound is OMLT's own, from intervals; with
``--bounds`` those that come with the question are put on the pre-activations first.
"""

import json
import logging
import sys
import time
from typing import Any

import numpy as np
import pyomo.environ as pyo
from omlt import OmltBlock
from omlt.neuralnet import FullSpaceNNFormulation, NetworkDefinition, ReluBigMFormulation
from omlt.neuralnet.layer import DenseLayer, InputLayer
from omlt.neuralnet.layers.full_space import full_space_dense_layer
from pyomo.contrib.appsi.solvers import Highs


def program(held: dict[str, Any], given: bool) -> Any:
    """Return the program of a question; z is to be made as large as possible."""
    sides = zip(held["lower"].tolist(), held["upper"].tolist(), strict=True)
    network = NetworkDefinition(scaled_input_bounds=dict(enumerate(sides)))
    before = InputLayer([held["lower"].size])
    network.add_layer(before)
    depth = int(held["layers"])
    limits: dict[int, tuple[list[float], list[float]]] = {}
    for at in range(depth):
        weight, bias = held[f"weight{at}"], held[f"bias{at}"]
        what = "linear" if at == depth - 1 else "relu"
        layer = DenseLayer(
            [weight.shape[1]], [weight.shape[0]], weight.T.copy(), bias, activation=what
        )
        network.add_layer(layer)
        network.add_edge(before, layer)
        limits[id(layer)] = held[f"low{at}"].tolist(), held[f"high{at}"].tolist()
        before = layer

    def bounded(net_block: Any, net: Any, layer_block: Any, layer: Any) -> None:
        full_space_dense_layer(net_block, net, layer_block, layer)
        for place, low, high in zip(layer.output_indexes, *limits[id(layer)], strict=True):
            z = layer_block.zhat[place]
            z.setlb(max(z.lb, low))
            z.setub(min(z.ub, high))

    model = pyo.ConcreteModel()
    model.net = OmltBlock()
    if given:
        own = {DenseLayer: bounded}
        model.net.build_formulation(FullSpaceNNFormulation(network, layer_constraints=own))
    else:
        model.net.build_formulation(ReluBigMFormulation(network))
    model.most = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
    return model


def answer(asked: dict[str, Any], given: bool) -> dict[str, Any]:
    """Return what became of one question."""
    with np.load(asked["file"]) as file:
        held = dict(file)
    began, spent = time.perf_counter(), time.process_time()
    model = program(held, given)
    built = time.perf_counter()
    solver = Highs()
    solver.config.time_limit = max(asked["limit"] - (built - began), 0.01)
    solver.config.load_solution = False
    solver.highs_options["threads"] = 1
    found = solver.solve(model)
    point: list[float] = []
    if found.best_feasible_objective is not None:
        found.solution_loader.load_vars()
        point = [pyo.value(model.net.inputs[at]) for at in range(held["lower"].size)]
    ended = time.perf_counter()
    return {
        "bound": found.best_objective_bound,
        "point": point,
        "note": found.termination_condition.name,
        "build": built - began,
        "seconds": ended - began,
        "cpu": time.process_time() - spent,
    }


def main() -> None:
    """Answer until there is nothing more asked."""
    given = "--bounds" in sys.argv
    # It warns of the value 0 that OMLT gives an input whose box is elsewhere.
    logging.getLogger("pyomo").setLevel(logging.ERROR)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), given)), flush=True)


if __name__ == "__main__":
    main()
