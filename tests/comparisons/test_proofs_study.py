"""The study of proofs: what a row says, that it goes on where it stopped, and that its page has its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.proofs import study
from comparisons.proofs.instances import COUNTS, PARTS, RULES, STORED, WEEKLY, ProofInstance, all_instances
from comparisons.stored import load
from dynopt_milp import InputError, Problem, rules
from tests.proof_checker.enumerated import small_problem


def instances() -> list[ProofInstance]:
    free = Problem([[0.04, 0.04], [0.04, 0.04]], [0.3, 1.6], [1.0, 0.1], instruments=["A", "B"])
    ruled = small_problem(1).replace(rules=[rules.max_holdings(1)])
    return [ProofInstance(WEEKLY, "small", small_problem(2)), ProofInstance(RULES, "ruled", ruled),
            ProofInstance(STORED, "free", free)]  # fmt: skip


def test_rows_say_what_came_of_a_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = study.run(instances(), tmp_path / "results.csv")
    assert rows["outcome"].tolist()[:2] == [study.VERIFIED] * 2
    assert "nothing bounds" in rows["outcome"][2]
    assert (rows["gap"].iloc[:2] <= study.GAP).all()
    assert rows["leaves"].iloc[:2].min() >= 1
    monkeypatch.setattr(study, "measured", lambda *_: pytest.fail("proved again"))
    again = study.run(instances(), tmp_path / "results.csv")
    assert again["instance"].tolist() == ["small", "ruled", "free"]
    assert study.summary(again)["proved"].tolist() == ["1 of 1", "0 of 1", "1 of 1"]
    assert study.unproved(again)["problems"].tolist() == [1]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        list(all_instances((STORED,), None, tmp_path / "no"))


def test_the_page_has_the_numbers_of_the_results() -> None:
    rows = load(study.RESULTS, study.MEASURED)
    assert rows.groupby("part").size().to_dict() == COUNTS
    assert set(rows["part"]) == set(PARTS)
    page = study.PAGE.read_text(encoding="utf-8")
    assert study.with_tables(page, rows) == page
    stored = rows[(rows["part"] == STORED) & (rows["size"] <= 42)]
    assert (stored["outcome"] == study.VERIFIED).all()
    ruled = rows[(rows["part"] == RULES) & (rows["cost_multiplier"] == 50)]
    assert (ruled["outcome"] == study.VERIFIED).all()
    weekly = rows[rows["part"] == WEEKLY]
    assert (weekly["outcome"] == study.VERIFIED).mean() >= 0.95
