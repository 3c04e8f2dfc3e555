"""The registry holds every measurement, runs each small, and says what became of it."""

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys
import time
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.benchmarks import images as pictures
from secateur.benchmarks import measure, run
from secateur.benchmarks.arms import acas_stratified
from secateur.benchmarks.machine import ROOT
from secateur.benchmarks.measure import paired, printed
from secateur.benchmarks.plots import plot
from secateur.benchmarks.ratios import against, of_medians, of_totals, pairs, ratio, standing
from secateur.benchmarks.registry import PAIRED, SPECS, named
from secateur.benchmarks.registry_tables import TABLES
from secateur.benchmarks.row import Conditions, Row, Status, add, of_line, stored
from secateur.benchmarks.spec import Call, Command, Paired, Smoke, Table, Verifier, absent, digest

SAME = Conditions("s", "d", 0, 1.0, 1, "p", "v", "c")
HERE = ".arms:tiny"


def row(arm, instance="i", turn=0, wall=1.0, status=Status.DONE, answer="", cpu=0.5):
    return Row(SAME, arm, instance, turn, status, "t", "", answer, wall, cpu, 1.0, "")


def spec(*arms, **more):
    fields = {"instances": HERE, "smoke": Smoke((arms[0].name,)), "limit": 20.0}
    return Paired("made-up", "nothing", tuple(arms), **(fields | more))


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A stand-in for the package with the digits where it is not installed: random pictures."""
    try:
        pictures.find()
    except Exception:
        folder = tmp_path_factory.mktemp("site")
        file = folder / pictures.PACKAGE / pictures.INSIDE
        file.parent.mkdir(parents=True)
        (folder / pictures.PACKAGE / "__init__.py").touch()
        rng = np.random.default_rng(0)
        level = [str(value) for value in range(256)]
        lines = []
        for at in range(5000):
            bright = rng.integers(0, 256, 784) * (rng.random(784) < 0.1 + 0.05 * (at % 10))
            lines.append(",".join([*(level[value] for value in bright), level[at % 10]]))
        with gzip.open(file, "wt", compresslevel=1) as stream:
            stream.write("\n".join(lines) + "\n")
        sys.path.insert(0, str(folder))
        yield
        sys.path.remove(str(folder))
    else:
        yield


def test_every_module_with_a_command_line_is_registered():
    folder = ROOT / "benchmarks"
    found = {
        path.stem
        for path in folder.glob("*.py")
        if "argparse" in path.read_text() and path.stem != "run"
    }
    assert found == {table.path for table in TABLES}


def test_names_are_words_and_stand_for_one_thing():
    names = [one.name for one in SPECS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]*", name) for name in names)
    assert [one.name for one in named(["cells", "family"])] == ["cells", "family"]
    with pytest.raises(SystemExit, match="no measurement 'nothing'"):
        named(["nothing"])


def test_everything_in_a_spec_is_in_its_digest():
    found = {digest(one) for one in SPECS}
    assert len(found) == len(SPECS)
    first = PAIRED[0]
    for field, value in {"limit": 7.0, "seed": 5, "count": 2, "threads": 2}.items():
        assert digest(dataclasses.replace(first, **{field: value})) not in found
    assert digest(dataclasses.replace(first, rounds=9)) == digest(first)
    assert digest(first) == digest(first) != digest(first.smallest())


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that tables share: what one has trained the next finds there."""
    return tmp_path_factory.mktemp("tables")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_runs_small(table, request, monkeypatch, shared, capsys):
    request.getfixturevalue("digits")
    if why := absent(table):
        pytest.skip(f"{table.name}: {why}")
    monkeypatch.chdir(shared)
    monkeypatch.setattr(sys, "argv", [table.path, *table.smoke])
    kept = os.sched_getaffinity(0)
    code: object = None
    try:
        code = import_module(f"secateur.benchmarks.{table.path}").main()
    except SystemExit as end:
        code = end.code
    finally:
        os.sched_setaffinity(0, kept)
    assert not code
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("one", PAIRED, ids=lambda one: one.name)
def test_a_paired_spec_runs_small(one, tmp_path, capsys):
    if why := absent(one):
        pytest.skip(f"{one.name}: {why}")
    kept = os.sched_getaffinity(0)
    store = tmp_path / "rows.jsonl"
    words = [one.name, "--smoke", "--json", str(store), "--plot", str(tmp_path / "rows.svg")]
    assert run.main(words) == 0
    assert os.sched_getaffinity(0) == kept
    rows = [of_line(text) for text in store.read_text().splitlines()]
    small = one.smallest()
    assert {found.arm for found in rows} == {arm.name for arm in small.arms}
    assert {found.conditions.digest for found in rows} == {digest(small)}
    assert all(found.status is Status.DONE and found.wall > 0 for found in rows)
    assert all(found.cpu > 0 and found.megabytes > 0 for found in rows)
    assert "| arm |" in capsys.readouterr().out
    assert (tmp_path / "rows.svg").read_text().startswith("<svg ")
    again = run.main(words)
    assert again == 0
    assert len(store.read_text().splitlines()) == len(rows)


