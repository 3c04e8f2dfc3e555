"""`secateur compare`: limits of time, interrupts, records, and what is refused."""

import itertools
import json
import os
import signal
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from secateur.engine import branch
from secateur.engine.formats import save
from secateur.engine.network import Affine, Input, Network, Node, Normalisation, Origin, Quantize
from secateur.engine.operators import Dense

BOX = "-1:1,0:1/2"


# --- time and interrupts --------------------------------------------------------------------------


def test_no_time_is_answered_at_once(pair, compared):
    for words in ((), ("--epsilon", "1"), ("--top1", "min")):
        code, record, out = compared(*pair[:2], "--timeout", 0, *words)
        assert (code, record["reason"], record["exit"]) == (20, "the time limit", 20)
        assert "Unknown: the time limit." in out


def test_what_no_smaller_box_can_tell_is_not_laid_to_a_time_limit(tmp_path, compared):
    """A rounding at a tie: outward bounds reach over it, however small the box."""
    source = Node("input", Input((1,)))
    ours = Node("sum", Affine(Dense(np.zeros((1, 1))), np.zeros(1)), ("input",))
    theirs = Node("sum", Affine(Dense(np.ones((1, 1))), np.full(1, 0.25)), ("input",))
    grid = Node("grid", Quantize.uniform(1, 1.0, -8, 8), ("sum",))
    save(Network((source, ours), "sum"), tmp_path / "f.onnx")
    save(Network((source, theirs, grid), "grid"), tmp_path / "g.onnx")
    code, record, out = compared(tmp_path / "f.onnx", tmp_path / "g.onnx", box="0.25:0.25")
    assert (code, record["gap_reached"]) == (20, False)
    assert "neighbours" in record["reason"]
    (output,) = record["outputs"]
    assert output["attained"] == 0
    assert output["proved"] == pytest.approx(1)
    assert "time limit" not in out


def test_little_time_leaves_intervals(wild, compared):
    files = wild
    box = ",".join(["-1:1"] * 6)
    begun = time.monotonic()
    code, record, out = compared(*files, "--timeout", 1.5, box=box)
    assert time.monotonic() - begun < 5
    assert (code, record["gap_reached"], record["reason"]) == (20, False, "the time limit")
    for output in record["outputs"]:
        assert 0 < output["attained"] < output["proved"]
    assert "they hold all the same" in " ".join(out.split())
    near = str(record["outputs"][0]["attained"] * 1.5)
    code, record, out = compared(*files, "--epsilon", near, "--timeout", 1.5, box=box)
    if code == 20:
        assert record["attained"] < record["reach"]
        assert "is proved to stay below" in " ".join(out.split())


def test_a_step_that_takes_long_is_broken_off_and_the_intervals_stay(wild, compared, monkeypatch):
    real, steps = branch.Search._step, itertools.count()

    def step(self, *given):
        if next(steps) == 3:
            time.sleep(60)
        return real(self, *given)

    monkeypatch.setattr(branch.Search, "_step", step)
    begun = time.monotonic()
    code, record, _ = compared(*wild, "--timeout", 4, box=",".join(["-1:1"] * 6))
    assert time.monotonic() - begun < 30
    assert (code, record["reason"]) == (20, "the time limit")
    for output in record["outputs"]:
        assert 0 < output["attained"] < output["proved"]


@pytest.mark.parametrize(("words", "steps"), [((), 1), (("--epsilon", "0.0001"), 0)])
def test_an_interrupt_ends_with_what_is_known(pair, compared, monkeypatch, words, steps):
    real, seen = branch.Search._step, []

    def step(self, *given):
        if len(seen) == steps:
            raise KeyboardInterrupt
        seen.append(1)
        return real(self, *given)

    monkeypatch.setattr(branch.Search, "_step", step)
    code, record, out = compared(*pair[:2], *words)
    assert (code, record["reason"]) == (20, "interrupted")
    assert "Unknown: interrupted" in out
    for output, most in zip(record["outputs"] or (), pair[2], strict=False):
        assert Fraction(output["attained"]) <= most <= Fraction(output["proved"])


