"""Claims about two networks, against what they say in words."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import points
from twins import twins

from secateur.engine.agreement import Best, same_best, within
from secateur.engine.errors import InputError, RegionError
from secateur.engine.network import Network
from secateur.engine.question import ask
from secateur.engine.region import Region

eighth = st.integers(0, 16).map(lambda n: Fraction(n, 8))
BOX = -np.ones(2), np.ones(2)


def held(claim, networks, place):
    """Return whether a point is a counterexample, and both networks' exact outputs there."""
    inputs = [Fraction(float(value)) for value in place]
    x, y = (network.evaluate(place, exact=True).tolist() for network in networks)
    return claim.holds([*inputs, *x, *inputs, *y]), x, y


@given(data=st.data())
@settings(max_examples=40)
def test_a_distance_is_kept_or_not(data):
    pair = data.draw(twins(depth=1, outputs=2))
    chosen = data.draw(st.sampled_from([None, [0], [1], [1, 0]]))
    for place in data.draw(points(BOX, count=3)):
        x, y = (network.evaluate(place, exact=True).tolist() for network in pair)
        apart = max(abs(x[at] - y[at]) for at in chosen or range(2))
        for epsilon in (apart, apart + Fraction(1, 10**30), apart - Fraction(1, 10**30)):
            if epsilon < 0:
                continue
            claim = within(*pair, Region.box(*BOX), epsilon, chosen)
            assert held(claim, pair, place)[0] == (apart > epsilon)


@pytest.mark.parametrize("best", Best)
@given(data=st.data())
@settings(max_examples=40)
def test_the_best_output_is_kept_or_not(best, data):
    pair = data.draw(twins(depth=1, outputs=3))
    band = data.draw(eighth)
    claim = same_best(*pair, Region.box(*BOX), best, band)
    sign = 1 if best is Best.MAX else -1
    for place in data.draw(points(BOX, count=4)):
        found, x, y = held(claim, pair, place)
        x, y = [sign * v for v in x], [sign * v for v in y]
        leads = [i for i in range(3) if all(x[i] - x[j] > band for j in range(3) if j != i)]
        assert found == any(y[j] > y[i] for i in leads for j in range(3))


@given(data=st.data())
@settings(max_examples=15)
def test_points_outside_the_region_or_of_two_minds_are_no_counterexamples(data):
    pair = data.draw(twins(depth=1))
    region = Region.box([0, 0], [Fraction(1, 3), 1])
    claim = within(*pair, region, 0)
    assert ask(claim, pair).size == 2
    for x0, x1, other in ((Fraction(1, 3) + Fraction(1, 10**20), 0, 0), (-1, 0, 0), (0, 0, 1)):
        x = [Fraction(x0), Fraction(x1)]
        y = [x[0], x[1] + other]
        values = [*x, Fraction(9), Fraction(9), *y, Fraction(-9), Fraction(9)]
        assert not claim.holds(values)
    corner = [Fraction(1, 3), Fraction(1)]
    assert claim.holds([*corner, Fraction(9), Fraction(9), *corner, Fraction(-9), Fraction(9)])


def dense(inputs, outputs):
    return Network.dense([np.ones((outputs, inputs))], [np.zeros(outputs)])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda r: within(dense(2, 2), dense(3, 2), r, 1), InputError, "2 inputs, built has 3"),
        (lambda r: within(dense(2, 2), dense(2, 1), r, 1), InputError, "2 outputs, built has 1"),
        (lambda r: within(dense(3, 2), dense(3, 2), r, 1), RegionError, "limits 2 inputs"),
        (lambda r: within(dense(2, 2), dense(2, 2), r, -1), InputError, "at least 0"),
        (lambda r: within(dense(2, 2), dense(2, 2), r, 1, [2]), InputError, "outputs 0 to 1"),
        (lambda r: within(dense(2, 2), dense(2, 2), r, 1, []), InputError, "at least one"),
        (lambda r: same_best(dense(2, 1), dense(2, 1), r), InputError, "single output"),
        (lambda r: same_best(dense(2, 2), dense(2, 2), r, Best.MIN, -1), InputError, "band"),
    ],
)
def test_what_cannot_be_compared_is_said(make, error, words):
    with pytest.raises(error, match=words):
        make(Region.box(*BOX))
