"""What is given to others is what is here: source distribution and wheel against the tree, and the oldest versions."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.distributions import ROOT, build, tree
from tests.floors import floors

PACKAGES = ("dynopt_milp/", "formulations/", "proof_checker/")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, and only git knows which files belong to the tree")
    return build(tmp_path_factory.mktemp("distributions"))


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    files = {name for name in ZipFile(distributions[1]).namelist() if ".dist-info/" not in name}
    assert files == {name for name in tree() if name.startswith(PACKAGES)}


def test_the_source_distribution_has_the_whole_tree(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        files = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in files if name in {"PKG-INFO", "setup.cfg"} or ".egg-info/" in name}
    assert files - made == set(tree())


def test_the_oldest_versions_allowed_are_those_that_are_tested() -> None:
    lines = (ROOT / "requirements-oldest.lock").read_text(encoding="utf-8").split()
    locked = {_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert {name: locked.get(_name(name)) for name in floors()} == floors()


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
