import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes, reach
from strategies import boxes, networks, networks_with_boxes, numbers, points, uneven_networks

from secateur.engine.bounds.levels import choose, narrow
from secateur.engine.bounds.packed import LOWER, UPPER, pack
from secateur.engine.bounds.points import BLOCK, doubts, look
from secateur.engine.errors import RegionError
from secateur.engine.formats import load
from secateur.engine.network import Network, Piecewise, State
from secateur.engine.stages import stages
from secateur.slicing.phases import Effort, decide_cells

LITTLE = Effort(points=0, most_points=0, boxes=6, growth=3, most_boxes=20, workers=1)
SOME = Effort(points=64, most_points=256, boxes=16, growth=4, most_boxes=64, workers=1)
MUCH = Effort(points=64, most_points=256, boxes=64, growth=8, most_boxes=4096, workers=1)


def halves(lower, upper):
    """Cut a box at the middle of every input: ``(cells, inputs)`` corners."""
    middle = 0.5 * (lower + upper)
    ways = list(itertools.product((False, True), repeat=lower.size))
    low = np.array([np.where(way, middle, lower) for way in ways])
    high = np.array([np.where(way, upper, middle) for way in ways])
    return low, high


def exact(network, lower, upper):
    """Give the exact least and greatest pre-activation of every neuron over a box."""
    return [
        ends
        for node in network.piecewise
        for ends in extremes(network, lower, upper, node.sources[0])
    ]


def assert_true(network, lower, upper, found):
    own = [state for node in network.piecewise for state in node.layer.state]
    for cell in range(len(lower)):
        for at, (least, most) in enumerate(exact(network, lower[cell], upper[cell])):
            state = found.state[cell, at]
            if not found.proved[cell, at]:
                assert state == own[at]
            elif state == State.ZERO:
                assert most <= 0
            else:
                assert state == State.IDENTITY
                assert least >= 0
            if found.refuted[cell, at]:
                assert least < 0 < most
            if not found.asked[at]:
                assert not found.proved[cell, at]
                assert not found.open[cell, at]


@pytest.mark.parametrize("effort", [LITTLE, SOME], ids=["without points", "with points"])
@settings(max_examples=40)
@given(case=networks_with_boxes())
def test_what_is_found_agrees_with_enumeration_in_rationals(effort, case):
    network, box = case
    cells = halves(*box)
    assert_true(network, *cells, decide_cells(network, *cells, effort))


@settings(max_examples=25)
@given(case=networks_with_boxes(uneven_networks()))
def test_it_agrees_where_numbers_spread_over_many_orders(case):
    network, (lower, upper) = case
    cells = lower[None], upper[None]
    assert_true(network, *cells, decide_cells(network, *cells, SOME))


@settings(max_examples=30)
@given(case=networks_with_boxes(), power=st.sampled_from([-300, -60, 30, 60, 150, 350]))
def test_it_agrees_where_numbers_are_huge_or_tiny(case, power):
    network, (lower, upper) = case
    scale = 2.0**power
    cells = halves(lower * scale, upper * scale)
    assert_true(network, *cells, decide_cells(network, *cells, SOME))


def test_numbers_too_large_to_be_bounded_leave_neurons_open():
    huge = 1e200
    network = Network.dense(
        [[[huge], [-huge]], [[huge, 1.0], [1.0, huge]], [[1.0, 1.0]]], [[0, 0], [0, 1], [0]]
    )
    found = decide_cells(network, np.array([[-1.0]]), np.array([[1.0]]), SOME)
    assert not found.proved[0, 2:].any()
    assert found.open[0, 2:].all()


def test_a_tie_at_zero_is_never_refuted():
    # x, -x; |x| - |x| and 0: the first two touch zero at the end of a cell, the others are zero.
    network = Network.dense(
        [[[1.0], [-1.0]], [[1.0, 1.0], [0.0, 0.0]], [[1.0, 1.0]]], [[0, 0], [0, 0], [0]]
    )
    cells = np.array([[0.0], [-1.0]]), np.array([[1.0], [0.0]])
    found = decide_cells(network, *cells, SOME)
    assert not found.refuted.any()
    assert_true(network, *cells, found)


@settings(max_examples=15)
@given(case=networks_with_boxes())
def test_much_effort_decides_all_but_ties_and_rare_signs(case):
    network, box = case
    cells = halves(*box)
    found = decide_cells(network, *cells, MUCH)
    assert_true(network, *cells, found)
    for cell in range(len(cells[0])):
        ends = exact(network, cells[0][cell], cells[1][cell])
        size = max([1.0, *(float(max(abs(a), abs(b))) for a, b in ends)])
        for at, (least, most) in enumerate(ends):
            if found.asked[at] and (most < -1e-2 * size or least > 1e-2 * size):
                assert found.proved[cell, at]


