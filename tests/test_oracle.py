from fractions import Fraction
from itertools import product

import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st
from oracle import cells, extremes, greatest, reach


@given(st.data())
def test_the_exact_optimum_is_the_best_vertex(data):
    size, count = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 4))
    whole = st.integers(-3, 3).map(Fraction)
    row = st.lists(whole, min_size=size, max_size=size)
    walls = [(data.draw(row), data.draw(whole)) for _ in range(count)]
    goal = data.draw(row)
    low, high = [Fraction(-1)] * size, [Fraction(2)] * size
    every = list(walls)
    for at in range(size):
        unit = [Fraction(at == other) for other in range(size)]
        every += [(unit, Fraction(2)), ([-u for u in unit], Fraction(1))]
    vertices = []
    for chosen in product(range(len(every)), repeat=size):
        point = _meeting([every[at] for at in chosen])
        if point is not None and all(_dot(a, point) <= b for a, b in every):
            vertices.append(_dot(goal, point))
    found = greatest(goal, walls, low, high)
    assert (found is None) == (not vertices)
    if found is not None:
        value, point = found
        assert value == max(vertices) == _dot(goal, point)
        assert all(_dot(a, point) <= b for a, b in every)


def _dot(left, right):
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def _meeting(walls):
    """Return the one point on all the walls, by Cramer's rule, or None."""
    rows = [wall[0] for wall in walls]
    below = _determinant(rows)
    if below == 0:
        return None
    sides = [wall[1] for wall in walls]
    return [
        _determinant(
            [[*row[:at], side, *row[at + 1 :]] for row, side in zip(rows, sides, strict=True)]
        )
        / below
        for at in range(len(rows))
    ]


def _determinant(rows):
    if not rows:
        return Fraction(1)
    rest = [[*row[:0], *row[1:]] for row in rows]
    return sum(
        (-1) ** at * rows[at][0] * _determinant(rest[:at] + rest[at + 1 :])
        for at in range(len(rows))
    )


@given(st.data())
def test_extremes_hold_every_sample_and_lie_in_reach(data):
    network, box = data.draw(strategies.networks_with_boxes())
    samples = network.trace(data.draw(strategies.points(box, 20)))[network.output]
    lower, upper = reach(network, *box)[network.output]
    for at, (least, most) in enumerate(extremes(network, *box, network.output)):
        assert least <= most
        assert lower[at] <= least
        assert most <= upper[at]
        assert (samples[:, at] >= float(least) - 1e-9).all()
        assert (samples[:, at] <= float(most) + 1e-9).all()


@given(st.data())
def test_the_line_of_a_point_s_cell_is_the_network_there(data):
    network, box = data.draw(strategies.networks_with_boxes())
    point = data.draw(strategies.points(box, 1))[0]
    exact = [Fraction(float(x)) for x in point]
    values = network.evaluate(point, exact=True)
    found = 0
    for cell in cells(network, *box):
        if all(_dot(slope, exact) <= side for slope, side in cell.walls):
            lines = cell.values[network.output]
            assert [_dot(line.slope, exact) + line.constant for line in lines] == list(values)
            found += 1
    assert found
    assert np.isfinite(box[0]).all()
