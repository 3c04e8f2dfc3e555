"""auto_LiRPA as a process: what it is asked and what is read of it; it is not installed here."""

import sys
from pathlib import Path

import numpy as np
import pytest
from formed import dense
from hypothesis import given
from strategies import dense_networks, graph_networks

from secateur.benchmarks.peers import lirpa
from secateur.engine.errors import InputError, SolverError
from secateur.engine.network import State
from secateur.engine.stages import stages

DRIVER = """
import json, sys
import numpy as np
asked = dict(np.load(sys.argv[1]))
told = json.loads(str(asked["told"]))
assert told["options"] == {"iteration": 3, "lr_alpha": 0.1} and told["batch"] == 2, told
low = asked["lower"] @ asked["weight0"].T + asked["bias0"]
np.savez(sys.argv[2], lower=low, upper=low + 1, seconds=[3.0, 1.0, 2.0], cpu_seconds=[5.0],
         version=["9", "8"])
"""
"""Stands for the driver: what it is asked comes back."""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    path = tmp_path / "driver.py"
    path.write_text(DRIVER)
    monkeypatch.setattr(lirpa, "DRIVER", path)
    monkeypatch.setattr(lirpa, "_python", lambda: Path(sys.executable))


def test_weights_and_boxes_reach_the_process_and_its_bounds_come_back(driver):
    network, boxes = dense(0), np.arange(12.0).reshape(4, 3)
    run = lirpa.bounds(
        network, boxes, boxes + 1, steps=3, batch=2, repeats=3, options={"lr_alpha": 0.1}
    )
    first = stages(network).stages[1]
    np.testing.assert_array_equal(run.lower, boxes @ first.edges[0].weight.T + first.bias)
    assert (run.seconds, run.cpu_seconds) == (2.0, 5.0)
    assert run.version.startswith("auto_LiRPA 9")
    assert "torch 8" in run.version


def test_a_process_that_fails_is_an_error_with_its_last_words(driver):
    boxes = np.zeros((1, 3))
    with pytest.raises(SolverError, match="AssertionError"):
        lirpa.bounds(dense(0), boxes, boxes)


@given(dense_networks())
def test_a_chain_is_taken_apart_exactly(network):
    point = np.full(network.size_in, 0.375)
    values = point
    layers = lirpa.chain(network)
    for k, (weight, bias) in enumerate(layers):
        values = weight @ values + bias
        values = np.maximum(values, 0.0) if k + 1 < len(layers) else values
    np.testing.assert_allclose(values, network.evaluate(point[None])[0], rtol=1e-9, atol=1e-9)


@given(graph_networks())
def test_other_graphs_are_refused(network):
    found = stages(network).stages
    chained = all(
        [edge.source for edge in stage.edges] == [k]
        and (stage.layer.state == (State.RELU if k + 2 < len(found) else State.IDENTITY)).all()
        for k, stage in enumerate(found[1:])
    )
    if chained:
        lirpa.chain(network)
        return
    with pytest.raises(InputError, match="chain of ReLUs"):
        lirpa.chain(network)
