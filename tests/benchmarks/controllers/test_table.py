"""Score tables: symmetry, lookup, regrets and files."""

import numpy as np
import pytest

from secateur.benchmarks.controllers.encounter import Advisory
from secateur.benchmarks.controllers.problem import HORIZONTAL
from secateur.benchmarks.controllers.table import Axis, Table, Winner, closed, regrets
from secateur.engine.errors import FileError, FormatError

# Mirrored states differ by the rounding of sums over some hundred terms, stored as float32.
MIRROR_TOLERANCE = 1e-7
TURNED = [int(advisory.mirrored) for advisory in Advisory]


@pytest.fixture(scope="module")
def tables():
    return HORIZONTAL.tiny().tables()


@pytest.fixture
def small():
    axes = (Axis("range", "ft", np.array([0.0, 100.0, 300.0])), Axis.angle("bearing", 4))
    scores = np.random.default_rng(0).normal(size=(3, 5, 5)).astype(np.float32)
    return Table(axes, scores, Winner.LARGEST)


@pytest.mark.parametrize("previous", list(Advisory))
def test_left_and_right_mirror_each_other(tables, previous):
    scores = tables[previous].scores
    mirrored = tables[previous.mirrored].scores[:, ::-1, ::-1][..., TURNED]
    np.testing.assert_allclose(scores, mirrored, rtol=0.0, atol=MIRROR_TOLERANCE)


def test_the_advisory_is_clear_of_conflict_far_away_and_a_turn_head_on(tables):
    table = tables[Advisory.COC]
    far = np.array([[24000.0, bearing, 0.0] for bearing in np.linspace(-3.0, 3.0, 9)])
    assert set(table.winner.of(table.lookup(far)).tolist()) == {Advisory.COC}
    near = np.array([[5000.0, 0.05, -np.pi], [5000.0, -0.05, -np.pi]])
    said = [Advisory(value) for value in table.winner.of(table.lookup(near))]
    # The intruder stands a little to the left: pass it on its left side means turning right.
    assert [advisory.side for advisory in said] == [-1, 1]


def test_both_ends_of_an_angle_hold_the_same_scores(tables):
    scores = tables[Advisory.WL].scores
    np.testing.assert_array_equal(scores[:, 0], scores[:, -1])
    np.testing.assert_array_equal(scores[:, :, 0], scores[:, :, -1])


def test_lookup_at_the_nodes_gives_the_scores(small):
    for nearest in (False, True):
        found = small.lookup(small.points(), nearest=nearest)
        np.testing.assert_array_equal(found, small.scores.reshape(-1, 5))
    np.testing.assert_array_equal(small.advisories(), small.scores.reshape(-1, 5).argmax(axis=1))


def test_lookup_between_nodes_is_the_linear_mean_or_the_nearest(small):
    point = np.array([[250.0, -np.pi]])
    low, high = small.scores[1:, 0].astype(np.float64)
    mean = 0.25 * low + 0.75 * high
    np.testing.assert_allclose(small.lookup(point)[0], mean, rtol=1e-12)
    np.testing.assert_array_equal(small.lookup(point, nearest=True)[0], small.scores[2, 0])


def test_lookup_beyond_the_last_node_is_the_last_node(small):
    np.testing.assert_array_equal(
        small.lookup(np.array([[1e6, 0.0]])), small.lookup(np.array([[300.0, 0.0]]))
    )


def test_regrets_keep_the_winner_and_respect_the_cap():
    scores = np.random.default_rng(1).normal(size=(50, 5))
    best = scores.argmax(axis=1)
    for winner in Winner:
        found = regrets(scores, 0.3, winner)
        np.testing.assert_array_equal(winner.of(found), best)
        assert np.abs(found).max() <= np.float32(0.3)
        assert (winner.sign * found <= 0.0).all()


def test_closing_repeats_the_first_entry():
    scores = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    grown = closed(scores, (0, 1))
    assert grown.shape == (3, 4, 2)
    np.testing.assert_array_equal(grown[-1], grown[0])
    np.testing.assert_array_equal(grown[:, -1], grown[:, 0])


def test_rows_are_in_network_units(small):
    inputs, scores = small.rows()
    normal = small.normalisation()
    np.testing.assert_allclose(normal.to_raw(inputs.astype(float)), small.points(), atol=1e-4)
    raw = scores * normal.output_range + normal.output_mean
    np.testing.assert_allclose(raw, small.scores.reshape(-1, 5), atol=1e-6)
    assert np.ptp(scores) == pytest.approx(1.0)


def test_a_saved_table_comes_back(small, tmp_path):
    path = tmp_path / "table.npz"
    small.save(path)
    back = Table.load(path)
    assert back.winner is small.winner
    assert [(a.name, a.unit) for a in back.axes] == [(a.name, a.unit) for a in small.axes]
    np.testing.assert_array_equal(back.scores, small.scores)
    for axis, held in zip(small.axes, back.axes, strict=True):
        np.testing.assert_array_equal(axis.nodes, held.nodes)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.npz"):
        Table.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(FormatError, match=r"other\.npz"):
        Table.load(tmp_path / "other.npz")


def test_scores_that_do_not_fit_are_refused(small):
    with pytest.raises(FormatError, match="shape"):
        Table(small.axes, small.scores[:2], Winner.LARGEST)
    with pytest.raises(FormatError, match="finite"):
        Table(small.axes, np.full((3, 5, 5), np.nan, np.float32), Winner.LARGEST)
    with pytest.raises(FormatError, match="increase"):
        Axis("range", "ft", np.array([1.0, 1.0]))
