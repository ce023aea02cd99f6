"""What several tests need: the shared problems, and random programs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# A shell that runs the tests in the background has interrupts ignored, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fixed", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("fixed")


# Whole studies, pages and years: they begin, so that no worker is left with one of them at the end.
LONG = ("test_gap_cluster.py", "test_docs.py", "test_readme.py", "test_gap.py", "test_stopping.py", "test_guide.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def shared(folder: str) -> Path:
    """A folder of shared test data; without it the test skips, in CI it fails."""
    path = SHARED / folder
    if not path.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is not here (it does not come with a clone)")
    return path


@pytest.fixture
def instances() -> Path:
    return shared("instances")
