"""Files and calls that the tests of several verbs share."""

import itertools
import json

import numpy as np
import pytest
from eighths import REGION, tiny
from oracle import extremes

from secateur.__main__ import run
from secateur.engine.formats import load, save
from secateur.engine.network import Network, Normalisation
from secateur.engine.pair import merge

ABSOLUTE = Network.dense(
    [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])], [np.zeros(2), np.zeros(1)]
)
BOX = "-1:1,0:1/2"
SIDES = [-1.0, 0.0], [1.0, 0.5]


def run_words(*words):
    return run([str(word) for word in words])


@pytest.fixture
def call():
    """Run a command; return its exit code."""
    return run_words


@pytest.fixture
def ask(tmp_path, capsys):
    """Ask a query; return exit code, standard output's lines and standard error."""

    def ask(text, *networks, words=()):
        path = tmp_path / "query.vnnlib"
        path.write_text(text)
        given = [part for network in networks for part in ("--network", network)]
        limit = () if "--timeout" in words else ("--timeout", 30)
        code = run_words("verify", path, *given, *words, *limit)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return ask


@pytest.fixture
def absolute(tmp_path):
    """A file with the magnitude of its input."""
    save(ABSOLUTE, tmp_path / "abs.onnx")
    return tmp_path / "abs.onnx"


def network_of_eighths(seed, nudge=0.0, outputs=2, inputs=2, **more):
    """Return a network of eighths; a nudge moves one weight."""
    rng = np.random.default_rng(seed)
    sizes = [inputs, 5, 4, outputs]
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-4, 5, b) / 8 for b in sizes[1:]]
    weights[1][0, 0] += nudge
    return Network.dense(weights, biases, **more)


@pytest.fixture
def small():
    """Make a small network from a seed; a nudge moves one weight."""
    return network_of_eighths


@pytest.fixture
def pair(tmp_path):
    """Two files that differ in one weight, and how far they are apart, exactly, by output."""
    first, second = network_of_eighths(3), network_of_eighths(3, 0.25)
    save(first, tmp_path / "f.onnx")
    save(second, tmp_path / "g.onnx")
    network = merge(first, second).network
    ends = extremes(network, *map(np.array, SIDES), network.output)
    return tmp_path / "f.onnx", tmp_path / "g.onnx", [max(high, -low) for low, high in ends]


@pytest.fixture
def compared(tmp_path, capsys):
    """Compare two files; return exit code, record and what is said."""

    def compared(*words, box=BOX):
        record = tmp_path / "r.json"
        limit = () if "--timeout" in words else ("--timeout", 20)
        given = (*words, *limit, "--region", box, "--json", record, "--workers", 1)
        code = run_words("compare", *given)
        out, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(record.read_text()), out

    return compared


@pytest.fixture
def wild(tmp_path):
    """Two files that have nothing to do with each other."""
    rng = np.random.default_rng(0)
    for name in ("f", "g"):
        shapes = list(itertools.pairwise([6, 40, 40, 2]))
        weights = [rng.normal(size=(b, a)).astype("float32").astype(float) for a, b in shapes]
        network = Network.dense(weights, [np.zeros(b) for _, b in shapes])
        save(network, tmp_path / f"{name}.onnx")
    return tmp_path / "f.onnx", tmp_path / "g.onnx"


@pytest.fixture
def net(tmp_path):
    save(tiny(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def nnet(tmp_path):
    """A .nnet file with outputs in raw units a quarter as fine."""
    normal = Normalisation(
        np.zeros(3), np.full(3, 10.0), np.full(3, 5.0), np.full(3, 10.0), 7.5, 4.0
    )
    save(tiny("float64", normal), tmp_path / "net.nnet")
    return tmp_path / "net.nnet"


@pytest.fixture
def simplified(call, tmp_path, capsys):
    """Simplify; return the record, the network written and what was said."""

    def simplified(net, *words, region=REGION, name="out.onnx"):
        out, record = tmp_path / name, tmp_path / "r.json"
        given = ("--region", region, "-o", out, "--json", record, "--workers", 1)
        limit = () if "--timeout" in words else ("--timeout", 20)
        assert call("simplify", net, *given, *limit, *words) == 0
        said, err = capsys.readouterr()
        assert err == ""
        return json.loads(record.read_text()), load(out), " ".join(said.split())

    return simplified


@pytest.fixture
def refused(call, tmp_path, capsys):
    """Run a command that must be refused; return its one line."""

    def refused(*words):
        before = sorted(tmp_path.rglob("*"))
        assert call(*words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("secateur: error: ")
        assert err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return refused
