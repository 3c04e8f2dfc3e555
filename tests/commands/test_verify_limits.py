"""`secateur verify`: limits of time, interrupts, records, and what is refused."""

import hashlib
import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from secateur.commands import clock
from secateur.commands import verify as command
from secateur.commands.clock import OutOfTime, age, alarm, owns
from secateur.engine.formats import load, save
from secateur.engine.formats.vnnlib_claims import read_claim
from secateur.engine.verdict import Refuted

ONE = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= -1 X_0 2))"
TWO = """\
(vnnlib-version <2.0>)
(declare-network f (declare-input X {0} [1]) (declare-output Y {0} [1]))
(assert (>= X[0] -1.0)) (assert (<= X[0] 2.0))
"""


# --- time and interrupts --------------------------------------------------------------------------


def test_no_time_is_answered_at_once(ask, absolute):
    assert ask(ONE + "(assert (>= Y_0 2))", absolute, words=("--timeout", 0)) == (
        20,
        ["timed-out"],
        "",
    )


def test_little_time_is_answered_too(ask, absolute):
    code, out, err = ask(ONE + "(assert (>= Y_0 2))", absolute, words=("--timeout", 0.01))
    assert (code, out) == (20, ["timed-out"])
    assert "Not decided: the time limit." in err


def test_an_engine_that_does_not_stop_is_stopped(ask, absolute, monkeypatch):
    def endless(*given):
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(command, "settle", endless)
    begun = time.monotonic()
    code, out, _ = ask(ONE + "(assert (>= Y_0 2))", absolute, words=("--timeout", 0.6))
    assert (code, out) == (20, ["timed-out"])
    assert time.monotonic() - begun < 3


DEAF = """
import sys, time
from secateur import __main__ as face
from secateur.commands import compare, verify

def deaf(*given):
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:  # as if the interrupt did not reach it
            pass

verify.settle = compare.decided = compare.apart = deaf
face.main()
"""


@pytest.mark.parametrize("words", [(), ("--epsilon", "1")])
def test_an_engine_that_hears_nothing_is_left(pair, tmp_path, words):
    record = tmp_path / "r.json"
    tail = ["--timeout", "1.5", "--json", record]
    region = ["--region", "-1:1,0:1/2"]
    done = left_deaf("compare", *pair[:2], *region, *words, *tail)
    assert done.returncode == 20
    assert "Unknown: the time limit." in done.stdout
    found = json.loads(record.read_text())
    assert (found["exit"], found["reason"]) == (20, "the time limit")


def test_a_deaf_engine_leaves_a_whole_answer(absolute, tmp_path):
    query, record = tmp_path / "q.vnnlib", tmp_path / "r.json"
    query.write_text(ONE + "(assert (>= Y_0 2))")
    tail = ["--timeout", "1.5", "--json", record]
    done = left_deaf("verify", query, "--network", absolute, *tail)
    assert (done.returncode, done.stdout) == (20, "timed-out\n")
    assert "Not decided: the time limit." in done.stderr
    found = json.loads(record.read_text())
    assert (found["verdict"], found["exit"]) == ("timed-out", 20)


