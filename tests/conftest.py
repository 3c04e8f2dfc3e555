"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from secateur.engine.legal import violations
from secateur.engine.network import Network

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("secateur", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("secateur")


@pytest.fixture(autouse=True, scope="session")
def every_network_is_legal() -> Iterator[None]:
    """Check every network that any test builds, reads or transforms, as soon as it is built."""
    build = Network.__post_init__

    def checked(network: Network) -> None:
        build(network)
        assert not violations(network)

    Network.__post_init__ = checked  # type: ignore[method-assign]
    yield
    Network.__post_init__ = build  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder with the real networks and properties."""
    folder = Path(os.environ.get("SECATEUR_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder} with real data; name one in SECATEUR_DATA")
    return folder
