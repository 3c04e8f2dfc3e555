"""Other verifiers as processes: asked, stopped, read, replayed, compared; none is installed."""

import json
import math
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.benchmarks.acas import chosen
from secateur.benchmarks.acas_instances import acas_instances
from secateur.benchmarks.machine import ROOT
from secateur.benchmarks.peers import SOLVERS, Answer, Asked, Run, Solver, environment, named
from secateur.benchmarks.peers import race as racing
from secateur.benchmarks.peers.answer import Reading
from secateur.benchmarks.peers.process import Finished, finish
from secateur.benchmarks.peers.race import Entry, judged, race
from secateur.benchmarks.peers.replay import miss
from secateur.benchmarks.peers.standard import spoken
from secateur.benchmarks.peers.standing import paired, standings
from secateur.engine.errors import InputError, SolverError

COUNTEREXAMPLE = (0.639929, -0.002163, -0.493582, 0.475000, -0.475321)
"""Of network 2_2 and property 2."""

POINTS = st.lists(
    st.floats(-1e3, 1e3, width=32).map(lambda value: value + 0.0), min_size=1, max_size=12
)


def ended(output="", errors="", code=0):
    return Finished(code, False, output, errors, 1.0, 1.0)


def fake(says, name="fake", version="1", seconds=0.0, pairs=False):
    """Return a solver whose process prints an answer after a while."""
    script = f"import time; time.sleep({seconds}); print({says!r})"

    class Fake(Solver):
        __slots__ = ()
        version = property(lambda self: version)

    return Fake(
        name,
        None,
        pairs,
        lambda asked, scratch: [sys.executable, "-S", "-c", script],
        lambda end, scratch: Reading(*spoken(end.output)),
        "none",
    )


@pytest.fixture
def cores(monkeypatch):
    """Keep this process on its cores: a race narrows them for good."""
    kept = os.sched_getaffinity(0)
    yield len(kept)
    os.sched_setaffinity(0, kept)


@given(POINTS)
def test_a_witness_is_read_back_from_every_form(point):
    flat = " ".join(f"(X_{index} {value!r})" for index, value in enumerate(point))
    first = f"sat\n({flat}\n(Y_0 1.0))\n"
    head = f"X float32 [1,{len(point)}]"
    second = "\n".join(["sat", head, *map(repr, point), "Y float32 [1,1]", "1.0"])
    for output in (first, second):
        assert spoken(output) == (Answer.SAT, tuple(point))
    printed = "".join(f"\tx{index} = {value!r}\n" for index, value in enumerate(point))
    marabou, _, vibecheck = named(["marabou", "neuralsat", "vibecheck"])
    reading = marabou.read(ended(f"sat\nInput assignment:\n{printed}\nOutput:\n\ty0 = 1\n"), Path())
    assert reading == Reading(Answer.SAT, witness=tuple(point))
    clock = "[vibecheck] verdict: sat  (1.25s)"
    assert vibecheck.read(ended(first, clock), Path()) == Reading(Answer.SAT, 1.25, tuple(point))


@given(POINTS, st.sampled_from(["sat", "unsat", "timeout", "unknown"]))
def test_neuralsat_speaks_through_its_file(tmp_path_factory, point, said):
    (solver,) = named(["neuralsat"])
    scratch = tmp_path_factory.mktemp("neuralsat")
    flat = "\n ".join(f"(X_{index} {value!r})" for index, value in enumerate(point))
    (scratch / "result.txt").write_text(f"{said},3.5000\n({flat}\n (Y_0 1.0))\n")
    witness = tuple(point) if said == "sat" else None
    assert solver.read(ended(), scratch) == Reading(Answer(said), 3.5, witness)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
def test_silence_is_an_error_and_never_an_answer(solver, tmp_path):
    for output in ("", "saturday\n", "segmentation fault\n"):
        assert solver.read(ended(output, code=1), tmp_path).answer is Answer.ERROR


def test_the_words_of_a_timeout_are_read():
    assert spoken("timed-out\n")[0] is Answer.TIMEOUT
    (marabou,) = named(["marabou"])
    assert marabou.read(ended("Quit requested!\n\nTIMEOUT\n"), Path()).answer is Answer.TIMEOUT
    assert marabou.read(ended("\nTimeout\n"), Path()).answer is Answer.TIMEOUT


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
def test_every_solver_is_told_the_files_and_the_same_limit(solver, tmp_path):
    query, network = tmp_path / "q.vnnlib", tmp_path / "n.onnx"
    command = solver.command(Asked(query, {"N": network}, 116.0, 2), tmp_path)
    text = " ".join(command)
    assert all(isinstance(part, str) for part in command)
    assert str(query) in text
    assert str(network) in text
    assert "116" in text


