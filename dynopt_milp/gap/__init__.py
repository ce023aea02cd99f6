"""How far from the best the greedy search lands: studies over grids of capital, cost multiplier, size and path."""

from dynopt_milp.gap.grid import PATHS, Cell, GapGrid
from dynopt_milp.gap.report import write_report
from dynopt_milp.gap.rows import ROW_COLUMNS, cell_rows
from dynopt_milp.gap.study import run_gap_study
from dynopt_milp.gap.summary import summarise

__all__ = ["PATHS", "ROW_COLUMNS", "Cell", "GapGrid", "cell_rows", "run_gap_study", "summarise", "write_report"]
