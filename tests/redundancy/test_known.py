"""Phases that are known before the work begins: they stand, and what is found beside is true."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import boxes, dense_networks

from secateur.engine.network import Network, State
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted
from secateur.redundancy.finding import Finding
from secateur.redundancy.known import SEEN, KnownLayer
from secateur.redundancy.phase import Effort, decide_phases
from secateur.slicing.phases import Effort as Together
from secateur.slicing.phases import decide_cells

EFFORT = Effort(seconds=20.0, samples=64, starts=4, climbs=4, boxes=64, programs=4, workers=1)


def known_of(network, region):
    """Return what bounding cells together says of one cell."""
    found = decide_cells(
        network,
        region.lower[None],
        region.upper[None],
        Together(points=64, most_points=64, boxes=0, workers=1),
    )
    out, first = {}, 0
    for name, size in found.layers:
        here = slice(first, first := first + size)
        out[name] = KnownLayer(found.state[0, here], found.how[0, here], found.refuted[0, here])
    return out


@settings(max_examples=25)
@given(st.data())
def test_what_is_known_stands_and_what_is_found_beside_it_is_true(data):
    network = data.draw(dense_networks())
    lower, upper = data.draw(boxes(network.size_in))
    region = Region.box(lower, upper)
    if region.is_point:
        return
    known = known_of(network, region)
    phases = decide_phases(network, region, EFFORT, known=known)
    plain = decide_phases(network, region, EFFORT)
    sources = {node.name: node.sources[0] for node in network.piecewise}
    truth = {name: extremes(network, lower, upper, node) for name, node in sources.items()}
    assert [(f.layer, f.neuron) for f in phases.findings] == [
        (f.layer, f.neuron) for f in plain.findings
    ]
    for one in phases.findings:
        before = known[one.layer]
        low, high = truth[one.layer][one.neuron]
        assert one.lower <= low
        assert high <= one.upper
        if before.how[one.neuron] >= 0:
            assert isinstance(one.verdict, Proved)
            assert one.state == before.state[one.neuron]
        elif before.refuted[one.neuron]:
            assert one.verdict is SEEN
            assert one.state == State.RELU
            assert low < 0 < high
        if one.state == State.ZERO:
            assert high <= 0
        if one.state == State.IDENTITY:
            assert low >= 0


@settings(max_examples=20)
@given(st.data())
def test_knowing_nothing_changes_nothing(data):
    network = data.draw(dense_networks())
    lower, upper = data.draw(boxes(network.size_in))
    region = Region.box(lower, upper)
    if region.is_point:
        return
    one, two = (decide_phases(network, region, EFFORT, known=known) for known in (None, {}))
    assert list(map(brief, one.findings)) == list(map(brief, two.findings))


def brief(finding: Finding) -> tuple[object, ...]:
    """Return a finding without its witnesses."""
    kind = type(finding.verdict) if isinstance(finding.verdict, Proved | Refuted) else None
    return finding.layer, finding.neuron, finding.state, kind, finding.lower, finding.upper


def test_a_layer_of_which_nothing_is_said_is_searched():
    network = data_network()
    region = Region.box([-1.0, -1.0], [1.0, 1.0])
    known = known_of(network, region)
    first = next(iter(known))
    found = decide_phases(network, region, EFFORT, known={first: known[first]})
    assert {one.layer for one in found.findings} == set(known)


def data_network():
    rng = np.random.default_rng(1)
    sizes = (2, 4, 4, 1)
    shapes = list(zip(sizes[1:], sizes, strict=False))
    return Network.dense([rng.normal(size=s) for s in shapes], [np.zeros(s[0]) for s in shapes])