def test_a_question_about_two_networks_names_both(tmp_path):
    files = {"f": tmp_path / "f.onnx", "g": tmp_path / "g.onnx"}
    asked = Asked(tmp_path / "q.vnnlib", files, 10.0, 2)
    for solver in SOLVERS:
        if solver.pairs:
            text = " ".join(solver.command(asked, tmp_path))
            assert all(f"{name}={path}" in text for name, path in files.items())
    with pytest.raises(ValueError, match="not of one"):
        _ = asked.network


def test_environments_stay_out_of_the_checkout(monkeypatch, tmp_path):
    peers = [solver.environment for solver in SOLVERS if solver.environment is not None]
    assert len(peers) == 3
    monkeypatch.delenv("SECATEUR_PEERS", raising=False)
    for peer in peers:
        assert not peer.folder.is_relative_to(ROOT)
    monkeypatch.setenv("SECATEUR_PEERS", str(tmp_path))
    assert all(peer.folder.parent == tmp_path for peer in peers)


def test_torch_is_held_to_one_version_everywhere():
    for solver in SOLVERS:
        if solver.environment is not None:
            assert any(line.startswith("torch==") for line in solver.environment.constraints)


def test_a_peer_that_cannot_be_installed_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("SECATEUR_PEERS", str(tmp_path))
    monkeypatch.setattr(environment.sys, "executable", sys.executable)

    def run(command, **_):
        failed = "pip" in command
        text = "no matching distribution" if failed else ""
        if not failed:
            Path(command[-1]).mkdir(parents=True)
        return environment.subprocess.CompletedProcess(command, int(failed), "", text)

    monkeypatch.setattr(environment.subprocess, "run", run)
    peer = environment.Environment("nothing", "1.0")
    with pytest.raises(SolverError, match=r"nothing 1\.0 cannot be installed: no matching"):
        peer.make()
    assert not peer.ready


def test_a_process_is_stopped_with_everything_it_started(tmp_path):
    script = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    end = finish([sys.executable, "-S", "-c", script], 0.6, tmp_path, {})
    assert end.stopped
    assert end.seconds < 5
    child = int(end.output)
    for _ in range(100):
        status = Path(f"/proc/{child}/status")
        if not status.exists() or "zombie" in status.read_text():
            return
        time.sleep(0.02)
    pytest.fail("the child of a stopped process is still running")


def test_being_stopped_is_a_timeout_whatever_was_printed():
    solver = fake("unsat")
    script = "import time; print('unsat', flush=True); time.sleep(60)"
    slow = type(solver)(
        "slow",
        None,
        False,
        lambda asked, scratch: [sys.executable, "-S", "-c", script],
        solver.read,
        "none",
    )
    run = slow.run(Asked(Path("q"), {"N": Path("n")}, 0.2, 1), grace=0.3)
    assert run.reading.answer is Answer.TIMEOUT
    assert run.reading.witness is None


def test_a_failed_process_leaves_its_last_words(tmp_path):
    solver = type(fake(""))(
        "broken",
        None,
        False,
        lambda asked, scratch: [sys.executable, "-S", "-c", "raise SystemExit('no licence')"],
        lambda end, scratch: Reading(*spoken(end.output)),
        "none",
    )
    run = solver.run(Asked(Path("q"), {"N": Path("n")}, 5.0, 1))
    assert run.reading.answer is Answer.ERROR
    assert run.note == "exit 1: no licence"


def test_a_race_interleaves_and_goes_on_where_it_stopped(tmp_path, cores):
    store = tmp_path / "rows.jsonl"
    entries = [Entry(str(i), Path("q"), {"N": Path("n")}, Answer.UNSAT) for i in range(2)]
    solvers = [fake("unsat", "a"), fake("sat", "b")]
    rows = race(entries, solvers, 5.0, 1, store)
    started = [next(rows) for _ in range(3)]
    assert [(row["instance"], row["solver"]) for row in started] == [
        ("0", "a"),
        ("0", "b"),
        ("1", "a"),
    ]
    rows.close()
    written = store.read_text().splitlines()
    assert len(written) == 3
    again = list(race(entries, solvers, 5.0, 1, store))
    assert [row["wrong"] for row in again] == [False, True, False, True]
    assert store.read_text().splitlines()[:3] == written
    assert again[:3] == [json.loads(line) for line in written]


@pytest.mark.parametrize(
    ("version", "limit", "says"), [("2", 5.0, "version"), ("1", 6.0, "limit 5.0, not 6.0")]
)
def test_rows_of_other_conditions_are_never_mixed(tmp_path, cores, version, limit, says):
    store = tmp_path / "rows.jsonl"
    entries = [Entry("0", Path("q"), {"N": Path("n")}, None)]
    list(race(entries, [fake("unsat")], 5.0, 1, store))
    with pytest.raises(SystemExit, match=says):
        list(race(entries, [fake("unsat", version=version)], limit, 1, store))
    store.write_text("[]\n")
    with pytest.raises(SystemExit, match=r"rows\.jsonl:1: no row"):
        list(race(entries, [fake("unsat")], 5.0, 1, store))


