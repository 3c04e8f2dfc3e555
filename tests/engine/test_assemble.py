from fractions import Fraction

import numpy as np
import pytest
from hypothesis import currently_in_test_context, given, reject, settings
from hypothesis import strategies as st
from oracle import extremes, reach
from strategies import dense_networks, networks_with_boxes, points, uneven_networks

from secateur.encodings.program import Sense
from secateur.engine.assemble import BigM, Partitioned, Triangle, assemble
from secateur.engine.errors import InputError
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Sum
from secateur.engine.operators import Convolution, Dense
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.highs import Highs

EXACT = [BigM(), Partitioned(2)]
some = settings(max_examples=100)


def optimum(assembly, index, sense, program=None):
    """The solver's optimum of one value of the target; not proved."""
    vector, constant, _ = assembly.row(index)
    program = assembly.program if program is None else program
    outcome = Highs().solve(program.with_objective(vector, constant, sense), Options())
    # HiGHS gives up on a badly scaled program now and then, and says so: no answer, no test.
    if outcome.status is Status.FAILED and currently_in_test_context():
        reject()
    assert outcome.status is Status.OPTIMAL
    return outcome.objective


def ends(assembly, index, program=None):
    return [optimum(assembly, index, sense, program) for sense in Sense]


@pytest.mark.parametrize("relu", EXACT, ids=str)
@some
@given(data=st.data())
def test_at_a_fixed_input_the_program_is_the_network(relu, data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    point = data.draw(points((lower, upper), 1))[0]
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, network.output, relu)
    fixed = assembly.program.with_limits(assembly.inputs, point, point)
    for index, value in enumerate(network.evaluate(point)):
        assert ends(assembly, index, fixed) == pytest.approx([value, value], rel=1e-6, abs=1e-6)


@some
@given(st.data())
def test_the_encodings_agree_with_the_oracle_and_relaxations_are_wider(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    truth = extremes(network, lower, upper, network.output)
    bounds = reach(network, lower, upper)
    for relu in (BigM(), Partitioned(2), Triangle()):
        assembly = assemble(network, lower, upper, bounds, network.output, relu)
        for index, (least, most) in enumerate(truth):
            found = ends(assembly, index)
            assert found[0] <= float(least) + 1e-6
            assert found[1] >= float(most) - 1e-6
            if relu != Triangle():
                assert found == pytest.approx([float(least), float(most)], rel=1e-6, abs=1e-6)


@some
@given(st.data())
def test_relaxed_partitions_are_at_most_as_wide_as_relaxed_big_m(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    bounds = reach(network, lower, upper)
    found = []
    for relu in (Triangle(), BigM(), Partitioned(3)):
        assembly = assemble(network, lower, upper, bounds, network.output, relu)
        found.append(ends(assembly, 0, assembly.program.relaxed()))
    triangle, big_m, partition = found
    assert big_m == pytest.approx(triangle, rel=1e-6, abs=1e-6)
    assert partition[0] >= triangle[0] - 1e-6
    assert partition[1] <= triangle[1] + 1e-6


@some
@given(st.data())
def test_the_true_activations_satisfy_the_program_in_exact_arithmetic(data):
    network, (lower, upper) = data.draw(networks_with_boxes())
    point = data.draw(points((lower, upper), 1))[0]
    bounds = reach(network, lower, upper)
    truth = network.trace_exact(point)
    for relu in (Triangle(), BigM()):
        assembly = assemble(network, lower, upper, bounds, network.output, relu)
        columns = exact_columns(network, assembly, truth)
        if columns is None:
            continue
        for expression, name in ((e, n) for n, e in assembly.values.items()):
            for at, value in enumerate(truth[name].fractions()):
                total = Fraction(float(expression.constant[at]))
                for weight, column in zip(expression.matrix[at], expression.columns, strict=True):
                    total += Fraction(float(weight)) * columns[column]
                assert abs(value - total) <= Fraction(float(expression.error[at])), name
        rows = assembly.program.rows
        for row in range(rows.count):
            entries = slice(rows.starts[row], rows.starts[row + 1])
            total = sum(
                (
                    Fraction(float(value)) * columns[column]
                    for value, column in zip(
                        rows.values[entries], rows.columns[entries], strict=True
                    )
                ),
                Fraction(0),
            )
            assert not total < rows.lower[row]
            assert not total > rows.upper[row]


def exact_columns(network, assembly, truth):
    """Every column's value where the network has the exact activations `truth`.

    None where a neuron that is no ReLU of open phase has a column of its own.
    """
    open_ = assembly.unstable
    known = {int(c): v for c, v in zip(assembly.inputs, truth["input"].fractions(), strict=True)}
    for at, (node, neuron) in enumerate(zip(open_.node, open_.neuron, strict=True)):
        z = truth[network.by_name[node].sources[0]].fractions()[neuron]
        known[int(open_.positive[at])] = max(z, Fraction(0))
        known[int(open_.negative[at])] = max(-z, Fraction(0))
        if open_.phase.size:
            known[int(open_.phase[at])] = Fraction(z > 0)
    return known if len(known) == assembly.program.size else None


def wide_network(sizes, seed=0):
    generator = np.random.default_rng(seed)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense(
        [generator.normal(size=pair) for pair in pairs],
        [generator.normal(size=pair[0]) for pair in pairs],
    )


def test_stable_neurons_cost_no_row():
    network = wide_network([3, 20, 20, 2])
    lower, upper = np.full(3, -0.05), np.full(3, 0.05)
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, network.output)
    open_ = [((low < 0) & (high > 0)).sum() for low, high in (bounds["affine1"], bounds["affine2"])]
    assert 0 < sum(open_) < 20
    assert assembly.program.rows.count == 2 * sum(open_)
    assert assembly.program.size == 3 + 2 * sum(open_)
    assert len(assembly.unstable.node) == sum(open_)


def test_active_neurons_get_columns_where_substitution_would_fill_the_program():
    network = wide_network([30, 8, 40, 1])
    bias = np.array([60.0, 60.0, *np.zeros(6)])
    network = network.with_layers(
        {"affine1": Affine(network.by_name["affine1"].layer.operator, bias)}
    )
    lower, upper = np.full(30, -0.5), np.full(30, 0.5)
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, network.output, BigM())
    open_ = len(assembly.unstable.node)
    assert assembly.program.size == 30 + 3 * open_ + 2
    for point in np.random.default_rng(1).uniform(lower, upper, (5, 30)):
        fixed = assembly.program.with_limits(assembly.inputs, point, point)
        value = float(network.evaluate(point)[0])
        assert ends(assembly, 0, fixed) == pytest.approx([value, value], rel=1e-6)