def test_arms_take_turns_on_every_instance():
    one = spec(
        Command("a", ("-S", "-c", "pass")),
        Command("b", ("-S", "-c", "pass")),
        instances=".arms:networks",
        count=2,
        rounds=2,
    )
    found = [(found.round, found.instance, found.arm) for found in paired(one)]
    first, second = (found[0][1], found[2][1])
    assert found == [
        (turn, instance, arm)
        for turn in range(2)
        for instance in (first, second)
        for arm in ("a", "b")
    ]


def test_what_fails_is_a_row(monkeypatch, tmp_path):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    one = spec(
        Command("good", ("-S", "-c", "pass")),
        Command("late", ("-S", "-c", "import time; time.sleep(60)")),
        Command("killed", ("-S", "-c", kill)),
        Command("failed", ("-S", "-c", "raise SystemExit('no licence')")),
        limit=1.0,
    )
    monkeypatch.setattr(measure, "GRACE", 0.0)
    found = {found.arm: found for found in paired(one)}
    assert {arm: found[arm].status for arm in found} == {
        "good": Status.DONE,
        "late": Status.TIMEOUT,
        "killed": Status.KILLED,
        "failed": Status.FAILED,
    }
    assert found["failed"].note == "exit 1: no licence"
    assert found["killed"].note == "signal 9"


def test_a_peer_that_is_not_installed_is_a_row(data, monkeypatch, tmp_path):
    assert data.is_dir()
    monkeypatch.setenv("SECATEUR_PEERS", str(tmp_path))
    one = dataclasses.replace(
        PAIRED[0], arms=(Verifier("vibecheck", ".arms:acas_entry"),), smoke=Smoke(("vibecheck",)),
        count=1,
    )  # fmt: skip
    (found,) = paired(one)
    assert found.status is Status.MISSING
    assert "vibecheck-nn 1.1.0 is not installed" in found.note


def test_calls_are_timed_killed_and_held_against_the_control():
    arms = [
        Call(name, f"arm_trials:{name}") for name in ("one", "same", "other", "raises", "lacks")
    ]
    arms += [Call("dies", "arm_trials:dies"), Call("sleeps", "arm_trials:sleeps")]
    one = spec(*arms, agree=1e-6, limit=1.0, rounds=2)
    found = list(paired(one))
    statuses = [found.status for found in found[:7]]
    assert statuses == [
        Status.DONE,
        Status.DONE,
        Status.WRONG,
        Status.FAILED,
        Status.MISSING,
        Status.KILLED,
        Status.TIMEOUT,
    ]
    assert [found.status for found in found[7:]] == statuses
    assert found[2].note == "the control says 1.0"
    assert found[3].note == "ValueError: no such thing"


