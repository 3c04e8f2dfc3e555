"""The rows of a question are the claim's forms, and its alternatives are the claim's cases."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_networks, graph_networks
from twins import twins

from secateur.engine.agreement import Best, same_best, within
from secateur.engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.errors import InputError, RegionError, UnsupportedError
from secateur.engine.network import Affine, Input, Network, Node, Origin, Piecewise, State
from secateur.engine.operators import Dense
from secateur.engine.question import ask
from secateur.engine.region import Region

eighth = st.integers(-16, 16).map(lambda n: Fraction(n, 8))
coefficients = st.one_of(
    eighth,
    eighth,
    st.sampled_from([Fraction(1, 3), Fraction(1, 10), Fraction("0.12345678901234567891")]),
    st.sampled_from([Fraction(10**20 + 1), Fraction(1, 10**25), Fraction(0)]),
)


def declared(draw, networks, hidden):
    """Return tensors of networks: inputs and outputs, each in one or two parts, and hidden ones."""
    tensors, first = [], 0

    def add(network, part, size, node=None):
        nonlocal first
        tensors.append(Tensor(f"t{len(tensors)}", network, part, "real", (size,), first, node))
        first += size

    for index, network in enumerate(networks):
        for part, size in ((Part.INPUT, network.size_in), (Part.OUTPUT, network.size_out)):
            cut = draw(st.integers(0, size - 1)) if draw(st.booleans()) else 0
            for each in (cut, size - cut):
                if each:
                    add(index, part, each)
        if hidden:
            node = draw(st.sampled_from(network.nodes))
            add(index, Part.HIDDEN, node.size, node.name)
    return tuple(tensors)


def forms(draw, variables, strict=None):
    """Return an atom over some of the variables."""
    chosen = draw(st.lists(st.sampled_from(variables), min_size=1, max_size=4, unique=True))
    terms = {(variable,): draw(coefficients) for variable in chosen}
    terms[()] = draw(coefficients)
    return Atom(Polynomial(terms), draw(st.booleans()) if strict is None else strict)


def limits(draw, variables, low=-1, high=1):
    """Return atoms that box variables; some limits are strict, stated twice or scaled."""
    found = []
    for variable in variables:
        for sign, limit in ((-1, low), (1, high)):
            scale = draw(st.sampled_from([Fraction(1), Fraction(3), Fraction(1, 7)]))
            form = Polynomial({(variable,): sign * scale, (): -sign * limit * scale})
            found.append(Atom(form, draw(st.sampled_from([False, False, True]))))
            if draw(st.integers(0, 3)) == 0:
                further = Polynomial({(variable,): Fraction(sign), (): Fraction(-sign * limit - 1)})
                found.append(Atom(further, draw(st.booleans())))
    return found


def equal(left, right):
    apart = Polynomial.variable(left).plus(Polynomial.variable(right), -1)
    return [Atom(apart), Atom(Polynomial({}).plus(apart, -2))]


@st.composite
def claims(draw):
    """Draw a claim and the networks that it speaks of."""
    hidden = draw(st.sampled_from([False, False, True]))
    kind = draw(st.sampled_from(["one", "copy", "two", "two"]))
    if kind == "two":
        networks = list(draw(twins(depth=1, width=3)))
    else:
        networks = [draw(st.one_of(dense_networks(depth=1), graph_networks(nodes=3)))]
        networks *= 1 if kind == "one" else 2
    names = [Declared("f")]
    if kind != "one":
        names.append(Declared("g", "equal-to" if kind == "copy" else "", 0))
    tensors = declared(draw, networks, hidden)
    inputs = [t.first + i for t in tensors if t.part is Part.INPUT for i in range(t.size)]
    rest = [t.first + i for t in tensors if t.part is not Part.INPUT for i in range(t.size)]
    ties = []
    if len(inputs) == 4:
        ties = draw(st.sampled_from([[(0, 2), (1, 3)], [(0, 2)], [(0, 3), (1, 2)], [(0, 1)], []]))
    everywhere = draw(st.booleans())
    cases = []
    for number in range(draw(st.integers(1, 3))):
        low = draw(st.sampled_from([Fraction(-1), Fraction(-1, 3), Fraction(0)]))
        high = draw(st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(0)]))
        case = limits(draw, inputs, low, high)
        for left, right in ties:
            if everywhere or number == 0:
                case += equal(inputs[left], inputs[right])
        for _ in range(draw(st.integers(0, 3))):
            case.append(forms(draw, draw(st.sampled_from([rest, inputs + rest, inputs]))))
        cases.append(tuple(draw(st.permutations(case))))
    return Claim(tuple(names), tensors, tuple(cases), "test"), networks


def truth(claim, networks, point, columns):
    """Return all variables' values, from the networks as they were given."""
    values = []
    inputs = {v: point[c] for v, c in columns.items()}
    for index, network in enumerate(networks):
        own = [t for t in claim.tensors if t.network == index]
        place = [inputs[t.first + i] for t in own if t.part is Part.INPUT for i in range(t.size)]
        trace = network.trace_exact(np.array(place, dtype=object)[None])
        outputs = trace[network.output].fractions()[0].tolist()
        for tensor in own:
            match tensor.part:
                case Part.INPUT:
                    values += [inputs[tensor.first + i] for i in range(tensor.size)]
                case Part.OUTPUT:
                    values += outputs[: tensor.size]
                    outputs = outputs[tensor.size :]
                case Part.HIDDEN:
                    values += trace[tensor.node].fractions()[0].tolist()
    return values


