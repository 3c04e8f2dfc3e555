"""The wheel: what a clean checkout builds, installed alone, does its work from anywhere."""

import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from secateur.engine.formats import load, save
from secateur.engine.network import Network

ROOT = Path(__file__).resolve().parents[1]


def run(*words, **options):
    """Run a command; on failure show what it said."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Copy what git holds or would add, and nothing that lies about ignored: a clean checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: what belongs to it is not known")
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = [name for name in run(*words, cwd=ROOT).stdout.split("\0") if name]
    folder = tmp_path_factory.mktemp("clone")
    for name in names:
        source, target = ROOT / name, folder / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


@pytest.fixture(scope="module")
def wheel(clone, tmp_path_factory):
    """Build the wheel with the setuptools that is installed, from no network."""
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            pytest.skip(f"setuptools {version('setuptools')} is too old to build, 77 is needed")
    except PackageNotFoundError:
        pytest.skip("setuptools is not installed, so nothing can be built without a network")
    out = tmp_path_factory.mktemp("wheel")
    words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, *words, "--wheel-dir", out, clone)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Install the wheel alone into an empty environment that sees the installed dependencies."""
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder, with_pip=False, symlinks=True)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    words = ("-m", "pip", "--python", inside, "install", "--quiet", "--no-deps", "--no-index")
    run(sys.executable, *words, wheel)
    # A plain line puts a folder on the path and reads no .pth file in it, so an editable
    # installation beside the dependencies stays out.
    (site,) = folder.glob("**/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return inside


@pytest.fixture
def command(python, tmp_path):
    """Return what runs the installed command, in a folder far from the checkout."""
    # Compiling the inner loops anew would take half a minute; plain Python does for a tiny network.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1"}

    def call(*words):
        name = "secateur.exe" if os.name == "nt" else "secateur"
        return run(python.with_name(name), *words, cwd=tmp_path, env=environment)

    return call


def test_the_wheel_holds_the_data_and_no_tests(wheel, clone):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"templates/report.html.j2", "commands/acasxu.sha256", "py.typed"}
    networks = clone / "benchmarks" / "controllers" / "networks"
    wanted |= {str(path.relative_to(clone)) for path in networks.iterdir()}
    assert {f"secateur/{name}" for name in wanted} <= names
    assert len([name for name in names if name.endswith(".onnx")]) >= 6
    assert not [name for name in names if "tests/" in name or "/test_" in name]


def test_the_installed_command_is_the_one_that_runs(python, tmp_path):
    code = "import secateur, importlib.util as u; print(u.find_spec('secateur').origin)"
    done = run(python, "-c", code, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(python.parent.parent)


def test_the_installed_command_states_its_version(command):
    assert command("--version").stdout == f"{version('secateur')}\n"


def test_a_shipped_network_is_there(command, python):
    (path,) = python.parent.parent.glob("**/networks/horizontal-coc.onnx")
    assert "125 neurons in 5 hidden layers" in command("info", path).stdout


def test_the_installed_command_simplifies_and_reports(command, tmp_path):
    rng = np.random.default_rng(0)
    sizes = (2, 6, 5, 2)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    network = Network.dense(weights, [np.zeros(b) for b in sizes[1:]])
    save(network, tmp_path / "net.onnx")
    words = ("--region", "1/2:1,1/2:1", "-o", "out.onnx", "--report", "r.html", "--json", "r.json")
    said = command("simplify", "net.onnx", *words).stdout
    assert "Guarantee: The simplified network equals the original" in said
    after = load(tmp_path / "out.onnx")
    points = rng.integers(16, 33, (50, 2)) / 32
    assert (after.evaluate(points, exact=True) == network.evaluate(points, exact=True)).all()
    assert after.neurons < network.neurons
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
