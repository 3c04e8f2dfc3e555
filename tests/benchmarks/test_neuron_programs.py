import sys
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import dense_networks, networks_with_boxes

from secateur.benchmarks import neuron_programs, neuron_questions
from secateur.benchmarks.neuron_answers import WAYS, answer
from secateur.benchmarks.peers import warm
from secateur.engine.network import Affine, Network

SERVER = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
HUNG = "import time\ntime.sleep(60)"


def arrays(network, lower, upper):
    layers = [node.layer for node in network.nodes if isinstance(node.layer, Affine)]
    held = {"lower": np.asarray(lower, float), "upper": np.asarray(upper, float)}
    held["layers"] = len(layers)
    for at, layer in enumerate(layers):
        held |= {f"weight{at}": layer.operator.matrix(), f"bias{at}": layer.bias}
    return held


def one_output(network):
    """The network's first output alone, as a chain of ReLU layers."""
    layers = [node.layer for node in network.nodes if isinstance(node.layer, Affine)]
    weights, biases = [one.operator.matrix() for one in layers], [one.bias for one in layers]
    return Network.dense([*weights[:-1], weights[-1][:1]], [*biases[:-1], biases[-1][:1]])


@settings(max_examples=20, deadline=None)
@given(networks_with_boxes(dense_networks()), st.sampled_from([*WAYS, "pulp"]))
def test_every_way_gives_the_oracle_s_answer(tmp_path_factory, case, way):
    network, box = case
    network = one_output(network)
    _, most = extremes(network, *box, network.output)[0]
    assume(abs(most) > 1e-3)
    file = tmp_path_factory.mktemp("asked") / "question.npz"
    held = arrays(network, *box)
    np.savez(file, **held)
    row = neuron_programs.judged(answer(way, held, 10.0), file, 10.0)
    # An output that is constant makes no program of its own, and PuLP has no bound of it.
    assert row["answer"] in (("refuted" if most > 0 else "proved"), *(["open"] * (way == "pulp")))
    assert row["seconds"] >= row["build"] >= 0.0


def test_an_input_that_reaches_no_row_stays_where_it_begins(tmp_path):
    network = Network.dense([[[1.0, 1.0], [1.0, 0.0]], [[1.0, 1.0]]], [[-9.0, -9.0], [1.0]])
    held = arrays(network, np.array([0.0, 0.5]), np.array([1.0, 1.0]))
    np.savez(tmp_path / "question.npz", **held)
    found = answer("pulp", held, 10.0)
    row = neuron_programs.judged(found, tmp_path / "question.npz", 10.0)
    assert row["answer"] == "refuted"


def test_questions_are_open_repeatable_and_turned_to_at_most_zero(monkeypatch):
    monkeypatch.setattr(neuron_questions, "DRAWN", {"horizontal-coc": 3})
    asked = list(neuron_questions.drawn(seed=1))
    again = list(neuron_questions.drawn(seed=1))
    for one, other in zip(asked, again, strict=True):
        assert (one.name, one.layer, one.neuron) == (other.name, other.layer, other.neuron)
        assert (one.lower == other.lower).all()
        weights, biases = one.chain()
        points = np.random.default_rng(0).uniform(one.lower, one.upper, (50, one.lower.size))
        z = one.network.trace(points)[one.node][:, one.neuron]
        turned = Network.dense(weights, biases).evaluate(points)[:, 0]
        assert turned == pytest.approx(z if one.most else -z)
        assert one.layer > 0


def test_a_warm_process_answers_again_and_again_and_a_hung_one_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "START", 1.0)
    with warm.Warm("echo", [sys.executable, "-c", SERVER], {}) as echo:
        for limit in (1.0, 2.0):
            assert echo.ask(tmp_path, limit) == {"file": str(tmp_path), "limit": limit}
    began = time.monotonic()
    for text in (HUNG, "raise SystemExit"):
        with warm.Warm("hung", [sys.executable, "-c", text], {}, grace=0.1) as hung:
            assert hung.ask(tmp_path, 0.1) is None
    assert time.monotonic() - began < 50.0
    row = neuron_programs.judged(None, tmp_path, 7.0)
    assert (row["answer"], row["seconds"]) == ("killed", 7.0)


def test_what_a_solver_says_counts_only_with_its_bound_or_a_point_that_holds(tmp_path):
    file = tmp_path / "question.npz"
    np.savez(file, **arrays(Network.dense([[[1.0]]], [[-0.5]]), [0.0], [1.0]))
    times = {"seconds": 1.0, "build": 0.1, "cpu": 1.0, "note": ""}
    for bound, point, says in (
        (0.5, [1.0], "refuted"),
        (0.5, [0.2], "open"),
        (-0.1, [0.2], "proved"),
        (-0.1, [1.0], "refuted"),  # its own point gives it the lie
        (None, [], "open"),
        (float("nan"), [], "open"),
    ):
        found = {"bound": bound, "point": point, **times}
        assert neuron_programs.judged(found, file, 2.0)["answer"] == says


def test_tables_count_answers_pair_times_and_name_contradictions():
    def row(question, way, says, seconds):
        times = {"seconds": seconds, "build": 0.001, "cpu": seconds}
        return {"question": question, "way": way, "answer": says} | times

    rows = [
        row("a", "boxes", "proved", 0.1),
        row("a", "omlt", "open", 10.0),
        row("b", "boxes", "refuted", 0.1),
        row("b", "omlt", "proved", 1.0),
    ]
    ours, theirs = neuron_programs.standings(rows, ["boxes", "omlt"])
    assert (ours["proved"], ours["refuted"], theirs["open at the limit"]) == (1, 1, 1)
    (pair,) = neuron_programs.ratios(rows, ["boxes", "omlt"])
    assert pair["ratio of totals"] == "55.0"
    assert neuron_programs.contradictions(rows) == ["b: boxes says refuted, omlt says proved"]
