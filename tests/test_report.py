"""The report: one file that needs nothing else, says what was proved and hides nothing."""

import itertools
import json
import re
import struct
import zlib

import numpy as np
import pytest
from pages import Page, needs_nothing, reads_well

from secateur.__main__ import run
from secateur.commands.maps import COLOURS, COLUMNS, ROWS, Map, Names, png, winners
from secateur.engine.formats import load, save
from secateur.engine.network import Network, Normalisation, Origin
from secateur.engine.region import Region
from secateur.report import BAR, bar, frame, seconds, sentence, short, stack, thousands


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demo on one family in little time; give its folder and its record."""
    folder = tmp_path_factory.mktemp("demo")
    words = ["demo", "-o", str(folder), "--family", "horizontal", "--timeout", "2", "-q"]
    assert run([*words, "--json", str(folder / "r.json")]) == 0
    return folder, json.loads((folder / "r.json").read_text())


@pytest.fixture(scope="module")
def page(demo):
    return Page((demo[0] / "demo.html").read_text())


def test_the_demo_writes_a_network_for_every_region(demo):
    folder, record = demo
    (controller,) = record["controllers"]
    assert len(controller["cuts"]) == 6
    for cut in controller["cuts"]:
        network = load(cut["output"]["path"])
        assert network.neurons == cut["after"]["neurons"]
        assert network.origin.digest == cut["output"]["sha256"]
        assert cut["exact"]
    assert record["report"] == str(folder / "demo.html")
    assert record["schema"] == "secateur.demo/2"
    assert set(controller) == {"name", "title", "network", "cuts"}


def test_the_page_needs_nothing_else(demo):
    text = (demo[0] / "demo.html").read_text()
    needs_nothing(text)
    assert not re.search(r"https?://|@import|url\(", text)


def test_the_page_has_headings_in_order_and_pictures_have_titles(demo, page):
    reads_well((demo[0] / "demo.html").read_text())
    pictures = [attrs for attrs in page.named("svg") if attrs.get("role") == "img"]
    hidden = [attrs for attrs in page.named("svg") if attrs.get("aria-hidden") == "true"]
    assert len(pictures) + len(hidden) == len(page.named("svg"))
    assert len(page.named("desc")) == len(pictures) == 6 * 3 + 1
    assert len(page.named("title")) == len(pictures) + 1
    assert page.named("html") == [{"lang": "en"}]


def test_the_page_says_what_was_found_and_how(demo, page):
    _, record = demo
    for cut in record["controllers"][0]["cuts"]:
        assert cut["region"]["name"] in page.text
        assert cut["output"]["sha256"] in page.text
    for words in (
        "The question",
        "What is guaranteed",
        "Every simplified network equals its original at every point of its region",
        "What is not claimed",
        "clear of conflict",
        "the largest output wins",
        record["command"],
        f"numpy {record['versions']['numpy']}",
    ):
        assert words in page.text, words
    still = sum(cut["phases"]["open"] for cut in record["controllers"][0]["cuts"])
    assert ("could not be decided in the time given" in page.text) == bool(still)


def test_no_pixel_inside_a_region_differs(page):
    said = re.findall(r"In the box (\d+) of", page.text)
    assert said
    assert set(said) == {"0"}


def tiny(sizes=(3, 6, 4), normalisation=None):
    rng = np.random.default_rng(0)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    return Network.dense(weights, [np.zeros(b) for b in sizes[1:]], Origin(), normalisation)


def test_names_from_outside_are_escaped(tmp_path):
    save(tiny(), tmp_path / "net.onnx")
    (tmp_path / "r.json").write_text(
        json.dumps({"name": "<script>alert(1)</script> & co", "lower": [0] * 3, "upper": [1] * 3})
    )
    words = ["--region", str(tmp_path / "r.json"), "-o", str(tmp_path / "out.onnx"), "-q"]
    report = tmp_path / "report.html"
    assert run(["simplify", str(tmp_path / "net.onnx"), *words, "--report", str(report)]) == 0
    page = Page(report.read_text())
    assert not page.named("script")
    assert "<script>alert(1)</script> & co" in page.text


def test_a_report_says_when_outputs_may_move(tmp_path):
    """The weights are thirds: their products are no float32, so a skip edge has to round."""
    rng = np.random.default_rng(1)
    some = [(rng.normal(size=(30, 2)) / 3), rng.normal(size=(2, 30)) / 3]
    weights = [weight.astype(np.float32) for weight in some]
    save(Network.dense(weights, [np.full(30, 9.0), np.zeros(2)]), tmp_path / "net.onnx")
    words = ["--region", "0:1,0:1", "-o", str(tmp_path / "out.onnx"), "--tolerance", "0.01", "-q"]
    record, report = tmp_path / "r.json", tmp_path / "report.html"
    words += ["--report", str(report), "--json", str(record)]
    assert run(["simplify", str(tmp_path / "net.onnx"), *words]) == 0
    (cut,) = json.loads(record.read_text())["cuts"]
    assert not cut["exact"]
    assert 0 < cut["distance"] <= 0.01
    assert cut["replayed"]["exact_difference"] <= cut["distance"]
    text = Page(report.read_text()).text
    assert "within the stated distance" in text
    assert "Nothing was lost" not in text
    assert cut["guarantee"] in text


def test_a_png_holds_its_pixels():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3) + len(COLOURS) - 3
    data = png(pixels)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(name + body)
        chunks[name] = body
        at += 12 + length
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (3, 2)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(2, 4)
    assert (lines[:, 0] == 0).all()
    assert (lines[:, 1:] == pixels % len(COLOURS)).all()
    assert len(chunks[b"PLTE"]) == 3 * len(COLOURS)


def test_a_map_shows_what_the_networks_say():
    normal = Normalisation(np.zeros(3), np.full(3, 8.0), np.full(3, 4.0), np.full(3, 8.0))
    network, other = tiny(normalisation=normal), tiny(normalisation=normal)
    region = Region.box([-0.25, 0.0, 0.1], [0.25, 0.25, 0.1], "r")
    names = Names(("range", "bearing", "speed"), ("ft", "rad", "ft/s"), tuple("abcd"))
    drawn = winners(network, other, region, True, names)
    assert isinstance(drawn, Map)
    assert (drawn.across.index, drawn.along.index) == (0, 1)
    assert (drawn.across.low, drawn.across.high) == (0.0, 8.0)
    assert (drawn.across.from_, drawn.across.to) == (2.0, 6.0)
    assert drawn.along.label == "bearing, degrees"
    assert drawn.along.high == pytest.approx(np.rad2deg(8.0))
    assert drawn.fixed == "speed = 4.8 ft/s"
    row, column = 40, 200
    point = [-0.5 + (column + 0.5) / COLUMNS, 0.5 - (row + 0.5) / ROWS, 0.1]
    assert drawn.before[row, column] == network.evaluate(point).argmin()
    inside, differ = drawn.inside
    assert (inside, differ) == (COLUMNS // 2 * ROWS // 4, 0)
    assert frame(drawn) == pytest.approx((COLUMNS / 4, ROWS / 4, COLUMNS / 2, ROWS / 4))


def test_there_is_no_map_where_a_plane_says_nothing():
    box = Region.box([0.0] * 3, [1.0] * 3)
    assert winners(tiny((3, 6, 1)), tiny((3, 6, 1)), box, False) is None
    one = tiny((1, 6, 4))
    assert winners(one, one, Region.box([0.0], [1.0]), False) is None
    many = tiny((40, 6, 4))
    assert winners(many, many, Region.box([0.0] * 40, [1.0] * 40), False) is None


def test_a_thin_region_is_still_seen_on_a_map():
    network = tiny()
    drawn = winners(network, network, Region.box([0, 0, 0.5], [0, 1, 0.5]), False, axes=(0, 2))
    assert drawn is not None
    assert min(frame(drawn)[2:]) >= 1.0


def test_bars_are_as_long_as_their_counts():
    pieces = stack({"zero": 5, "identity": 0, "active": 10, "open": 5}, 40)
    assert [(piece.kind, piece.count) for piece in pieces] == [
        ("zero", 5),
        ("active", 10),
        ("open", 5),
    ]
    assert sum(piece.length for piece in pieces) == BAR / 2
    assert pieces[1].start == pieces[0].length
    assert bar(1.0, 4.0) == BAR / 4
    assert bar(None, 4.0) == bar(1.0, None) == 0.0
    assert bar(9.0, 1.0) == 1.25 * BAR


def test_numbers_are_written_for_people():
    assert thousands(1234567.0) == "1\u202f234\u202f567"
    assert short(None) == "\u2013"
    assert short(-0.12345) == "\u22120.1235"
    assert short(23999.6) == "24\u202f000"
    assert seconds(0.0) == "\u2013"
    assert [seconds(t) for t in (0.01, 0.5, 12.34, 123.4)] == ["< 0.1", "0.5", "12.3", "123"]
    assert sentence("all of it; for ACAS") == "All of it; for ACAS."
    assert sentence("") == ""