def test_a_table_that_fails_is_a_row():
    made = printed(Table("acas", "fails", ("--no-such-option",), ()))
    assert made.row.status in (Status.FAILED, Status.MISSING)


def test_rows_are_read_back_as_they_were(tmp_path):
    store = tmp_path / "rows.jsonl"
    rows = [row("a"), row("b", status=Status.WRONG, answer="x")]
    add(store, rows)
    assert stored(store, SAME) == rows
    assert stored(store, dataclasses.replace(SAME, spec="t")) == []
    with pytest.raises(SystemExit, match=r"rows\.jsonl:1: s was measured with commit c, not e"):
        stored(store, dataclasses.replace(SAME, commit="e"))
    store.write_text('{"arm": 1}\n')
    with pytest.raises(SystemExit, match=r"rows\.jsonl:1: no row"):
        stored(store, SAME)


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=8),
    st.floats(0.1, 10),
    st.integers(1, 3),
)
@settings(max_examples=20)
def test_equal_ratios_have_no_width(walls, factor, rounds):
    rows = [
        row(arm, str(at), turn, wall * scale)
        for at, wall in enumerate(walls)
        for turn in range(rounds)
        for arm, scale in (("a", 1.0), ("b", factor))
    ]
    ours, theirs = pairs(rows, "a", "b", lambda found: found.wall)
    assert len(ours) == len(theirs) == (rounds if len(walls) == 1 else len(walls))
    for statistic in (of_medians, of_totals):
        found = ratio(ours, theirs, statistic, 0)
        assert np.allclose([found.value, found.low, found.high], factor)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=12), st.integers(0, 3))
@settings(max_examples=20)
def test_an_interval_holds_its_value_and_comes_from_the_seed(walls, seed):
    ours, theirs = np.ones(len(walls)), np.array(walls)
    found = ratio(ours, theirs, of_medians, seed)
    assert found.low <= found.value <= found.high
    assert found == ratio(ours, theirs, of_medians, seed)


def test_only_what_both_did_is_compared():
    rows = [
        row("a", "0"),
        row("b", "0", wall=3.0),
        row("a", "1"),
        row("b", "1", status=Status.OPEN),
    ]
    (line,) = against(rows, 0)
    assert line["both"] == "1"
    assert line["only a"] == "1"
    assert line["wall, median of ratios"] == "3 [3, 3]"
    first, second = standing(rows)
    assert (first["done"], second["done"], second["open"]) == ("2", "1", "1")
    assert list(first) == list(second)


def test_the_drawing_begins_with_one_of_each_property(data):
    assert data.is_dir()
    found = acas_stratified(0)
    assert len(set(found)) == len(found) == 186
    assert sorted(int(name.partition(":")[2]) for name in found[:10]) == list(range(1, 11))
    assert found == acas_stratified(0) != acas_stratified(1)


def test_charts_say_what_was_stopped():
    rows = [row("a", "0"), row("b", "0", wall=3.0, status=Status.TIMEOUT), row("<b>", "1")]
    drawn = plot("a & b", rows)
    assert "stopped or without an answer" in drawn
    assert "&lt;b&gt;" in drawn
    with pytest.raises(ValueError, match="nothing to draw"):
        plot("none", [row("a", status=Status.FAILED)])


def test_the_command_line_lists_and_refuses(capsys):
    assert run.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(f"| {one.name} |" in out for one in SPECS)
    with pytest.raises(SystemExit, match="is a table"):
        run.main(["family", "--seed", "3"])
    with pytest.raises(SystemExit, match="has the arms"):
        run.main(["cells", "--arms", "arrays,none"])
    with pytest.raises(SystemExit):
        run.main(["family", "--plot", "x.svg"])


def test_a_run_does_not_wait_for_what_it_does_not_use():
    begun = time.process_time()
    code = "import sys, secateur.benchmarks.registry; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert time.process_time() - begun < 60
    assert json.dumps(digest(SPECS[0]))
