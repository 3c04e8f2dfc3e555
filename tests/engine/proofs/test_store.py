"""Proofs as bytes: what is written is read again, and nothing else is."""

import dataclasses
import hashlib
import json
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from proved import sharp

from secateur.engine.proofs.evidence import Form, Tree
from secateur.engine.proofs.form import (
    Atom,
    File,
    Lemma,
    Limits,
    Line,
    Match,
    Negation,
    Proof,
    Query,
    Row,
    SameBest,
    Simplified,
    Subject,
    Twins,
    Value,
    Within,
)
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.store import MAGIC, read_proof, write_proof

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
small = st.integers(0, 5)
fractions = st.one_of(
    st.fractions(),
    st.floats(allow_nan=False, allow_infinity=False).map(Fraction),
    st.integers(-(10**300), 10**300).map(lambda n: Fraction(n, 7**300)),
)
positive = fractions.map(abs)
reals = st.floats(allow_nan=False, allow_infinity=False)
values = st.builds(Value, small, st.none() | names, small)
lines = st.lists(st.builds(Line, names, small, reals, reals), max_size=4).map(tuple)
rows = st.builds(
    Row,
    st.dictionaries(small, fractions, max_size=3),
    st.dictionaries(values, fractions, max_size=3),
    fractions,
)
within = st.builds(Within, positive, st.lists(small, max_size=3).map(tuple))
same_best = st.builds(SameBest, st.sampled_from([-1, 1]), positive, st.integers(2, 9), positive)
limits = st.lists(st.tuples(values, st.none() | fractions, st.none() | fractions), max_size=3)
said = st.dictionaries(
    names, st.none() | st.booleans() | st.integers() | reals | names | st.lists(small, max_size=2)
)


@st.composite
def queries(draw):
    some = draw(st.lists(rows, min_size=1, max_size=3))
    atoms = st.builds(Atom, st.integers(0, len(some) - 1), st.booleans())
    cases = st.lists(st.lists(atoms, min_size=1, max_size=3).map(tuple), max_size=3)
    return Query(Negation(tuple(some), tuple(draw(cases))))


def whole(size):
    kinds = st.sampled_from([(0, 255), (-1, 2), (-(2**31), 2**31 - 1), (-(2**62), 2**62)])
    return kinds.flatmap(lambda ends: arrays(np.int64, size, elements=st.integers(*ends)))


@st.composite
def trees(draw):
    nodes, entries = draw(small), draw(small)
    cut = draw(arrays(np.float64, nodes, elements=reals))
    return Tree(draw(whole(nodes)), cut, draw(whole(entries)), draw(whole(entries)))


claims = st.one_of(queries(), within, same_best, limits.map(tuple).map(Limits))
weights = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple)
ends = st.tuples(small, names)
orders = st.none() | st.permutations(range(4)).map(tuple)
lemmas = st.builds(
    Lemma,
    st.lists(st.builds(Subject, small, st.lists(small).map(tuple), lines), max_size=2).map(tuple),
    st.lists(fractions, max_size=3).map(tuple),
    st.lists(fractions, max_size=3).map(tuple),
    claims,
    st.lists(st.builds(Twins, ends, ends, orders), max_size=2).map(tuple),
    st.lists(st.builds(Form, st.integers(-1, 9), weights), max_size=3).map(tuple),
    trees(),
)
indices = st.lists(small, max_size=2).map(tuple)
matches = st.builds(Match, names, small, st.tuples(names, small), fractions)
limits_ = st.lists(fractions, max_size=3).map(tuple)
simplified = st.builds(
    Simplified,
    within | same_best,
    indices,
    st.none() | small,
    indices,
    lines,
    lines,
    st.lists(matches, max_size=3).map(tuple),
    positive,
    limits_,
    limits_,
)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
files = st.builds(File, names, digests, st.integers(0, 2**40))
proofs = st.builds(
    Proof,
    st.lists(files, max_size=3).map(tuple),
    st.lists(lemmas, max_size=2).map(tuple),
    st.none() | simplified,
    said,
)


