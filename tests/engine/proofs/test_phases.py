"""Phases that are fixed in trees, and multipliers that entries come with."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from forgeries import bolder
from forgeries_duals import CHANGES
from hypothesis import given, settings
from hypothesis import strategies as st
from proved import PHASED, digest, file_of, made, sharp, written
from truth import true

from secateur.engine.proofs import exclusion
from secateur.engine.proofs.check import check
from secateur.engine.proofs.evidence import EMPTY, Duals, Tree
from secateur.engine.proofs.exact import Exact
from secateur.engine.proofs.form import Form, Lemma, Limits, Proof, Subject, Value
from secateur.engine.proofs.judge import ProofError, judge
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.multipliers import Group, duals_of, gather
from secateur.engine.proofs.negation import negation
from secateur.engine.proofs.phases import Change, Phases, clip
from secateur.engine.proofs.read import read_model
from secateur.engine.proofs.record import record, separate
from secateur.engine.proofs.store import read_proof, write_proof
from secateur.engine.proofs.system import system_of
from secateur.engine.proofs.thin import Thinner

INPUTS = 24


def net(seed, sizes, scale=8):
    """Return bytes of a random network of eighths."""
    rng = np.random.default_rng(seed)
    weights = [
        rng.integers(-8, 9, (b, a)) / scale / np.sqrt(a) for a, b in itertools.pairwise(sizes)
    ]
    return written(weights, [rng.integers(-8, 9, b) / 16 for b in sizes[1:]])


def asked(model, seed, slack, inputs=INPUTS):
    """Return a lemma that bounds the output of a network by what samples show and some room."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (4000, inputs))
    corners = np.sign(points[:1000])
    values = model.floats(np.concatenate([points, corners]))[model.output][:, 0]
    most = Fraction(round(1000 * float(values.max() + slack * np.ptp(values))), 1000)
    ones = tuple(Fraction(one) for one in np.ones(inputs).astype(int).tolist())
    claim = Limits(((Value(0, None, 0), None, most),))
    subjects = (Subject(0, tuple(range(inputs))),)
    return Lemma(subjects, tuple(-one for one in ones), ones, claim, (), (), EMPTY)


def settled(seed, slack=0.35, sizes=(INPUTS, 12, 8, 1)):
    data = net(seed, sizes)
    model = read_model(data, "f.onnx")
    found, spent = record(asked(model, seed, slack, sizes[0]), [model], 20.0)
    return data, model, found, spent


def test_phases_settle_what_halving_boxes_cannot():
    data, model, found, _ = settled(0)
    assert found is not None
    assert (found.tree.axis >= INPUTS).sum() > 4
    assert found.duals.entry.size
    assert found.duals.weight.size
    for exact in (False, True):
        judge(found, [model], exact=exact)
    halved, _ = record(replace(found, tree=EMPTY), [model], 20.0, 4000, few=INPUTS)
    assert halved is None
    proof = Proof((file_of("f", data),), (found,))
    assert write_proof(read_proof(write_proof(proof))) == write_proof(proof)
    assert check(write_proof(proof), lambda *_: data).sentences


def test_claims_below_the_truth_find_no_evidence():
    data = net(1, (18, 6, 5, 1))
    model = read_model(data, "f.onnx")
    lemma = asked(model, 1, -0.02, 18)
    found, spent = record(lemma, [model], 20.0, 4000)
    assert found is None
    assert spent.nodes > 1