@pytest.mark.parametrize("relu", [Triangle(), BigM(), Partitioned(2)], ids=str)
def test_a_neuron_that_hardly_passes_zero_counts_as_stable_at_the_price_of_its_reach(relu):
    network = Network.dense(
        [[[1.0], [1.0], [1.0], [2e-10]], [[1.0, 2.0, 3.0, 1.0]]],
        [[1.0 - 1e-10, -2.0 + 1e-10, 0.5, 0.0], [0.0]],
    )
    lower, upper = np.array([-1.0]), np.array([2.0])
    assembly = assemble(network, lower, upper, reach(network, lower, upper), "affine2", relu)
    assert assembly.unstable.neuron.tolist() == [2]
    error = assembly.row(0)[2]
    assert 3e-10 <= error <= 4e-9
    for x in (-1.0, -0.9999999999, 0.0, 1.9999999999, 2.0):
        truth = network.evaluate(np.array([x]), exact=True)[0]
        fixed = assembly.program.with_limits(assembly.inputs, np.array([x]), np.array([x]))
        least, most = ends(assembly, 0, fixed)
        assert least - error - 1e-9 <= truth <= most + error + 1e-9


@some
@given(st.data())
def test_no_coefficient_is_small_enough_for_a_solver_to_drop(data):
    network, (lower, upper) = data.draw(networks_with_boxes(uneven_networks()))
    bounds = reach(network, lower, upper)
    for relu in (Triangle(), BigM(), Partitioned(2)):
        rows = assemble(network, lower, upper, bounds, network.output, relu).program.rows
        if relu != Triangle():
            assert (np.abs(rows.values) > 1e-9).all()


