"""Counts of what came of the problems, by kind and by what was asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from tests.attack.trial import Trial

OUTCOMES = ("optimal", "feasible", "infeasible", "no_solution", "refused")
COLUMNS = ("problems", *OUTCOMES, "violations")


@dataclass
class Tally:
    """Counts by kind of problem and by label of what was asked, and every violation."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    asked: dict[str, Counter[str]] = field(default_factory=dict)
    violations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def problems(self) -> int:
        return sum(counts["problems"] for counts in self.kinds.values())

    def add(self, number: int, trial: Trial) -> None:
        """Count one problem."""
        kind = self.kinds.setdefault(trial.kind, Counter())
        kind["problems"] += 1
        for label, outcome in trial.answers:
            named = outcome if outcome in OUTCOMES else "refused"
            kind[named] += 1
            row = self.asked.setdefault(label, Counter())
            row["problems"] += 1
            row[named] += 1
        for rule, label, text in trial.violations:
            kind["violations"] += 1
            self.asked.setdefault(label, Counter())["violations"] += 1
            self.violations.append(
                {"rule": rule, "kind": trial.kind, "asked": label, "number": number, "reproduction": text}
            )

    def show(self, console: Console) -> None:
        """Print both tables."""
        for title, rows in (("kind of problem", self.kinds), ("asked", dict(sorted(self.asked.items())))):
            table = Table(Column(title, no_wrap=True), *(Column(name, justify="right") for name in COLUMNS), box=None)
            total: Counter[str] = Counter()
            for name, counts in rows.items():
                table.add_row(name, *(f"{counts[column]:,}" for column in COLUMNS))
                total += counts
            table.add_section()
            table.add_row("all", *(f"{total[column]:,}" for column in COLUMNS))
            console.print(table)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            name: {row: {column: counts[column] for column in COLUMNS} for row, counts in rows.items()}
            for name, rows in (("kinds", self.kinds), ("asked", self.asked))
        } | {"problems": self.problems, "violations": self.violations}
