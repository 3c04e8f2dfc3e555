"""The staged form computes what its network computes, bit for bit in rationals."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, graph_networks, points

from secateur.engine.exact import Exact, piecewise, total
from secateur.engine.network import Network
from secateur.engine.stages import stages


def run(staged, point):
    """Return all stages' pre-activations at a point, as Fractions."""
    values, before = [Exact.of(np.array(point, dtype=object))], []
    for stage in staged.stages[1:]:
        parts = [Exact.of(stage.bias)]
        for edge in stage.edges:
            weight, source = Exact.of(edge.weight), values[edge.source]
            product = weight.numerators @ source.numerators
            parts.append(Exact(product, weight.denominator * source.denominator))
        z = total(parts)
        before.append(z.fractions().tolist())
        layer = stage.layer
        values.append(piecewise(layer.state, layer.slope, layer.intercept, z))
    return before


@given(st.data())
def test_stages_equal_their_network_in_rationals(data):
    network = data.draw(graph_networks())
    some = data.draw(points(data.draw(boxes(network.size_in)), count=3))
    staged = stages(network)
    for point in some:
        before = run(staged, [Fraction(value) for value in point.tolist()])
        trace = network.trace_exact(point)
        assert before[-1] == trace[network.output].fractions().tolist()
        for node in network.piecewise:
            wanted = trace[node.sources[0]].fractions().tolist()
            assert before[staged.of[node.name] - 1] == wanted


@given(st.data())
def test_a_layer_that_is_the_output_keeps_its_own_stage(data):
    network = data.draw(graph_networks().filter(lambda one: one.piecewise))
    last = data.draw(st.sampled_from(network.piecewise))
    head = Network(network.nodes, last.name)
    staged = stages(head)
    for node in head.piecewise:
        assert staged.stages[staged.of[node.name]].activation == node.name
    point = data.draw(points(data.draw(boxes(network.size_in)), count=1))[0]
    before = run(staged, [Fraction(value) for value in point.tolist()])
    assert before[staged.output - 1] == head.trace_exact(point)[last.name].fractions().tolist()
