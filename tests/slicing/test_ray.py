"""Ray: a local cluster of three nodes, one of which is taken away halfway."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from slicing_runs import work

from secateur.engine.errors import UnsupportedError
from secateur.slicing.run_ray import cluster

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_a_cluster_gives_the_right_results_though_a_node_goes():
    done = subprocess.run(
        [sys.executable, str(TESTS / "slicing_on_ray.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    said = json.loads(done.stdout.decode().splitlines()[-1])
    assert said["nodes"] == 3
    assert said["same"]
    assert said["done"] == 146
    assert said["odd"] == {"5": "Failed", "11": "Quarantined", "20": "Late", "33": "Failed"}


def test_without_ray_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        cluster(work(), 1)
