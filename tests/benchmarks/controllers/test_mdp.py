"""The decision process: chances, geometry and the solution itself."""

import cmath
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.benchmarks.controllers.encounter import CHANCES, Advisory, Costs, Encounter
from secateur.benchmarks.controllers.mdp import Grid, solve, transition

SMALL = Grid(np.array([0.0, 400.0, 1000.0, 3000.0, 9000.0]), 8, 8)


@pytest.mark.parametrize("advisory", list(Advisory))
@pytest.mark.parametrize("speeds", [(200.0, 200.0), (500.0, 0.0)])
def test_chances_are_non_negative_and_sum_to_one(advisory, speeds):
    matrix = transition(SMALL, Encounter(*speeds), advisory)
    assert matrix.shape == (SMALL.size, SMALL.size)
    assert matrix.data.min() >= 0.0
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=0.0, atol=1e-12)


@given(
    distance=st.floats(0.0, 9000.0),
    bearing=st.floats(-math.pi, math.pi, exclude_max=True),
    heading=st.floats(-math.pi, math.pi, exclude_max=True),
)
@settings(max_examples=100, deadline=None)
def test_the_corners_mean_gives_back_the_point(distance, bearing, heading):
    point = [np.array([value]) for value in (distance, bearing, heading)]
    axes = np.meshgrid(*SMALL.axes(), indexing="ij")
    total, mean, turns = 0.0, 0.0, 0.0
    for index, weight in SMALL.corners(*point):
        assert 0.0 <= weight[0] <= 1.0
        total += weight[0]
        mean += weight[0] * axes[0].ravel()[index[0]]
        gap = bearing - axes[1].ravel()[index[0]]
        turns += weight[0] * (math.remainder(gap, math.tau))
    assert total == pytest.approx(1.0, abs=1e-12)
    assert mean == pytest.approx(distance, abs=1e-6)
    assert turns == pytest.approx(0.0, abs=1e-9)


def test_flying_head_on_closes_at_both_speeds():
    after = Encounter(200.0, 150.0).moved(
        np.array([1000.0]), np.array([0.0]), np.array([-np.pi]), 0.0, 0.0
    )
    np.testing.assert_allclose([x[0] for x in after], [650.0, 0.0, -np.pi], atol=1e-9)


def test_a_quarter_turn_follows_the_arc():
    # A quarter circle to the left: radius = speed / rate, so one radius ahead and one left.
    rate = np.pi / 2.0
    encounter = Encounter(100.0 * rate, 0.0)
    distance, bearing, heading = encounter.moved(
        np.array([100.0]), np.array([0.0]), np.array([0.0]), rate, 0.0
    )
    # The intruder stood 100 ft ahead; it is now 100 ft to the right of where we are, behind us.
    assert distance[0] == pytest.approx(100.0)
    assert abs(bearing[0]) == pytest.approx(np.pi)
    assert heading[0] == pytest.approx(-np.pi / 2.0)


def spread(ranges, count, position, heading):
    """Yield (range index, bearing index, heading index, weight) of a complex position."""
    distance = min(abs(position), ranges[-1])
    low = max(i for i in range(len(ranges) - 1) if ranges[i] <= distance)
    share = (distance - ranges[low]) / (ranges[low + 1] - ranges[low])
    sides = [[(low, 1.0 - share), (low + 1, share)]]
    for angle in (cmath.phase(position), heading):
        place = (angle + math.pi) / math.tau * count
        below = math.floor(place)
        part = place - below
        sides.append([(below % count, 1.0 - part), ((below + 1) % count, part)])
    for (i, u), (j, v), (k, w) in itertools.product(*sides):
        yield i, j, k, u * v * w


