"""Exemplars: modal labels and ties, and what is measured of them."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from secateur.compression.exemplars import TIED, Outcome, modes, outcomes, ranked
from secateur.compression.exemplars_measured import brittleness, forgotten
from secateur.engine.errors import InputError

populations = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 3, (2, 4, 6))
)


def leaders(votes):
    """Return the classes with most votes."""
    counts = Counter(votes)
    return {label for label, count in counts.items() if count == max(counts.values())}


@given(populations)
def test_the_mode_is_the_label_with_most_votes_or_a_tie(labels):
    found = modes(labels[0], 3)
    assert (found.votes.sum(axis=1) == 4).all()
    for row in range(6):
        most = leaders(labels[0][:, row].tolist())
        assert found.labels[row] == (most.pop() if len(most) == 1 else TIED)
    assert found.ties == (found.labels == TIED).sum()


@given(populations)
def test_an_outcome_is_what_holds_however_ties_are_broken(labels):
    original, compressed = (modes(one, 3) for one in labels)
    found = outcomes(original, compressed)
    for row in range(6):
        pairs = product(*(leaders(one[:, row].tolist()) for one in labels))
        same = {one == two for one, two in pairs}
        wanted = {True: Outcome.KEPT, False: Outcome.EXEMPLAR}
        assert found[row] == (wanted[same.pop()] if len(same) == 1 else Outcome.UNDECIDED)


def test_the_clearest_exemplars_come_first():
    original = modes(np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0], [2, 1, 0]]), 3)
    compressed = modes(np.array([[1, 2, 1], [1, 2, 1], [1, 0, 1], [1, 2, 1]]), 3)
    assert outcomes(original, compressed).tolist() == [1, 1, 1]
    assert ranked(original, compressed).tolist() == [2, 0, 1]


def test_labels_that_are_none_are_refused():
    with pytest.raises(InputError, match="numbered 0 to 2"):
        modes(np.array([[0, 3]]), 3)
    with pytest.raises(InputError, match="a row for each"):
        modes(np.zeros((0, 3), np.int64), 3)


def test_what_was_forgotten_of_a_planted_population():
    """Three rows of ten turn to class 1; the accuracies follow by counting."""
    truth = np.array([0] * 5 + [1] * 5)
    original = np.tile(truth, (4, 1))
    compressed = original.copy()
    compressed[:, :3] = 1
    found = forgotten(original, compressed, truth, 2, 0)
    assert found.count(Outcome.EXEMPLAR) == 3
    assert found.order.tolist() == [0, 1, 2]
    assert found.overall.compressed[0] == pytest.approx(0.7)
    assert (found.on_exemplars.rows, found.elsewhere.rows) == (3, 7)
    assert found.on_exemplars.original[0] == 1.0
    assert found.on_exemplars.compressed[0] == 0.0
    assert found.elsewhere.compressed[0] == 1.0
    assert found.by_chance.rows == 3
    assert found.by_chance.compressed[0] == pytest.approx(0.7, abs=0.05)
    # Recall of class 0 falls to 0.4, accuracy to 0.7: class 0 lost 0.3 more, class 1 gained 0.3.
    assert found.classes.change == pytest.approx([-0.3, 0.3])
    assert found.corrected.tolist() == [0.0, 0.0]


def test_nothing_forgotten_and_a_class_without_rows():
    truth = np.array([0, 0, 2, 2])
    labels = np.array([[0, 0, 2, 2], [0, 2, 2, 2], [0, 0, 2, 0]])
    found = forgotten(labels, labels, truth, 3, 0)
    assert found.on_exemplars is None
    assert found.by_chance is None
    assert np.isnan(found.classes.p[1])
    assert found.classes.p[[0, 2]].tolist() == [1.0, 1.0]


@given(st.integers(0, 2**32 - 1))
def test_a_class_is_tested_by_recall_less_accuracy(seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], 7)
    original, compressed = rng.integers(0, 3, (2, 5, 21))
    found = forgotten(original, compressed, truth, 3, 0)
    for label in range(3):
        groups = [
            [(net == truth)[truth == label].mean() - (net == truth).mean() for net in population]
            for population in (original, compressed)
        ]
        told = stats.ttest_ind(*groups, equal_var=False).pvalue
        assert found.classes.p[label] == pytest.approx(told, abs=1e-9)


def test_brittleness_counts_what_is_lost_against_clean_rows():
    clean = [np.array([0.9, 0.8]), np.array([0.7, 0.8])]
    corruptions = [(np.array([0.8, 0.7]), np.array([0.5, 0.6]))]
    tested, corrected = brittleness(clean, corruptions)
    assert tested.change == pytest.approx([-0.1])
    assert corrected.tolist() == [0.0]
