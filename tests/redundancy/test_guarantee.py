"""Guarantees: the slack agrees with the definition, and with the claim that is proved."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secateur.engine.agreement import Best
from secateur.engine.errors import InputError
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.redundancy.guarantee import RESERVE, Outputs, SameBest, shown

sixteenths = st.integers(-32, 32).map(lambda n: Fraction(n, 16))
outputs = st.integers(2, 4).flatmap(
    lambda n: st.tuples(*[st.lists(sixteenths, min_size=n, max_size=n)] * 2)
)
REGION = Region.box([0.0], [1.0])


def constant(values):
    """Return a network of these outputs."""
    bias = np.array([float(value) for value in values])
    return Network.dense([np.zeros((len(values), 1))], [bias])


def broken(guarantee, f, g, room=Fraction(0)):
    """Return whether a guarantee is broken by outputs, by its claim."""
    claim = guarantee.claim(constant(f), constant(g), REGION, room)
    return claim.holds([Fraction(1, 2), *f, Fraction(1, 2), *g])


def floats(values):
    return np.array([[float(value) for value in values]])


@given(outputs, sixteenths.map(abs), st.sampled_from([None, *Best]))
def test_exact_outputs_break_it_where_the_claim_says_so(drawn, size, best):
    guarantee = Outputs(size) if best is None else SameBest(best, size)
    assert guarantee.broken(*drawn) == broken(guarantee, *drawn)


@given(outputs, sixteenths.map(abs))
def test_outputs_that_are_to_stay_break_it_where_they_are_farther_than_the_tolerance(drawn, size):
    f, g = drawn
    guarantee = Outputs(size)
    far = max(abs(a - b) for a, b in zip(f, g, strict=True))
    assert broken(guarantee, f, g) is (far > size)
    slack = guarantee.slack(floats(f), floats(g))
    assert slack.shape == (1,)
    expected = (1 - RESERVE) * float(size) - float(far)
    assert slack[0] == pytest.approx(expected, abs=1e-12)
    if slack[0] >= 1e-12:
        assert not broken(guarantee, f, g)
    if slack[0] < -RESERVE * float(size) - 1e-12:
        assert broken(guarantee, f, g)


@given(outputs, sixteenths.map(abs), st.sampled_from(list(Best)))
def test_the_best_output_breaks_it_where_another_one_passes_it(drawn, band, best):
    f, g = drawn
    guarantee = SameBest(best, band)
    sign = 1 if best is Best.MAX else -1
    order = sorted(range(len(f)), key=lambda i: -sign * f[i])
    lead = sign * (f[order[0]] - f[order[1]])
    other = max(sign * g[i] for i in range(len(g)) if i != order[0])
    kept = sign * g[order[0]] - other
    assert broken(guarantee, f, g) is (lead > band and kept < 0)
    winner, found = guarantee.leads(floats(f))
    assert found[0] == float(lead)
    if lead > 0:
        assert winner[0] == order[0]
    slack = guarantee.slack(floats(f), floats(g))[0]
    if lead <= band:  # nothing is asked
        assert slack == np.inf
    else:
        assert slack == pytest.approx(float(kept) - RESERVE * float(lead - band), abs=1e-12)
        if slack < -RESERVE * float(lead - band) - 1e-12:
            assert broken(guarantee, f, g)
        if slack >= 1e-12:
            assert not broken(guarantee, f, g)


@given(
    outputs,
    st.sampled_from([Outputs(Fraction(1, 2)), SameBest(Best.MIN), SameBest(Best.MAX, Fraction(1))]),
    st.data(),
)
def test_what_is_proved_with_room_still_holds_when_outputs_move_by_it(drawn, guarantee, data):
    f, g = drawn
    room = Fraction(1, 8)
    assume(not broken(guarantee, f, g, room))
    moves = data.draw(st.lists(st.sampled_from([-room, 0, room]), min_size=len(g), max_size=len(g)))
    assert not broken(guarantee, f, [a + b for a, b in zip(g, moves, strict=True)])


@given(outputs, st.sampled_from([Outputs(Fraction(1, 2)), SameBest(Best.MIN)]))
def test_several_networks_are_judged_as_each_of_them(drawn, guarantee):
    f, g = floats(drawn[0]), floats(drawn[1])
    some = np.stack([g, f, -g])
    together = guarantee.slack(f, some)
    assert together.shape == (3, 1)
    for one, alone in zip(together, some, strict=True):
        assert one == guarantee.slack(f, alone)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=1000))
def test_a_tolerance_is_shown_no_smaller_than_it_is(value):
    assert value <= Fraction(shown(value)) <= value * (1 + Fraction(1, 2**50))
    assert shown(value) in Outputs(value).text()
    assert shown(value) in SameBest(Best.MAX, value).text()


def test_decimals_are_shown_as_they_were_typed():
    for text in ("0.01", "0.5", "1e-06", "1"):
        assert shown(Fraction(text)) == text
    assert shown(Fraction("0.12349")) == "0.12349"


def test_the_words_promise_no_more_than_the_claim():
    # g ties everywhere: it prefers no other output, but it does not choose f's either.
    f, g = [Fraction(0), Fraction(1)], [Fraction(0), Fraction(0)]
    guarantee = SameBest(Best.MAX)
    assert not broken(guarantee, f, g)
    assert "prefers no other output to the original's argmax" in guarantee.text()
    assert guarantee.slack(floats(f), floats(g))[0] < 0  # what is chosen keeps a lead
    assert Outputs().text() == "equals the original"


def test_what_makes_no_sense_is_refused():
    for make in (lambda: Outputs(Fraction(-1)), lambda: SameBest(Best.MAX, Fraction(-1, 100))):
        with pytest.raises(InputError, match="0"):
            make()
    single = Network.dense([np.ones((1, 2))], [np.zeros(1)])
    with pytest.raises(InputError, match="single output, so there is no argmin"):
        SameBest(Best.MIN).fit(single)
    Outputs().fit(single)
    assert Outputs().exact
    assert SameBest(Best.MAX).exact
    assert not Outputs(Fraction(1)).exact
    assert not SameBest(Best.MAX, Fraction(1)).exact