def test_only_ancestors_of_the_target_are_encoded():
    network = wide_network([2, 5, 5, 1])
    lower, upper = -np.ones(2), np.ones(2)
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, "affine2")
    assert set(assembly.unstable.node) == {"relu1"}
    assert set(assembly.values) == {"input", "affine1", "relu1", "affine2"}
    assert assemble(network, lower, upper, {}, "affine1").program.rows.count == 0


@given(dense_networks(depth=1, outputs=1), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_the_order_of_neurons_does_not_matter(network, random):
    first, last = (network.by_name[name].layer for name in ("affine1", "affine2"))
    order = list(range(first.size))
    random.shuffle(order)
    turned = Network.dense(
        [first.operator.weight[order], last.operator.weight[:, order]],
        [first.bias[order], last.bias],
    )
    lower, upper = -np.ones(2), np.ones(2)
    found = [
        ends(assemble(net, lower, upper, reach(net, lower, upper), "affine2", BigM()), 0)
        for net in (network, turned)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6, abs=1e-6)


def test_a_convolution_is_encoded_as_its_matrix():
    generator = np.random.default_rng(3)
    kernel = Convolution(generator.normal(size=(2, 1, 2, 2)), (1, 3, 3), padding=(1, 0, 0, 1))
    size = kernel.size_out
    head = Affine(Dense(generator.normal(size=(1, size))), np.zeros(1))

    def build(operator):
        nodes = (
            Node("input", Input((1, 3, 3))),
            Node("first", Affine(operator, np.full(size, 0.1)), ("input",)),
            Node("kink", Piecewise.relu(size), ("first",)),
            Node("output", head, ("kink",)),
        )
        return Network(nodes, "output")

    lower, upper = np.full(9, -0.5), np.full(9, 0.5)
    found, entries = [], []
    for network in (build(kernel), build(Dense(kernel.matrix()))):
        bounds = reach(network, lower, upper)
        assembly = assemble(network, lower, upper, bounds, "output", BigM())
        found.append(ends(assembly, 0))
        entries.append(assembly.program.rows.values.size)
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    assert entries[0] == entries[1] < 9 * size


def test_a_value_read_twice_is_one_coefficient():
    nodes = (
        Node("input", Input((1,))),
        Node("kink", Piecewise.relu(1), ("input",)),
        Node("sum", Sum(1), ("kink", "kink")),
        Node("last", Piecewise.relu(1), ("sum",)),
        Node("output", Sum(1), ("last", "input")),
    )
    network = Network(nodes, "output")
    lower, upper = np.array([-1.0]), np.array([2.0])
    bounds = reach(network, lower, upper)
    assembly = assemble(network, lower, upper, bounds, "output", BigM())
    assert ends(assembly, 0) == pytest.approx([-1.0, 6.0])


class TestRefusals:
    network = wide_network([2, 3, 1])
    box = -np.ones(2), np.ones(2)

    def refuse(self, message, bounds=None, target="affine2", box=None):
        known = reach(self.network, *self.box) if bounds is None else bounds
        with pytest.raises(InputError, match=message):
            assemble(self.network, *(self.box if box is None else box), known, target)

    def broken(self, lower, upper):
        low, high = (values.copy() for values in reach(self.network, *self.box)["affine1"])
        low[1], high[1] = lower, upper
        return {**reach(self.network, *self.box), "affine1": (low, high)}

    def test_an_unknown_target(self):
        self.refuse("affine9 is no node", target="affine9")

    def test_missing_bounds(self):
        self.refuse("affine1 has no bounds", bounds={})

    @pytest.mark.parametrize(
        ("lower", "upper"), [(-np.inf, 1.0), (-1.0, np.inf), (np.nan, 1.0), (2.0, 1.0)]
    )
    def test_bounds_that_bound_nothing(self, lower, upper):
        self.refuse("value 1 has the bounds", bounds=self.broken(lower, upper))

    def test_bounds_of_another_size(self):
        wrong = {"affine1": (np.zeros(2), np.ones(2))}
        self.refuse("3 values", bounds=wrong)

    def test_a_box_of_another_size(self):
        self.refuse("2 values", box=(np.zeros(3), np.ones(3)))

    def test_an_unbounded_or_inverted_box(self):
        self.refuse("value 0", box=(np.array([-np.inf, 0.0]), np.ones(2)))
        self.refuse("value 1", box=(np.array([0.0, 2.0]), np.ones(2)))
