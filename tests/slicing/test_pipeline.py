"""The pipeline of cells: the guarantee is kept, wherever and however cells are worked on."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from linearised import linearised
from strategies import boxes, dense_networks

from secateur.benchmarks.controllers import controller
from secateur.engine.agreement import Best
from secateur.engine.errors import FileError, InputError
from secateur.engine.formats.regions import parse_region
from secateur.engine.region import Region
from secateur.redundancy.aim import Aim
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.relus import activations
from secateur.slicing.codes import read_record, record, records
from secateur.slicing.family import Mark
from secateur.slicing.figures import COLUMNS, Totals, figures_of, figures_of_phases
from secateur.slicing.key import Shard
from secateur.slicing.merge import merge
from secateur.slicing.phases import Effort, decide_cells
from secateur.slicing.pipeline import Recipe, Stage, first_draft, run
from secateur.slicing.pipeline_cells import cells_of, chosen
from secateur.slicing.pipeline_family import begun, blank, family_from
from secateur.slicing.pipeline_run import Job, begin
from secateur.slicing.run_here import Here
from secateur.slicing.run_processes import processes
from secateur.slicing.slices import Slices
from secateur.slicing.split import grid
from secateur.slicing.stored import Stored
from secateur.slicing.work import Done

ENTRY = controller("horizontal-coc")
BOX = "0:0.3,-0.1:0.3,-0.2:0.2"


@pytest.fixture(scope="module")
def coc():
    """The embedded controller and a part of its domain, cut into eight."""
    network = ENTRY.network()
    return network, grid(parse_region(BOX, network, "network"), (2, 2, 2))


def job(tmp_path, network, slices, name="cells", some=None, shard=None, **recipe):
    """Return a run over cells."""
    every = np.arange(slices.count) if some is None else np.array(some)
    given = {"stage": Stage.PHASES, "boxes": 64, **recipe}
    path = tmp_path / name
    return Job(Recipe(network, **given), slices, every, path, shard or Shard())


def begin_here(one, stop=lambda: False):
    """Work in this process; return the tally and the family."""
    tally, base = begin(one, Here, lambda ended: None, stop)
    with Stored(one.store) as stored:
        return tally, family_from(stored, base)


def held(path):
    """Return of each cell in a store what does not depend on the clock."""
    with Stored(path) as stored:
        rows = list(stored.rows())
    out = {}
    for row in rows:
        assert isinstance(row.outcome, Done)
        figures = dict(row.outcome.result.figures)
        del figures["seconds"]
        out[row.cell] = (figures, row.outcome.result.code)
    return out


def points_in(region, count, seed=0):
    """Return random points and corners ``(points, inputs)`` of a region, of float64."""
    rng = np.random.default_rng(seed)
    share = rng.random((count, region.size))
    share[: count // 2] = np.round(share[: count // 2])
    low, high = region.lower, region.upper
    return np.clip(low + share * (high - low), low, high)


def exactly(network, points):
    """Return outputs in rationals."""
    return network.evaluate(np.vectorize(Fraction)(points), exact=True)


@settings(max_examples=30)
@given(st.data())
def test_every_cells_network_keeps_what_was_asked_for(data):
    network = data.draw(dense_networks())
    lower, upper = data.draw(boxes(network.size_in))
    region = Region.box(lower, upper)
    assume(not region.is_point)
    aims = [Aim(), Aim(Outputs(Fraction(1, 4)))]
    if network.size_out > 1:
        aims.append(Aim(SameBest(Best.MAX)))
    aim = data.draw(st.sampled_from(aims))
    stage = data.draw(st.sampled_from(Stage)) if aim == aims[0] else Stage.SIMPLIFY
    sides = [2 if low < high else 1 for low, high in zip(lower, upper, strict=True)]
    slices = grid(region, sides[:2])
    alone = stage is Stage.PHASES and data.draw(st.booleans())
    recipe = Recipe(network, aim, stage, boxes=16, seconds=0.3 if alone else 5.0, alone=alone)
    regions = [slices.region(cell) for cell in range(slices.count)]
    results = run(recipe, [one for one in regions if not one.is_point])
    sizes = [node.size for node in network.piecewise]
    for cell, result in zip(regions, results, strict=True):
        layers = read_record(result.code, sizes)
        names = [node.name for node in network.piecewise]
        after = network.with_layers(dict(zip(names, layers, strict=True)))
        some = points_in(cell, 12)
        one, two = exactly(network, some), exactly(after, some)
        assert not any(aim.guarantee.broken(a, b) for a, b in zip(one, two, strict=True))
        assert result.figures["left"] == after.neurons
        table = np.array(result.figures["layers"]).reshape(-1, len(COLUMNS))
        assert (table[:, 0] == table[:, 1:6].sum(axis=1)).all()
        assert (table[:, COLUMNS.index("active")] <= table[:, COLUMNS.index("both")]).all()
        assert network.neurons - after.neurons == sum(result.figures["removed"].values())


@settings(max_examples=30)
@given(st.data())
def test_cells_of_which_phases_are_all_are_kept_as_if_they_went_through_drafts(data):
    network = data.draw(dense_networks())
    lower, upper = data.draw(boxes(network.size_in))
    base = linearised(network, np.random.default_rng(data.draw(st.integers(0, 99))))
    middle = (lower + upper) / 2
    found = decide_cells(
        base,
        np.stack([lower, lower, middle]),
        np.stack([upper, middle, upper]),
        Effort(boxes=16, most_boxes=16),
    )
    recipe = Recipe(base, stage=Stage.PHASES)
    drafts = [first_draft(recipe, found, at, Region.box(lower, upper), 0.0) for at in range(3)]
    one_by_one = [figures_of(base, draft.known, draft.network, None) for draft in drafts]
    assert figures_of_phases(found) == one_by_one
    own = [activations(node) for node in base.piecewise]
    codes = [record([activations(node) for node in draft.network.piecewise]) for draft in drafts]
    assert records(found.state, own) == codes


def test_a_cell_does_not_depend_on_the_cells_beside_it(coc):
    network, slices = coc
    recipe = Recipe(network, stage=Stage.PHASES, boxes=64)
    regions = [slices.region(cell) for cell in range(slices.count)]
    together = run(recipe, regions)
    alone = [run(recipe, [region])[0] for region in regions]
    assert [one.code for one in together] == [one.code for one in alone]
    assert [one.figures["layers"] for one in together] == [one.figures["layers"] for one in alone]


def test_phases_that_stay_open_together_are_searched_for_alone(coc):
    network, slices = coc
    regions = [slices.region(cell) for cell in range(2)]
    together = run(Recipe(network, stage=Stage.PHASES, boxes=0), regions)
    alone = run(Recipe(network, stage=Stage.PHASES, boxes=0, seconds=60, alone=True), regions)
    at = COLUMNS.index("open")
    for one, other in zip(together, alone, strict=True):
        first, second = (np.array(result.figures["layers"]) for result in (one, other))
        assert (second[:, 1:3].sum(axis=1) >= first[:, 1:3].sum(axis=1)).all()
        assert first[:, at].sum() > 0
        assert second[:, at].sum() == 0


def test_what_the_first_stage_leaves_open_goes_on_alone(coc):
    network, slices = coc
    few = Recipe(network, stage=Stage.PHASES, boxes=0)
    more = replace(few, stage=Stage.SIMPLIFY, seconds=5.0)
    region = slices.region(3)
    (one,), (two,) = run(few, [region]), run(more, [region])
    opened = COLUMNS.index("open")
    before, after = (sum(row[opened] for row in r.figures["layers"]) for r in (one, two))
    assert before > after
    assert two.figures["left"] < one.figures["left"]
    assert two.figures["distance"] == 0.0


def test_workers_shards_and_one_process_give_the_same(coc, tmp_path):
    network, slices = coc
    tally, whole = begin_here(job(tmp_path, network, slices))
    assert tally.done == slices.count
    begin(
        job(tmp_path, network, slices, "two"), lambda work: processes(work, 2), lambda ended: None
    )
    parts = []
    for index in (1, 2, 3):
        part = job(tmp_path, network, slices, f"part{index}", shard=Shard(index, 3))
        begin_here(part)
        parts.append(part.store)
    joined = tmp_path / "joined"
    merge(parts, joined)
    assert held(tmp_path / "cells") == held(tmp_path / "two") == held(joined)
    with Stored(parts[2]) as last, Stored(joined) as stored:
        again = family_from(stored, begun(last))
    assert [again.codes.of(cell)[0].state.tolist() for cell in range(8)] == [
        whole.codes.of(cell)[0].state.tolist() for cell in range(8)
    ]
    assert (again.mark == Mark.SIMPLIFIED).all()


def test_a_run_that_was_stopped_goes_on_where_it_was(coc, tmp_path, monkeypatch):
    network, slices = coc
    monkeypatch.setitem(begin.__globals__["BATCHES"], False, 3)
    one = job(tmp_path, network, slices)
    asked = iter([False, True])
    tally, family = begin_here(one, lambda: next(asked, True))
    assert tally.stopped
    assert 0 < tally.done < slices.count
    assert len(family.marked(Mark.MISSING)) == slices.count - tally.done
    with pytest.raises(InputError, match="there is a store already"):
        begin_here(one)
    rest, whole = begin_here(replace(one, resume=True))
    assert rest.done == slices.count - tally.done
    assert not len(whole.marked(Mark.MISSING))
    nothing, _ = begin_here(replace(one, resume=True))
    assert nothing.done == 0


def test_a_store_of_another_run_is_refused(coc, tmp_path):
    network, slices = coc
    one = job(tmp_path, network, slices, some=[0])
    with pytest.raises(FileError, match="there is no store to resume"):
        begin_here(replace(one, resume=True))
    begin_here(one)
    others = {
        "option boxes": replace(one, recipe=replace(one.recipe, boxes=0)),
        "region": replace(one, slices=grid(Region.box([0] * 3, [1] * 3), (2, 2, 2))),
        "slices": replace(one, slices=grid(slices.whole, (8, 1, 1))),
        "network": replace(
            one, recipe=replace(one.recipe, network=controller("horizontal-wl").network())
        ),
    }
    for words, other in others.items():
        with pytest.raises(InputError, match=words):
            begin_here(replace(other, resume=True))


def test_a_run_that_cannot_begin_leaves_no_store(coc, tmp_path):
    network, slices = coc

    def none(work):
        raise InputError("there is no worker")

    one = job(tmp_path, network, slices)
    with pytest.raises(InputError, match="no worker"):
        begin(one, none, lambda ended: None)
    assert not list(tmp_path.iterdir())
    begin_here(replace(one, some=np.array([0])))
    with pytest.raises(InputError, match="no worker"):
        begin(replace(one, resume=True), none, lambda ended: None)
    assert list(held(one.store)) == [0]


def test_cells_that_overrun_keep_the_original_until_they_are_tried_again(coc, tmp_path):
    network, slices = coc
    one = job(tmp_path, network, slices, some=[1, 5], seconds=1e-6)
    tally, family = begin_here(one)
    assert tally.late == 2
    assert family.marked(Mark.LATE).tolist() == [1, 5]
    assert family.materialise(1).neurons == network.neurons
    more = replace(one, recipe=replace(one.recipe, seconds=60.0), resume=True)
    assert begin_here(more)[0].done == 0
    tally, family = begin_here(replace(more, retry=True))
    assert tally.done == 2
    assert family.marked(Mark.SIMPLIFIED).tolist() == [1, 5]


def test_certificates_and_their_files_are_kept_with_the_cells(coc, tmp_path):
    from secateur.engine.formats.files import read_bytes
    from secateur.engine.proofs.check import check

    network, slices = coc
    aim = Aim(SameBest(Best.MAX))
    one = job(
        tmp_path, network, slices, some=[2], aim=aim, stage=Stage.SIMPLIFY, proof=True, seconds=20.0
    )
    begin_here(one)
    with Stored(one.store) as stored:
        (row,) = stored.rows()
        assert row.outcome.result.figures["proof"] == ""
        files = [read_bytes(network.origin.path), stored.blob(2, "network.onnx")]
        assert check(stored.blob(2, "proof"), lambda at, file: files[at]).nodes


def test_recipes_that_make_no_sense_are_refused(coc):
    network, _ = coc
    with pytest.raises(InputError, match="leave `alone` away"):
        Recipe(network, alone=True)
    with pytest.raises(InputError, match="seconds"):
        Recipe(network, seconds=0.0)
    with pytest.raises(InputError, match="take the stage simplify"):
        Recipe(network, stage=Stage.PHASES, proof=True)
    with pytest.raises(InputError, match="leave the layer away"):
        Recipe(network, Aim(until="relu1"))


@given(st.integers(1, 300), st.data())
def test_a_stratified_draw_takes_one_of_each_run(count, data):
    number = data.draw(st.integers(1, count))
    seed = data.draw(st.integers(0, 99))
    some = chosen(f"random:{number}", count, seed)
    assert some.tolist() == chosen(f"random:{number}", count, seed).tolist()
    ends = np.linspace(0, count, number + 1).astype(int)
    assert ((ends[:-1] <= some) & (some < ends[1:])).all()


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 20)), min_size=1, max_size=5))
def test_named_cells_come_once_and_in_order(runs):
    text = ",".join(f"{a}-{a + n}" if n else str(a) for a, n in runs)
    named = {cell for a, n in runs for cell in range(a, a + n + 1)}
    assert chosen(text, 200, 0).tolist() == sorted(named)


@pytest.mark.parametrize(
    "text", ["", "x", "3-1", "8", "random:0", "random:9", "1,,2", "-1", "all:2"]
)
def test_cells_that_are_not_there_are_refused(text):
    with pytest.raises(InputError, match="--cells"):
        chosen(text, 8, 0)


def test_all_cells_are_given_with_their_regions(coc):
    _, slices = coc
    every = list(cells_of(slices, chosen("all", slices.count, 0)))
    assert [one.id for one in every] == list(range(slices.count))
    assert [one.identity for one in every] == list(slices.identities())


def test_totals_add_what_cells_lost(coc):
    network, slices = coc
    results = run(
        Recipe(network, stage=Stage.PHASES, boxes=0), [slices.region(0), slices.region(1)]
    )
    totals = Totals.of(network)
    for one in results:
        totals.take(one.figures)
    assert totals.asked == 2 * network.neurons
    left = sum(count * cells for count, cells in totals.left.items())
    assert totals.gone == totals.asked - left


def test_a_blank_family_is_that_of_a_store_without_a_row(coc):
    network, slices = coc
    family = blank(network, slices, {"stage": "phases"})
    assert isinstance(family.slices, Slices)
    assert (family.mark == Mark.MISSING).all()
    assert family.said == {"stage": "phases"}
