"""README and pages name nothing that does not exist: links, files, Python names, make targets, commands, options."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from dynopt_milp.commands.cli import app

ROOT = Path(__file__).resolve().parents[1]
CHANGES = ROOT / "CHANGELOG.md"  # names what there was, too
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("comparisons/*.md"), *ROOT.glob("comparisons/*/*.md")]
)
TOP = ("formulations", "proof_checker", "dynopt_milp", "comparisons", "tests", "docs")
TREE = {
    path.relative_to(ROOT).as_posix() + ("/" if path.is_dir() else "")
    for name in TOP
    for path in [ROOT / name, *(ROOT / name).rglob("*")]
    if "__pycache__" not in path.parts
} | {path.name for path in ROOT.iterdir() if path.is_file()}
ELSEWHERE = ("sysexecution/",)  # a file of pysystemtrade

FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<code>.*?)^ *```$", flags=re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", flags=re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *$", flags=re.MULTILINE)
NAME = re.compile(r"\b(?:dynopt_milp|formulations|proof_checker|comparisons)(?:\.[A-Za-z_]\w*)+")
FROM = re.compile(r"\bfrom ((?:dynopt_milp|formulations|proof_checker|comparisons)[\w.]*) import (\w+(?:, \w+)*)")
DIRECTIVE = re.compile(r"^::: (\S+)", flags=re.MULTILINE)
SOURCE = re.compile(r"\w[\w./-]*\.(?:py|md|toml|lock|yml|cff)|[\w./-]+/")
MAKE = re.compile(r"^make ([a-z][a-z-]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
EXTRA = re.compile(r"pip install '\.\[([\w,]+)\]'")


def prose(page: str) -> str:
    """The page without its code blocks."""
    return INDENTED.sub("\n", FENCE.sub("\n", page))


def code_lines(page: str) -> list[str]:
    """The lines of the code blocks of a page, with their continuations, and its code spans."""
    blocks = [found["code"] for found in FENCE.finditer(page)] + INDENTED.findall(FENCE.sub("\n", page))
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines] + SPAN.findall(prose(page))


def anchors(page: str) -> set[str]:
    """The anchors that GitHub and the site give to the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(FENCE.sub("\n", page)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(slug if not seen[slug] else f"{slug}-{seen[slug]}")
        seen[slug] += 1
    return found


def dead_links(path: Path, page: str) -> Iterator[str]:
    for target in (found["target"] for found in LINK.finditer(prose(page))):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.is_file() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            yield target


def dead_files(path: Path, page: str) -> Iterator[str]:
    for span in SPAN.findall(prose(page)):
        if SOURCE.fullmatch(span) and not span.startswith(ELSEWHERE):
            wanted = span.removeprefix("./")
            beside = (path.parent / wanted).exists()
            if not beside and not any(name == wanted or name.endswith(f"/{wanted}") for name in TREE):
                yield span


def dead_names(path: Path, page: str) -> Iterator[str]:
    for code in [*code_lines(page), *DIRECTIVE.findall(page)]:
        imported = [f"{module}.{name}" for module, some in FROM.findall(code) for name in some.split(", ")]
        for name in NAME.findall(code) + imported:
            if not resolves(name):
                yield name


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or found in one by its attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def dead_commands(path: Path, page: str) -> Iterator[str]:
    made = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    known = {
        name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        | {"--help"}
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    for code in code_lines(page):
        target = MAKE.match(code)
        if target is not None and target[1] not in made:
            yield code
        module = re.match(r"python -m (comparisons[\w.]*)", code)
        if module is not None and importlib.util.find_spec(module[1]) is None:
            yield code
        words = code.partition("#")[0].split()
        if words[:1] == ["dynopt-milp"] and len(words) > 1:
            if words[1] not in known:
                yield code
            else:
                yield from set(OPTION.findall(" ".join(words))) - known[words[1]]
        elif code.startswith("--"):
            yield from set(OPTION.findall(code)) - set().union(*known.values())


def dead_extras(path: Path, page: str) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for found in EXTRA.findall(page):
        yield from set(found.split(",")) - set(project["optional-dependencies"])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_names_only_what_exists(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    checks = [dead_links, dead_extras]
    if path != CHANGES:
        checks += [dead_files, dead_names, dead_commands]
    assert {check.__name__: [*check(path, page)] for check in checks} == {check.__name__: [] for check in checks}


@pytest.mark.parametrize(
    ("check", "page"),
    [
        (dead_links, "[data](docs/no-such-page.md)"),
        (dead_links, "[limits](docs/constraints.md#no-such-heading)"),
        (dead_files, "in `solvers/no_such_file.py`"),
        (dead_files, "in `no_such_folder/`"),
        (dead_names, "`dynopt_milp.no_such_module.solve`"),
        (dead_names, "    from dynopt_milp import solve, no_such_name\n"),
        (dead_commands, "    make no-such-target\n"),
        (dead_commands, "    dynopt-milp solve problem.json \\\n        --no-such-option\n"),
        (dead_commands, "    dynopt-milp no-such-command\n"),
        (dead_commands, "with `--no-such-option 5`"),
        (dead_extras, "    pip install '.[nothing]'\n"),
    ],
)
def test_a_dead_reference_is_noticed(check, page) -> None:
    assert [*check(ROOT / "README.md", page)]


def test_the_reference_has_every_wing_and_every_name_of_the_top() -> None:
    import dynopt_milp

    folder = ROOT / "docs" / "reference"
    wings = {path.parent.name for path in (ROOT / "dynopt_milp").glob("*/__init__.py")} - {"io"}  # io is internal
    for name in [*wings, "errors"]:
        assert f"::: dynopt_milp.{name}\n" in (folder / f"{name}.md").read_text(encoding="utf-8")
    table = (folder / "README.md").read_text(encoding="utf-8").partition("|---")[2]
    listed = re.findall(r"`(\w+)`", table)
    assert sorted(listed) == sorted(dynopt_milp.__all__)


def test_the_citation_is_of_this_version() -> None:
    import dynopt_milp

    assert f"\nversion: {dynopt_milp.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
