"""Runs on a local Ray cluster of several nodes, in a process of their own; prints JSON."""

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the nodes read the tests' modules too

import ray
from ray.cluster_utils import Cluster
from slicing_runs import cells, work

from secateur.slicing.run_ray import cluster
from secateur.slicing.schedule import Limits, run
from secateur.slicing.work import Done

COUNT = 150
ODD = {5: ("raise", 5), 11: ("die", 1), 20: ("hang", 1), 33: ("lambda", 1)}


def main():
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    others = [nodes.add_node(num_cpus=1) for _ in range(2)]
    nodes.wait_for_nodes()
    found, said = {}, {}

    def record(ended):
        """Note the outcomes; halfway, take a node away without a word to its workers."""
        found.update({one.cell.id: one for one in ended})
        if len(found) > COUNT // 2 and "nodes" not in said:
            said["nodes"] = alive()
            nodes.remove_node(others[0], allow_graceful=False)

    payloads = {index: ("pause", (index, 0.05)) for index in range(COUNT)} | ODD
    limits = Limits(batch=8, seconds=2.0, batch_seconds=3.0)
    tally = run(cells(COUNT, payloads), cluster(work(), 3, nodes.address), limits, record)
    said["done"] = tally.done
    said["odd"] = {index: type(found[index].outcome).__name__ for index in ODD}
    said["again"] = sum(one.attempts > 1 for one in found.values())
    said["same"] = all(
        found[index].outcome == Done(3 * index) for index in range(COUNT) if index not in ODD
    )
    print(json.dumps(said), flush=True)
    nodes.shutdown()


def alive():
    return sum(node["Alive"] for node in ray.nodes())


if __name__ == "__main__":
    main()