def alike(one, two):
    """Return whether two parts of proofs are the same."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two)
    if dataclasses.is_dataclass(one):
        names_ = [field.name for field in dataclasses.fields(one)]
        return all(alike(getattr(one, name), getattr(two, name)) for name in names_)
    if isinstance(one, tuple):
        return len(one) == len(two) and all(map(alike, one, two))
    return one == two


def packed(header, body=None, magic=MAGIC):
    """Return a container with a right digest."""
    words = header if isinstance(header, bytes) else json.dumps(header).encode()
    out = magic + struct.pack("<Q", len(words)) + words + (body or zlib.compress(b""))
    return out + hashlib.sha256(out).digest()


def parts(data):
    """Return the header and the packed arrays of a container."""
    first = len(MAGIC) + 8
    end = first + int.from_bytes(data[len(MAGIC) : first], "little")
    return json.loads(data[first:end]), data[end:-32]


@settings(max_examples=80, deadline=None)
@given(proofs)
def test_what_is_written_is_read_again(proof):
    data = write_proof(proof)
    again = read_proof(data)
    assert alike(again, proof)
    assert write_proof(again) == data


@settings(max_examples=40, deadline=None)
@given(proofs, st.randoms(use_true_random=False))
def test_the_bytes_do_not_depend_on_the_order_of_what_has_none(proof, luck):
    def shuffled(mapping):
        items = list(mapping.items())
        luck.shuffle(items)
        return dict(items)

    def other(lemma):
        if not isinstance(lemma.claim, Query):
            return lemma
        negated = lemma.claim.negation
        mixed = [Row(shuffled(r.inputs), shuffled(r.values), r.constant) for r in negated.rows]
        claim = Query(Negation(tuple(mixed), negated.cases))
        return dataclasses.replace(lemma, claim=claim)

    mixed = dataclasses.replace(
        proof, lemmas=tuple(map(other, proof.lemmas)), said=shuffled(proof.said)
    )
    assert write_proof(mixed) == write_proof(proof)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_no_proof(data, headed):
    with pytest.raises(FormatError):
        read_proof(MAGIC + data if headed else data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_header_is_read_or_refused_in_one_line(data):
    header, body = parts(write_proof(sharp("query", 1)[0].proof))
    texts = ["1/0", "1e9", "-0", "01", "\u0661", "1/-2", "9" * 5000, "nan", "|u1", "<f8"]
    whole_ = st.integers(-(2**70), 2**70)
    lists = st.just([]) | st.just({}) | st.lists(small, max_size=3)
    plain = st.none() | st.booleans() | whole_ | st.floats() | names
    wild = plain | st.sampled_from(texts) | lists
    for _ in range(data.draw(st.integers(1, 2))):
        place, spot = header, None
        while (
            isinstance(place, dict | list) and place and (spot is None or data.draw(st.booleans()))
        ):
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            holder, spot = place, data.draw(st.sampled_from(keys))
            place = holder[spot]
        match data.draw(st.sampled_from(["set", "set", "drop", "add"])):
            case "set":
                holder[spot] = data.draw(wild)
            case "drop":
                del holder[spot]
            case _ if isinstance(holder, dict):
                holder[data.draw(names)] = data.draw(wild)
            case _:
                holder.append(data.draw(wild))
        if not header:
            break
    why = ""
    try:
        proof = read_proof(packed(header, body))
    except FormatError as error:
        why = str(error)
    else:
        assert alike(read_proof(write_proof(proof)), proof)
    assert why.isprintable()


NONE = {"files": [], "lemmas": [], "simplified": None, "said": {}, "arrays": {}, "raw": 0}


def test_a_container_without_anything_is_read():
    assert alike(read_proof(packed(NONE)), Proof((), ()))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin with"),
        (packed(NONE, magic=b"secateur proof 2\n"), "does not begin with"),
        (packed(NONE)[:-1], "damaged or cut short"),
        (packed(NONE) + b"x", "damaged or cut short"),
        (packed(NONE, zlib.compress(b"") + b"x"), "unpack to other than"),
        (packed(NONE, zlib.compress(b"")[:-1]), "unpack to other than"),
        (packed(NONE, b"no zlib stream"), "cannot be unpacked"),
        (packed(NONE, zlib.compress(b"x")), "unpack to other than the 0 bytes"),
        (packed({**NONE, "raw": 2**50}), "raw: a whole number"),
        (packed({**NONE, "raw": 2**31}), "cannot come from 8 packed ones"),
        (packed({**NONE, "raw": True}), "raw: a whole number"),
        (packed({**NONE, "more": 0}), 'header: the key "more" is unknown'),
        (packed({k: v for k, v in NONE.items() if k != "said"}), 'the key "said" is missing'),
        (packed({**NONE, "said": {"x": float("nan")}}), "NaN, which is no number"),
        (packed(b'{"said": 1e999}'), "a number beyond float64"),
        (packed(b'{"said": 1, "said": 2}'), "a key comes twice"),
        (packed(b"[" * 100_000), "more than 32 deep"),
        (packed(b'{"' + b"\xff" + b'": 1}'), "no JSON that can be read"),
        (packed(b"1" * 5000), "no JSON that can be read"),
        (packed(b"[]"), "header: an object is needed"),
        (packed(b"," * 9_000_000), "the header holds more than"),
        (packed({**NONE, "files": [{"name": "f", "sha256": "0" * 63, "bytes": 1}]}), "64 digits"),
        (packed({**NONE, "files": [{"name": "\ud800", "sha256": "0" * 64, "bytes": 1}]}), "half a"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data, why):
    with pytest.raises(FormatError, match=why) as caught:
        read_proof(data)
    assert str(caught.value).isprintable()


def array(**changed):
    return {"0.axis": {"dtype": "<i4", "shape": [1], "offset": 0} | changed}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (array(), "nothing needs it"),
        (array(offset=1), "does not begin where"),
        (array(shape=[2]), "8 bytes where 4 are stated"),
        (array(shape=[1, 1]), "a list of 1 is needed"),
        (array(shape=[-1]), "a whole number"),
        (array(shape=[True]), "a whole number"),
        (array(dtype="<f4"), 'the type "<f4" is unknown'),
        (array(dtype=[]), "a text"),
        (array() | {"b": array(offset=0)["0.axis"]}, "does not begin where"),
    ],
)
def test_arrays_lie_one_after_the_other(words, why):
    with pytest.raises(FormatError, match=why):
        read_proof(packed({**NONE, "arrays": words, "raw": 4}, zlib.compress(bytes(4))))


def test_a_header_longer_than_the_bytes_is_refused():
    for stated in (2**63, 2**27, 10_000):
        out = MAGIC + struct.pack("<Q", stated) + b"{}"
        with pytest.raises(FormatError, match="too many"):
            read_proof(out + hashlib.sha256(out).digest())


def test_a_bomb_is_not_unpacked():
    body = zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(FormatError, match="unpack to other than the 4 bytes"):
        read_proof(packed({**NONE, "arrays": array(), "raw": 4}, body))


def changed(name, to):
    """Return a proof with an array of other values."""
    proof = sharp("query", 1)[0].proof
    (lemma,) = proof.lemmas
    tree = dataclasses.replace(lemma.tree, **{name: to(getattr(lemma.tree, name))})
    return dataclasses.replace(proof, lemmas=(dataclasses.replace(lemma, tree=tree),))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_cuts_are_finite(wrong):
    with pytest.raises(FormatError, match="no finite number"):
        read_proof(write_proof(changed("cut", lambda cut: cut + wrong)))


def test_whole_numbers_are_not_written_as_others():
    with pytest.raises(FormatError, match="no whole numbers"):
        write_proof(changed("axis", lambda axis: axis + 0.5))


def test_numbers_without_a_short_common_denominator_are_refused():
    row = Row({at: Fraction(1, 10**400 + 2 * at + 1) for at in range(60)}, {})
    lemma = sharp("query", 1)[0].proof.lemmas[0]
    claim = Query(Negation((row,), ((Atom(0, True),),)))
    proof = Proof((), (dataclasses.replace(lemma, claim=claim),))
    with pytest.raises(FormatError, match="no common denominator"):
        read_proof(write_proof(proof))


@pytest.mark.parametrize("wrong", [Fraction(10**4100), Fraction(1, 10**4100), 0.5, True, None])
def test_numbers_that_are_too_long_or_none_are_not_written(wrong):
    lemma = sharp("query", 1)[0].proof.lemmas[0]
    proof = Proof((), (dataclasses.replace(lemma, lower=(wrong,)),))
    with pytest.raises(FormatError, match="no rational number"):
        write_proof(proof)


@pytest.mark.parametrize(
    "claim",
    [
        Within(Fraction(-1), (0,)),
        SameBest(0, Fraction(0), 2),
        SameBest(2, Fraction(0), 2),
        SameBest(1, Fraction(-1), 2),
        SameBest(1, Fraction(0), 1),
        SameBest(1, Fraction(0), 10**9),
        SameBest(1, Fraction(0), 2, Fraction(-1)),
        Query(Negation((), ((Atom(0, True),),))),
        Query(Negation((Row({}, {}),), ((Atom(-1, True),),))),
        Query(Negation((Row({}, {}),), ((),))),
        Query(Negation((Row({-1: Fraction(1)}, {}),), ())),
        Limits(((Value(-1, None, 0), None, None),)),
    ],
)
def test_claims_that_mean_nothing_are_refused(claim):
    lemma = sharp("query", 1)[0].proof.lemmas[0]
    with pytest.raises(FormatError, match="lemma 0, claim"):
        read_proof(write_proof(Proof((), (dataclasses.replace(lemma, claim=claim),))))
