"""Recorded evidence is accepted by the check, and is no larger than it has to be."""

import itertools
from dataclasses import replace
from fractions import Fraction

import checked
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.network import Network
from secateur.engine.proofs import judge as judging
from secateur.engine.proofs.evidence import LEAF, Form
from secateur.engine.proofs.form import Atom, Limits, Negation, Query, Row, SameBest, Value, Within
from secateur.engine.proofs.judge import ProofError, judge
from secateur.engine.proofs.record import record

SECONDS = 20.0


def outputs(network, lower, upper):
    """Return the outputs at many points of a box, of its faces and corners."""
    share = np.clip(np.random.default_rng(0).uniform(-0.7, 1.7, (3000, lower.size)), 0.0, 1.0)
    return network.evaluate(lower + (upper - lower) * share)


def limited(network, lower, upper, slack):
    """Return a lemma that outputs stay where they were seen, and a little beyond."""
    seen = outputs(network, lower, upper)
    wide = slack * (1.0 + seen.max(axis=0) - seen.min(axis=0))
    ends = zip(seen.min(axis=0) - wide, seen.max(axis=0) + wide, strict=True)
    limits = tuple(
        (Value(0, None, at), Fraction(float(low)), Fraction(float(high)))
        for at, (low, high) in enumerate(ends)
    )
    return checked.lemma_of([network], lower, upper, Limits(limits))


@given(strategies.networks_with_boxes(), st.sampled_from([0.02, 0.1, 0.5]))
@settings(max_examples=40, deadline=None)
def test_what_is_recorded_is_accepted(drawn, slack):
    network, (lower, upper) = drawn
    lemma, models = limited(network, lower, upper, slack)
    found, spent = record(lemma, models, SECONDS, 400)
    if found is not None:
        assert spent.nodes == found.tree.axis.size
        assert spent.leaves == int((found.tree.axis == LEAF).sum())
        judge(found, models)


@given(strategies.dense_networks(width=3, depth=2), st.sampled_from([0.05, 0.3]))
@settings(max_examples=10, deadline=None)
def test_what_is_recorded_is_accepted_in_exact_arithmetic(network, slack):
    lower, upper = np.full(network.size_in, -1.0), np.full(network.size_in, 0.75)
    lemma, models = limited(network, lower, upper, slack)
    found, _ = record(lemma, models, SECONDS, 40)
    if found is not None:
        judge(found, models, exact=True)


def deep(seed, inputs=3):
    rng = np.random.default_rng(seed)
    sizes = [inputs, 8, 8, 8, 3]
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(sizes)]
    return Network.dense(weights, [0.3 * rng.normal(size=size) for size in sizes[1:]])


@pytest.mark.parametrize("seed", range(4))
def test_how_many_boxes_are_taken_together_does_not_matter(monkeypatch, seed):
    network = deep(seed)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    lemma, models = limited(network, lower, upper, 0.05)
    found, spent = record(lemma, models, SECONDS)
    assert found is not None
    assert spent.nodes > 20
    for most in (1, 3, 17, 1000):
        monkeypatch.setattr(judging, "MOST", most)
        judge(found, models)


def test_an_entry_that_is_taken_away_is_missed_and_a_form_that_does_not_hold_is_refused():
    network = deep(0)
    lemma, models = limited(network, np.full(3, -1.0), np.full(3, 1.0), 0.1)
    found, _ = record(lemma, models, SECONDS)
    assert found is not None
    tree = found.tree
    for at in range(0, tree.node.size, 7):
        keep = np.arange(tree.node.size) != at
        fewer = replace(tree, node=tree.node[keep], form=tree.form[keep])
        with pytest.raises(ProofError, match="is not excluded on every part"):
            judge(replace(found, tree=fewer), models)
    root = replace(
        tree,
        axis=np.array([LEAF]),
        cut=np.zeros(1),
        node=np.zeros(len(found.forms), np.int64),
        form=np.arange(len(found.forms)),
    )
    with pytest.raises(ProofError, match="does not exclude"):
        judge(replace(found, tree=root), models)


