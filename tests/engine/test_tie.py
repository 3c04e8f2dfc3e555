import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import reach
from questions import met, question_of
from strategies import boxes, points

from secateur.encodings.program import Sense
from secateur.engine.assemble import BigM, Triangle, assemble
from secateur.engine.bounds.neuron import Effort
from secateur.engine.errors import InputError
from secateur.engine.milp import decide_by_milp
from secateur.engine.milp_phases import decide_by_phases
from secateur.engine.network import Affine, Network
from secateur.engine.pair import merge
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs
from secateur.engine.tie import Tie, tied
from secateur.engine.verdict import Proved, Refuted, Unknown

ROUNDING = 1e-9
"""Far above the rounding of `differences`, which is plain float64."""


def similar(seed, sizes, change):
    """A network and one whose weights differ by up to `change`."""
    generator = np.random.default_rng(seed)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [generator.normal(size=pair) for pair in pairs]
    biases = [generator.normal(size=pair[0]) for pair in pairs]
    others = [w + generator.uniform(-change, change, w.shape) for w in weights]
    return Network.dense(weights, biases), Network.dense(others, biases)


def differences(first, second, lower, upper):
    """The ties of the merged network's layers, by interval arithmetic on differences."""
    merged = merge(first, second)
    ends = reach(second, lower, upper)
    low = high = np.zeros(lower.size)
    ties = []
    for node in first.nodes:
        if not isinstance(node.layer, Affine):
            if node.sources and node.name in merged.first:
                place, other = merged.first[node.name], merged.second[node.name]
                indices = place.indices, other.indices
                ties.append(Tie(place.node, other.node, *indices, low, high))
                low, high = np.minimum(low, 0), np.maximum(high, 0)
            continue
        weight, moved = node.layer.operator.weight, second.by_name[node.name].layer
        change = weight - moved.operator.weight
        below, above = (np.asarray(end) for end in ends[node.sources[0]])
        low, high = (
            np.minimum(weight * low, weight * high).sum(axis=1)
            + np.minimum(change * below, change * above).sum(axis=1)
            + (node.layer.bias - moved.bias)
            - ROUNDING,
            np.maximum(weight * low, weight * high).sum(axis=1)
            + np.maximum(change * below, change * above).sum(axis=1)
            + (node.layer.bias - moved.bias)
            + ROUNDING,
        )
    return merged.network, ties


def optimum(assembly, index, sense, program):
    vector, constant, _ = assembly.row(index)
    outcome = Highs().solve(program.with_objective(vector, constant, sense), Options())
    assert outcome.status is Status.OPTIMAL
    return outcome.objective


@settings(max_examples=20)
@given(st.data(), st.integers(0, 10**6), st.sampled_from([0.0, 1e-3, 0.3]))
def test_with_ties_the_program_is_still_the_network_and_its_relaxation_no_wider(data, seed, change):
    first, second = similar(seed, [2, 4, 3, 2], change)
    lower, upper = data.draw(boxes(2))
    network, ties = differences(first, second, lower, upper)
    bounds = reach(network, lower, upper)
    point = data.draw(points((lower, upper), 1))[0]
    for relu in (BigM(), Triangle()):
        plain = assemble(network, lower, upper, bounds, network.output, relu)
        more = tied(network, plain, bounds, ties)
        for index, value in enumerate(network.evaluate(point)):
            fixed = more.program.with_limits(more.inputs, point, point)
            found = [optimum(more, index, sense, fixed) for sense in Sense]
            if relu == BigM():
                assert found == pytest.approx([value, value], abs=1e-6)
            assert found[0] - 1e-6 <= value <= found[1] + 1e-6
            loose = [optimum(plain, index, sense, plain.program.relaxed()) for sense in Sense]
            tight = [optimum(more, index, sense, more.program.relaxed()) for sense in Sense]
            assert tight[0] >= loose[0] - 1e-6
            assert tight[1] <= loose[1] + 1e-6