@settings(max_examples=25)
@given(case=networks_with_boxes())
def test_more_effort_never_loses_what_was_proved(case):
    network, box = case
    cells = halves(*box)
    less, more = (
        decide_cells(network, *cells, Effort(64, most_points=64, most_boxes=most, workers=1))
        for most in (64, 512)
    )
    assert (more.proved | ~less.proved).all()
    assert (more.refuted | ~less.refuted).all()


@settings(max_examples=20)
@given(case=networks_with_boxes(), turn=st.integers(0, 3))
def test_a_cell_does_not_depend_on_its_company_or_the_workers(case, turn):
    network, box = case
    lower, upper = halves(*box)
    order = np.roll(np.arange(len(lower)), turn)
    whole = decide_cells(network, lower[order], upper[order], SOME)
    two = decide_cells(
        network, lower, upper, Effort(points=64, most_points=256, boxes=16, growth=4, most_boxes=64)
    )
    for at, cell in enumerate(order):
        alone = decide_cells(network, lower[[cell]], upper[[cell]], SOME)
        for name in ("state", "how", "refuted", "boxes", "points"):
            assert np.array_equal(getattr(alone, name)[0], getattr(whole, name)[at])
            assert np.array_equal(getattr(alone, name)[0], getattr(two, name)[cell])


def seen_at(network, box, point):
    """Give the signs that a point of a box shows, layer by layer."""
    staged = stages(network)
    net = pack(staged)
    total, last = int(net.offset[-1]), len(net.sizes) - 2
    low, high = np.full(total, -np.inf), np.full(total, np.inf)
    bounds = reach(network, *box)
    for stage, begin in zip(staged.stages, net.offset, strict=False):
        low[begin : begin + stage.size], high[begin : begin + stage.size] = bounds[stage.name]
    doubt, seen = np.zeros(total), np.zeros(total, np.uint8)
    doubts(net, low, high, last, doubt)
    values = np.zeros(total * BLOCK)
    values[: point.size * BLOCK] = np.repeat(point, BLOCK)
    look(net, values, doubt, last, seen)
    starts = [net.offset[staged.of[node.name]] for node in network.piecewise]
    return [
        seen[start : start + node.size]
        for start, node in zip(starts, network.piecewise, strict=True)
    ]


@settings(max_examples=40)
@given(case=networks_with_boxes(st.one_of(networks, uneven_networks())), data=st.data())
def test_a_sign_is_seen_only_where_it_is_the_sign_in_rationals(case, data):
    network, box = case
    point = data.draw(points(box, 1))[0]
    trace = network.trace_exact(np.array([Fraction(float(x)) for x in point], dtype=object))
    for node, seen in zip(network.piecewise, seen_at(network, box, point), strict=True):
        truth = trace[node.sources[0]]
        for at in range(node.size):
            sign = Fraction(int(truth.numerators[at]), truth.denominator)
            assert not seen[at] & UPPER or sign > 0
            assert not seen[at] & LOWER or sign < 0
            if abs(sign) > 1e-6:
                assert seen[at] == (UPPER if sign > 0 else LOWER)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_sign_that_rounding_made_is_not_seen(order):
    # 2**53 + 1 - 2**53 is 1; in float64 it is 0 where the large numbers do not meet first. The
    # first layer shows it in its own sum, the second in what it reads.
    row = np.array([2.0**53, 1.0, -(2.0**53)])[list(order)]
    network = Network.dense(
        [[[*row, -0.5], [*row, 0.0]], [[0.0, 1.0]], [[1.0]]], [[0.0, 0.0], [-0.5], [0.0]]
    )
    point = np.ones(4)
    for seen in seen_at(network, (point, point), point):
        assert not (seen & LOWER).any()


@settings(max_examples=150)
@given(data=st.data(), size=st.integers(1, 3), questions=st.integers(1, 3))
def test_what_is_cut_off_a_part_is_settled_by_the_planes(data, size, questions):
    box = data.draw(boxes(size))
    ends = np.sort(data.draw(points(box, 2)), axis=0)
    some = data.draw(numbers())
    plane, reach_ = some(questions, size), np.abs(some(questions)) + 2.0**-20
    new, left = np.zeros((2, size)), np.zeros(questions, np.uint8)
    neurons, open_ = np.arange(questions), np.ones(questions, np.uint8)
    kept = narrow(reach_, plane, *box, *ends, neurons, open_, *new, left)
    assert kept == left.any()
    if kept:
        assert (ends[0] <= new[0]).all()
        assert (new[0] <= new[1]).all()
        assert (new[1] <= ends[1]).all()

    def greatest(question, low, high):
        """Give the plane's greatest value over a part of the box, exactly."""
        total = Fraction(float(reach_[question]))
        for a, start, end, x, y in zip(plane[question], *box, low, high, strict=True):
            far = Fraction(end) - Fraction(y) if a > 0 else Fraction(x) - Fraction(start)
            total -= abs(Fraction(a)) * far
        return total

    for question in range(questions):
        if not left[question]:
            assert greatest(question, *ends) <= 0
            continue
        for at in range(size):
            below, above = ends.copy(), ends.copy()
            below[1, at], above[0, at] = new[0, at], new[1, at]
            if new[0, at] > ends[0, at]:
                assert greatest(question, *below) <= 0
            if new[1, at] < ends[1, at]:
                assert greatest(question, *above) <= 0


