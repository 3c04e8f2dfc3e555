"""`secateur serve`: a real server on a real port, its start, its end, and a browser on it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from browser import look
from calls import tiny
from pages import Page
from proved import made

from secateur.engine.formats import save
from secateur.engine.proofs.store import write_proof


@pytest.fixture
def runs(call, tmp_path):
    """A folder with a record, a proof and a broken file."""
    folder = tmp_path / "runs"
    folder.mkdir()
    save(tiny(), folder / "f.onnx")
    words = ("--region", "0:1,0:1,0:1", "--method", "interval", "-q")
    assert call("bounds", folder / "f.onnx", *words, "--json", folder / "bounds.json") == 0
    (folder / "within.proof").write_bytes(write_proof(made("within", 4).proof))
    (folder / "broken.json").write_text("<script>alert(1)</script>")
    return folder


@pytest.fixture
def served(runs, tmp_path):
    """Start the command on a free port; return its process, its record and its folder."""
    record = tmp_path / "serve.json"
    words = ("serve", str(runs), "--port", "0", "--timeout", "60", "--json", str(record))
    process = subprocess.Popen(
        [sys.executable, "-m", "secateur", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, process.stderr.read()
        until = time.monotonic() + 20
        while not record.exists() and time.monotonic() < until:
            time.sleep(0.02)
        yield SimpleNamespace(
            process=process, record=json.loads(record.read_text()), line=line, folder=runs
        )
    finally:
        process.kill()
        process.communicate()


def ask(served, method="GET", path="/", **headers):
    """Ask the server; return the answer and its bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", served.record["port"], timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_it_serves_reads_only_and_ends_on_an_interrupt(served):
    record = served.record
    assert record["schema"] == "secateur.serve/1"
    assert record["exit"] == 0
    assert record["complete"]
    assert record["url"] in served.line
    assert "1 run, 1 proof, 1 that cannot be read" in served.line
    states = {Path(one["path"]).name: one["state"] for one in record["found"]}
    assert states == {
        "bounds.json": "done",
        "within.proof": "unchecked",
        "broken.json": "unreadable",
    }
    answer, body = ask(served)
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Server" not in answer.headers
    assert not Page(body.decode()).named("script")
    answer, body = ask(served, "HEAD")
    assert (answer.status, body) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer, _ = ask(served, method)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
    assert ask(served, Host="evil.example")[0].status == 421
    for one in record["found"]:
        answer, body = ask(served, path=urlsplit(one["url"]).path)
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    served.process.send_signal(signal.SIGINT)
    out, err = served.process.communicate(timeout=20)
    assert served.process.returncode == 0
    assert err == ""
    assert "Traceback" not in out


def test_it_listens_on_this_machine_alone(served):
    others = ["127.0.0.2", "::1", *_own_addresses()]
    for address in others:
        with pytest.raises(OSError, match=r"refused|reach|assign|support|timed"):
            socket.create_connection((address, served.record["port"]), timeout=5)


def _own_addresses():
    """Return the addresses of this machine beyond those for itself, as far as they are known."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [place[0] for *_, place in found if not place[0].startswith(("127.0.0.1", "::1"))]


def test_what_is_no_http_is_survived(served):
    for data in (b"\0\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 100_000, b""):
        with socket.create_connection(("127.0.0.1", served.record["port"]), timeout=10) as one:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert b"200 OK" not in one.recv(200)
    assert ask(served)[0].status == 200


def test_a_browser_shows_the_pages_and_asks_for_nothing_else(served, tmp_path):
    found = served.record["found"]
    proof = next(one["url"] for one in found if one["path"].endswith(".proof"))
    run = next(one["url"] for one in found if one["path"].endswith("bounds.json"))
    for at, url in enumerate((served.record["url"], proof, run)):
        folder = tmp_path / str(at)
        folder.mkdir()
        picture, said, asked = look(SimpleNamespace(as_uri=lambda url=url: url), folder, (900, 900))
        assert said == []
        assert asked == []
        assert json.dumps(url) in (folder / "net.json").read_text()
        assert (picture.reshape(-1, 3) == 255).all(axis=1).mean() < 0.995
        assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, 3)}) > 5


def test_the_time_ends_it(runs, call, capsys):
    began = time.monotonic()
    assert call("serve", runs, "--port", 0, "--timeout", 0.5) == 0
    assert time.monotonic() - began < 10
    out, err = capsys.readouterr()
    assert err == ""
    assert "http://127.0.0.1:" in out
    assert call("serve", runs, "--port", 0, "--timeout", 0.5, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "secateur.serve/1"


def test_what_cannot_be_served_is_refused(refused, runs, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused("serve", runs, "--port", port)
    assert f"--port {port}: something else listens there" in said
    assert "--port 0" in said
    for words, what in (
        ((), "RUNS"),
        ((runs / "none",), "none: cannot be looked at"),
        ((runs, "--port", 65536), "--port"),
        ((runs, "--port", -1), "--port"),
        ((runs / "bounds.json", "--json", runs / "bounds.json"), "this is the input"),
        ([runs] * 101, "too many"),
        ((runs, "--timeout", 0), "--timeout"),
    ):
        assert what in refused("serve", *words)
    monkeypatch.setattr("secateur.commands.serve.find_spec", lambda name: None)
    said = refused("serve", runs)
    assert "starlette and uvicorn must be installed" in said
    assert "pip install 'secateur[serve]'" in said


def test_no_other_verb_waits_for_the_server():
    code = (
        "import sys, secateur.__main__ as m; m.run(['doctor', '--help']); import secateur.report; "
        "sys.exit(bool({'starlette', 'uvicorn', 'secateur.browse'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_the_record_is_documented():
    text = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
    own = text[text.index("`secateur.serve/1`") :].split("\n## ")[0]
    for word in ("url", "port", "complete", "found", "path", "kind", "verb", "state", "sha256"):
        assert f"`{word}`" in own, word
    for word in ("proved", "refuted", "unknown", "done", "unchecked", "unreadable"):
        assert f"`{word}`" in own, word
