"""Polynomials and cases."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.claim import MOST_CASES, Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.errors import InputError

SIZE = 3
numbers = st.integers(-16, 16).map(lambda n: Fraction(n, 8))
values = st.lists(numbers, min_size=SIZE, max_size=SIZE)
monomials = st.lists(st.integers(0, SIZE - 1), max_size=3).map(lambda m: tuple(sorted(m)))
polynomials = st.dictionaries(monomials, numbers, max_size=4).map(Polynomial)


@given(polynomials, polynomials, numbers, values)
def test_sums_and_products_are_those_of_the_values(left, right, factor, place):
    x, y = left.at(place), right.at(place)
    assert left.plus(right, factor).at(place) == x + factor * y
    assert left.times(right).at(place) == x * y
    assert left.times(right).degree <= left.degree + right.degree
    assert all(left.plus(right, factor).terms.values())


@given(polynomials, values)
def test_a_polynomial_s_parts_make_it_up(form, place):
    linear = sum((slope * place[at] for at, slope in form.slopes.items()), form.offset)
    if form.degree <= 1:
        assert linear == form.at(place)
    assert form.variables >= form.slopes.keys()
    assert Polynomial.constant(3).at(place) == 3
    assert Polynomial.variable(1).at(place) == place[1]
    assert form.plus(form, -1).terms == {}


@given(st.lists(st.lists(st.tuples(polynomials, st.booleans()), max_size=3), max_size=3), values)
def test_a_claim_holds_where_all_atoms_of_some_case_do(drawn, place):
    cases = tuple(tuple(Atom(form, strict) for form, strict in case) for case in drawn)
    tensors = (Tensor("x", 0, Part.INPUT, "real", (SIZE,), 0),)
    claim = Claim((Declared("f"),), tensors, cases)
    wanted = [[f.at(place) < 0 if strict else f.at(place) <= 0 for f, strict in c] for c in drawn]
    assert claim.holds(place) == any(all(case) for case in wanted)
    assert claim.size == SIZE
    assert claim.of(0, Part.INPUT) == tensors
    assert claim.of(0, Part.OUTPUT) == ()


def test_a_claim_of_too_many_cases_is_refused():
    tensors = (Tensor("x", 0, Part.INPUT, "real", (), 0),)
    with pytest.raises(InputError, match="split it"):
        Claim((Declared("f"),), tensors, ((),) * (MOST_CASES + 1), "big.vnnlib")
