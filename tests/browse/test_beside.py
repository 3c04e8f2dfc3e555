"""Links between proofs, the runs that wrote them and the checks of them, by the proofs' digests."""

import json
import re
import shutil

import pytest
from calls import call
from pages import Page

from secateur.browse.find import roots
from secateur.browse.shelf import Shelf


@pytest.fixture(scope="module")
def proved(finished, tmp_path_factory):
    """A folder with a run, the proof that it wrote and two checks of it, one of them in vain."""
    folder = tmp_path_factory.mktemp("proved")
    for name in ("f.onnx", "g.onnx", "bounds.json", "within.proof"):
        shutil.copy(finished / name, folder)
    pair = (folder / "f.onnx", folder / "g.onnx")
    words = ("--region", "0:1,0:1,0:1", "-q", "--epsilon", 100, "--proof", folder / "near.proof")
    assert call("compare", *pair, *words, "--json", folder / "near.json") == 0
    good = (*("--network", pair[0]), *("--network", pair[1]), "-q")
    assert call("check", folder / "near.proof", *good, "--json", folder / "good.json") == 0
    bad = (*("--network", pair[1]), *("--network", pair[0]), "-q")
    assert call("check", folder / "near.proof", *bad, "--json", folder / "bad.json") == 10
    return folder


@pytest.fixture
def here(proved, tmp_path):
    """A copy of that folder, to be changed."""
    shutil.copytree(proved, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def links(visit):
    """Give for each file the names of those that its page links to, and the page's words."""

    def links(folder):
        shelf = Shelf(roots([folder]))
        names = {line.item.key: line.item.name for line in shelf.look().lines}
        out = {}
        for key, name in names.items():
            text = visit(shelf, f"/item/{key}").text
            keys = re.findall(r'href="/item/([0-9a-f]{16})"', text)
            out[name] = [names[one] for one in keys], Page(text).text
        return out

    return links


def test_a_run_its_proof_and_the_checks_of_it_link_to_each_other(here, links):
    found = links(here)
    family = ["near.proof", "near.json", "bad.json", "good.json"]
    for name in family:
        others, text = found[name]
        assert others == [one for one in family if one != name]
        assert "Beside it" in text
        assert "none of the files here" not in text
    text = found["near.proof"][1]
    assert "good.json , a record of secateur check: proved" in text
    assert "bad.json , a record of secateur check: not decided in full" in text
    assert "near.json , a record of secateur compare, which names the proof: proved" in text
    assert "near.proof , the proof" in found["good.json"][1]


def test_what_speaks_of_no_proof_or_of_another_one_stands_alone(here, links):
    found = links(here)
    for name in ("bounds.json", "within.proof"):
        others, text = found[name]
        assert others == []
        assert "Beside it" not in text


def test_a_proof_that_is_gone_or_another_now_is_told(here, links):
    digest = json.loads((here / "near.json").read_text())["proof_file"]["sha256"]
    shutil.copy(here / "within.proof", here / "near.proof")
    found = links(here)
    assert set(found["near.json"][0]) == {"good.json", "bad.json"}
    assert found["near.proof"][0] == ["within.proof"]
    for name in ("near.json", "good.json"):
        assert f"The proof with SHA-256 {digest} is none of the files here" in found[name][1]
    (here / "near.proof").unlink()
    assert f"SHA-256 {digest} is none of the files here" in links(here)["near.json"][1]


def test_a_file_that_changed_since_the_last_look_is_not_linked(here, visit):
    shelf = Shelf(roots([here]))
    keys = {line.item.name: line.item.key for line in shelf.look().lines}
    (here / "near.proof").write_bytes(b"broken")
    (here / "good.json").unlink()
    text = visit(shelf, f"/item/{keys['near.json']}").text
    assert keys["bad.json"] in text
    assert keys["near.proof"] not in text
    assert keys["good.json"] not in text


@pytest.mark.parametrize("digest", ["<script>", "AB" * 32, "ab" * 33, 7, None, {"sha256": "x"}])
def test_a_digest_that_is_none_links_to_nothing(here, digest, links):
    record = json.loads((here / "good.json").read_text())
    record["proof"]["sha256"] = digest
    (here / "good.json").write_text(json.dumps(record))
    others, text = links(here)["good.json"]
    assert others == []
    assert "Beside it" not in text


def test_many_files_beside_one_are_counted(here, monkeypatch, links):
    monkeypatch.setattr("secateur.browse.beside.SHOWN", 2)
    others, text = links(here)["near.proof"]
    assert others == ["near.json", "bad.json"]
    assert "and 1 more" in text