@pytest.fixture
def heard():
    """Hear the keyboard also where tests run in the background, which is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
def test_the_keyboard_breaks_off_a_real_search(wild, compared, monkeypatch):
    real, steps, underway = branch.Search._step, itertools.count(), threading.Event()

    def step(self, *given):
        if next(steps) == 3:
            underway.set()
            time.sleep(100.0)  # the signal comes in here, however busy the machine is
        return real(self, *given)

    def press():
        if underway.wait(100.0):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(branch.Search, "_step", step)
    thread = threading.Thread(target=press)
    thread.start()
    code, record, _ = compared(*wild, "--timeout", 120, box=",".join(["-1:1"] * 6))
    thread.join()
    assert (code, record["reason"]) == (20, "interrupted")
    for output in record["outputs"]:
        assert 0 < output["attained"] < output["proved"]


# --- records and refusals -------------------------------------------------------------------------


def test_every_key_of_the_record_is_documented(pair, compared):
    text = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
    for words in ((), ("--epsilon", "0.0001")):
        found = compared(*pair[:2], *words)[1]
        assert found["schema"] == "secateur.compare/1"
        parts = [found, found["question"], found["witnesses"][0], found["witnesses"][0]["first"]]
        parts += [found["outputs"][0], found["norms"]] if not words else []
        missing = {key for part in parts for key in part if f"`{key}`" not in text}
        assert not missing


def test_the_record_alone_goes_to_standard_output(call, pair, capsys):
    code = call("compare", *pair[:2], "--region", BOX, "--json", "-", "--epsilon", "100")
    assert code == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "proved"
    assert call("compare", *pair[:2], "--region", BOX, "-q") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--epsilon", "-1"), "--epsilon -1: give a distance of at least 0"),
        (("--epsilon", "nan"), "--epsilon nan: give a finite distance"),
        (("--epsilon", "inf"), "--epsilon inf: give a finite distance"),
        (("--epsilon", "wide"), "--epsilon: 'wide' is no number"),
        (("--epsilon", "1", "--output", "2"), "output 2: the networks have outputs 0 to 1"),
        (("--epsilon", "1", "--top1", "max"), "ask two questions"),
        (("--output", "1"), "--output 1: goes with --epsilon"),
        (("--band", "1"), "--band 1: goes with --top1"),
        (("--top1", "max", "--band", "-1"), "--band -1: give a distance of at least 0"),
        (("--top1", "best"), "Invalid value for '--top1'"),
        (("--gap", "-0.5"), "--gap -0.5: give a share"),
        (("--gap", "nan"), "--gap nan: give a share"),
        (("--epsilon", "1", "--gap", "0.5"), "--gap 0.5: is for the enclosure"),
        (("--workers", "0"), "--workers 0: give a number from 1"),
        (("--timeout", "-1"), "no time to work with"),
        (("--semantics", "declared"), "Invalid value for '--semantics'"),
        (("--units", "raw"), "states no normalisation"),
    ],
)
def test_impossible_options_end_in_one_line(call, pair, capsys, words, said):
    assert call("compare", *pair[:2], "--region", BOX, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_networks_and_regions_that_do_not_fit_end_in_one_line(call, small, pair, tmp_path, capsys):
    save(small(1, inputs=3), tmp_path / "wide.onnx")
    save(small(1, outputs=3), tmp_path / "many.onnx")
    save(small(1, outputs=1), tmp_path / "single.onnx")
    save(small(1, origin=Origin(dtype="float64")), tmp_path / "plain.nnet")
    normal = Normalisation(np.zeros(2), np.full(2, 8.0), np.full(2, 4.0), np.full(2, 8.0))
    other = Normalisation(np.zeros(2), np.full(2, 8.0), np.full(2, 5.0), np.full(2, 8.0))
    for name, one in (("one", normal), ("two", other)):
        save(small(1, origin=Origin(dtype="float64"), normalisation=one), tmp_path / f"{name}.nnet")
    first, second, _ = pair
    single = tmp_path / "single.onnx"
    float32 = ("--semantics", "float32")
    for words, said in (
        ((first, tmp_path / "wide.onnx", "--region", BOX), "f.onnx has 2 inputs"),
        ((first, tmp_path / "many.onnx", "--region", BOX), "f.onnx has 2 outputs"),
        ((first, second, "--region", "0:1"), "limits 1 inputs, the network"),
        ((first, second, "--region", "0:1,1:0"), "input 1 has lower limit 1 above"),
        ((first, second, "--region", "none.vnnlib"), "none.vnnlib: there is no such file"),
        ((first, tmp_path / "none.onnx", "--region", BOX), "no such file"),
        ((first, tmp_path, "--region", BOX), "no format of networks"),
        ((first, second, "--region", BOX, "--json", first), "this is the input"),
        ((single, single, "--region", BOX, "--top1", "max"), "a single output"),
        ((first, tmp_path / "plain.nnet", "--region", BOX, *float32), "states no element type"),
        ((first, second, "--region", "1/3,0:1", *float32), "input 0 has no float32 number"),
        (
            (tmp_path / "one.nnet", tmp_path / "two.nnet", "--region", "1:2,1:2", "--units", "raw"),
            "state different normalisations, so raw units mean two boxes",
        ),
    ):
        assert call("compare", *words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err
        assert err.count("\n") == 1
