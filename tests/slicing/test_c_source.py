"""C sources: compiled at any level, they give the bits of float32 evaluation, and the cells."""

import ctypes
import re
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from families_drawn import families, inside
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import convolutional, linearised, mixed

from secateur.engine.errors import InputError, RegionError, UnsupportedError
from secateur.engine.network import Network, Origin, State
from secateur.engine.region import Region
from secateur.slicing.c_source import c_cell, c_family, c_network
from secateur.slicing.c_tables import at_least, at_most, c_float
from secateur.slicing.evaluate import evaluate
from secateur.slicing.family import family_of
from secateur.slicing.folded import folded
from secateur.slicing.route import Router
from secateur.slicing.single import evaluate_single
from secateur.slicing.slices import LEAF, Slices

CC = shutil.which("cc")
COMPILED = pytest.mark.skipif(CC is None, reason="there is no C compiler `cc` on the path")
STRICT = ("-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")


def compiled(folder, sources, *flags):
    """Return the library of some sources by their names."""
    for name, text in sources.items():
        (folder / f"{name}.c").write_text(text)
    library = folder / "all.so"
    files = [str(folder / f"{name}.c") for name in sources]
    subprocess.run([CC, *flags, "-shared", "-fPIC", *files, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def called(library, name, points, outputs):
    """Return outputs, and results of both functions, at points of float32."""
    function, cell = getattr(library, name), getattr(library, f"{name}_cell")
    points = np.ascontiguousarray(points, np.float32)
    out = np.full((len(points), outputs), 7.0, np.float32)
    cells, results = np.empty((2, len(points)), np.int64)
    for row in range(len(points)):
        at = ctypes.c_void_p(points[row].ctypes.data)
        cells[row] = cell(at)
        results[row] = function(at, ctypes.c_void_p(out[row].ctypes.data))
    return out, cells, results


def grown(seed, states=tuple(State)):
    """Return a family on 64 cells of a chain of float32 numbers, and its networks."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=s).astype(np.float32) for s in ((21, 3), (16, 21), (3, 16))]
    base = Network.dense(weights, [rng.normal(size=len(w)).astype(np.float32) for w in weights])
    third = Fraction(1, 3)
    whole = Region.box([-third, -0.5, 0.0], [2 * third, 0.5, 1.0], "box")
    axis, cut, boxes = [], [], [(whole.lower, whole.upper)]
    for level in range(6):
        wider = []
        for low, high in boxes:
            at = level % 3
            middle = low[at] + (high[at] - low[at]) * rng.uniform(0.2, 0.8)
            axis.append(at)
            cut.append(middle)
            ends = high.copy(), low.copy()
            ends[0][at] = ends[1][at] = middle
            wider += [(low, ends[0]), (ends[1], high)]
        boxes = wider
    slices = Slices(whole, np.array(axis + [LEAF] * 64), np.array(cut + [0.0] * 64))
    return family_of(base, slices, [(cell, linearised(base, rng, states)) for cell in range(64)])


def around(limits):
    """Return the float32 numbers next to limits, below, at and above."""
    near = np.asarray(limits, np.float32)
    some = [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
    return np.unique(np.concatenate(some))


@COMPILED
@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_a_family_has_the_bits_of_its_float32_evaluation(tmp_path, level):
    family, rng = grown(0), np.random.default_rng(1)
    library = compiled(tmp_path, {"grown": c_family(family, "grown")}, *STRICT, level)
    ends = [
        np.concatenate([family.slices.lower[:, i], family.slices.upper[:, i]]) for i in range(3)
    ]
    faces = np.stack([rng.choice(around(values), 3000) for values in ends], axis=1)
    spread = rng.uniform(family.slices.whole.lower, family.slices.whole.upper, (3000, 3))
    points = np.concatenate([faces, spread.astype(np.float32)])
    expected = Router(family.slices).locate(points)
    out, cells, results = called(library, "grown", points, 3)
    assert (cells == results).all()
    within = expected >= 0
    assert 0 < within.sum() < len(points)
    assert (results[within] == expected[within]).all()
    assert out[within].tobytes() == evaluate(family, points[within], "float32").tobytes()
    low, high = family.slices.whole.lower, family.slices.whole.upper
    first = np.argmax((points < low) | (points > high), axis=1)
    assert (results[~within] == -1 - first[~within]).all()
    assert (out[~within] == 7.0).all()


@COMPILED
@given(st.data(), st.integers(0, 2**32 - 1))
@settings(max_examples=4)
def test_any_family_and_any_cell_of_it_is_what_the_definition_says(tmp_path_factory, data, seed):
    rng, sources, asked = np.random.default_rng(seed), {}, []
    for number in range(6):
        family, _ = data.draw(families())
        cell = int(rng.integers(family.count))
        sources[f"all{number}"] = c_family(family, f"all{number}")
        sources[f"one{number}"] = c_cell(family, cell, f"one{number}")
        asked.append((number, family, cell))
    library = compiled(tmp_path_factory.mktemp("c"), sources, *STRICT, "-O2")
    for number, family, cell in asked:
        points = inside(family, rng, dtype=np.float32)
        outputs = family.base.size_out
        out, _, results = called(library, f"all{number}", points, outputs)
        assert (results == Router(family.slices).route(points)).all()
        assert out.tobytes() == evaluate(family, points, "float32").tobytes()
        out, _, results = called(library, f"one{number}", points, outputs)
        small, region = folded(family, cell), family.region(cell)
        for point, found, result in zip(points, out, results, strict=True):
            assert (result == cell) == region.contains(point)
            if result == cell:
                assert found.tobytes() == evaluate_single(small, point).tobytes()


@COMPILED
def test_networks_of_every_kind_of_layer_have_the_bits_of_the_definition(tmp_path):
    rng = np.random.default_rng(2)
    networks = {"conv": linearised(convolutional(rng), rng), "chain": mixed()}
    library = compiled(
        tmp_path, {name: c_network(one, name) for name, one in networks.items()}, *STRICT, "-O2"
    )
    for name, network in networks.items():
        points = rng.normal(size=(500, network.size_in)).astype(np.float32)
        out, cells, results = called(library, name, points, network.size_out)
        assert not cells.any()
        assert not results.any()
        assert out.tobytes() == evaluate_single(network, points).tobytes()


@COMPILED
def test_no_flag_of_the_processor_changes_a_bit(tmp_path):
    family = grown(3)
    points = np.random.default_rng(4).uniform(
        family.slices.whole.lower, family.slices.whole.upper, (3000, 3)
    )
    points = points.astype(np.float32)
    points = points[Router(family.slices).locate(points) >= 0]
    expected = evaluate(family, points, "float32")
    library = compiled(tmp_path, {"grown": c_family(family, "grown")}, "-O3", "-march=native")
    assert called(library, "grown", points, 3)[0].tobytes() == expected.tobytes()


@COMPILED
def test_fast_mathematics_is_refused_by_the_source(tmp_path):
    (tmp_path / "fast.c").write_text(c_network(mixed(), "fast"))
    done = subprocess.run(
        [CC, "-ffast-math", "-c", str(tmp_path / "fast.c"), "-o", str(tmp_path / "fast.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "compile without -ffast-math" in done.stderr


@COMPILED
def test_not_a_number_is_outside_of_every_region(tmp_path):
    library = compiled(tmp_path, {"grown": c_family(grown(5), "grown")}, *STRICT, "-O2")
    points = np.array([[np.nan, 0, 0.5], [0, np.nan, 0.5], [0, 0, np.inf], [0, -np.inf, np.nan]])
    assert called(library, "grown", points, 3)[2].tolist() == [-1, -2, -3, -2]


@COMPILED
def test_the_source_is_a_program_that_times_itself(tmp_path):
    (tmp_path / "grown.c").write_text(c_family(grown(6), "grown"))
    program = tmp_path / "grown"
    flags = ["-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-O2", "-DGROWN_DEMO"]
    subprocess.run([CC, *flags, str(tmp_path / "grown.c"), "-o", str(program)], check=True)
    done = subprocess.run([program, "1000"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"1000 calls, [0-9.]+ ns each \(sum of output 0: .*\)\n", done.stdout)


def test_the_source_asks_for_nothing_from_outside():
    text = c_family(grown(7), "grown")
    front = text[: text.index("#ifdef GROWN_DEMO")]
    assert set(re.findall(r"#include (\S+)", front)) == {"<float.h>", "<stdint.h>"}
    for word in ("malloc", "printf", "math.h", "double"):
        assert word not in front
    names = re.findall(r"^(?:static const \w+|static \w+|int|float) \*?(\w+)", front, re.MULTILINE)
    assert all(name.startswith("grown") for name in names)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_floats_are_written_exactly(value):
    text = c_float(value)
    assert text.endswith("f")
    assert float.fromhex(text[:-1]) == value


@given(st.fractions(-(10**6), 10**6))
def test_limits_decide_float32_numbers_as_exact_ones_do(value):
    (low,), (high,) = at_least([value], "limit"), at_most([value], "limit")
    for x in around([float(value)]):
        assert (x >= low) == (float(x) >= value)
        assert (x <= high) == (float(x) <= value)


def test_what_c_has_no_word_for_is_refused():
    network, many = mixed(), 300_000
    wide = Network.dense([np.ones((many, 1)), np.ones((1, many))], [np.zeros(many), np.zeros(1)])
    for name in ("int", "main", "2nd", "a-b", "", "x" * 40, "printf"):
        with pytest.raises(InputError, match="no name for a function in C"):
            c_network(network, name)
    with pytest.raises(UnsupportedError, match=r"beyond 3\.4e38"):
        c_network(Network.dense([np.full((1, 1), 1e39)], [np.zeros(1)]))
    with pytest.raises(UnsupportedError, match="bytes of values on the stack"):
        c_network(wide)
    with pytest.raises(UnsupportedError, match="beyond what float32 holds"):
        c_network(Network.dense([np.ones((1, 1))], [np.zeros(1)]), region=Region.box([0], [10**39]))
    with pytest.raises(RegionError):
        c_network(network, region=Region.box([0], [1]))


def test_the_source_says_where_its_numbers_are_rounded():
    for weight, rounded in ((0.5, False), (0.1, True)):
        text = c_network(Network.dense([np.full((1, 1), weight)], [np.zeros(1)]))
        assert ("that float32 does not hold are rounded" in text) == rounded


def test_a_name_from_outside_ends_no_comment():
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)], Origin("*/ int x; /*\n\\"))
    front = c_network(network, region=Region.box([0], [1], "*/ //")).split("#include")[0]
    assert front.count("*/") == front.count("/*") == 1 + front.count("/* all")
