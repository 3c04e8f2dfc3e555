"""`secateur simplify` beyond phases: what is kept, what it says, and what it refuses."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from eighths import HIGH, LOW, REGION, apart

from secateur.engine.formats import load, save
from secateur.engine.network import Network
from secateur.redundancy.fold import as_relus
from secateur.redundancy.plan import Plan


def consistent(cut):
    """Check that counts by layer, by step and by neuron are the same."""
    total = sum(layer["neurons"] for layer in cut["layers"])
    assert total == len(cut["neurons"]) == sum(cut["phases"].values())
    kinds = [one["kind"] for one in cut["neurons"]]
    for step, count in cut["removed"].items():
        assert count == sum(layer["removed"][step] for layer in cut["layers"])
        assert count == kinds.count(step)
    left = sum(sum(layer["left"].values()) for layer in cut["layers"])
    assert left == kinds.count("kept") == total - sum(cut["removed"].values())
    for step, count in cut["removed"].items():
        assert count == sum(s["removed"] for s in cut["steps"] if s["step"] == step)
    assert cut["steps"][0]["asked"] == total
    for one in cut["neurons"]:
        assert (one["slope"] is None) == (one["state"] != "linear")
        assert (one["state"] == "relu") == (one["kind"] == "kept") == (one["cost"] is None)
        assert one["evidence"]


# What is kept


def test_outputs_stay_within_the_tolerance_everywhere(net, simplified):
    record, after, said = simplified(net, "--tolerance", "0.25")
    (cut,) = record["cuts"]
    consistent(cut)
    removed = cut["removed"]
    assert removed["forward"] + removed["relaxed"] > 0
    assert removed["result-preserving"] == 0
    reach = apart(load(net), after)
    assert reach <= Fraction(1, 4)
    assert not cut["exact"]
    assert reach <= cut["distance"] <= 0.25
    error = cut["error"]
    assert error["attained"] <= error["searched"] <= error["difference"]
    assert error["tighter"] == pytest.approx(error["analytic"] / error["searched"])
    assert {one["evidence"] for one in cut["neurons"] if one["kind"] == "forward"} <= {
        "joint proof"
    }
    assert cut["proof"]["boxes"] > 0
    assert "is within 0.25 of the original in every output" in cut["guarantee"]
    assert "times tighter" in said
    assert all(step["step"] in said for step in cut["steps"])
    assert record["exact_tolerance"] == "1/4"


@pytest.mark.parametrize("keep", ["argmin", "argmax"])
def test_the_best_output_stays_wherever_the_original_prefers_it(net, simplified, keep):
    record, after, _ = simplified(net, "--keep", keep)
    (cut,) = record["cuts"]
    consistent(cut)
    assert cut["removed"]["result-preserving"] > 0
    assert cut["removed"]["forward"] == 0
    assert keep in cut["guarantee"]
    assert cut["error"] is None
    assert cut["distance"] is None
    points = np.random.default_rng(1).integers(0, 65, (300, 3)) / 64
    points = np.array(LOW) + points * (np.array(HIGH) - LOW)
    one, two = (n.evaluate(points, exact=True) for n in (load(net), after))
    sign = 1 if keep == "argmax" else -1
    for f, g in zip(sign * one, sign * two, strict=True):
        best = max(range(2), key=f.__getitem__)
        assert f[0] == f[1] or g[best] >= g[1 - best]


def test_the_tie_band_is_stated_and_the_error_comes_when_asked_for(net, simplified):
    record, after, said = simplified(net, "--keep", "argmin", "--tolerance", "1/8", "--explain")
    (cut,) = record["cuts"]
    assert "0.125" in cut["guarantee"]
    assert "0.125" in said
    if cut["error"] is not None:
        assert apart(load(net), after) <= cut["distance"]


@pytest.mark.parametrize("order", ["greedy", "budget", "milp"])
@pytest.mark.parametrize("lines", ["nearest", "output"])
def test_every_order_and_line_keeps_the_tolerance(net, simplified, order, lines):
    record, after, _ = simplified(net, "--tolerance", "1e-1", "--order", order, "--lines", lines)
    assert (record["order"], record["lines"]) == (order, lines)
    assert apart(load(net), after) <= Fraction(1, 10)


def test_a_raw_tolerance_is_that_of_raw_outputs(nnet, simplified):
    words = ("--tolerance", "0.4", "--tolerance-units", "raw")
    record, after, _ = simplified(nnet, *words)
    assert record["exact_tolerance"] == "1/10"
    assert record["tolerance"] == 0.4
    assert apart(load(nnet), after) <= Fraction(1, 10)


def test_a_tolerance_is_in_the_units_of_the_region_unless_said_otherwise(nnet, simplified):
    raw = ("--units", "raw", "--tolerance", "0.4")
    box = "2.5:8,5:10,0:5"
    assert simplified(nnet, *raw, region=box)[0]["exact_tolerance"] == "1/10"
    both = (*raw, "--tolerance-units", "network")
    assert simplified(nnet, *both, region=box)[0]["exact_tolerance"] == "2/5"


@pytest.mark.parametrize("words", [("--tolerance", "0.25"), ("--keep", "argmax"), ()])
def test_a_nnet_file_holds_what_is_proved_of_it(net, simplified, words):
    record, after, said = simplified(net, *words, name="out.nnet")
    (cut,) = record["cuts"]
    consistent(cut)
    assert (cut["left_out"] > 0) == ("were proved, and left out" in said)
    if cut["distance"] is not None:
        assert apart(load(net), after) <= Fraction(cut["distance"])


def test_what_a_nnet_file_cannot_hold_is_left_out_and_said(net, simplified, monkeypatch):
    """A linear unit that sees numbers of both signs is no ReLU."""
    from secateur.commands import cut as cutting

    chained = cutting.chained
    monkeypatch.setattr(cutting, "chained", lambda plan: plan if plan.removals else chained(plan))
    monkeypatch.setattr(
        Plan,
        "network",
        property(
            lambda self: (
                self.linearised
                if self.removals
                else as_relus(self.fold.after, self.phases.network, self.fold.nonnegative)
            )
        ),
    )
    record, after, said = simplified(net, "--tolerance", "0.25", name="out.nnet")
    (cut,) = record["cuts"]
    assert cut["exact"]
    assert cut["left_out"] > 0
    assert cut["proof"] is None
    assert apart(load(net), after) == 0
    assert "were proved, and left out" in said


def test_a_region_on_which_the_network_is_constant_is_said(tmp_path, simplified):
    network = Network.dense(
        [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0], [1.0, -1.0]])],
        [np.array([-2.0, -2.0]), np.array([0.5, 0.25])],
    )
    save(network, tmp_path / "flat.onnx")
    record, after, said = simplified(tmp_path / "flat.onnx", region="-1:1")
    assert record["cuts"][0]["constant"]
    assert "The network is constant on" in said
    assert after.evaluate(np.array([[0.3]])).tolist() == [[0.5, 0.25]]
    record, _, said = simplified(tmp_path / "flat.onnx", "--keep", "argmin", region="-1:3")
    assert not record["cuts"][0]["constant"]
    assert "constant" not in said


# What is checked again


@pytest.mark.parametrize("words", [("--tolerance", "0.25"), ("--keep", "argmax")])
def test_a_network_that_breaks_its_guarantee_is_never_written(
    net, tmp_path, refused, monkeypatch, words
):
    """The output that the original likes less in the middle is made the largest everywhere."""
    wrong = load(net)
    one, two = wrong.evaluate(0.5 * (np.array([LOW]) + HIGH))[0]
    sign = np.array([-1.0, 1.0]) * np.sign(one - two)
    last = wrong.by_name[wrong.output]
    turned = replace(last.layer, bias=last.layer.bias + 5.0 * sign)
    monkeypatch.setattr(
        Plan, "network", property(lambda self: wrong.with_layers({last.name: turned}))
    )
    given = ("--region", REGION, "-o", tmp_path / "out.onnx", "--timeout", 10)
    assert "nothing was written" in refused("simplify", net, *given, *words)


def test_floats_that_disagree_are_no_error_where_rationals_do_not(net, simplified, monkeypatch):
    from secateur.commands import replay

    monkeypatch.setattr(replay, "_slack", lambda plan, one, two: np.full(len(one), -1.0))
    record, _, said = simplified(net, "--keep", "argmax")
    replayed = record["cuts"][0]["replayed"]
    assert replayed["disagreements"] == replayed["float_points"] == 100_000
    assert "in real arithmetic the guarantee holds" in said
    assert simplified(net)[0]["cuts"][0]["replayed"]["disagreements"] is None