def test_limits_that_need_splits_have_trees_of_their_own():
    data = net(2, (INPUTS, 10, 8, 8))
    model = read_model(data, "f.onnx")
    lemma = asked(model, 2, 0.3)
    points = np.sign(np.random.default_rng(0).uniform(-1, 1, (4000, INPUTS)))
    values = model.floats(points)[model.output]
    limits = [
        (Value(0, None, at), Fraction(round(float(low) - 2)), Fraction(round(float(high) + 2)))
        for at, (low, high) in enumerate(zip(values.min(0), values.max(0), strict=True))
    ]
    limits[3] = (limits[3][0], None, Fraction(round(1000 * float(values[:, 3].max()) + 250), 1000))
    parts = separate(replace(lemma, claim=Limits(tuple(limits))), [model], 30.0)
    assert parts is not None
    for part in parts:
        judge(part, [model])
    assert parts[0].tree.axis.size == 1
    said = {one for part in parts for one in part.claim.limits}
    each = {(value, None, most) for value, _, most in limits}
    each |= {(value, least, None) for value, least, _ in limits if least is not None}
    assert said == each
    assert len(parts) == 2
    assert parts[1].tree.axis.size > 1


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), luck=st.integers(0, 10**6))
def test_any_multipliers_give_bounds_that_hold(seed, luck):
    """Whatever phases are fixed and whatever multipliers come: no point is below the bound."""
    rng = np.random.default_rng(luck)
    model = read_model(net(seed % 50, (3, 6, 5, 2)), "f.onnx")
    lemma = replace(asked(model, seed, 0.0, 3))
    system = system_of(lemma, [model])
    tests = exclusion.Tests(system)
    tests.add(exclusion.test_of(system, negation(lemma.claim), Form(0, (1,))))
    thinner = Thinner(system, tests.nodes)
    fixed = {
        int(neuron): bool(rng.integers(2)) for neuron in rng.permutation(11)[: rng.integers(4)]
    }
    thinner.held[list(fixed)] = True
    known = thinner.nothing(1)
    clip(known[0], fixed)
    box = np.sort(rng.uniform(-1, 1, (2, 3)), axis=0)
    bounds, kept = thinner.bounds(box[:1], box[1:], known)
    some = np.array(sorted(fixed), dtype=np.int64)
    steep = rng.integers(0, 256, 11) / 255
    weight = rng.uniform(0, 3, some.size) * rng.choice([0.0, 0.3, 10.0])
    more = gather([Group(np.arange(11), steep, some, weight)], [fixed], thinner, kept)
    none = np.zeros(1, np.int64)
    (bound,), _ = tests.lower(bounds, none, none, more)
    exact = Exact(bounds, 0, thinner.known({}, kept), thinner.fixed(fixed, kept))
    start = tests.begun(none)[0][1]
    (sharp_,) = exact_of(exact, start, more)
    assert bounds.empty[0] or bound <= sharp_
    points = rng.uniform(box[0], box[1], (3000, 3))
    values = model.floats(points)
    z = np.concatenate([values[1], values[3]], axis=1)
    inside = np.ones(len(points), np.bool_)
    for neuron, up in fixed.items():
        inside &= z[:, neuron] >= 0 if up else z[:, neuron] <= 0
    if bounds.empty[0]:
        assert not inside.any()
    elif inside.any():
        assert bound <= -values[model.output][inside, 0].max() + 1e-9


def exact_of(exact, start, more):
    from secateur.engine.proofs.dyadic import Dyadic

    begun = [(node, Dyadic.of(row)) for node, row in (*start.items(), *more.parts.items())]
    slopes = {node: row[0] for node, row in more.slopes.items()}
    return exact.lower(begun, slopes=slopes).fractions()


def test_a_multiplier_of_an_open_phase_is_refused():
    _, model, found, _ = settled(0)
    entry = found.duals.entry[:1]
    one = np.ones(1, np.int64)
    for neuron in range(20):
        duals = Duals(entry, 0 * one, one[:0], one[:0], one, one * neuron, np.array([0.5]))
        fixed = Phases(found.tree, INPUTS).of(int(found.tree.node[entry[0]]))
        if neuron not in fixed:
            with pytest.raises(ProofError, match="is not fixed there"):
                judge(replace(found, duals=duals), [model])
            break
    else:
        raise AssertionError("every neuron is fixed")


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("slope", 256, "between 0 and 1"),
        ("slope", -1, "between 0 and 1"),
        ("weight", -1e-300, "below 0"),
        ("neuron", 20, "neuron that is not there"),
        ("split", -1, "neuron that is not there"),
        ("entry", 10**6, "without a form|in order"),
        ("slopes", 99, "do not fit"),
        ("phases", -1, "do not fit"),
    ],
)
def test_multipliers_that_are_none_are_refused(part, value, said):
    _, model, found, _ = settled(0)
    values = getattr(found.duals, part).copy()
    values[-1] = value
    with pytest.raises(FormatError, match=said):
        judge(replace(found, duals=replace(found.duals, **{part: values})), [model])


def test_trees_that_split_what_is_not_there_are_refused():
    _, model, found, _ = settled(0)
    for axis, cut, said in (
        (INPUTS + 20, 0.0, "none of 24 inputs and 20 neurons"),
        (INPUTS, 0.5, "elsewhere than at 0"),
    ):
        tree = found.tree
        axes, cuts = tree.axis.copy(), tree.cut.copy()
        axes[0], cuts[0] = axis, cut
        with pytest.raises(FormatError, match=said):
            judge(replace(found, tree=replace(tree, axis=axes, cut=cuts)), [model])


