"""Pictures of trees: what is drawn is the tree, all of it, and nothing outside its box."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proved import KINDS, PHASED, made, sharp

from secateur.browse.trees import BOXES, SIDE, boxes_drawn, depths_drawn, projected, shape_of
from secateur.engine.proofs.evidence import LEAF, Tree
from secateur.engine.proofs.model import FormatError


@st.composite
def lemmas(draw, neurons=0):
    """Lemmas with trees that split inputs anywhere, also outside their boxes, and some neurons."""
    lemma = made("within", 4).proof.lemmas[0]
    inputs = draw(st.integers(2, 4))
    wide = [draw(st.integers(1, 9)) for _ in range(inputs)]
    axis, waiting = [], 1
    while waiting:
        split = len(axis) < 60 and draw(st.booleans())
        axis.append(draw(st.integers(0, inputs + neurons - 1)) if split else LEAF)
        waiting += 1 if split else -1
    cuts = [draw(st.floats(-2, 11)) if 0 <= one < inputs else 0.0 for one in axis]
    none = np.zeros(0, dtype=np.int64)
    tree = Tree(np.array(axis, dtype=np.int64), np.array(cuts), none, none)
    zeros, tops = (Fraction(0),) * inputs, tuple(map(Fraction, wide))
    return replace(lemma, lower=zeros, upper=tops, tree=tree)


@given(lemmas())
def test_leaves_cover_the_picture_once_for_each_way_through_the_other_inputs(lemma):
    shape = shape_of(lemma)
    assert shape.nodes == lemma.tree.axis.size == sum(shape.splits) + sum(shape.ends)
    assert shape.leaves == sum(shape.ends) == int((lemma.tree.axis == LEAF).sum())
    assert shape.complete
    assert (shape.cut, shape.fixed, shape.neurons) == (shape.nodes // 2, 0, ())
    some = projected(lemma, (0, 1))
    assert len(some) == shape.leaves
    assert all(one.leaf for one in some)
    for one in some:
        assert min(one.left, one.top, one.width, one.height) >= -1e-9
        assert max(one.left + one.width, one.top + one.height) <= SIDE + 1e-9
    area = sum(one.width * one.height for one in some) / SIDE**2
    if set(shape.axes) <= {0, 1}:
        assert area == pytest.approx(1.0)
    else:
        assert area >= 1.0 - 1e-9


@given(lemmas(neurons=3))
def test_nodes_that_fix_phases_pass_their_boxes_on_without_a_line(lemma):
    shape, inputs, axis = shape_of(lemma), len(lemma.lower), lemma.tree.axis
    assert shape.cut == sum(1 for one in axis if 0 <= one < inputs)
    assert shape.fixed == sum(1 for one in axis if one >= inputs)
    assert set(shape.axes) == {one for one in axis if 0 <= one < inputs}
    assert set(shape.neurons) == {one - inputs for one in axis if one >= inputs}
    some = projected(lemma, (0, 1))
    assert all(one.leaf for one in some)
    assert shape.cut + 1 <= len(some) <= shape.leaves
    assert sum(one.width * one.height for one in some) >= SIDE**2 * (1 - 1e-9)
    if not shape.cut:
        assert len(some) == 1
        assert boxes_drawn(lemma, shape, 1) is None


def test_a_box_is_drawn_once_however_often_phases_are_fixed_on_it():
    lemma = made("within", 4).proof.lemmas[0]
    none = np.zeros(0, dtype=np.int64)
    # The box is cut; on its first half a phase is fixed, and then another one.
    axis = np.array([0, 2, LEAF, LEAF, 3, LEAF, LEAF], dtype=np.int64)
    cut = np.array([float(sum(lemma.lower[:1] + lemma.upper[:1]) / 2), *[0.0] * 6])
    lemma = replace(lemma, tree=Tree(axis, cut, none, none))
    shape = shape_of(lemma)
    assert (shape.leaves, shape.cut, shape.fixed, shape.neurons) == (4, 1, 2, (0, 1))
    some = projected(lemma, (0, 1))
    assert [round(one.width / SIDE, 6) for one in some] == [0.5, 0.5]
    drawn = boxes_drawn(lemma, shape, 1)
    assert drawn is not None
    assert "passes its box on" in drawn.note


@given(st.one_of(lemmas(), lemmas(neurons=2)), st.integers(1, 20))
def test_the_first_boxes_of_a_large_tree_cover_the_picture_too(lemma, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secateur.browse.trees.BOXES", most)
        some = projected(lemma, (0, 1))
    assert len(some) <= most
    assert sum(one.width * one.height for one in some) >= SIDE**2 * (1 - 1e-9)


@pytest.mark.parametrize("kind", PHASED)
def test_real_trees_of_phases_are_counted_and_have_no_boxes_to_draw(kind):
    seed = next(at for at in range(40) if made(kind, at).proof.lemmas[0].tree.axis.max() >= 2)
    lemma = made(kind, seed).proof.lemmas[0]
    shape = shape_of(lemma)
    assert shape.fixed > 0
    assert shape.helped == lemma.duals.entry.size
    assert depths_drawn(shape, 1).svg.count("<rect") >= 1
    if not shape.cut:
        assert boxes_drawn(lemma, shape, 1) is None


@pytest.mark.parametrize("kind", KINDS)
def test_real_trees_are_drawn(kind):
    lemma = sharp(kind, 1)[0].proof.lemmas[0]
    shape = shape_of(lemma)
    for figure in (depths_drawn(shape, 1), boxes_drawn(lemma, shape, 1)):
        assert figure is not None
        assert figure.svg.count("<rect") >= 1
        assert figure.title in figure.svg


def test_a_deep_tree_is_counted_so_far_and_drawn_in_short():
    lemma = made("within", 4).proof.lemmas[0]
    count = 5000
    axis = np.array([0, *[LEAF, 0] * (count - 1), LEAF, LEAF], dtype=np.int64)
    tree = Tree(axis, np.zeros(axis.size), lemma.tree.node[:0], lemma.tree.form[:0])
    shape = shape_of(replace(lemma, tree=tree))
    assert not shape.complete
    assert shape.leaves == count + 1
    assert depths_drawn(shape, 1).svg.count("<rect") <= 80
    drawn = boxes_drawn(replace(lemma, tree=tree), shape, 1)
    assert drawn is not None
    assert drawn.svg.count("<rect") <= BOXES + 1


def test_there_is_no_picture_of_one_input_or_of_limits_beyond_floats():
    lemma = made("within", 4).proof.lemmas[0]
    shape = shape_of(lemma)
    flat = replace(lemma, upper=(lemma.lower[0], *lemma.upper[1:]))
    assert boxes_drawn(flat, shape, 1) is None
    far = replace(lemma, upper=(Fraction(10**400), *lemma.upper[1:]))
    assert boxes_drawn(far, shape, 1) is None


def test_what_is_no_tree_is_refused():
    lemma = made("within", 4).proof.lemmas[0]
    with pytest.raises(FormatError, match="elsewhere than at 0"):
        shape_of(replace(lemma, lower=lemma.lower[:1]))
