"""Records, outcomes and proofs in a folder, made once, and an application asked without a net."""

import asyncio
import json
import shutil
from dataclasses import dataclass

import pytest
from calls import call, tiny
from proved import made

from secateur.browse.find import roots
from secateur.browse.shelf import Shelf
from secateur.browse.site import site
from secateur.engine.formats import save
from secateur.engine.proofs.store import write_proof

PORT = 8765


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: of the answer.
        headers: by their names in small letters.
        text: of it.
    """

    status: int
    headers: dict
    text: str


def asked(app, path="/", method="GET", host=f"127.0.0.1:{PORT}", hosts=None):
    """Ask an application for a page, as a server would hand on what came in."""
    sent = []
    names = [host] if hosts is None else hosts
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": target,
        "raw_path": target.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": query.encode(),
        "headers": [(b"host", name.encode()) for name in names],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", PORT),
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    first, *rest = sent
    headers = {name.decode(): value.decode() for name, value in first["headers"]}
    text = b"".join(part.get("body", b"") for part in rest).decode()
    return Answer(first["status"], headers, text)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with a record of bounds, one of a refuted comparison, outcomes and a proof."""
    folder = tmp_path_factory.mktemp("finished")
    save(tiny(), folder / "f.onnx")
    save(tiny(seed=4), folder / "g.onnx")
    box = ("--region", "0:1,0:1,0:1", "-q")
    f, g = folder / "f.onnx", folder / "g.onnx"
    words = ("--method", "interval", "--json", folder / "bounds.json")
    assert call("bounds", f, *box, *words) == 0
    words = ("--epsilon", "0.001", "--json", folder / "compare.json", "--timeout", 20)
    assert call("compare", f, g, *box, *words) == 10
    assert call("info", f, "-q", "--json", folder / "info.json") == 0
    (folder / "jobs.csv").write_text(f"network,region\n{f},'0:1,0:1,0:1'\n".replace("'", '"'))
    batch = folder / "batch"
    words = ("-o", batch, "-q", "--timeout", 20, "--json", folder / "batch.json")
    assert call("simplify", "--batch", folder / "jobs.csv", *words) == 0
    (folder / "within.proof").write_bytes(write_proof(made("within", 4).proof))
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of that folder, to be changed."""
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def shelf(folder):
    """What stands in it."""
    found = Shelf(roots([folder]))
    found.look()
    return found


@pytest.fixture
def get(shelf):
    """Ask for a page of it."""
    app = site(shelf, PORT)

    def get(path="/", **words):
        return asked(app, path, **words)

    return get


@pytest.fixture
def visit():
    """Ask for a page of any shelf."""
    return lambda shelf, path: asked(site(shelf, PORT), path)


@pytest.fixture
def keys(shelf):
    """The key of each file, by its name."""
    return {line.item.name: line.item.key for line in shelf.look().lines}


@pytest.fixture
def record(finished):
    """The record of bounds."""
    return json.loads((finished / "bounds.json").read_text())