def test_a_solver_of_one_network_is_not_asked_about_two(cores):
    entries = [Entry("0", Path("q"), {"f": Path("f"), "g": Path("g")}, None)]
    solvers = [fake("unsat", "one"), fake("unsat", "two", pairs=True)]
    assert [row["solver"] for row in race(entries, solvers, 5.0, 1, None)] == ["two"]
    merged = Entry("0", Path("r"), {"N": Path("n")}, None)
    entries = [Entry("0", Path("q"), {"f": Path("f"), "g": Path("g")}, None, merged)]
    assert entries[0].fitting(solvers[0]) is merged
    assert entries[0].fitting(solvers[1]) is entries[0]
    assert [row["solver"] for row in race(entries, solvers, 5.0, 1, None)] == ["one", "two"]


def test_a_witness_is_judged_by_the_file_and_not_by_the_solver(data):
    folder = data / "acasxu"
    files = {"N": folder / "ACASXU_run2a_2_2_batch_2000.onnx"}
    query = folder / "prop_2.vnnlib"
    assert miss(query, files, COUNTEREXAMPLE) == 0.0
    beside = (COUNTEREXAMPLE[0] + 0.5, *COUNTEREXAMPLE[1:])
    assert miss(query, files, beside) == pytest.approx(1.139929 - 0.679857769, abs=1e-6)
    with pytest.raises(InputError, match="4 numbers for 5 inputs"):
        miss(query, files, COUNTEREXAMPLE[1:])


@pytest.mark.parametrize(
    ("expected", "missed", "wrong"),
    [(Answer.UNSAT, 0.1, True), (Answer.UNSAT, 0.0, False), (Answer.SAT, 0.1, False)],
)
def test_only_a_witness_that_holds_excuses_a_contradiction(monkeypatch, expected, missed, wrong):
    monkeypatch.setattr(racing, "miss", lambda *_: missed)
    entry = Entry("0", Path("q"), {"N": Path("n")}, expected)
    row = judged(entry, Run(Reading(Answer.SAT, witness=(0.0,)), 1.0))
    assert row["wrong"] is wrong
    assert row["contradicts"] is (expected is Answer.UNSAT)


def test_the_known_verdicts_count_up(data):
    assert data.is_dir()
    found = acas_instances()
    assert len({one.name for one in found}) == len(found) == 186
    counts = {
        prop: [one.expected for one in found if one.prop == prop].count(Answer.SAT)
        for prop in range(1, 11)
    }
    assert counts == {1: 0, 2: 39, 3: 3, 4: 3, 5: 0, 6: 0, 7: 1, 8: 1, 9: 0, 10: 0}
    assert {one.limit for one in found} == {116.0}
    assert all(one.file.is_file() and one.query.is_file() for one in found)


def test_instances_are_chosen_by_name_and_by_seed(data):
    assert data.is_dir()
    found = acas_instances()
    assert [one.name for one in chosen(found, "1_9:7,3_3:*", None, 0)] == [
        "3_3:1",
        "3_3:2",
        "3_3:3",
        "3_3:4",
        "1_9:7",
        "3_3:9",
    ]
    assert chosen(found, None, 10, 1) == chosen(found, None, 10, 1) != chosen(found, None, 10, 2)
    with pytest.raises(SystemExit, match="no instance '6_1:1'"):
        chosen(found, "6_1:1", None, 0)


def row(solver, instance, answer, seconds):
    return {
        "solver": solver,
        "version": "1",
        "instance": instance,
        "answer": answer,
        "seconds": seconds,
        "inside": None,
        "miss": None,
        "wrong": False,
        "megabytes": 1,
    }


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.booleans(), st.booleans()), min_size=1),
    st.floats(0.1, 10),
)
def test_a_paired_ratio_is_over_what_both_settled(found, factor):
    words = {True: "unsat", False: "timeout"}
    rows = [row("a", str(i), words[ours], t) for i, (t, ours, _) in enumerate(found)]
    rows += [row("b", str(i), words[theirs], t * factor) for i, (t, _, theirs) in enumerate(found)]
    both = sum(ours and theirs for _, ours, theirs in found)
    (line,) = paired(rows)
    assert line["settled by both"] == str(both)
    for name in ("median ratio", "geometric mean", "ratio of totals"):
        assert not both or math.isclose(float(line[name]), factor, abs_tol=0.006)
    first, second = standings(rows)
    assert first["settled"] == str(sum(ours for _, ours, _ in found))
    assert second["timeout"] == str(sum(not theirs for _, _, theirs in found))


def test_an_unknown_solver_is_named():
    with pytest.raises(SystemExit, match="no solver 'nobody'"):
        named(["nobody"])
