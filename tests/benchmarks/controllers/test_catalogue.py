"""The shipped controllers: their files, their list, and what they advise."""

import hashlib
import json
import shutil

import numpy as np
import onnxruntime
import pytest

from secateur.benchmarks.controllers import Advisory, catalogue, controller
from secateur.engine.errors import FileError, FormatError

SHIPPED = catalogue()
NAMES = [entry.name for entry in SHIPPED]
FOLDER = SHIPPED[0].path.parent


@pytest.fixture(scope="module")
def networks():
    return {entry.name: entry.network() for entry in SHIPPED}


def test_the_list_and_the_folder_hold_the_same_networks():
    assert {path.name for path in FOLDER.glob("*.onnx")} == {e.path.name for e in SHIPPED}
    fitted = [f"horizontal-{advisory.name.lower()}" for advisory in Advisory]
    assert [entry.name for entry in SHIPPED] == [*fitted, "acas-like"]


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_every_file_has_the_stated_digest_and_is_small(entry):
    data = entry.path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry.digest
    assert len(data) < 80_000


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_networks_have_the_stated_widths_and_compute_in_float32(entry, networks):
    network = networks[entry.name]
    hidden, inputs = ([50] * 6, 5) if entry.name == "acas-like" else ([25] * 5, 3)
    assert [node.size for node in network.piecewise] == hidden
    assert (network.size_in, network.size_out) == (inputs, 5)
    assert network.origin.dtype == "float32"
    for name in ("minimum", "maximum", "mean", "range", "output_mean", "output_range"):
        held, stated = getattr(network.normalisation, name), getattr(entry.normalisation, name)
        np.testing.assert_array_equal(held, stated, err_msg=name)


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_the_stated_agreement_is_far_above_the_commonest_advisory(entry):
    held = json.loads((FOLDER / "networks.json").read_text())
    (listed,) = [item for item in held["networks"] if item["name"] == entry.name]
    wrong, wrong_without = 1.0 - entry.agreement, 1.0 - listed["agreement"]["commonest"]
    assert wrong < 0.2 * wrong_without


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_the_reference_runtime_computes_the_same(entry, networks):
    session = onnxruntime.InferenceSession(entry.path, providers=["CPUExecutionProvider"])
    (stated,) = session.get_inputs()
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, len(entry.inputs)))
    points = points.astype(np.float32)
    for point in points:
        shape = [size if isinstance(size, int) else 1 for size in stated.shape]
        (said,) = session.run(None, {stated.name: point.reshape(shape)})
        wanted = networks[entry.name].evaluate(point.astype(np.float64))
        np.testing.assert_allclose(said.ravel(), wanted, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_regions_lie_within_the_domain(entry):
    assert 4 <= len(entry.regions) == len(entry.titles) <= 6
    for region in entry.regions:
        inside = region.to_network(entry.normalisation)
        assert inside.size == len(entry.inputs)
    whole = entry.region("whole-domain")
    np.testing.assert_array_equal(whole.lower, entry.normalisation.minimum)
    np.testing.assert_array_equal(whole.upper, entry.normalisation.maximum)


@pytest.mark.parametrize("name", ["horizontal-coc", "acas-like"])
def test_regions_hold_what_their_names_say(name, networks):
    entry, generator = controller(name), np.random.default_rng(0)

    def share_clear(region):
        points = generator.uniform(region.lower, region.upper, (4000, region.size))
        return float((entry.advise(networks[name], points) == Advisory.COC).mean())

    assert share_clear(entry.region("far-away")) > 0.99
    assert share_clear(entry.region("head-on-close")) < 0.05
    assert share_clear(entry.region("crossing-from-left")) < 0.1


@pytest.mark.parametrize("entry", SHIPPED, ids=NAMES)
def test_pictures_show_the_advisories_of_their_pixels(entry, networks):
    network, region = networks[entry.name], entry.region("head-on-close")
    section = entry.section(network, region, across=1, along=0, counts=(7, 5))
    assert section.shape == (5, 7)
    corner = (region.lower + region.upper) / 2.0
    corner[1], corner[0] = region.lower[1], region.upper[0]
    assert section[0, 0] == entry.advise(network, corner)

    others = np.array([np.pi, 200.0, 200.0])[: len(entry.inputs) - 2]
    view = entry.plan_view(network, others, reach=40_000.0, counts=(40, 40))
    assert view.shape == (40, 40)
    assert set(np.unique(view).tolist()) <= set(Advisory)
    # The picture's upper left corner shows an intruder ahead on the left, 36,000 ft away.
    assert view[0, 0] == entry.advise(
        network, np.array([np.hypot(30_000.0, 20_000.0), np.arctan2(2.0, 3.0), *others])
    )


def test_a_changed_file_is_refused(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy")
    entry = catalogue(tmp_path / "copy")[0]
    data = bytearray(entry.path.read_bytes())
    data[len(data) // 2] ^= 1
    entry.path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="SHA-256"):
        entry.network()
    entry.path.unlink()
    with pytest.raises(FileError, match="cannot be read"):
        entry.network()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}', '{"version": 1}'])
def test_a_list_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "networks.json").write_text(text)
    with pytest.raises(FormatError, match=r"networks\.json"):
        catalogue(tmp_path)


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"networks\.json"):
        catalogue(tmp_path)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(FormatError, match="acas-like"):
        controller("vertical")
    with pytest.raises(FormatError, match="whole-domain"):
        SHIPPED[0].region("nowhere")
