"""One vocabulary: what is called the same in two commands is the same, and help has it in the same place."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest
from typer.main import get_command

from dynopt_milp.commands.cli import app
from tests.command_line import run

COMMANDS: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]
PANELS = ["Problem", "Market", "Strategy", "Limits", "House rules", "Optimizer", "Buffer", "Study", "Output"]
LONG = ("rebalance", "backtest", "compare", "gap")
OTHER_TEXT = {"--out": "a file of trades, a page, or a folder"}
OTHER_DEFAULT = {
    "--capital": "rebalance has none: a problem file has its own",
    "--data": "rebalance has none: there are problem files and targets",
    "--one-side": "rebalance has it with prices alone, a gap study not at all",
    "--out": "a study needs a folder, a demo and a page have one",
}


def options() -> dict[str, dict[str, Any]]:
    """Each option by name, and the commands that have it."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for command, what in COMMANDS.items():
        for option in what.params:
            if option.opts[0].startswith("--"):
                found[option.opts[0]][command] = option
    return found


@pytest.mark.parametrize("name", options())
def test_an_option_has_one_panel_one_text_and_one_default(name: str) -> None:
    given = options()[name].values()
    assert len({option.rich_help_panel for option in given}) == 1
    if name not in OTHER_TEXT:
        assert len({option.help for option in given}) == 1
    if name not in OTHER_DEFAULT:
        assert len({_default(option) for option in given}) == 1


def _default(option: Any) -> Any:
    """The default, and what is said of it; a study takes several numbers as a text."""
    try:
        return float(option.default), option.show_default
    except (TypeError, ValueError):
        return option.default, option.show_default


@pytest.mark.parametrize("name", OTHER_DEFAULT)
def test_what_is_let_off_is_let_off_for_a_reason(name: str) -> None:
    assert len({_default(option) for option in options()[name].values()}) > 1


def test_every_option_is_in_a_panel_and_its_text_is_no_markup() -> None:
    found = [option for by_command in options().values() for option in by_command.values()]
    assert len(found) > 80
    for option in found:
        assert option.rich_help_panel in PANELS, option.name
        assert option.help
        assert "[" not in option.help  # it would not be printed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_in_panels_in_one_order(command: str) -> None:
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    places = [plain.index(f"─ {panel} ─") for panel in PANELS if f"─ {panel} ─" in plain]
    assert places == sorted(places)
    assert places or command not in LONG
    for option in COMMANDS[command].params:
        if option.opts[0].startswith("--"):
            panel = plain.partition(f"─ {option.rich_help_panel} ─")[2].partition("╰")[0]
            assert f" {option.opts[0]} " in panel
