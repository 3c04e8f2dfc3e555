"""Claims written as VNN-LIB files come back as themselves."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.errors import UnsupportedError
from secateur.engine.formats.sexpr import parse
from secateur.engine.formats.vnnlib_claims import claim_of, read_claim
from secateur.engine.formats.vnnlib_write import claim_script, write_claim

ONE = """\
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
"""
TWO = """\
(vnnlib-version <2.0>)
(declare-network f
    (declare-input X Real [1,2])
    (declare-hidden H float32 [2] "inside")
    (declare-output Y float32 [])
)
"""
HALVES = st.integers(-4, 4).map(lambda n: Fraction(n, 2))


def claim(text, file="query.vnnlib"):
    return claim_of(parse(text, file))


NUMBERS = st.fractions(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(Fraction)
DECIMALS = st.decimals(-(10**6), 10**6, places=6).map(Fraction) | st.floats(-1e9, 1e9).map(Fraction)


@st.composite
def claims(draw, numbers=DECIMALS):
    """A claim as a file gives it: nothing constant, nothing twice."""
    networks, tensors, first = [], [], 0
    for network in range(draw(st.integers(1, 3))):
        copy = network and draw(st.booleans())
        networks.append(Declared(f"n{network}", *(("isomorphic-to", 0) if copy else ())))
        parts = [Part.INPUT, Part.HIDDEN, Part.OUTPUT]
        for part in parts[:: 2 if draw(st.booleans()) else 1]:
            shape = draw(st.sampled_from([(), (1,), (2,), (1, 2)])) if not copy else (2,)
            element = draw(st.sampled_from(["real", "float32", "int64"]))
            shape = (2,) if part is not Part.HIDDEN else shape
            node = "node" if part is Part.HIDDEN else None
            name = f"{part.name[0]}{network}"
            tensors.append(Tensor(name, network, part, element, shape, first, node))
            first += tensors[-1].size
    variables = st.integers(0, first - 1)
    monomials = st.lists(variables, min_size=1, max_size=3).map(lambda v: tuple(sorted(v)))
    forms = st.builds(
        lambda terms, offset: Polynomial(terms | {(): offset}),
        st.dictionaries(monomials, numbers.filter(bool), min_size=1, max_size=3),
        numbers,
    )
    atoms = st.builds(Atom, forms, st.booleans())
    cases = draw(st.lists(st.lists(atoms, max_size=4).map(unique), max_size=4))
    return Claim(tuple(networks), tuple(tensors), unique(cases, frozenset_of), "file")


def unique(items, key=lambda item: (tuple(item.form.terms.items()), item.strict)):
    return tuple({key(item): item for item in items}.values())


def frozenset_of(case):
    return frozenset((tuple(atom.form.terms.items()), atom.strict) for atom in case)


@settings(max_examples=60)
@given(claims())
def test_a_written_claim_comes_back_as_itself(tmp_path_factory, wanted):
    path = tmp_path_factory.mktemp("claims") / "claim.vnnlib"
    write_claim(wanted, path)
    assert replace(read_claim(path), name=wanted.name) == wanted


@settings(max_examples=30)
@given(claims(NUMBERS), st.data())
def test_rationals_that_are_no_decimals_are_written_as_multiples(wanted, data):
    found = claim(claim_script(wanted))
    point = data.draw(st.lists(HALVES, min_size=wanted.size, max_size=wanted.size))
    assert found.holds(point) == wanted.holds(point)


@settings(max_examples=30)
@given(claims())
def test_the_reference_parser_reads_what_is_written(wanted):
    vnnlib = pytest.importorskip("vnnlib", reason="the reference parser is not installed")
    alike = tuple(replace(tensor, element="float32") for tensor in wanted.tensors)
    script = claim_script(replace(wanted, tensors=alike))
    query = vnnlib.parse_query_string(script)
    assert [network.name for network in query.networks] == [n.name for n in wanted.networks]
    cases = 1
    for assertion in query.assertions:
        cases *= len(assertion.expr.to_dnf())
    assert cases == max(1, len(wanted.cases))


def test_names_and_orders_that_the_format_lacks_are_refused():
    plain = claim(ONE + "(assert (<= X_0 Y_0))")
    with pytest.raises(UnsupportedError, match="no name in VNN-LIB"):
        claim_script(replace(plain, networks=(Declared("a b"),)))
    x, y = plain.tensors
    turned = (replace(y, first=0), replace(x, first=1))
    with pytest.raises(UnsupportedError, match="do not stand as the format asks"):
        claim_script(replace(plain, tensors=turned))
    quoted = (x, replace(y, node='a"b'))
    with pytest.raises(UnsupportedError, match="cannot stand in quotes"):
        claim_script(replace(plain, tensors=quoted))
