"""The panels of ``--help``: each option stands in one of them, in every command that has it."""

from __future__ import annotations

from functools import partial

import typer

of_problem = partial(typer.Option, rich_help_panel="Problem")
of_market = partial(typer.Option, rich_help_panel="Market")
of_strategy = partial(typer.Option, rich_help_panel="Strategy")
of_limits = partial(typer.Option, rich_help_panel="Limits")
of_rules = partial(typer.Option, rich_help_panel="House rules")
of_optimizer = partial(typer.Option, rich_help_panel="Optimizer")
of_buffer = partial(typer.Option, rich_help_panel="Buffer")
of_study = partial(typer.Option, rich_help_panel="Study")
OUTPUT = "Output"
of_output = partial(typer.Option, rich_help_panel=OUTPUT)
