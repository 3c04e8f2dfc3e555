"""The benchmark of joint redundancy: what it counts, that it goes on, and that it sees a lie."""

import json
import sys
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest

from secateur.benchmarks import planted, redundancy_cells, redundancy_rows
from secateur.benchmarks.cell_bounds import LOWER, UPPER
from secateur.benchmarks.redundancy_rows import Asked, Subject, attack, distance_to_break, subject
from secateur.engine.agreement import Best
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.redundancy.guarantee import Outputs, SameBest


@pytest.fixture
def small(monkeypatch):
    """Let every name stand for a small network with two cells."""
    rng = np.random.default_rng(3)
    network = Network.dense(
        [rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=(3, 6)).astype(np.float32)],
        [rng.normal(size=6).astype(np.float32), np.zeros(3)],
    )
    asked = []

    def made(name, count, seed):
        asked.append((name, count, seed))
        cells = [Region.box([at, at], [at + 0.5, at + 0.5]) for at in np.linspace(-0.5, 0.5, count)]
        return Subject(name, network, Best.MAX, tuple(cells))

    monkeypatch.setattr(redundancy_cells, "subject", made)
    return asked


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["redundancy_cells", *map(str, words)])
    redundancy_cells.main()


COMMON = ("--nets", "a,b", "--cells", 2, "--seconds", 5, "--points", 200)


def test_a_run_that_was_broken_off_goes_on(small, monkeypatch, tmp_path, capsys):
    store = tmp_path / "rows.jsonl"
    run(monkeypatch, *COMMON, "--json", store)
    first = capsys.readouterr().out
    rows = [json.loads(line) for line in store.read_text().splitlines()]
    assert len(rows) == 4
    assert [(row["net"], row["cell"]) for row in rows] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    for row in rows:
        assert row["violations"] == 0
        assert row["proved"]
        assert sum(row["removed"].values()) <= row["neurons"] == 6
        assert set(row["step_seconds"]) == set(row["removed"])
        assert row["multiply_adds"][0] == 30
    store.write_text("\n".join(store.read_text().splitlines()[:3]) + "\n")
    monkeypatch.setattr(redundancy_cells, "measure", lambda *_: pytest.fail("measured again"))
    with pytest.raises(pytest.fail.Exception):
        run(monkeypatch, *COMMON, "--json", store)
    store.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(monkeypatch, *COMMON, "--json", store)
    again = capsys.readouterr().out
    assert again.splitlines()[2:4] == first.splitlines()[2:4]
    with pytest.raises(SystemExit, match="was measured with seconds_allowed 5"):
        run(monkeypatch, *COMMON, "--seconds", 7, "--json", store)
    store.write_text("{}\n")
    with pytest.raises(SystemExit, match="no row of a cell"):
        run(monkeypatch, *COMMON, "--json", store)


def test_the_curve_is_drawn(small, monkeypatch, tmp_path, capsys):
    figure = tmp_path / "curve.svg"
    run(monkeypatch, *COMMON, "--curve", "0,0.01,10", "--svg", figure)
    text = capsys.readouterr().out
    assert "searched error" in text
    assert text.count("outputs") == 6
    ElementTree.fromstring(figure.read_text())
    assert "tolerance" in figure.read_text()


def test_orders_and_lines_are_compared(small, monkeypatch, capsys):
    run(monkeypatch, *COMMON, "--keep", "outputs", "--tolerance", "0.1", "--compare", "--nets", "a")
    text = capsys.readouterr().out
    for order in ("greedy", "budget", "milp"):
        for lines in ("nearest", "output"):
            assert f"{order}, {lines}" in text


@pytest.mark.parametrize(
    "words",
    [
        ("--cells", "0"),
        ("--seconds", "nan"),
        ("--tolerance", "-1"),
        ("--curve", "0,x"),
        ("--keep", "all"),
        ("--curve", "0.1", "--compare"),
    ],
)
def test_bad_arguments_are_one_line(monkeypatch, capsys, words):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def constant(values):
    return Network.dense([np.zeros((len(values), 1))], [np.array(values)])


@pytest.mark.parametrize(
    ("guarantee", "after", "broken"),
    [
        (Outputs(Fraction("0.5")), [1.0, 0.5], 0),
        (Outputs(Fraction("0.5")), [1.0, 0.5 + 1e-12], 64),  # in rationals, where floats are near
        (Outputs(Fraction("0.5")), [1.0, 0.75], 1000),
        (SameBest(Best.MAX), [0.0, 0.0], 0),
        (SameBest(Best.MAX), [0.0, 1e-12], 64),
        (SameBest(Best.MAX), [0.0, 1.0], 1000),
        (SameBest(Best.MIN), [1.0, 0.0], 0),
        (SameBest(Best.MAX, Fraction(1)), [0.0, 1.0], 0),
    ],
)
def test_points_that_break_a_guarantee_are_counted(guarantee, after, broken):
    rng = np.random.default_rng(0)
    region = Region.box([0.0], [1.0])
    count, least = attack(constant([1.0, 0.0]), constant(after), region, guarantee, 1000, rng)
    assert count == broken
    first, second = (np.array([values]) for values in ([1.0, 0.0], after))
    assert least == distance_to_break(guarantee, first, second)[0]


def test_cells_are_those_of_the_grid(data):
    one = subject("1_1", 7, 0)
    assert one.best is Best.MIN
    more = subject("1_1", 9, 0)
    for cell, again in zip(one.cells, more.cells, strict=False):
        assert (cell.lower == again.lower).all()
        assert (cell.lower >= LOWER - 1e-12).all()
        assert (cell.upper <= UPPER + 1e-12).all()
        np.testing.assert_allclose(cell.upper - cell.lower, (UPPER - LOWER) / 8)


@pytest.mark.parametrize(("name", "best"), [("horizontal-coc", Best.MAX), ("acas-like", Best.MIN)])
def test_controllers_have_a_grid_and_their_own_choice(name, best):
    one = subject(name, 5, 0)
    assert one.best is best
    assert all((cell.lower < cell.upper).all() for cell in one.cells)
    assert one.cells[4].size == one.network.size_in
    asked = Asked(keep="best", tolerance=0.1)
    assert asked.guarantee(one.best) == SameBest(best, Fraction("0.1"))
    assert Asked(keep="outputs", tolerance=0.1).guarantee(one.best) == Outputs(Fraction("0.1"))


def test_networks_that_do_not_exist_are_refused(data):
    for name in ("9_9", "nothing"):
        with pytest.raises(SystemExit, match=name):
            subject(name, 1, 0)


def test_planted_truth_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(planted, "gardens", lambda seed: {"doubles": planted.plant_twins()})
    monkeypatch.setattr(sys, "argv", ["planted", "--seconds", "5"])
    planted.main()
    text = capsys.readouterr().out
    assert "4 neurons, 0 mistakes" in text
    assert "double, missed" in text


def test_a_result_that_is_not_proved_is_said_to_be_none(small):
    one = redundancy_cells.subject("a", 2, 0)
    plan = redundancy_rows.simplify(one.network, one.cells[0])
    assert redundancy_rows.proved(plan)
