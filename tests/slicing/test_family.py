"""A family gives back what was put into it, bit for bit, and says which cells have no result."""

import contextlib

import numpy as np
import pytest
from families_drawn import bases, families, results
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import linearised
from strategies import dense_networks, points

from secateur.engine.errors import FormatError, InputError, NetworkError, RegionError
from secateur.engine.formats import load, save
from secateur.engine.network import Affine, Network, Piecewise, State
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.slicing.codes import Codes, linear_neurons, pack, read_record, record, unpack, width
from secateur.slicing.family import FamilyWriter, Mark, family_of
from secateur.slicing.family_file import family_bytes
from secateur.slicing.folded import folded
from secateur.slicing.slices import LEAF, Slices


def same(one, other):
    """Return whether two networks have the same layers, bit for bit."""
    if [node.name for node in one.nodes] != [node.name for node in other.nodes]:
        return False
    for node in one.nodes:
        layer, twin = node.layer, other.by_name[node.name].layer
        if isinstance(layer, Piecewise) and not layer.same(twin):
            return False
        if isinstance(layer, Affine) and not np.array_equal(
            layer.operator.weight, twin.operator.weight
        ):
            return False
    return True


def halves(network, name="halves"):
    """Return two slices of the unit box of a network's inputs."""
    size = network.size_in
    whole = Region.box(np.zeros(size), np.ones(size), name)
    return Slices(whole, np.array([0, LEAF, LEAF]), np.array([0.5, 0.0, 0.0]))


def small(seed=0, sizes=(2, 5, 4, 2)):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense(
        [rng.normal(size=s) for s in shapes], [rng.normal(size=s[0]) for s in shapes]
    )


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_packed_states_are_read_back(size, seed):
    states = np.random.default_rng(seed).integers(0, 4, (3, size))
    packed = pack(states)
    assert packed.shape == (3, width(size))
    assert (unpack(packed, size) == states).all()
    assert (linear_neurons(packed) == (states == State.LINEAR).sum(axis=1)).all()


@given(families())
@settings(max_examples=30)
def test_every_cell_gets_back_its_network(drawn):
    family, networks = drawn
    for cell, network in enumerate(networks):
        assert same(family.materialise(cell), network)
        assert family.region(cell).exact_lower == family.slices.region(cell).exact_lower
        states = [node.layer.state for node in network.piecewise]
        first = [node.layer.state for node in family.base.piecewise]
        counts = [(a != 0).sum() - (b != 0).sum() for a, b in zip(states, first, strict=True)]
        assert family.removed[cell].tolist() == counts


