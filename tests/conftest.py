"""What several tests need: the shared problems, and random programs."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dynopt_milp.data import Market, read_pysystemtrade

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
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


@cache
def real_futures() -> Market:
    """All of the real futures, read once a process; a market cannot be changed."""
    return read_pysystemtrade(shared("data/pysystemtrade"))


@pytest.fixture
def instances() -> Path:
    return shared("instances")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no chromium; .ci/run installs it")
        pytest.skip("there is no browser: install Debian's chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield opened
        opened.close()
