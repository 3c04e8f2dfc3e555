"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("secateur", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("secateur")


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder with the real networks and properties."""
    folder = Path(os.environ.get("SECATEUR_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder} with real data; name one in SECATEUR_DATA")
    return folder