def brute_force(ranges, count, encounter, costs, time, dwell, discount):
    """Return the scores by plain loops over states, advisories and turn rates."""
    choices = costs.table()
    states = list(itertools.product(range(len(ranges)), range(count), range(count)))
    values = {(p, s): 0.0 for p in Advisory for s in states}
    scores = {}
    for step in range(dwell + time):
        level = step < dwell
        for previous, state in itertools.product(Advisory, states):
            distance = ranges[state[0]]
            bearing, heading = (-math.pi + math.tau * n / count for n in state[1:])
            hoped = dict.fromkeys(Advisory, 0.0)
            turns = itertools.product(
                zip(encounter.own_rates(previous), CHANCES, strict=True),
                zip(encounter.intruder_rates(), CHANCES, strict=True),
            )
            for (own, own_chance), (other, other_chance) in turns:
                intruder = cmath.rect(distance, bearing) + arc(
                    encounter.intruder_speed, heading, other
                )
                position = (intruder - arc(encounter.own_speed, 0.0, own)) * cmath.rect(1.0, -own)
                turned = heading + other - own
                for i, j, k, weight in spread(ranges, count, position, turned):
                    for chosen in Advisory:
                        chance = own_chance * other_chance * weight
                        hoped[chosen] += chance * values[chosen, (i, j, k)]
            for chosen in Advisory:
                score = discount * hoped[chosen] - choices[previous, chosen]
                if level:
                    score -= costs.nmac * (distance < encounter.nmac_range)
                    score -= costs.intrusion * max(0.0, 1.0 - distance / costs.well_clear)
                scores[previous, state, chosen] = score
        values = {(p, s): max(scores[p, s, a] for a in Advisory) for p in Advisory for s in states}
    shape = (len(Advisory), len(ranges), count, count, len(Advisory))
    order = itertools.product(Advisory, states, Advisory)
    return np.array([scores[key] for key in order]).reshape(shape)


def arc(speed, heading, rate):
    """Return the way flown in one second, as the integral of speed over a turning heading."""
    if rate == 0.0:
        return cmath.rect(speed, heading)
    return speed / (1j * rate) * (cmath.rect(1.0, heading + rate) - cmath.rect(1.0, heading))


def test_the_solution_agrees_with_brute_force():
    ranges, count = [0.0, 300.0, 800.0, 2000.0], 4
    encounter, costs = Encounter(200.0, 150.0), Costs(alert=0.01)
    wanted = brute_force(ranges, count, encounter, costs, time=2, dwell=2, discount=0.9)
    grid = Grid(np.array(ranges), count, count)
    found = solve(grid, encounter, costs, (2,), dwell=2, discount=0.9)[2]
    np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-12)


def test_later_times_do_not_change_earlier_ones():
    both = solve(SMALL, Encounter(), Costs(), (0, 3), dwell=5)
    alone = solve(SMALL, Encounter(), Costs(), (0,), dwell=5)
    np.testing.assert_array_equal(both[0], alone[0])
    assert not np.array_equal(both[0], both[3])


def test_choosing_costs_what_the_table_says():
    costs = Costs()
    table = costs.table()
    assert table[Advisory.WL, Advisory.COC] == -costs.clear_reward
    assert table[Advisory.COC, Advisory.SR] == costs.strong + costs.alert
    assert table[Advisory.WL, Advisory.WR] == costs.weak + costs.reverse
    assert table[Advisory.SL, Advisory.WL] == costs.weak + costs.weaken
    assert table[Advisory.WR, Advisory.SR] == costs.strong + costs.strengthen
    assert table[Advisory.SR, Advisory.SR] == costs.strong


@pytest.mark.parametrize(
    "wrong", [{"times": ()}, {"times": (-1,)}, {"dwell": 0}, {"discount": 1.5}, {"discount": 0.0}]
)
def test_a_senseless_horizon_is_refused(wrong):
    with pytest.raises(ValueError, match="solve: times"):
        solve(SMALL, Encounter(), Costs(), **wrong)


@pytest.mark.parametrize("ranges", [[1.0, 2.0], [0.0, 2.0, 2.0], [0.0], [0.0, math.nan]])
def test_ranges_out_of_order_are_refused(ranges):
    with pytest.raises(ValueError, match="ranges must increase"):
        Grid(np.array(ranges), 8, 8)


@pytest.mark.parametrize(
    "wrong", [{"own_speed": 0.0}, {"intruder_speed": -1.0}, {"step": math.inf}]
)
def test_senseless_encounters_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Encounter(**wrong)


@pytest.mark.parametrize("wrong", [{"nmac": -1.0}, {"well_clear": 0.0}, {"alert": math.nan}])
def test_senseless_costs_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Costs(**wrong)