places = st.sampled_from([Fraction(n, d) for d in (3, 8) for n in range(-d - 1, d + 2)])


@given(st.data())
@settings(max_examples=80)
def test_rows_are_the_claim_s_forms_and_alternatives_its_cases(data):
    claim, networks = data.draw(claims())
    question = ask(claim, networks)
    assert question.network.size_out == question.rows == len(question.forms)
    for _ in range(6):
        point = [data.draw(places) for _ in range(question.size)]
        values = truth(claim, networks, point, question.columns)
        assert question.values(point) == values
        found = question.network.evaluate(np.array(point, dtype=object), exact=True).tolist()
        assert found == [question.row(row, values) for row in range(question.rows)]
        held = [question.holds(one, point, found) for one in question.alternatives]
        assert any(held) == claim.holds(values)


@given(st.data())
@settings(max_examples=40)
def test_a_plain_question_is_said_in_full_by_its_matrices(data):
    claim, networks = data.draw(claims())
    question = ask(claim, networks)
    if not question.plain:
        return
    point = [data.draw(places) for _ in range(question.size)]
    found = question.network.evaluate(np.array(point, dtype=object), exact=True).tolist()
    for row in range(question.rows):
        total = Fraction(float(question.bias[row]))
        parts = [(question.direct[row], point)]
        for source, weights in zip(question.sources, question.weights, strict=True):
            place = np.array([point[at] for at in source.inputs], dtype=object)
            parts.append((weights[row], source.network.evaluate(place, exact=True)))
        for weights, values in parts:
            pairs = zip(weights, values, strict=True)
            total += sum((Fraction(float(w)) * v for w, v in pairs), Fraction(0))
        assert total == found[row]


@given(st.data())
@settings(max_examples=40)
def test_a_limit_s_rest_is_below_what_floats_tell_apart(data):
    question = ask(*data.draw(claims()))
    for limit, shift in zip(question.limits, question.bias, strict=True):
        assert abs(limit) <= abs(Fraction(float(shift))) / 2**52


def simple(networks, cases, hidden=(), elements="real"):
    """Return a claim about networks with one tensor for inputs and one for outputs each."""
    tensors, first = [], 0
    for index, network in enumerate(networks):
        parts = [(Part.INPUT, network.size_in, None), (Part.OUTPUT, network.size_out, None)]
        parts += [(Part.HIDDEN, size, node) for at, node, size in hidden if at == index]
        for part, size, node in parts:
            tensors.append(Tensor(f"t{first}", index, part, elements, (size,), first, node))
            first += size
    names = tuple(Declared(f"n{index}") for index in range(len(networks)))
    return Claim(names, tuple(tensors), tuple(map(tuple, cases)), "test")


def box(variables, low=-1, high=1, strict=False):
    found = []
    for variable in variables:
        found.append(Atom(Polynomial({(variable,): Fraction(-1), (): Fraction(low)}), strict))
        found.append(Atom(Polynomial({(variable,): Fraction(1), (): -Fraction(high)}), strict))
    return found