def left_deaf(*words):
    command = [sys.executable, "-c", DEAF, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_interrupt_ends_with_what_is_known(ask, absolute, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "settle", interrupted)
    code, out, err = ask(ONE + "(assert (>= Y_0 2))", absolute)
    assert (code, out) == (20, ["unknown"])
    assert "Not decided: interrupted." in err


def test_a_counterexample_that_is_none_is_no_answer(ask, absolute, monkeypatch):
    real = command.settle

    def lying(*given):
        settled = real(*given)
        assert isinstance(settled.answer.verdict, Refuted)
        settled.real["X"] = settled.point["X"] = [Fraction(1)]
        return settled

    text = ONE + "(assert (<= X_0 Y_0))(assert (>= X_0 1.75))"
    assert ask(text, absolute)[1][0] == "sat"
    monkeypatch.setattr(command, "settle", lying)
    code, out, err = ask(text, absolute)
    assert (code, out) == (20, ["unknown"])
    assert "fails when evaluated again" in err


def test_a_block_that_ends_is_not_left(monkeypatch):
    monkeypatch.setattr(clock, "PATIENCE", 0.0)
    called = []
    with alarm(0.2, lambda: called.append(1) or 0):
        pass
    with pytest.raises(OutOfTime), alarm(0.0, lambda: called.append(1) or 0):
        pass
    time.sleep(0.3)
    assert not called


def test_a_process_is_left_only_with_its_own_command():
    assert owns(time.monotonic() - age())
    assert not owns(time.monotonic() - age() - 1.0)
    assert not owns(time.monotonic())  # begun in the midst of a run of tests


def test_the_alarm_rings_and_leaves_nothing_behind():
    with pytest.raises(OutOfTime), alarm(0.01):
        time.sleep(1)
    with alarm(0.05):
        pass
    time.sleep(0.06)
    with pytest.raises(OutOfTime), alarm(-1.0):
        pass
    assert 0 < age() < 10**6


# --- records --------------------------------------------------------------------------------------


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_record_says_what_was_asked_and_found(ask, absolute, tmp_path):
    record = tmp_path / "r.json"
    text = TWO.format("real").replace("[1])", "[1,1])").replace("X[0]", "X[0,0]")
    ask(text + "(assert (>= Y[0,0] 2.0))", absolute, words=("--json", record, "--timeout", 9))
    found = json.loads(record.read_text())
    assert found["schema"] == "secateur.verify/1"
    assert found["verdict"] == "sat"
    assert (found["exit"], found["timeout"], found["vacuous"]) == (10, 9.0, False)
    query = tmp_path / "query.vnnlib"
    whole = {"path": str(query), "version": 2, "cases": 1, "sha256": digest(query)}
    assert found["query"] == whole
    network = {"name": "f", "relation": None, "target": None, "path": str(absolute)}
    assert found["networks"] == [network | {"sha256": digest(absolute)}]
    assert found["assignment"][0] == {
        "name": "X",
        "network": "f",
        "part": "input",
        "element": "real",
        "shape": [1, 1],
        "values": [2.0],
        "exact": ["2"],
    }
    assert read_claim(tmp_path / "query.vnnlib").holds([Fraction(2), Fraction(2)])


def test_every_key_of_the_record_is_documented(ask, absolute, tmp_path):
    record = tmp_path / "r.json"
    ask(ONE + "(assert (>= Y_0 2))", absolute, words=("--json", record))
    found = json.loads(record.read_text())
    text = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
    parts = [found, found["query"], found["networks"][0], found["assignment"][0]]
    assert not {key for part in parts for key in part if f"`{key}`" not in text}


def test_the_record_alone_goes_to_standard_output(ask, absolute):
    code, out, err = ask(ONE + "(assert (>= Y_0 3))", absolute, words=("--json", "-", "-q"))
    assert json.loads("\n".join(out))["verdict"] == "unsat"
    assert (code, err) == (0, "")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (ONE + "(assert (<= Y_0))", ["{}"], "query.vnnlib:1:"),
        (ONE + "(assert (<= Y_0 1))", ["g={}"], "declares no network 'g': name one of N"),
        (ONE + "(assert (<= Y_0 1))", ["{}", "{}"], "network N has the file {} already"),
        (ONE + "(assert (<= Y_0 1))", ["none.onnx"], "no such file"),
        (ONE + "(declare-const X_1 Real)(assert (<= Y_0 1))", ["{}"], "declares 2 inputs"),
        (TWO.format("float16"), ["f={}"], "input X is declared float16, tensor"),
        (
            TWO.format("float32"),
            ["f={}"],
            "input X is declared [1], tensor 'input' of {} is",
        ),
    ],
)
def test_bad_input_ends_in_one_line(ask, absolute, text, given, said):
    code, out, err = ask(text, *(network.format(absolute) for network in given))
    assert (code, out) == (2, [])
    assert err.startswith("secateur: error: ")
    assert err.count("\n") == 1
    assert said.format(absolute) in err


def test_impossible_options_end_in_one_line(ask, absolute, tmp_path):
    query = ONE + "(assert (<= Y_0 1))"
    save(load(absolute), tmp_path / "abs.nnet")
    for words, network, said in (
        (("--timeout", -1), absolute, "no time to work with"),
        (("--timeout", "nan"), absolute, "no time to work with"),
        (("--json", absolute), absolute, "this is the input"),
        (("--serialise-assignments", absolute), absolute, "this is a file; name a folder"),
        (("--semantics", "float32"), tmp_path / "abs.nnet", "states no element type to compute in"),
        (("--semantics", "float31"), absolute, "Invalid value for '--semantics'"),
    ):
        code, out, err = ask(query, network, words=words)
        assert (code, out) == (2, [])
        assert said in err
        assert err.count("\n") == 1