def test_ties_make_the_relaxed_difference_far_smaller():
    first, second = similar(7, [3, 8, 8, 2], 1e-3)
    lower, upper = -np.ones(3), np.ones(3)
    network, ties = differences(first, second, lower, upper)
    bounds = reach(network, lower, upper)
    plain = assemble(network, lower, upper, bounds, network.output)
    more = tied(network, plain, bounds, ties)
    loose, tight = (optimum(a, 0, Sense.MAXIMIZE, a.program) for a in (plain, more))
    assert tight < 0.1 * loose


def asking(first, second, lower, upper, limit):
    """Whether the two differ by at least `limit` in an output; the merged network is one file."""
    network, ties = differences(first, second, lower, upper)
    cases = [[([sign, 0], limit, False)] for sign in (1, -1)]
    question = question_of(network, (lower.tolist(), upper.tolist()), cases)
    renamed = [
        Tie(f"0:{tie.first}", f"0:{tie.second}", tie.one, tie.other, tie.lower, tie.upper)
        for tie in ties
    ]
    return question, lambda _: renamed


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([1e-3, 0.1]), st.sampled_from([0.01, 0.1, 1.0]))
def test_verdicts_with_ties_are_the_oracle_s(seed, change, limit):
    first, second = similar(seed, [2, 3, 2], change)
    question, ties = asking(first, second, -np.ones(2), np.ones(2), limit)
    for decide in (decide_by_phases, decide_by_milp):
        match decide(question, ties=ties, slopes=0).verdict:
            case Unknown():
                pass
            case verdict:
                assert isinstance(verdict, Refuted) == met(question)


def test_ties_save_programs():
    first, second = similar(7, [3, 10, 10, 2], 1e-3)
    question, ties = asking(first, second, -np.ones(3), np.ones(3), 0.1)
    with_ties = decide_by_phases(question, Effort(programs=300), ties=ties)
    without = decide_by_phases(question, Effort(programs=300), by_programs=True)
    assert isinstance(with_ties.verdict, Proved)
    assert with_ties.programs < 0.5 * without.programs


class TestRefusals:
    network = Network.dense([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    index = np.array([0])

    def tie(self, first, one, low=-1.0, high=1.0):
        return Tie(first, "relu1", one, np.array([1]), np.array([low]), np.array([high]))

    def test_crossed_or_infinite_bounds(self):
        for low, high in ((1.0, 0.0), (-np.inf, 0.0), (np.nan, 1.0)):
            with pytest.raises(InputError, match=r"relu1\[0\] and relu1\[1\]"):
                self.tie("relu1", self.index, low, high)

    def test_arrays_of_other_lengths(self):
        with pytest.raises(InputError, match="one entry for each pair"):
            self.tie("relu1", np.array([0, 1]))

    def test_ties_of_what_is_no_neuron(self):
        lower, upper = -np.ones(2), np.ones(2)
        bounds = reach(self.network, lower, upper)
        assembly = assemble(self.network, lower, upper, bounds, "affine2")
        for tie, message in (
            (self.tie("affine1", self.index), "no layer of activations"),
            (self.tie("nothing", self.index), "no layer of activations"),
            (self.tie("relu1", np.array([5])), "does not have"),
            (self.tie("relu1", self.index, 7.0, 8.0), "contradicts"),
        ):
            with pytest.raises(InputError, match=message):
                tied(self.network, assembly, bounds, [tie])

    def test_a_layer_that_the_target_does_not_need_gives_no_row(self):
        lower, upper = -np.ones(2), np.ones(2)
        bounds = reach(self.network, lower, upper)
        assembly = assemble(self.network, lower, upper, bounds, "affine1")
        more = tied(self.network, assembly, bounds, [self.tie("relu1", self.index)])
        assert more.program.rows.count == assembly.program.rows.count


def test_a_shared_neuron_is_not_tied_to_itself():
    network = Network.dense([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    lower, upper = -np.ones(2), np.ones(2)
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, "affine2")
    none = np.zeros(2)
    tie = Tie("relu1", "relu1", np.arange(2), np.arange(2), none, none)
    assert tied(network, assembly, bounds, [tie]).program.rows.count == assembly.program.rows.count
