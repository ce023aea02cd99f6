"""Charts and axes of pages: marks, extremes of long lines, nothing for one dot, and text that can be read."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.io.colours import COLOURS, ON_DARK
from dynopt_milp.pages import Line, line_chart, render, sparkline
from dynopt_milp.pages.axes import amounts, days, powers
from dynopt_milp.pages.charts import MOST_POINTS, hidden_below, thinned


def points_of(chart: str) -> list[list[tuple[int, int]]]:
    """The points of every line of a chart, in units of its box."""
    paths = re.findall(r'class="line [^"]*" data-name="[^"]*" d="([^"]*)"', chart)
    return [[(int(x), int(y)) for x, y in re.findall(r"[ML](-?\d+) (-?\d+)", path)] for path in paths]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 0.5], ["0.0%", "10.0%"]),
        ([-0.02, 1.3], ["-50%", "0%"]),
        ([0.031, 0.049], ["3.0%", "3.5%"]),
        ([3.0, 3.0], ["0%", "100%"]),
        ([0.0, 0.0], ["0%", "20%"]),
    ],
)
def test_an_axis_ends_on_marks_around_its_values(values: list[float], texts: list[str]) -> None:
    axis = amounts(np.array(values), percent=True)
    assert axis.low <= min(values) <= max(values) <= axis.high
    assert (axis.low, axis.high) == (axis.marks[0][0], axis.marks[-1][0])
    assert 3 <= len(axis.marks) <= 9
    for value, text in axis.marks:
        assert float(text.rstrip("%").replace(",", "")) == pytest.approx(100 * value, abs=1e-9)
    steps = np.diff([value for value, _ in axis.marks])
    assert steps == pytest.approx(np.full(len(steps), steps[0]))


def test_a_logarithmic_axis_is_marked_at_one_two_and_five() -> None:
    axis = powers(np.array([0.03, 0.7]), percent=True)
    assert [text for _, text in axis.marks] == ["2%", "5%", "10%", "20%", "50%", "100%"]
    assert axis.share(np.array([0.02, 0.2, 1.0])) == pytest.approx([0, np.log(10) / np.log(50), 1])


def test_days_are_marked_at_years_or_months() -> None:
    years = days(pd.Timestamp("2005-01-03"), pd.Timestamp("2019-12-31"))
    assert [text for _, text in years.marks] == [f"{year}" for year in range(2006, 2020, 2)]
    months = days(pd.Timestamp("2017-01-06"), pd.Timestamp("2017-06-30"))
    assert [text for _, text in months.marks] == [
        "Jan 2017",
        "Feb 2017",
        "Mar 2017",
        "Apr 2017",
        "May 2017",
        "Jun 2017",
    ]
    few = days(pd.Timestamp("2017-01-16"), pd.Timestamp("2017-01-20"))
    assert [text for _, text in few.marks] == ["2017-01-16", "2017-01-20"]


def test_fewer_days_are_marked_where_a_chart_is_narrow() -> None:
    marks = [(month / 12, f"{pd.Timestamp(2018, 1, 1) + pd.DateOffset(months=3 * month):%b %Y}") for month in range(12)]
    hidden = hidden_below(marks, beside=55)
    assert [marks[0][1], marks[1][1]] == ["Jan 2018", "Apr 2018"]
    for width, written in ((300, 2), (480, 3), (760, 6), (1_000, 6), (1_180, 12)):
        assert sum(width >= below for below in hidden) == written
    assert hidden_below([(0.25, "a"), (0.75, "b")], beside=55) == [0, 0]


def test_charts_of_one_span_have_one_axis() -> None:
    index = pd.bdate_range("2018-01-01", "2018-12-31")
    span = (index[0], index[-1])
    charts = [line_chart([Line("a", index[:count], np.arange(count))], label="", span=span) for count in (50, 200)]
    assert len({re.search(r'data-from="[^"]*" data-to="[^"]*"', chart)[0] for chart in charts}) == 1
    assert [points_of(chart)[0][-1][0] for chart in charts] == [(index[at] - index[0]).days for at in (49, 199)]


def test_a_chart_of_one_dot_is_none() -> None:
    day = pd.DatetimeIndex(["2020-01-02"])
    for x in (day, ["50"], [8.0]):
        assert line_chart([Line("a", x, [0.3]), Line("b", x, [0.4])], label="") == ""
    assert line_chart([Line("a", day.append(day + pd.Timedelta(days=1)), [np.nan, np.nan])], label="") == ""
    assert line_chart([], label="") == ""
    assert line_chart([Line("a", ["10", "50"], [0.3, 0.4])], label="") != ""


def test_the_points_of_a_line_are_at_their_days_and_values() -> None:
    index = pd.bdate_range("2018-12-31", "2020-12-31")
    values = np.sin(np.arange(len(index)) / 30)
    (points,) = points_of(line_chart([Line("a", index, values)], label="a sine"))
    assert [x for x, _ in points] == [(day - index[0]).days for day in index]
    assert np.array([y for _, y in points]) == pytest.approx(10_000 * (1 - (values + 1) / 2), abs=0.51)  # from -1 to 1
    gap = values.copy()
    gap[100:200] = np.nan
    chart = line_chart([Line("a", index, gap)], label="interrupted")
    assert re.findall(r'class="line [^"]*" data-name="a" d="([^"]*)"', chart)[0].count("M") == 2


def test_a_long_line_keeps_its_ends_and_extremes() -> None:
    random = np.random.default_rng(5)
    x, y = np.arange(50_000.0), random.normal(size=50_000).cumsum()
    y[31_234] = y.max() + 50
    thin_x, thin_y = thinned(x, y)
    assert len(thin_x) <= MOST_POINTS + 2
    assert (np.diff(thin_x) > 0).all()
    assert (thin_x[0], thin_x[-1]) == (0, 49_999)
    assert (thin_y.min(), thin_y.max()) == (y.min(), y.max())
    assert (thin_y == y[thin_x.astype(int)]).all()


def test_names_are_escaped() -> None:
    chart = line_chart([Line("<b>&", ["1", "2"], [1, 2]), Line('"', ["1", "2"], [2, 1])], label='"><script>')
    assert "<b>" not in chart
    assert "<script>" not in chart
    assert "&lt;b&gt;&amp;" in chart


def test_a_sparkline_has_a_step_for_each_change() -> None:
    picture = sparkline(np.array([0, 0, 2, 2, -1, -1, -1, 0], dtype=float), "x: contracts")
    (path,) = re.findall(r'class="line s0" d="([^"]*)"', picture)
    assert path == "M0 67H2V0H4V100H7V67H7"
    assert 'd="M0 67H7"' in picture  # zero


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_can_be_seen_light_and_dark() -> None:
    style = render("pages/base.html.j2")
    schemes = [dict(re.findall(r"--(\w+): (#\w+)", rule)) for rule in re.findall(r":root \{(.*?)\}", style)]
    assert len(schemes) == 2
    for scheme in schemes:
        colours = {name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])
                   for name, value in scheme.items()}  # fmt: skip
        for name in ("ink", "soft", "accent", "warn"):
            for ground in ("paper", "panel"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert len(ON_DARK) == len(COLOURS)
    assert min(contrast(colour, schemes[1]["paper"]) for colour in ON_DARK) >= 4.5
