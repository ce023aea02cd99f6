"""Pages of HTML that open without a network: their look, their charts as SVG, and how they are put together."""

from dynopt_milp.pages.charts import Line, line_chart, sparkline
from dynopt_milp.pages.page import render

__all__ = ["Line", "line_chart", "render", "sparkline"]