def test_a_sum_of_inequalities_is_found_where_none_alone_excludes():
    # y0 = x0 + relu(x1), y1 = -3 x0: y0 <= -1/4 and y1 <= -1/4 cannot both hold, though each can.
    weights = [[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], [[1.0, -1.0, 1.0], [-3.0, 3.0, 0.0]]]
    network = Network.dense(weights, [np.zeros(3), np.zeros(2)])
    rows = tuple(Row({}, {Value(0, None, at): Fraction(1)}, Fraction(1, 4)) for at in (0, 1))
    claim = Query(Negation(rows, ((Atom(0, False), Atom(1, False)),)))
    lemma, models = checked.lemma_of([network], [-1.0, -1.0], [1.0, 1.0], claim)
    found, spent = record(lemma, models, SECONDS)
    assert found is not None
    judge(found, models)
    judge(found, models, exact=True)
    assert spent.leaves <= 3
    assert any(min(form.weights) > 0 for form in found.forms)


def test_what_does_not_hold_is_not_recorded():
    network = deep(1)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    seen = outputs(network, lower, upper)[:, 0]
    middle = Fraction(float(seen.mean()))
    claim = Limits(((Value(0, None, 0), middle, None),))
    lemma, models = checked.lemma_of([network], lower, upper, claim)
    found, spent = record(lemma, models, SECONDS, 300)
    assert found is None
    assert spent.nodes > 300
    point, models = checked.lemma_of([network], upper, upper, claim)
    value = network.evaluate(upper[None])[0, 0]
    found, spent = record(point, models, SECONDS)
    assert (found is None) == (value < middle)
    assert spent.nodes == 1


def moved(network, seed, order):
    """Return a network with slightly moved weights, its hidden neurons in another order."""
    rng = np.random.default_rng(seed)
    layers = [node.layer for node in network.nodes if hasattr(node.layer, "operator")]
    weights = [layer.operator.matrix() for layer in layers]
    weights = [weight + 1e-3 * rng.normal(size=weight.shape) for weight in weights]
    biases = [np.asarray(layer.bias) for layer in layers]
    orders = []
    if order:
        for at in range(len(weights) - 1):
            some = rng.permutation(len(weights[at]))  # where each neuron goes
            back = np.argsort(some)
            weights[at], biases[at] = weights[at][back], biases[at][back]
            weights[at + 1] = weights[at + 1][:, back]
            orders.append(tuple(some.tolist()))
    return Network.dense(weights, biases), orders or [None] * (len(weights) - 1)


@pytest.mark.parametrize("order", [False, True], ids=["in order", "permuted"])
@pytest.mark.parametrize("kind", ["within", "same-best"])
def test_claims_about_twins_are_recorded_and_their_hints_pay(order, kind):
    network = deep(2)
    other, orders = moved(network, 5, order)
    both, lower, upper = [network, other], [-1.0] * 3, [1.0] * 3
    claim = Within(Fraction(1, 20), (0, 1, 2))
    if kind == "same-best":
        claim = SameBest(1, Fraction(1, 10), 3)
    lemma, models = checked.lemma_of(both, lower, upper, claim, orders)
    found, spent = record(lemma, models, SECONDS)
    assert found is not None
    judge(found, models)
    if kind == "within":
        without, models = checked.lemma_of(both, lower, upper, claim)
        plain, more = record(without, models, SECONDS, 20 * spent.nodes + 20)
        assert plain is None or more.nodes > 2 * spent.nodes


def test_forms_that_are_given_are_used():
    network = deep(3)
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    seen = outputs(network, lower, upper)
    most = Fraction(float((seen[:, 0] + 2.0 * seen[:, 1]).max() + 0.05))
    rows = tuple(
        Row({}, {Value(0, None, at): Fraction(-1)}, part) for at, part in ((0, most), (1, 0))
    )
    rows = (rows[0], replace(rows[1], constant=Fraction(0)))
    claim = Query(Negation(rows, ((Atom(0, True), Atom(1, True)),)))
    lemma, models = checked.lemma_of([network], lower, upper, claim)
    given_form = replace(lemma, forms=(Form(0, (1, 2)),))
    for one in (lemma, given_form):
        found, _ = record(one, models, SECONDS)
        assert found is not None
        judge(found, models)