@given(results(), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_the_order_in_which_cells_come_leaves_no_trace(drawn, random):
    base, slices, found = drawn
    pairs = list(enumerate(found))
    family = family_bytes(family_of(base, slices, pairs))
    random.shuffle(pairs)
    assert family_bytes(family_of(base, slices, pairs)) == family


@given(results())
@settings(max_examples=15)
def test_codes_say_what_networks_say(drawn):
    base, slices, found = drawn
    family = family_of(base, slices, enumerate(found))
    as_codes = [
        record([node.layer for node in one.piecewise]) if isinstance(one, Network) else one
        for one in found
    ]
    assert family_bytes(family_of(base, slices, enumerate(as_codes))) == family_bytes(family)


@given(results())
@settings(max_examples=15)
def test_cells_without_a_result_have_the_original_and_a_mark(drawn):
    base, slices, found = drawn
    writer = FamilyWriter(base, slices)
    for cell, one in enumerate(found):
        if isinstance(one, Mark) and one is not Mark.MISSING:
            writer.miss(cell, one)
        elif isinstance(one, Network):
            writer.add(cell, one)
    family = writer.finish()
    for cell, one in enumerate(found):
        mark = one if isinstance(one, Mark) else Mark.SIMPLIFIED
        assert family.mark[cell] == mark
        assert cell in family.marked(mark)
        if mark is not Mark.SIMPLIFIED:
            assert family.materialise(cell) is base


def test_phases_of_many_cells_are_what_they_are_one_by_one():
    network, rng = small(), np.random.default_rng(1)
    states = rng.integers(0, 3, (2, 9)).astype(np.int8)
    together = FamilyWriter(network, halves(network))
    together.add_phases(np.array([1, 0]), states[::-1])
    alone = FamilyWriter(network, halves(network))
    zeros = np.zeros(5)
    for cell, row in enumerate(states):
        parts = [
            Piecewise(part, zeros[: len(part)], zeros[: len(part)]) for part in np.split(row, [5])
        ]
        alone.add_layers(cell, parts)
    assert family_bytes(together.finish()) == family_bytes(alone.finish())
    with pytest.raises(InputError, match="RELU, ZERO, IDENTITY"):
        FamilyWriter(network, halves(network)).add_phases(
            np.array([0]), np.full((1, 9), 3, np.int8)
        )
    with pytest.raises(InputError, match="shape"):
        FamilyWriter(network, halves(network)).add_phases(np.array([0]), states)


def test_equal_layers_and_equal_lines_are_kept_once():
    network = small()
    cell = linearised(network, np.random.default_rng(3), (State.LINEAR,))
    family = family_of(network, halves(network), [(0, cell), (1, cell)])
    assert [len(forms) for forms in family.codes.forms] == [1, 1]
    assert len(family.codes.lines) == 9


def test_lines_of_float32_numbers_take_half_the_room():
    network, rng = small(), np.random.default_rng(4)
    cell = linearised(network, rng, (State.LINEAR,))
    layers = [node.layer for node in cell.piecewise]
    short = [
        Piecewise(one.state, one.slope.astype(np.float32), one.intercept.astype(np.float32))
        for one in layers
    ]
    for some, kind in ((layers, np.float64), (short, np.float32)):
        writer = FamilyWriter(network, halves(network))
        writer.add_layers(0, some)
        family = writer.finish()
        assert family.codes.lines.dtype == kind
        assert all(a.same(b) for a, b in zip(family.codes.of(0), some, strict=True))


@given(families(), st.data())
@settings(max_examples=15)
def test_the_small_network_is_the_large_one_on_the_cell_in_rationals(drawn, data):
    family, networks = drawn
    cell = data.draw(st.integers(0, family.count - 1))
    region = family.region(cell)
    some = data.draw(points((region.lower, region.upper), count=3))
    some = np.array([p for p in some if region.contains(p)]).reshape(-1, region.size)
    small_one = folded(family, cell)
    assert small_one.multiply_adds <= networks[cell].multiply_adds
    if len(some):
        exact = networks[cell].evaluate(some, exact=True)
        assert (small_one.evaluate(some, exact=True) == exact).all()


def test_a_cell_is_written_as_onnx(tmp_path):
    rough = small(6)
    network = Network.dense(
        [node.layer.operator.weight.astype(np.float32) for node in rough.nodes[1::2]],
        [node.layer.bias.astype(np.float32) for node in rough.nodes[1::2]],
    )
    writer = FamilyWriter(network, halves(network))
    writer.add_phases(np.array([0, 1]), np.random.default_rng(0).integers(0, 3, (2, 9)))
    cell = folded(writer.finish(), 1)
    save(cell, tmp_path / "cell.onnx")
    some = np.random.default_rng(1).random((5, 2))
    found = load(tmp_path / "cell.onnx").evaluate(some, exact=True)
    assert (found == cell.evaluate(some, exact=True)).all()


def test_a_plan_is_kept_as_it_was_proved():
    network = small(5, (2, 6, 6, 1))
    slices = halves(network)
    effort = Effort(seconds=5.0, samples=100, starts=2, climbs=2, boxes=50, programs=0, workers=1)
    plans = [simplify(network, slices.region(cell), effort) for cell in range(2)]
    family = family_of(network, slices, [(c, plan.linearised) for c, plan in enumerate(plans)])
    for cell, plan in enumerate(plans):
        assert same(family.materialise(cell), plan.linearised)
    assert family.removed.sum() > 0


def test_a_simplified_head_leaves_the_layers_behind_it_as_they_are():
    network, rng = small(), np.random.default_rng(2)
    cell = linearised(network, rng)
    front = Network(cell.nodes, "relu1", cell.origin)
    family = family_of(network, halves(network), [(0, front)])
    own = family.materialise(0)
    assert own.by_name["relu1"].layer.same(cell.by_name["relu1"].layer)
    assert own.by_name["relu2"].layer is network.by_name["relu2"].layer


def test_networks_that_are_no_linearised_originals_are_refused():
    network, slices = small(), halves(small())
    others = [
        small(1),
        small(0, (2, 5, 4, 3, 2)),
        network.with_layers({"affine1": Affine(Dense(np.zeros((5, 2))), np.zeros(5))}),
    ]
    for other in others:
        with pytest.raises(NetworkError, match="cell 0: layer affine"):
            FamilyWriter(network, slices).add(0, other)


def test_a_cell_comes_once_and_is_one_of_the_region():
    network = small()
    writer = FamilyWriter(network, halves(network))
    writer.add(0, network)
    for again in (lambda: writer.add(0, network), lambda: writer.miss(0, Mark.LATE)):
        with pytest.raises(InputError, match="cell 0 came twice"):
            again()
    for cell in (-1, 2):
        with pytest.raises(InputError, match=f"no cell {cell}"):
            writer.add(cell, network)
        with pytest.raises(RegionError, match=f"no cell {cell}"):
            writer.finish().materialise(cell)
    with pytest.raises(InputError, match="none that is simplified"):
        writer.miss(1, Mark.SIMPLIFIED)
    with pytest.raises(RegionError):
        FamilyWriter(small(0, (3, 2, 1)), halves(network))


@given(dense_networks(), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_records_taken_together_are_the_family_of_records_one_by_one(network, lines, seed):
    rng = np.random.default_rng(seed)
    states = tuple(State) if lines else (State.RELU, State.ZERO, State.IDENTITY)
    drawn = [linearised(network, rng, states) for _ in range(2)]
    codes = {c: record([node.layer for node in one.piecewise]) for c, one in enumerate(drawn)}
    writer = FamilyWriter(network, halves(network))
    writer.add_records(codes)
    assert family_bytes(writer.finish()) == family_bytes(
        family_of(network, halves(network), enumerate(drawn))
    )
    wrong = FamilyWriter(network, halves(network))
    with pytest.raises(FormatError, match="another network or is damaged"):
        wrong.add_records({0: codes[0], 1: codes[1] + b"\0"})


@given(dense_networks(), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=50)
def test_damaged_codes_are_refused_or_are_codes_of_the_same_size(network, seed, data):
    layers = [node.layer for node in linearised(network, np.random.default_rng(seed)).piecewise]
    sizes, code = [layer.size for layer in layers], record(layers)
    assert all(a.same(b) for a, b in zip(read_record(code, sizes), layers, strict=True))
    for wrong in (code[:-1], code + b"\0", b""):
        with pytest.raises(FormatError, match="another network or is damaged"):
            read_record(wrong, sizes)
    at = data.draw(st.integers(0, sum(map(width, sizes)) - 1))
    flipped = bytes(
        b ^ (1 << data.draw(st.integers(0, 7)) if n == at else 0) for n, b in enumerate(code)
    )
    with contextlib.suppress(FormatError):
        assert record(read_record(flipped, sizes)) == flipped


def test_codes_that_do_not_fit_together_are_refused():
    good = {
        "sizes": (3,),
        "index": np.zeros((2, 1), np.uint8),
        "forms": (np.array([[0b00_11_00_00]], np.uint8),),
        "lists": (np.zeros(1, np.uint8),),
        "first": np.array([0, 1]),
        "lines": np.zeros((1, 2)),
    }
    Codes(**good)
    wrong = {
        "sizes": (3, 3),
        "index": np.ones((2, 1), np.uint8),
        "forms": (np.array([[0b11_11_00_00]], np.uint8),),
        "lists": (np.ones(1, np.uint8),),
        "first": np.array([0, 0]),
        "lines": np.full((1, 2), np.nan),
    }
    for name, value in wrong.items():
        with pytest.raises(FormatError, match="codes: "):
            Codes(**{**good, name: value})
    for name, kind in [("index", int), ("first", np.uint8), ("lines", np.float16)]:
        with pytest.raises(FormatError, match="another type"):
            Codes(**{**good, name: good[name].astype(kind)})
    with pytest.raises(FormatError, match="needs more lines"):
        Codes(**{**good, "forms": (np.zeros((1, 1), np.uint8),)})


@given(bases())
@settings(max_examples=20)
def test_the_original_alone_is_a_family_of_one_form_a_layer(base):
    size = base.size_in
    whole = Region.box(np.zeros(size), np.ones(size))
    slices = Slices(whole, np.array([LEAF]), np.zeros(1))
    family = FamilyWriter(base, slices).finish()
    assert all(len(forms) == 1 for forms in family.codes.forms)
    assert not family.removed.any()