def test_a_box_between_neighbouring_numbers_stays_open():
    # x - 1 - y / 2**53 with y = 1 is below zero at 1 and above it at the next number.
    network = Network.dense([[[1.0, -(2.0**-53)]], [[1.0]]], [[-1.0], [0.0]])
    lower, upper = np.array([[1.0, 1.0]]), np.array([[np.nextafter(1.0, 2.0), 1.0]])
    found = decide_cells(network, lower, upper, SOME)
    assert found.open.all()


def test_without_time_nothing_is_claimed():
    network = Network.dense([[[1.0], [1.0]], [[1.0, 1.0]]], [[2, 2], [0]])
    found = decide_cells(network, np.zeros((3, 1)), np.ones((3, 1)), Effort(seconds=-1.0))
    assert found.open.all()
    assert [step.cells for step in found.steps[:2]] == [0, 0]


def test_states_of_linearised_neurons_are_kept_and_never_asked_about():
    network = Network.dense([[[1.0], [1.0], [1.0]], [[1.0, 1.0, 1.0]]], [[2, 2, -3], [0]])
    layer = Piecewise(np.array([State.LINEAR, State.RELU, State.RELU]), np.ones(3), np.ones(3))
    found = decide_cells(
        network.with_layers({"relu1": layer}), np.zeros((1, 1)), np.ones((1, 1)), SOME
    )
    assert found.state.tolist() == [[State.LINEAR, State.IDENTITY, State.ZERO]]
    assert found.asked.tolist() == [False, True, True]
    assert found.by_layer() == {"relu1": (1.0, 0.0, 0.0)}


def test_no_cells_and_no_neurons_are_no_trouble():
    network = Network.dense([[[1.0]]], [[0.0]])
    assert decide_cells(network, np.zeros((2, 1)), np.ones((2, 1))).state.shape == (2, 0)
    network = Network.dense([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    found = decide_cells(network, np.zeros((0, 1)), np.ones((0, 1)))
    assert found.state.shape == (0, 1)
    assert found.by_layer() == {"relu1": (0.0, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("lower", "upper", "word"),
    [
        (np.zeros((1, 2)), np.ones((1, 2)), r"shapes \(1, 2\)"),
        (np.zeros(1), np.ones(1), r"shapes \(1,\)"),
        (np.zeros((1, 1)), np.ones((2, 1)), r"and \(2, 1\)"),
        (np.array([[0.0], [2.0]]), np.ones((2, 1)), "cell 1: input 0 goes from 2 to 1"),
        (np.array([[-np.inf]]), np.ones((1, 1)), "finite"),
        (np.array([[np.nan]]), np.ones((1, 1)), "finite"),
    ],
)
def test_bad_cells_are_refused(lower, upper, word):
    network = Network.dense([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    with pytest.raises(RegionError, match=word):
        decide_cells(network, lower, upper)


def test_cells_of_an_acas_network(data):
    network = load(data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx")
    rng = np.random.default_rng(7)
    least = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5])
    width = (np.array([0.679857769, 0.5, 0.5, 0.5, 0.5]) - least) / 8
    lower = least + rng.integers(0, 8, (6, 5)) * width
    told = []
    found = decide_cells(
        network,
        lower,
        lower + width,
        Effort(seconds=1e6, most_boxes=512, workers=2),
        lambda *words: told.append(words),
    )
    assert [step.name for step in found.steps] == ["interval", "linear", "split 64", "split 512"]
    assert told[-1][1] == told[-1][2]
    assert not (found.proved & found.refuted).any()
    assert found.proved.sum() > 0.95 * (~found.refuted).sum()
    for cell in range(6):
        values = network.trace(rng.uniform(lower[cell], lower[cell] + width, (4000, 5)))
        z = np.concatenate([values[node.sources[0]] for node in network.piecewise], axis=1)
        assert (z[:, found.state[cell] == State.ZERO] <= 0).all()
        assert (z[:, found.state[cell] == State.IDENTITY] >= 0).all()


def test_rounds_before_the_last_are_for_a_time_limit():
    assert Effort(boxes=64, most_boxes=512).rounds == (512,)
    assert Effort(seconds=9.0, boxes=64, most_boxes=512).rounds == (64, 512)
    assert Effort(boxes=0).rounds == ()


@pytest.mark.parametrize("way", [choose, choose.py_func], ids=["compiled", "plain"])
def test_questions_on_hundreds_of_boxes_are_given_up_where_few_boxes_are_left(way):
    open_, active = np.zeros((400, 2), np.uint8), np.ones(2, np.uint8)
    open_[:, 0], open_[:5, 1] = 1, 1
    way(open_, 400, active, 500)
    assert active.tolist() == [0, 1]
    assert open_.sum() == 5
