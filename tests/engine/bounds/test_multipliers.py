from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import cells, fractions, greatest, reach
from strategies import networks_with_boxes, points

from secateur.encodings.relu import Phase
from secateur.engine.assemble import assemble
from secateur.engine.bounds.leaves import Leaves
from secateur.engine.bounds.multipliers import Aim, Spread
from secateur.engine.network import Network


def leaves_of(network, box):
    bounds = reach(network, *box)
    unstable = assemble(network, *box, bounds, network.output).unstable
    judge = lambda low, _: low[:, 0]  # noqa: E731
    return Leaves(network, *box, bounds, unstable, network.output, judge), unstable


def least_of_the_worst(network, box, aim):
    """The exact least over the box of the greatest form."""
    best = None
    for cell in cells(network, *box):
        walls = [([*slope, Fraction(0)], side) for slope, side in cell.walls]
        for row, factor, limit in zip(aim.rows, aim.factors, aim.limits, strict=True):
            line, k = cell.values[network.output][row], Fraction(float(factor))
            slope = [k * a for a in line.slope]
            walls.append(([*slope, Fraction(1)], k * (Fraction(float(limit)) - line.constant)))
        big = Fraction(10**6)
        low, high = (
            [*fractions(side), sign * big] for side, sign in zip(box, (-1, 1), strict=True)
        )
        found = greatest([*[Fraction(0)] * len(box[0]), Fraction(1)], walls, low, high)
        if found is not None:
            best = -found[0] if best is None else min(best, -found[0])
    return best


@settings(max_examples=40)
@given(st.data(), networks_with_boxes(), st.booleans())
def test_leaves_are_only_dropped_where_no_point_meets_the_forms(data, case, strict):
    network, box = case
    leaves, unstable = leaves_of(network, box)
    rows = np.arange(data.draw(st.integers(1, network.size_out)))
    middle = network.evaluate(0.5 * box[0] + 0.5 * box[1])
    shift = data.draw(st.sampled_from([-2.0, -0.5, 0.0, 0.5]))
    aim = Aim(rows, np.full(rows.size, 0.5), middle[rows] + shift, strict)
    seen = []

    def attempt(some):
        seen.append(some)
        return False

    count = len(unstable.node)
    search = Spread(network, *box, network.output, aim, leaves, count, attempt)
    done = search.search(200, lambda: False)
    least = least_of_the_worst(network, box, aim)
    met = least < 0 or (least == 0 and not strict)
    if met:
        assert search.open or search.rest
    if done and not search.rest:
        assert not met
    for some in seen:
        assert (box[0] <= some).all()
        assert (some <= box[1]).all()


@settings(max_examples=40)
@given(st.data(), networks_with_boxes())
def test_bounds_of_a_leaf_hold_at_every_point_that_has_its_phases(data, case):
    network, box = case
    leaves, unstable = leaves_of(network, box)
    count = len(unstable.node)
    choice = st.sampled_from([0, 0, 1, -1])
    phase = np.array([[data.draw(choice) for _ in range(count)]], np.int8).reshape(1, count)
    refined = leaves(phase)
    for point in data.draw(points(box, 6)):
        trace = {name: v.fractions() for name, v in network.trace_exact(point).items()}
        z = [
            trace[network.by_name[name].sources[0]][at]
            for name, at in zip(unstable.node, unstable.neuron.tolist(), strict=True)
        ]
        if any((f == 1 and v < 0) or (f == -1 and v > 0) for f, v in zip(phase[0], z, strict=True)):
            continue
        assert not refined.empty[0]
        for at, value in enumerate(z):
            assert max(value, 0) <= refined.positive[0, at]
            assert max(-value, 0) <= refined.negative[0, at]
            assert not (refined.phase[0, at] == Phase.ACTIVE and value < 0)
            assert not (refined.phase[0, at] == Phase.INACTIVE and value > 0)
        assert trace[network.output][0] >= refined.bound[0]


def test_weights_that_vanish_exclude_nothing():
    """A sum of forms with multipliers 0 is 0 everywhere and says nothing, strict or not."""
    network = Network.dense([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    box = np.array([-1.0]), np.array([1.0])
    leaves, unstable = leaves_of(network, box)
    aim = Aim(np.array([0]), np.array([2.0**-1070]), np.array([0.5]), True)
    count = len(unstable.node)
    search = Spread(network, *box, "affine2", aim, leaves, count, lambda some: False)
    search.open[0].weights[:] = 2.0**-100
    search.search(20, lambda: False)
    assert search.open or search.rest
