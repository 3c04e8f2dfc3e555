"""Fetching: every file is verified before it takes its place, wherever it comes from."""

import gzip
import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from secateur.__main__ import run
from secateur.commands import fetch
from secateur.commands.homes import HOMES, Home, pins
from secateur.commands.options import Collection
from secateur.compression.data.cifar import CIFAR10, CIFAR100

FILES = {"one.onnx": b"first", "two.vnnlib": b"second"}


@pytest.fixture
def pinned(monkeypatch):
    """Pin two small files in place of the real ones."""
    pins = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    monkeypatch.setattr(fetch, "pins", lambda collection: pins)
    return pins


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def server(source):
    """Serve the source folder on this machine; give its address."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=source)) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}/"
        service.shutdown()
        thread.join()


def call(*words):
    return run(["fetch", "acasxu", *(str(word) for word in words)])


def refused(capsys, *words):
    assert call(*words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("secateur: error: ")
    assert err.count("\n") == 1
    assert out == ""
    return err


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_come_from_a_server(pinned, server, tmp_path, capsys):
    to = tmp_path / "new" / "folder"
    assert call("--to", to, "--url", server) == 0
    assert held(to) == FILES
    assert "2 written, 0 were there" in capsys.readouterr().out


def test_files_come_packed_in_folders_as_later_competitions_keep_them(
    pinned, source, server, tmp_path
):
    for folder, name in (("onnx", "one.onnx"), ("vnnlib", "two.vnnlib")):
        (source / folder).mkdir()
        (source / folder / f"{name}.gz").write_bytes(gzip.compress(FILES[name]))
        (source / name).unlink()
    to = tmp_path / "to"
    assert call("--to", to, "--url", server) == 0
    assert held(to) == FILES


def test_a_packed_file_that_is_cut_is_refused(pinned, source, server, tmp_path, capsys):
    (source / "onnx").mkdir()
    (source / "onnx" / "one.onnx.gz").write_bytes(gzip.compress(FILES["one.onnx"])[:-9])
    assert "is no sound gzip file" in refused(capsys, "--to", tmp_path / "to", "--url", server)
    assert not list((tmp_path / "to").iterdir())


def test_files_come_from_a_folder(pinned, source, tmp_path, capsys):
    to = tmp_path / "to"
    assert call("--to", to, "--from", source, "--json", tmp_path / "r.json") == 0
    assert held(to) == FILES
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["schema"] == "secateur.fetch/1"
    assert record["files"] == [
        {"name": name, "sha256": digest, "kept": False} for name, digest in pinned.items()
    ]


def test_what_is_there_is_verified_and_kept(pinned, source, tmp_path, capsys):
    to = tmp_path / "to"
    assert call("--to", to, "--from", source) == 0
    (to / "two.vnnlib").write_bytes(b"spoiled")
    assert call("--to", to, "--url", "http://127.0.0.1:9/", "--timeout", 5) == 2
    assert call("--to", to, "--from", source) == 0
    assert held(to) == FILES
    assert "1 written, 1 were there" in capsys.readouterr().out
    assert call("--to", to, "--url", "http://127.0.0.1:9/") == 0


def test_another_file_under_the_same_name_is_not_written(pinned, source, tmp_path, capsys):
    (source / "two.vnnlib").write_bytes(b"seconds")
    to = tmp_path / "to"
    said = refused(capsys, "--to", to, "--from", source)
    assert "two.vnnlib: SHA-256 is" in said
    assert pinned["two.vnnlib"] in said
    assert held(to) == {"one.onnx": b"first"}


def test_a_server_that_sends_too_much_is_refused(pinned, source, server, tmp_path, capsys):
    (source / "one.onnx").write_bytes(bytes(HOMES[Collection.ACASXU].largest + 1))
    said = refused(capsys, "--to", tmp_path / "to", "--url", server)
    assert "sends more than" in said
    assert held(tmp_path / "to") == {}


def test_a_file_that_the_server_lacks_is_named(pinned, source, server, tmp_path, capsys):
    (source / "one.onnx").unlink()
    said = refused(capsys, "--to", tmp_path / "to", "--url", server)
    assert f"{server}one.onnx: cannot be fetched" in said
    assert "HTTP Error 404" in said


def test_without_a_network_the_line_says_what_to_put_where(tmp_path, capsys):
    to = tmp_path / "to"
    said = refused(capsys, "--to", to, "--url", "http://127.0.0.1:9/", "--timeout", 10)
    assert "ACASXU_run2a_1_1_batch_2000.onnx" in said
    assert f"into {to} and run again" in said
    assert "55 files" in said


def test_spent_time_ends_in_one_line(pinned, server, tmp_path, capsys):
    said = refused(capsys, "--to", tmp_path / "to", "--url", server, "--timeout", 1e-9)
    assert "--timeout is spent" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "ftp://example.org"), "begin with https://"),
        (("--url", "somewhere"), "begin with https://"),
        (("--from", "no-such-folder"), "this is no folder"),
    ],
)
def test_sources_that_make_no_sense_are_refused(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *words)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "this is a file" in refused(capsys, "--to", tmp_path / "file")
    refused(capsys, "--to", tmp_path / "file" / "below")


def test_the_pins_name_every_network_and_property():
    names = list(fetch.pins())
    networks = [f"ACASXU_run2a_{i}_{j}_batch_2000.onnx" for i in range(1, 6) for j in range(1, 10)]
    assert sorted(names) == sorted([*networks, *(f"prop_{i}.vnnlib" for i in range(1, 11))])
    assert all(len(digest) == 64 for digest in fetch.pins().values())


def test_the_real_files_have_the_pinned_digests(data, tmp_path, capsys):
    assert call("--to", tmp_path / "to", "--from", data / "acasxu") == 0
    assert "55 files, every one with its pinned SHA-256" in capsys.readouterr().out
    assert len(held(tmp_path / "to")) == 55


DATA = ("mnist", "fashion-mnist", "cifar10", "cifar100")


@pytest.mark.parametrize("name", DATA)
def test_data_come_from_the_next_address_where_one_cannot_be_reached(
    pinned, server, tmp_path, capsys, monkeypatch, name
):
    home = Home(("http://127.0.0.1:9", f"{server}nowhere", server.rstrip("/")), 1 << 20)
    monkeypatch.setattr(fetch, "HOMES", {Collection(name): home})
    to = tmp_path / "to"
    assert run(["fetch", name, "--to", str(to)]) == 0
    assert held(to) == FILES
    assert "2 written" in capsys.readouterr().out


@pytest.mark.parametrize("name", DATA)
def test_without_a_network_the_line_names_each_file_of_data_with_its_digest(tmp_path, capsys, name):
    to = tmp_path / "to"
    words = ["fetch", name, "--to", str(to), "--url", "http://127.0.0.1:9/", "--timeout", "10"]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for file, digest in pins(Collection(name)).items():
        assert f"{file} (SHA-256 {digest})" in said
    assert f"into {to} and run again" in said


def test_every_collection_has_a_home_and_pins():
    assert set(HOMES) == set(Collection)
    for collection in Collection:
        digests = pins(collection).values()
        assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
        assert len(set(digests)) == len(digests)


def test_the_pinned_data_files_are_those_that_are_read():
    four = {f"{p}-{k}-ubyte.gz" for p in ("train", "t10k") for k in ("images-idx3", "labels-idx1")}
    assert set(pins(Collection.MNIST)) == set(pins(Collection.FASHION_MNIST)) == four
    assert list(pins(Collection.CIFAR10)) == [CIFAR10.archive]
    assert list(pins(Collection.CIFAR100)) == [CIFAR100.archive]
