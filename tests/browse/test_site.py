"""The pages: who may ask, how, what comes with every answer, and what changed since the start."""

import os
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import Page, reads_well

from secateur.browse.shelf import Since

FETCH = {"script", "iframe", "img", "object", "embed", "base"}
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)


def stays_here(text):
    """Assert that a page leads nowhere but to pages of the same server, and runs nothing."""
    for tag, attrs in Page(text).tags:
        assert tag not in FETCH
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"href", "action", "src"}:
                assert re.fullmatch(r"/(item/[0-9a-f]{16}|\?[\w=&%.-]*)?|data:,", value), value


def guarded(answer):
    """Assert that an answer has what every answer has."""
    headers = answer.headers
    assert headers["content-security-policy"].startswith(POLICY)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers


def test_the_index_lists_every_file_and_each_has_a_page(get, keys):
    index = get()
    assert index.status == 200
    guarded(index)
    stays_here(index.text)
    reads_well(index.text)
    assert len(keys) == 6
    for name, key in keys.items():
        assert f'href="/item/{key}"' in index.text
        assert name in Page(index.text).text
        page = get(f"/item/{key}")
        assert page.status == 200
        guarded(page)
        stays_here(page.text)
        reads_well(page.text)
        assert name in Page(page.text).text
    assert "not checked here" in index.text
    assert "run secateur check" in index.text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?verb=bounds", {"bounds.json"}),
        ("?verb=proof&answer=unchecked", {"within.proof"}),
        ("?answer=refuted", {"compare.json"}),
        ("?answer=proved", {"batch.json"}),
        ("?verb=bounds&answer=refuted", set()),
        ("?verb=%3Cscript%3E", set()),
        ("?verb=rows&verb=&page=99", {"everything"}),
    ],
)
def test_the_index_is_filtered_by_its_address(get, keys, query, names):
    text = get(f"/{query}").text
    listed = {name for name, key in keys.items() if f"/item/{key}" in text}
    assert listed == (set(keys) if names == {"everything"} else names)
    assert "<script" not in text
    stays_here(text)


def test_the_index_has_pages(get, keys, monkeypatch):
    monkeypatch.setattr("secateur.browse.site.SHOWN", 2)
    seen = []
    for page in (1, 2, 3):
        text = get(f"/?page={page}").text
        stays_here(text)
        assert f"page {page} of 3" in Page(text).text
        seen += [name for name, key in keys.items() if f"/item/{key}" in text]
    assert sorted(seen) == sorted(keys)
    for page in ("0", "-1", "x", "1e9", "99999999", "\u0663", ""):
        assert get(f"/?page={page}").status == 200


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
)
def test_nothing_but_reading_is_answered(get, method):
    for path in ("/", "/none"):
        answer = get(path, method=method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
        guarded(answer)
    assert get("/", method="HEAD").status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["evil.example:8765"],
        ["127.0.0.1.evil.example"],
        ["localhost:1"],
        ["localhost:8765:8765"],
        ["0.0.0.0:8765"],
        ["localhost", "evil.example"],
        ["user@localhost:8765"],
    ],
)
def test_another_name_of_this_machine_is_refused(get, hosts):
    answer = get("/", hosts=hosts)
    assert answer.status == 421
    guarded(answer)
    assert "runs" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1", "127.0.0.1:8765"])
def test_its_own_names_are_answered(get, host):
    assert get("/", host=host).status == 200


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_no_address_but_a_known_one_has_a_page(get, text):
    target = text.replace("?", "")
    answer = get(f"/item/{target}")
    assert answer.status == 404
    guarded(answer)
    assert get(f"/{target or 'x'}/").status == 404


def test_paths_and_other_files_of_the_folder_are_no_addresses(get, folder):
    (folder / "secret.txt").write_text("secret")
    for path in (
        "secret.txt",
        "../runs/secret.txt",
        "%2e%2e/secret.txt",
        "bounds.json",
        str(folder),
    ):
        for start in ("/", "/item/"):
            answer = get(f"{start}{path}")
            assert answer.status == 404
            assert "secret" not in answer.text


def test_what_changed_since_the_start_is_told(get, folder, keys, shelf):
    (folder / "bounds.json").write_text((folder / "bounds.json").read_text() + "\n")
    (folder / "compare.json").unlink()
    (folder / "within.proof").write_bytes(b"broken")
    (folder / "new.json").write_text("{}")
    found = {line.item.name: line for line in shelf.look().lines}
    assert found["bounds.json"].since is Since.CHANGED
    assert found["compare.json"].since is Since.GONE
    assert found["new.json"].since is Since.NEW
    assert found["info.json"].since is Since.SAME
    text = Page(get().text).text
    for since in (Since.CHANGED, Since.GONE, Since.NEW):
        assert since.value in text
    assert "this is no proof" in text
    assert "This file is changed since the start" in get(f"/item/{keys['bounds.json']}").text
    gone = get(f"/item/{keys['compare.json']}")
    assert gone.status == 410
    assert "compare.json was there" in gone.text
    assert get(f"/item/{keys['within.proof']}").status == 200


def test_a_file_that_did_not_change_is_read_once_for_the_index(get, monkeypatch):
    get()
    monkeypatch.setattr("secateur.browse.shelf.view", None)
    assert get().status == 200


def test_an_empty_folder_says_what_to_do(get, folder):
    shutil.rmtree(folder)
    assert "gone since it was seen" in get().text
    folder.mkdir()
    assert get("/?answer=proved&verb=none").text.count("Nothing of that kind is here.") == 1


def test_hostile_names_of_files_are_shown_and_harmless(get, folder, finished):
    data = (finished / "bounds.json").read_bytes()
    for name in ("<script>alert(1).json", "a\nb.json", "\u202egnp.json", os.fsdecode(b"\xff.json")):
        (folder / name).write_bytes(data)
    index = get()
    assert index.status == 200
    stays_here(index.text)
    assert index.text.count('href="/item/') == 10
    for key in re.findall(r'href="/item/([0-9a-f]{16})"', index.text):
        stays_here(get(f"/item/{key}").text)
