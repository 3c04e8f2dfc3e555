"""Phase redundancy is decided, and rightly: against enumeration, against planted truth."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import boxes, graph_networks

import secateur.engine.bounds.linear as linear_bounds
from secateur.engine.bounds.interval import interval
from secateur.engine.errors import RegionError
from secateur.engine.legal import violations
from secateur.engine.network import Network, State
from secateur.engine.region import Region
from secateur.engine.verdict import Method, Proved, Refuted, Unknown
from secateur.redundancy.ledger import Ledger
from secateur.redundancy.phase import Effort, decide_phases

QUICK = Effort(seconds=20, samples=200, starts=8, climbs=10, boxes=3000, programs=60, workers=1)


def check(network, region, phases):
    """Assert that every finding is true by exact enumeration."""
    ends = {
        node.name: extremes(network, region.lower, region.upper, node.sources[0])
        for node in network.piecewise
    }
    for finding in phases.findings:
        least, most = ends[finding.layer][finding.neuron]
        assert finding.lower <= least
        assert finding.upper >= most
        match finding.verdict:
            case Proved():
                assert (finding.state == State.ZERO and most <= 0) or (
                    finding.state == State.IDENTITY and least >= 0
                )
            case Refuted(witnesses=witnesses):
                assert finding.state == State.RELU
                assert witnesses[0].value > 0 > witnesses[1].value
                source = network.by_name[finding.layer].sources[0]
                for witness in witnesses:
                    assert region.contains(witness.point)
                    exact = network.trace_exact(witness.point)[source].fractions()
                    assert exact[finding.neuron] == witness.value
            case Unknown():
                assert finding.state == State.RELU


@given(st.data())
@settings(max_examples=40)
def test_findings_agree_with_enumeration(data):
    network = data.draw(graph_networks())
    lower, upper = data.draw(boxes(network.size_in))
    region = Region.box(lower, upper)
    if region.is_point:
        return
    phases = decide_phases(network, region, QUICK)
    check(network, region, phases)
    asked = sum(int((node.layer.state == State.RELU).sum()) for node in network.piecewise)
    assert len(phases.findings) == asked
    linear = phases.linearised()
    assert not violations(linear)
    rng = np.random.default_rng(0)
    some = lower + rng.random((5, lower.size)) * (upper - lower)
    some = np.clip(some, lower, upper)
    assert (network.evaluate(some, exact=True) == linear.evaluate(some, exact=True)).all()


def planted(margin):
    """Return a network whose last three hidden neurons have a known largest value, and region.

    On [0, 1]^2 the neurons are: x + y - 2 + margin (largest value `margin`), the same hidden
    behind a layer of ReLUs that bounds alone cannot see through, and minus that.
    """
    first = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    bias = np.array([0.0, 0.0, -1.0, 0.0, 0.0])
    # |x - y| - x - y <= 0, and = -2 min(x, y): zero where min(x, y) = 0
    second = np.array(
        [[1.0, 1.0, 0.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, -1.0, -1.0]]
    )
    shift = np.array([-2.0 + margin, margin, -margin])
    weights = [first, second, np.ones((1, 3))]
    network = Network.dense(weights, [bias, shift, np.zeros(1)])
    return network, Region.box([0, 0], [1, 1], "unit square")


@pytest.mark.parametrize("margin", [1e-6, -1e-6, 2.0**-40, -(2.0**-40)])
def test_planted_neurons_and_near_misses_are_told_apart(margin):
    network, region = planted(margin)
    phases = decide_phases(network, region, QUICK)
    check(network, region, phases)
    found = [f for f in phases.findings if f.layer == "relu2"]
    for finding, redundant in zip(found, [margin <= 0, margin <= 0, margin <= 0], strict=True):
        assert isinstance(finding.verdict, Proved if redundant else Refuted), (margin, finding)


def test_a_neuron_that_touches_zero_is_redundant():
    network, region = planted(0.0)
    phases = decide_phases(network, region, QUICK)
    check(network, region, phases)
    touching = [f for f in phases.findings if f.layer == "relu2" or f.neuron < 2]
    assert isinstance(touching[0].verdict, Proved), "x >= 0 on [0, 1]"
    assert isinstance(touching[2].verdict, Proved), "x + y - 2 <= 0 on [0, 1]^2"
    assert not any(isinstance(f.verdict, Refuted) for f in touching)


def test_each_method_is_named_for_what_it_proved():
    network, region = planted(-0.5)
    methods = {
        f.verdict.method
        for f in decide_phases(network, region, QUICK).findings
        if isinstance(f.verdict, Proved)
    }
    assert Method.INTERVAL in methods
    only_programs = Effort(seconds=20, samples=50, slopes=0, boxes=0, programs=200, workers=1)
    phases = decide_phases(network, region, only_programs)
    check(network, region, phases)
    assert not phases.count(Unknown)


def test_without_time_everything_stays_open_and_nothing_is_claimed():
    rng = np.random.default_rng(0)
    network = Network.dense(
        [rng.normal(size=(30, 6)), rng.normal(size=(30, 30)), rng.normal(size=(2, 30))],
        [rng.normal(size=30), rng.normal(size=30) - 8, np.zeros(2)],
    )
    region = Region.box([-1] * 6, [1] * 6)
    phases = decide_phases(network, region, Effort(seconds=0.0, samples=10, workers=1))
    for finding in phases.findings:
        if isinstance(finding.verdict, Unknown):
            assert "time limit" in finding.verdict.reason
            assert finding.lower < 0 < finding.upper
        if isinstance(finding.verdict, Proved):
            assert finding.verdict.method == Method.INTERVAL


def test_the_time_limit_ends_every_step_of_a_hard_case(monkeypatch):
    rng = np.random.default_rng(1)
    shapes = [(60, 12), (60, 60), (60, 60), (2, 60)]
    weights = [rng.normal(size=shape) / 4 for shape in shapes]
    network = Network.dense(weights, [rng.normal(size=len(w)) - 2 for w in weights])
    region = Region.box([-1] * 12, [1] * 12)
    clock = [0.0]

    def tick():  # every look at the clock costs a second: no step may go on without looking
        clock[0] += 1.0
        return clock[0]

    monkeypatch.setattr("secateur.redundancy.phase.time.monotonic", tick)
    phases = decide_phases(network, region, Effort(seconds=400.0, samples=50, starts=4, climbs=2))
    assert phases.count(Unknown)
    assert clock[0] < 900
    for finding in phases.findings:
        if isinstance(finding.verdict, Unknown):
            assert "time limit" in finding.verdict.reason


@pytest.mark.parametrize("seconds", [0.5, 20.0, 60.0])
def test_no_step_works_on_long_after_the_time_limit(monkeypatch, seconds):
    # The clock moves with the work alone: points evaluated, rows bounded, points in rationals.
    rng = np.random.default_rng(2)
    shapes = [(150, 40), (150, 150), (150, 150), (2, 150)]
    weights = [rng.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes]
    network = Network.dense(weights, [rng.normal(size=len(w)) - 1 for w in weights])
    clock = [0.0]

    def charge(holder, name, cost):
        work = getattr(holder, name)

        def charged(*args, **more):
            clock[0] += cost(*args)
            return work(*args, **more)

        monkeypatch.setattr(holder, name, charged)

    charge(Network, "trace", lambda network, inputs, *_: len(inputs) / 1000)
    charge(Network, "trace_exact", lambda *_: 5.0)
    charge(linear_bounds, "backward", lambda network, node, rows, *_: rows.shape[1] / 100)
    monkeypatch.setattr("secateur.redundancy.phase.time.monotonic", lambda: clock[0])
    effort = Effort(seconds=seconds, boxes=0, programs=0, workers=1)
    phases = decide_phases(network, Region.box([-0.3] * 40, [0.3] * 40), effort)
    one_pass = 2 * 64 / 100 * (effort.slopes + 1)  # of linear bounds for 64 neurons
    together = 8192 / 1000  # points between two looks
    choosing = 2 * len(phases.findings) * 1e-3
    assert clock[0] < seconds + max(one_pass, together) + choosing + 5.0
    assert phases.count(Refuted)
    check_signs(phases)


def check_signs(phases):
    """Assert that the witnesses of refuted neurons show both signs in rationals."""
    for finding in phases.findings[::7]:
        if isinstance(finding.verdict, Refuted):
            above, below = finding.verdict.witnesses
            assert above.value > 0 > below.value


def test_late_signs_that_only_rationals_can_tell_stay_open(monkeypatch):
    # x - 1 + 2^-60: both signs on the interval, the positive one too small for bounds to show
    weights = [np.array([[1.0], [1.0]]), np.ones((1, 2))]
    network = Network.dense(weights, [np.array([-1.0, 2.0**-60 - 1.0]), np.zeros(1)])
    region = Region.box([0], [1])
    ledger = Ledger(network, region.lattice("float64"))
    ledger.prove(interval(network, region.lower[None], region.upper[None]), Method.INTERVAL)
    ledger.visit(np.array([[0.0], [1.0]]), Method.SAMPLE)
    entry = ledger.entries[0]
    entry.most[:] = 1e-17  # as rounding may show it, rightly or wrongly
    entry.low[:], entry.high[:] = -1.0, 1e-15
    for late, says in ((True, "time limit came before exact replay"), (False, "fail exact replay")):
        findings = ledger.findings(None, "open", lambda late=late: late)
        for finding in findings:
            assert isinstance(finding.verdict, Unknown)
            assert says in finding.verdict.reason


def test_every_refuted_neuron_gets_two_points_however_many_there_are():
    rng = np.random.default_rng(3)
    network = Network.dense([rng.normal(size=(200, 3)), np.ones((1, 200))], [np.zeros(200), [0.0]])
    phases = decide_phases(network, Region.box([-1] * 3, [1] * 3), QUICK)
    assert phases.count(Refuted) == 200
    points = {w.point for f in phases.findings for w in f.verdict.witnesses}
    assert len(points) < 50, "points are shared"
    check_signs(phases)


def test_a_single_point_is_refused():
    network, _ = planted(0.0)
    with pytest.raises(RegionError, match="single point"):
        decide_phases(network, Region.box([0, 0], [0, 0], "here"))


def test_a_fixed_input_that_no_float_holds_is_replayed_as_a_rational():
    network, _ = planted(1e-6)
    region = Region.box([Fraction(1, 10), -1], [Fraction(1, 10), 1], "slice")
    phases = decide_phases(network, region, QUICK)
    refuted = [f.verdict for f in phases.findings if isinstance(f.verdict, Refuted)]
    assert refuted
    for verdict in refuted:
        assert all(w.point[0] == Fraction(1, 10) for w in verdict.witnesses)


class LyingRuntime:
    """A runtime that gives back nonsense: it may be recorded, but proves nothing."""

    tensors = frozenset({"affine1", "affine2"})

    def hidden(self, points, names):
        sizes = {"affine1": 5, "affine2": 3}
        return {name: np.full((len(points), sizes[name]), np.nan) for name in names}


def test_a_lying_runtime_changes_no_verdict():
    network, region = planted(1e-6)
    honest = decide_phases(network, region, QUICK)
    lied = decide_phases(network, region, QUICK, LyingRuntime())
    states = [[(f.state, type(f.verdict)) for f in phases.findings] for phases in (honest, lied)]
    assert states[0] == states[1]


def test_the_same_seed_gives_the_same_findings():
    rng = np.random.default_rng(5)
    network = Network.dense(
        [rng.normal(size=(12, 3)), rng.normal(size=(12, 12)), rng.normal(size=(2, 12))],
        [rng.normal(size=12), rng.normal(size=12) - 4, np.zeros(2)],
    )
    region = Region.box([-1] * 3, [1] * 3)
    runs = [decide_phases(network, region, QUICK).findings for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_layer_that_is_the_output_is_judged_by_what_goes_into_it():
    # 1 - 2 relu(1 - 1e9 |x - 0.37|): 1 almost everywhere, and -1 where only splitting looks.
    whole = Network.dense(
        [[[1.0], [-1.0]], [[-1e9, -1e9]], [[-2.0]], [[1.0]]], [[-0.37, 0.37], [1.0], [1.0], [0.0]]
    )
    last = whole.piecewise[-1].name
    for network in (whole, Network(whole.nodes, last)):
        found = decide_phases(network, Region.box([0.0], [1.0]), QUICK).findings[-1]
        assert (found.layer, found.state) == (last, State.RELU)
        assert not isinstance(found.verdict, Proved)
        assert found.lower <= -1.0