def line(slope=1.0, dtype="float32"):
    return Network.dense([np.array([[slope]])], [np.zeros(1)], Origin(dtype=dtype))


def over(terms, strict=False):
    return Atom(Polynomial(terms), strict)


def test_copies_share_one_source_where_they_share_their_inputs():
    f = line()
    shared = simple([f, f], [[*box([0]), *equal(0, 2), over({(1,): 1, (3,): 1})]])
    question = ask(shared, [f, f])
    assert [source.declared for source in question.sources] == [(0, 1)]
    assert question.size == 1
    apart = simple([f, f], [[*box([0, 2]), over({(1,): 1, (3,): 1})]])
    question = ask(apart, [f, f])
    assert [source.declared for source in question.sources] == [(0,), (1,)]
    assert question.size == 2


@given(st.data())
@settings(max_examples=60)
def test_inputs_are_one_only_where_no_counterexample_tells_them_apart(data):
    claim, networks = data.draw(claims())
    columns = ask(claim, networks).columns
    few = st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(-1, 4)])
    for _ in range(6):
        own = {variable: data.draw(few) for variable in columns}
        values = truth(claim, networks, own, {variable: variable for variable in columns})
        if claim.holds(values):
            assert all(own[a] == own[b] for a in own for b in own if columns[a] == columns[b])


def test_inputs_that_some_case_sets_apart_stay_two():
    f, g = line(), line(2.0)
    tied, free = [*box([0, 2]), *equal(0, 2), over({(3,): 1})], [*box([0, 2]), over({(1,): 1})]
    assert ask(simple([f, g], [tied, tied]), [f, g]).size == 1
    both = ask(simple([f, g], [tied, free]), [f, g])
    assert both.size == 2
    assert [len(one.atoms) for one in both.alternatives] == [3, 1]


def test_cases_that_their_own_limits_exclude_are_left_out():
    f = line()
    inverted, shut = box([0], 1, -1), box([0], 0, 0, strict=True)
    tied = [*box([0]), over({(0,): 1, (2,): -1}, True), over({(2,): 1, (0,): -1}, True)]
    never = [*box([0]), over({(): 1})]
    tight = [*box([0]), over({(): 0}, True)]
    assert ask(simple([f], [inverted, shut, never, tight]), [f]).vacuous
    assert ask(simple([f, f], [tied]), [f, f]).vacuous
    assert ask(simple([f], []), [f]).vacuous
    closed = ask(simple([f], [box([0], 0, 0)]), [f])
    assert [len(one.atoms) for one in closed.alternatives] == [0]


def test_a_strict_limit_leaves_its_side_open():
    f = line()
    question = ask(simple([f], [box([0], 0, 1, strict=True)]), [f])
    (one,) = question.alternatives
    for value, inside in ((0, False), (1, False), (Fraction(1, 10**9), True)):
        point = [Fraction(value)]
        rows = question.network.evaluate(np.array(point, dtype=object), exact=True)
        assert question.holds(one, point, rows) == inside
    # A closed limit further in takes the strict one's place, a strict one at the same place stays.
    further = [*box([0], 0, 1, strict=True), *box([0], Fraction(1, 2), 1)]
    (one,) = ask(simple([f], [further]), [f]).alternatives
    assert one.region.exact_lower == (Fraction(1, 2),)
    assert one.open_sides == ((0, True),)


def test_points_are_looked_for_among_the_numbers_of_the_coarsest_file():
    f, g = line(dtype="float32"), line(2.0, dtype="float64")
    question = ask(simple([f, g], [[*box([0]), *equal(0, 2), over({(3,): 1})]]), [f, g])
    assert question.network.origin.dtype == "float32"