def test_a_checker_that_takes_any_phase_proves_what_is_false(monkeypatch):
    """The attacks are worth something: where open phases count as fixed, one of them succeeds."""
    for seed, turn in itertools.product(range(3), range(40)):
        given_ = sharp("phased limits", 3)[seed]
        (lemma,) = given_.proof.lemmas
        claim = bolder(lemma.claim, Fraction(3, 4))
        models = given_.models(given_.proof)
        if true(replace(lemma, claim=claim), models):
            continue
        model = models[0]
        hidden = sum(
            size for name, size in zip(model.names, model.sizes, strict=True) if name[0] == "h"
        )
        fixed = dict.fromkeys(range(hidden), True)
        monkeypatch.setattr(Phases, "of", lambda *_, fixed=fixed: fixed)
        rng = np.random.default_rng([seed, turn])
        bad = CHANGES["multipliers of phases that are open"](rng, replace(lemma, claim=claim))
        try:
            judge(bad, models)
        except (FormatError, ProofError):
            continue
        return
    pytest.fail("no forgery showed it")


def test_a_node_without_inputs_excludes_everything():
    """z = x + 2 on [-1, 1] is never at most 0: the half where it is needs no bound."""
    data = written([np.array([[1.0]]), np.array([[1.0]])], [np.array([2.0]), np.array([-4.0])])
    model = read_model(data, "f.onnx")
    claim = Limits(((Value(0, None, 0), Fraction(-3), None),))
    one = Fraction(1)
    tree = Tree(np.array([1, -1, -1]), np.zeros(3), np.array([1, 2]), np.array([0, 0]))
    lemma = Lemma((Subject(0, (0,)),), (-one,), (one,), claim, (), (Form(0, (1,)),), tree)
    for exact in (False, True):
        judge(lemma, [model], exact=exact)
    shown = replace(tree, node=np.array([1, 1]))
    with pytest.raises(ProofError, match="every part"):
        judge(replace(lemma, tree=shown), [model])
    wrong = Limits(((Value(0, None, 0), Fraction(-2), None),))
    with pytest.raises(ProofError, match="node 2"):
        judge(replace(lemma, claim=wrong), [model])


def test_what_changes_on_the_way_to_a_node():
    axis = np.array([7, 0, -1, -1, 9, -1, -1])
    phases = Phases(Tree(axis, np.zeros(7), axis[:0], axis[:0]), 5)
    assert phases.of(6) == {2: False, 4: True}
    assert phases.of(2) == {2: True}
    assert phases.since(6, 0) == Change(smaller=True, neurons=(4, 2))
    assert phases.since(6, 1) == Change(smaller=True, neurons=(4,))
    assert phases.since(6, 4) == Change(smaller=False, neurons=(4,))
    assert phases.since(0, -1).smaller
    assert phases.neurons().tolist() == [2, 4]


def test_groups_become_duals_and_come_back():
    group = Group(np.array([3]), np.array([51 / 255]), np.array([1, 2]), np.array([0.5, 2.0]))
    empty = Group(*(np.zeros(0, np.int64), np.zeros(0)) * 2)
    duals = duals_of([None, group, empty, group])
    assert duals.entry.tolist() == [1, 3]
    assert duals.slope.tolist() == [51, 51]
    assert duals.split.tolist() == [1, 2, 1, 2]
    assert duals_of([None, empty]).entry.size == 0


@pytest.mark.parametrize("kind", PHASED)
def test_phased_proofs_hold_without_rounding(kind):
    given_ = made(kind, 0)
    data = write_proof(given_.proof)
    assert check(data, given_.open_file, exact=True).sentences
    assert set(given_.files) >= {digest(data) for data in given_.files.values()}


def test_bounds_are_not_lost_where_nothing_moves():
    """A layer that no phase above it moves keeps what is known of it."""
    _, model, found, _ = settled(0)
    system = system_of(found, [model])
    thinner = Thinner(system, frozenset())
    first, last = list(thinner.activations)
    near, far = thinner.place[first].start, thinner.place[last].start
    assert thinner.still([Change(smaller=False, neurons=(far,))]) == {first, last}
    assert thinner.still([Change(smaller=False, neurons=(near, far))]) == {first}
    assert thinner.still([Change(smaller=True, neurons=())]) == set()
