"""Tables: CSV and NPZ come back as they were written, and what is wrong is said with its place."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.benchmarks.controllers.table import Axis, Table, Winner
from secateur.compression.data import Columns, Part, Reading, Scaling, load_data
from secateur.engine.errors import FileError, FormatError, InputError
from secateur.engine.network import Normalisation

finite = st.floats(-1e6, 1e6, width=32)


@st.composite
def tables(draw):
    rows, features, outputs = draw(st.tuples(st.integers(1, 6), *[st.integers(1, 4)] * 2))
    return (
        draw(arrays(np.float32, (rows, features), elements=finite)),
        draw(arrays(np.int64, rows, elements=st.integers(0, 3))),
        draw(arrays(np.float64, (rows, outputs), elements=st.floats(-1e9, 1e9))),
    )


def text(table, names=None):
    inputs, labels, targets = table
    lines = [] if names is None else [",".join(names)]
    for row, label, target in zip(inputs.tolist(), labels.tolist(), targets.tolist(), strict=True):
        lines.append(",".join(repr(value) for value in (*row[:1], label, *row[1:], *target)))
    return "\n".join(lines) + "\n"


def same(data, table):
    inputs, labels, targets = table
    assert np.array_equal(data.inputs, inputs)
    assert np.array_equal(data.labels, labels)
    assert np.array_equal(data.targets, targets)


@given(tables(), st.booleans())
def test_a_csv_table_comes_back(tmp_path_factory, table, packed):
    folder = tmp_path_factory.mktemp("csv")
    features, outputs = table[0].shape[1], table[2].shape[1]
    names = ["x0", "label", *(f"x{i}" for i in range(1, features))]
    names += [f"target_{i}" for i in range(outputs)]
    headed = folder / ("headed.csv.gz" if packed else "headed.csv")
    data = text(table, names).encode()
    headed.write_bytes(gzip.compress(data) if packed else data)
    bare = folder / "bare.csv"
    bare.write_text("\n" + text(table))
    numbered = Columns("1", tuple(str(place) for place in range(-outputs, 0)))
    same(load_data(headed, Reading(classes=4)), table)
    same(load_data(bare, Reading(columns=numbered, classes=4)), table)
    named = Columns("label", tuple(names[-outputs:]))
    same(load_data(headed, Reading(columns=named)), table)
    assert load_data(bare, Reading(columns=numbered)).classes == table[1].max() + 1


@pytest.mark.parametrize(
    ("lines", "columns", "said"),
    [
        ("label,a\n1,2\n0,x\n", None, ":3: column 1 holds 'x': give a finite number"),
        ("label,a\n1,2\n\n0,nan\n", None, ":4: column 1 holds 'nan'"),
        ("label,a\n1,1e999\n", None, ":2: column 1 holds '1e999'"),
        ("label,a\n1,2_0\n", None, ":2: column 1 holds '2_0'"),
        ("label,a\n1,\n", None, ":2: column 1 holds ''"),
        ("label,a\n1,2,3\n", None, ":2: has 3 cells, the lines before 2"),
        ("1,2\n1\n", Columns("0"), ":2: has 1 cells"),
        ("label,a\n0,2\n0.5,2\n", None, ":3: the label is 0.5"),
        ("label,a\n-1,2\n", None, ":2: the label is -1"),
        ("label,a\n0,1\n7,2\n", None, ":3: the label is 7: the 3 classes"),
        ("a,b\n1,2\n", None, "do not say which column"),
        ("1,2\n", None, "do not say which column"),
        ("label,class,a\n1,2,3\n", None, "do not say which column"),
        ("a,b\n1,2\n", Columns("c"), "there is no column 'c'; it has 2, headed a, b"),
        ("1,2\n", Columns("2"), "there is no column '2'"),
        ("a,a\n1,2\n", Columns("a"), "two columns are headed 'a'"),
        ("a,b\n1,2\n", Columns("a", ("b",)), "no column is left"),
        ("a,b\n1,2\n", Columns("a", ("0",)), "named twice"),
        ("label,a\n", None, "holds no row of numbers"),
        ("", None, "holds no row of numbers"),
        ("label;a\n1;2\n", None, "column 0 holds '1;2'"),
    ],
)
def test_what_is_wrong_with_a_csv_table_is_said(tmp_path, lines, columns, said):
    path = tmp_path / "table.csv"
    path.write_text(lines)
    with pytest.raises(FormatError) as caught:
        load_data(path, Reading(columns=columns, classes=3))
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"label,a\n1,\xff\n")
    with pytest.raises(FormatError, match="is not UTF-8"):
        load_data(path)


def test_raw_units_become_network_units(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,target_0\n4,10,30\n100,-7,20\n")
    units = Normalisation(
        np.array([0.0, 0.0]),
        np.array([8.0, 20.0]),
        np.array([4.0, 10.0]),
        np.array([8.0, 20.0]),
        20.0,
        5.0,
    )
    data = load_data(path, Reading(units=units))
    assert data.inputs.tolist() == [[0, 0], [0.5, -0.5]]
    assert data.targets.tolist() == [[2], [0]]
    path.write_text("a,target_0\n4,30\n")
    with pytest.raises(InputError, match="1 inputs and the normalisation states 2"):
        load_data(path, Reading(units=units))


@given(tables())
def test_an_npz_table_comes_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("npz") / "table.npz"
    inputs, labels, targets = table
    np.savez(path, inputs=inputs, labels=labels, targets=targets, classes=4)
    data = load_data(path)
    same(data, table)
    assert data.classes == 4
    np.savez(path, inputs=inputs[:, :, None, None], targets=targets)
    assert load_data(path).shape == (inputs.shape[1], 1, 1)
    assert load_data(path).labels is None


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_pictures_in_npz_come_back_scaled(tmp_path_factory, train, test, seed):
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 256, (train + test, 4, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, train + test, dtype=np.uint8)
    folder = tmp_path_factory.mktemp("npz")
    np.savez(folder / "plain.npz", inputs=levels, labels=labels)
    np.savez_compressed(
        folder / "keras.npz",
        x_train=levels[:train],
        y_train=labels[:train],
        x_test=levels[train:],
        y_test=labels[train:],
    )
    halved = Reading(scaling=Scaling(510), classes=10)
    sets = [load_data(folder / f"{name}.npz", halved) for name in ("plain", "keras")]
    for data in sets:
        assert data.shape == (1, 4, 3)
        assert np.array_equal(
            data.inputs, (levels / 510).astype(np.float32).reshape(len(levels), -1)
        )
        assert np.array_equal(data.labels, labels)
    assert [data.published for data in sets] == [None, train]
    only = load_data(folder / "keras.npz", Reading(part=Part.TEST, classes=10))
    assert np.array_equal(only.labels, labels[train:])


FOUR = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"x": FOUR}, "holds x: give `inputs`"),
        ({"inputs": FOUR, "labels": np.zeros(3, int)}, "4 inputs and 3 labels"),
        ({"inputs": FOUR, "targets": np.zeros((3, 1))}, "4 inputs and 3 targets"),
        ({"inputs": FOUR, "targets": np.zeros(4)}, "`targets` has float64 numbers of shape (4,)"),
        ({"inputs": FOUR, "labels": np.array([0, 1, 5, 0]), "classes": 3}, "row 2: the label is 5"),
        ({"inputs": FOUR, "labels": np.array([0, 1, 5, 0]), "classes": 0.5}, "`classes` is no"),
        ({"inputs": FOUR, "labels": np.array(list("abcd"))}, "`labels` has <U1 numbers"),
        ({"inputs": FOUR * np.nan}, "inputs hold nan in row 0, column 0"),
        ({"inputs": np.zeros(4)}, "`inputs` has float64 numbers of shape (4,)"),
        ({"inputs": np.zeros((0, 2))}, "at least one row"),
        ({"inputs": np.zeros((2, 2), complex)}, "complex128"),
        (
            {"x_train": FOUR, "y_train": FOUR, "x_test": FOUR, "y_test": FOUR},
            "x_train holds float64 numbers",
        ),
    ],
)
def test_what_is_wrong_with_an_npz_table_is_said(tmp_path, held, said):
    path = tmp_path / "table.npz"
    np.savez(path, **held)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        load_data(path)
    assert "table.npz" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"\x80\x04\x95pickle", b"plain words"])
def test_bytes_that_are_no_npz_are_refused(tmp_path, data):
    path = tmp_path / "table.npz"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="is no sound NPZ file"):
        load_data(path)


def test_arrays_of_objects_and_arrays_without_a_name_are_refused(tmp_path):
    path = tmp_path / "table.npz"
    np.savez(path, inputs=np.array([{}, []], dtype=object))
    with pytest.raises(FormatError, match="is no sound NPZ file"):
        load_data(path)
    with path.open("wb") as file:
        np.save(file, FOUR)
    with pytest.raises(FormatError, match="is no sound NPZ file"):
        load_data(path)


@given(st.integers(0, 2**32), st.sampled_from(Winner))
def test_a_score_table_gives_the_rows_that_its_network_is_trained_on(
    tmp_path_factory, seed, winner
):
    generator = np.random.default_rng(seed)
    axes = (
        Axis("range", "ft", np.cumsum(generator.uniform(1, 9, 4))),
        Axis.angle("bearing", 3),
    )
    table = Table(axes, generator.normal(size=(4, 4, 5)), winner)
    path = tmp_path_factory.mktemp("npz") / "table.npz"
    table.save(path)
    data = load_data(path)
    inputs, scores = table.rows()
    assert np.array_equal(data.inputs, inputs)
    assert np.array_equal(data.targets.astype(np.float32), scores)
    assert np.array_equal(data.labels, table.advisories())
    assert data.classes == 5
    same_units = load_data(path, Reading(units=table.normalisation()))
    assert same_units.digest == data.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"winner": np.array("best")}, "winner is best"),
        ({"nodes_1": None}, "holds no nodes_1"),
        ({"nodes_0": np.array([2.0, 1.0])}, "increase strictly"),
        ({"nodes_0": np.array([1.0, 2.0, 3.0])}, "scores have shape (2, 2, 5)"),
        ({"scores": np.full((2, 2, 5), np.nan)}, "no finite number"),
    ],
)
def test_what_is_wrong_with_a_score_table_is_said(tmp_path, change, said):
    held = {
        "axes": np.array([["a", "m"], ["b", "m"]]),
        "nodes_0": np.array([0.0, 1.0]),
        "nodes_1": np.array([0.0, 1.0]),
        "scores": np.zeros((2, 2, 5), np.float32),
        "winner": np.array("argmax"),
        **change,
    }
    path = tmp_path / "table.npz"
    np.savez(path, **{name: array for name, array in held.items() if array is not None})
    with pytest.raises(FormatError, match=re.escape(said)):
        load_data(path)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("imagenet", "imagenet: is no data set: name one of mnist5k"),
        ("table.txt", "or a file ending in .csv"),
        ("mnist:", "name a folder after the colon"),
    ],
)
def test_a_name_that_is_none_is_refused(spec, said):
    with pytest.raises(InputError, match=re.escape(said)):
        load_data(spec)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for name in ("no.csv", "no.npz"):
        with pytest.raises(FileError, match="there is no such file"):
            load_data(tmp_path / name)


@pytest.mark.parametrize("spec", ["mnist5k", "table.csv"])
def test_a_part_is_not_asked_of_a_set_that_has_none(spec):
    with pytest.raises(InputError, match="has no test part of its own"):
        load_data(spec, Reading(part=Part.TEST))


def test_a_number_of_classes_below_one_is_refused():
    with pytest.raises(InputError, match="0 classes"):
        Reading(classes=0)