def test_a_hidden_tensor_may_be_the_input_itself():
    f = Network.dense([np.eye(2), np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    claim = simple([f], [[*box([0, 1]), over({(3,): 1, (2,): -1})]], [(0, "input", 2)])
    question = ask(claim, [f])
    point = np.array([Fraction(1, 3), Fraction(1, 5)], dtype=object)
    found = question.network.evaluate(point, exact=True)
    assert found[0] == Fraction(1, 3) - Fraction(8, 15)
    assert not question.plain


def test_a_network_may_hand_its_input_on():
    same = Network((Node("x", Input((1,))),), "x")
    question = ask(simple([same], [[*box([0]), over({(1,): 1, (0,): 1})]]), [same])
    found = question.network.evaluate(np.array([Fraction(1, 3)], dtype=object), exact=True)
    assert found[0] == Fraction(2, 3)


f = line()
bounded = box([0])


@pytest.mark.parametrize(
    ("claim", "networks", "error", "words"),
    [
        (simple([f], [[over({(1,): 1})]]), [f], RegionError, r"t0\[0\] has no lower limit"),
        (simple([f], [bounded[:1]]), [f], RegionError, "no upper limit"),
        (simple([f], [box([0], -1, 10**200)]), [f], RegionError, "beyond"),
        (simple([f], [[*bounded, over({(0, 1): 1})]]), [f], UnsupportedError, "not linear"),
        (simple([f], [bounded]), [f, f], InputError, "1 networks and 2 are given"),
        (
            simple([f], [bounded]),
            [
                Network(
                    (
                        Node("x", Input((2,))),
                        Node("y", Affine(Dense(np.ones((1, 2))), np.zeros(1)), ("x",)),
                    ),
                    "y",
                )
            ],
            InputError,
            "declared with 1 inputs",
        ),
        (
            simple([f], [[*bounded, over({(2,): 1})]], [(0, "nowhere", 1)]),
            [f],
            UnsupportedError,
            "nowhere",
        ),
        (
            simple([f], [[*bounded, over({(1,): 1, (): 10**400})]]),
            [f],
            UnsupportedError,
            "too large",
        ),
        (
            simple([f], [[*bounded, over({(1,): 1, (0,): Fraction(10**400)})]]),
            [f],
            UnsupportedError,
            "too large",
        ),
        (
            simple([f], [[*bounded, over({(1,): 1, (0,): Fraction(1, 10**200)})]]),
            [f],
            UnsupportedError,
            "too large",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(claim, networks, error, words):
    with pytest.raises(error, match=words) as caught:
        ask(claim, networks)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("test")


def test_a_claim_checks_its_numbers():
    claim = simple([f], [bounded])
    with pytest.raises(InputError, match="numbered wrongly"):
        replace(claim, tensors=claim.tensors[1:])
    with pytest.raises(InputError, match="no variable"):
        replace(claim, cases=((over({(7,): 1}),),))


def test_what_is_said_of_copies_adds_up() -> None:
    network = Network.dense([np.array([[1.0, 2.0], [-1.0, 1.0]])], [np.array([0.5, 3.0])])
    region = Region.box([-1.0, -1.0], [1.0, 1.0])
    question = ask(within(network, network, region, Fraction(1, 8)), [network, network])
    assert len(question.sources) == 1
    points = np.array([[0.25, 0.5], [-1.0, 1.0]])
    rows = question.network.evaluate(points, exact=True)
    assert all(value == Fraction(1, 8) for value in rows.ravel())
    for point in points.tolist():
        values = question.values([Fraction(value) for value in point])
        assert not question.claim.holds(values)


def test_a_question_of_other_activations_is_the_one_asked_anew():
    rng = np.random.default_rng(0)
    network = Network.dense(
        [rng.normal(size=(3, 2)), rng.normal(size=(2, 3))], [rng.normal(size=3), rng.normal(size=2)]
    )

    def changed(state):
        states = np.array([state, State.RELU, State.RELU], np.int8)
        return network.with_layers({"relu1": Piecewise(states, np.zeros(3), np.zeros(3))})

    first, second = changed(State.ZERO), changed(State.IDENTITY)
    claim = same_best(network, first, Region.box([-1, -1], [1, 1]), Best.MIN)
    moved = ask(claim, [network, first]).of([network, second])
    anew = ask(claim, [network, second])
    points = rng.uniform(-1, 1, (5, 2))
    assert (moved.network.evaluate(points) == anew.network.evaluate(points)).all()
    assert [source.network for source in moved.sources] == [network, second]
    exact = [Fraction(float(x)) for x in points[0]]
    assert moved.values(exact) == anew.values(exact)
