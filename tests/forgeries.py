"""Changes of a proof that a forger could make; most take away what it proves, some say more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import forgeries_duals
import numpy as np
from proved import Made, file_of

from secateur.engine.proofs.evidence import Form, Tree
from secateur.engine.proofs.form import (
    Atom,
    Claim,
    Lemma,
    Limits,
    Line,
    Negation,
    Proof,
    Query,
    SameBest,
    Subject,
    Within,
)

Rng = np.random.Generator
Forgery = Callable[[Rng, Made, Proof], Proof]


def _lemma(change: Callable[[Rng, Lemma], Lemma]) -> Forgery:
    def forge(rng: Rng, _: Made, proof: Proof) -> Proof:
        if not proof.lemmas:
            return proof
        at = int(rng.integers(len(proof.lemmas)))
        lemmas = list(proof.lemmas)
        lemmas[at] = change(rng, lemmas[at])
        return replace(proof, lemmas=tuple(lemmas))

    return forge


def _tree(change: Callable[[Rng, Tree, Lemma], Tree]) -> Forgery:
    return _lemma(lambda rng, lemma: replace(lemma, tree=change(rng, lemma.tree, lemma)))


def _number(rng: Rng, value: Fraction) -> Fraction:
    """Return another number: a little or a lot away, the other sign, or a huge one."""
    match int(rng.integers(6)):
        case 0:
            return -value
        case 1:
            return value * (1 + Fraction(int(rng.integers(-40, 41)), 1000))
        case 2:
            return value + Fraction(int(rng.integers(-100, 101)), 10_000)
        case 3:
            return value * int(rng.integers(-3, 4))
        case 4:
            return value + Fraction(int(rng.integers(-1, 2)), 10**30)
        case _:
            return Fraction(10) ** int(rng.choice([-400, -300, 17, 300, 400]))


def _one_of(rng: Rng, size: int) -> int:
    return int(rng.integers(max(size, 1)))


def _drop_entries(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    keep = rng.random(tree.node.size) > rng.choice([0.05, 0.5, 1.0])
    if keep.all():
        keep[_one_of(rng, keep.size) :][:1] = False
    return replace(tree, node=tree.node[keep], form=tree.form[keep])


def _again(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    some = rng.integers(0, max(tree.node.size, 1), 3)
    return replace(
        tree, node=np.append(tree.node, tree.node[some]), form=np.append(tree.form, tree.form[some])
    )


def _shuffle(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    order = rng.permutation(tree.node.size)
    return replace(tree, node=tree.node[order], form=tree.form[order])


def _shuffle_apart(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    return replace(tree, node=rng.permutation(tree.node))


def _to_root(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    node = tree.node.copy()
    node[rng.random(node.size) < 0.5] = 0
    return replace(tree, node=node)


def _other_nodes(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    return replace(tree, node=tree.node + rng.integers(-1, 2, tree.node.size))


def _other_forms(rng: Rng, tree: Tree, lemma: Lemma) -> Tree:
    form = tree.form.copy()
    form[rng.integers(0, max(form.size, 1), 2)] = rng.integers(-1, len(lemma.forms) + 1, 2)
    return replace(tree, form=form)


def _all_at_root(rng: Rng, tree: Tree, lemma: Lemma) -> Tree:
    """Return a tree that is a single leaf on which everything is said to be excluded."""
    count = len(lemma.forms)
    none = np.zeros(count, np.int64)
    return Tree(np.array([-1]), np.zeros(1), none, np.arange(count))


def _prune(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    axis = tree.axis.copy()
    axis[_one_of(rng, axis.size)] = -1
    return replace(tree, axis=axis)


def _cut_short(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    size = _one_of(rng, tree.axis.size) + 1
    keep = tree.node < size
    return Tree(tree.axis[:size], tree.cut[:size], tree.node[keep], tree.form[keep])


def _other_axes(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    axis = tree.axis.copy()
    axis[_one_of(rng, axis.size)] = rng.choice([-2, -1, 0, 1, 2, 2**40])
    return replace(tree, axis=axis)


def _move_cuts(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    cut, at = tree.cut.copy(), rng.random(tree.cut.size) < 0.3
    cut[at] += rng.normal(size=int(at.sum())) * rng.choice([1e-12, 0.1, 10.0, 1e300])
    return replace(tree, cut=cut)


def _wild_cuts(rng: Rng, tree: Tree, _: Lemma) -> Tree:
    cut = tree.cut.copy()
    cut[_one_of(rng, cut.size)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])
    return replace(tree, cut=cut)


def _box(rng: Rng, lemma: Lemma) -> Lemma:
    lower, upper = list(lemma.lower), list(lemma.upper)
    at = _one_of(rng, len(lower))
    wide = upper[at] - lower[at]
    match int(rng.integers(6)):
        case 0:
            upper[at] += wide * Fraction(int(rng.integers(-2, 20)), 10)
        case 1:
            lower[at] -= wide * Fraction(int(rng.integers(-2, 20)), 10)
        case 2:
            lower[at], upper[at] = upper[at], lower[at]
        case 3:
            shift = wide * Fraction(int(rng.integers(-10, 11)), 5)
            lower[at], upper[at] = lower[at] + shift, upper[at] + shift
        case 4:
            lower.reverse()
            upper.reverse()
        case _:
            upper[at] = _number(rng, upper[at])
    return replace(lemma, lower=tuple(lower), upper=tuple(upper))


def _more_inputs(rng: Rng, lemma: Lemma) -> Lemma:
    return replace(lemma, lower=(*lemma.lower, Fraction(0)), upper=(*lemma.upper, Fraction(1)))


def _subjects(rng: Rng, lemma: Lemma) -> Lemma:
    subjects = list(lemma.subjects)
    at = _one_of(rng, len(subjects))
    match int(rng.integers(5)):
        case 0:
            subjects.reverse()
        case 1:
            subjects[at] = replace(subjects[at], inputs=subjects[at].inputs[::-1])
        case 2:
            subjects[at] = replace(subjects[at], file=int(rng.integers(3)))
        case 3:
            subjects[at] = replace(subjects[at], inputs=(0, 0))
        case _:
            subjects.append(Subject(0, (0, 1)))
    return replace(lemma, subjects=tuple(subjects))


def _lines(rng: Rng, lemma: Lemma) -> Lemma:
    subjects = list(lemma.subjects)
    at = _one_of(rng, len(subjects))
    lines = list(subjects[at].lines)
    if lines and rng.integers(2):
        one = lines[0]
        slope = one.slope + float(rng.normal() * rng.choice([1e-9, 0.3, 1e200]))
        shift = one.intercept + float(rng.normal())
        lines[0] = replace(one, slope=slope, intercept=shift)
        if not rng.integers(4):
            lines.clear()
    else:
        slope, shift = (float(value) for value in rng.choice([0.0, 0.5, 1.0, np.nan, 1e308], 2))
        node = str(rng.choice(["h0", "z0", "nowhere"]))
        lines.append(Line(node, int(rng.integers(5)), slope, shift))
    subjects[at] = replace(subjects[at], lines=tuple(lines))
    return replace(lemma, subjects=tuple(subjects))


def _claim(rng: Rng, lemma: Lemma) -> Lemma:
    return replace(lemma, claim=_other_claim(rng, lemma.claim))


def _other_claim(rng: Rng, claim: Claim) -> Claim:
    match claim:
        case Within(tolerance=tolerance, outputs=outputs):
            if rng.integers(4):
                return replace(claim, tolerance=_number(rng, tolerance))
            return replace(claim, outputs=(*outputs[: rng.integers(3)], int(rng.integers(4))))
        case SameBest(sign=sign, band=band, room=room):
            match int(rng.integers(5)):
                case 0:
                    return replace(claim, sign=int(rng.choice([-sign, 0, 2])))
                case 1:
                    return replace(claim, outputs=int(rng.choice([1, 3, 1000])))
                case 2:
                    return replace(claim, room=room + Fraction(int(rng.integers(-2, 9)), 100))
                case _:
                    return replace(claim, band=_number(rng, band))
        case Limits(limits=limits):
            some = list(limits)
            at = _one_of(rng, len(some))
            value, least, most = some[at]
            match int(rng.integers(4)):
                case 0:
                    value = replace(value, index=value.index + int(rng.choice([-1, 1])))
                case 1:
                    value = replace(value, node=rng.choice(["h0", "z0", "x"]).item())
                case 2:
                    least = None if least is None else _number(rng, least)
                case _:
                    most = None if most is None else _number(rng, most)
            some[at] = (value, least, most)
            return Limits(tuple(some))
        case Query(negation=negated):
            return Query(_other_query(rng, negated))


def _other_query(rng: Rng, negated: Negation) -> Negation:
    rows, cases = list(negated.rows), [list(case) for case in negated.cases]
    at, case = _one_of(rng, len(rows)), _one_of(rng, len(cases))
    match int(rng.integers(7)):
        case 0:
            rows[at] = replace(rows[at], constant=_number(rng, rows[at].constant))
        case 1:
            values = {name: _number(rng, value) for name, value in rows[at].values.items()}
            rows[at] = replace(rows[at], values=values)
        case 2:
            rows[at] = replace(rows[at], inputs={int(rng.integers(3)): Fraction(1, 3)})
        case 3:
            cases[case] = [Atom(atom.row, not atom.strict) for atom in cases[case]]
        case 4:
            del cases[case][0]
        case 5:
            cases[case][0] = Atom(int(rng.integers(-1, 4)), False)
        case _:
            del cases[case]
    return Negation(tuple(rows), tuple(tuple(one) for one in cases))


def _forms(rng: Rng, lemma: Lemma) -> Lemma:
    forms = list(lemma.forms)
    at = _one_of(rng, len(forms))
    weights = list(forms[at].weights)
    match int(rng.integers(6)):
        case 0:
            weights[_one_of(rng, len(weights))] = int(rng.choice([-1, -(2**40), 0]))
        case 1:
            weights = [int(value) for value in rng.integers(0, 4, len(weights))]
        case 2:
            weights.append(1)
        case 3:
            weights = [2**62] * len(weights)
        case 4:
            forms.reverse()
            return replace(lemma, forms=tuple(forms))
        case _:
            case = int(rng.choice([-1, 0, 1, 99]))
            forms[at] = replace(forms[at], case=case)
            return replace(lemma, forms=tuple(forms))
    forms[at] = Form(forms[at].case, tuple(weights))
    return replace(lemma, forms=tuple(forms))


def _twins(rng: Rng, lemma: Lemma) -> Lemma:
    twins = list(lemma.twins)
    if not twins:
        return replace(lemma, claim=lemma.claim)
    at = _one_of(rng, len(twins))
    match int(rng.integers(5)):
        case 0:
            order = tuple(int(one) for one in rng.permutation(int(rng.integers(3, 5))))
            twins[at] = replace(twins[at], order=order)
        case 1:
            twins[at] = replace(twins[at], second=twins[at].first)
        case 2:
            twins[at] = replace(twins[at], first=twins[at].second, second=twins[at].first)
        case 3:
            del twins[at]
        case _:
            twins[at] = replace(twins[at], second=(int(rng.integers(3)), "h0"))
    return replace(lemma, twins=tuple(twins))


def _networks(rng: Rng, given: Made, proof: Proof) -> Proof:
    """Return a proof that speaks of other files, each with its right digest."""
    files = list(proof.files)
    if rng.integers(2):
        files.reverse()
    else:
        data = list(given.files.values())
        files[_one_of(rng, len(files))] = file_of("h", data[_one_of(rng, len(data))])
    return replace(proof, files=tuple(files))


def _digests(rng: Rng, _: Made, proof: Proof) -> Proof:
    files = list(proof.files)
    at = _one_of(rng, len(files))
    other = "0" * 64 if rng.integers(2) else files[at].digest.upper()
    files[at] = replace(files[at], digest=other, size=files[at].size + int(rng.integers(2)))
    return replace(proof, files=tuple(files))


def _lemmas(rng: Rng, _: Made, proof: Proof) -> Proof:
    return replace(proof, lemmas=proof.lemmas * int(rng.choice([0, 2])))


FORGERIES: dict[str, Forgery] = {
    "entries dropped": _tree(_drop_entries),
    "entries twice": _tree(_again),
    "entries shuffled": _tree(_shuffle),
    "entries of others": _tree(_shuffle_apart),
    "entries at the root": _tree(_to_root),
    "entries elsewhere": _tree(_other_nodes),
    "entries of other forms": _tree(_other_forms),
    "one leaf for all": _tree(_all_at_root),
    "a branch pruned": _tree(_prune),
    "a tree cut short": _tree(_cut_short),
    "other axes": _tree(_other_axes),
    "cuts moved": _tree(_move_cuts),
    "cuts that are none": _tree(_wild_cuts),
    "another box": _lemma(_box),
    "one input more": _lemma(_more_inputs),
    "other subjects": _lemma(_subjects),
    "other lines": _lemma(_lines),
    "another claim": _lemma(_claim),
    "other forms": _lemma(_forms),
    "other twins": _lemma(_twins),
    "other networks": _networks,
    "other digests": _digests,
    "other lemmas": _lemmas,
    **{name: _lemma(change) for name, change in forgeries_duals.CHANGES.items()},
}


def bolder(claim: Claim, part: Fraction) -> Claim:
    """Return a claim that says more, the more the larger a part from 0 to 1 is."""
    match claim:
        case Within(tolerance=tolerance):
            return replace(claim, tolerance=tolerance * (1 - part))
        case SameBest(band=band):
            return replace(claim, band=band * (1 - part), room=part / 4)
        case Limits(limits=((value, least, most), *rest)):
            wide = part * ((most or 0) - (least or 0))
            return Limits(((value, least, (most or 0) - wide), *rest))
        case Query(negation=negated):
            rows = tuple(replace(row, constant=row.constant - 8 * part) for row in negated.rows)
            return Query(replace(negated, rows=rows))
        case _:
            raise AssertionError(claim)


def _negative(rng: Rng, lemma: Lemma) -> Lemma:
    forms = [Form(form.case, tuple(-one for one in form.weights)) for form in lemma.forms]
    for at in range(len(forms)):
        if len(forms[at].weights) > 1:
            weights = rng.permutation(
                [1, *[-int(rng.integers(0, 9))] * (len(forms[at].weights) - 1)]
            )
            forms[at] = Form(forms[at].case, tuple(int(one) for one in weights))
    tree = _all_at_root(rng, lemma.tree, replace(lemma, forms=tuple(forms)))
    return replace(lemma, forms=tuple(forms), tree=tree)


EVIDENCE = {
    **{name: FORGERIES[name] for name in list(FORGERIES)[:13]},
    "negative weights": _lemma(_negative),
    "other forms": FORGERIES["other forms"],
    "other twins": FORGERIES["other twins"],
    **{name: FORGERIES[name] for name in forgeries_duals.CHANGES},
}
"""Changes of the evidence alone."""
