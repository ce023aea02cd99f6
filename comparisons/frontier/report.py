"""The tables and the picture of the page, made from the stored rows alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from comparisons.frontier.frontiers import Point, cheaper, closer, frontier, points_of
from comparisons.frontier.settings import (
    CAPITAL,
    CAPITALS,
    CHOICES,
    COVARIANCES,
    INSTRUMENTS,
    OPTIMISED,
    RECOMMENDED,
    SHOWN,
    SIZES,
    TARGETS_ROUNDED,
    Choice,
)
from comparisons.frontier.study import PERIODS, PICTURE
from comparisons.page import markdown
from dynopt_milp.io.colours import COLOURS, OF_OPTIMIZERS
from dynopt_milp.show.pictures import save_picture

CHOSEN, REPORTED = PERIODS
NEARLY = RECOMMENDED._replace(cost_multiplier=20.0, buffer="none")
PLACES = [(capital, INSTRUMENTS) for capital in sorted((*CAPITALS, CAPITAL))] + [(CAPITAL, size) for size in SIZES]


def tables(results: pd.DataFrame, presets: pd.DataFrame) -> str:
    """Every table of the page, in its order."""
    parts = {
        f"At equal cost, and at equal closeness, {REPORTED}": advantage_table(results, REPORTED),
        f"The same on {CHOSEN}, the years of the choice": advantage_table(results, CHOSEN),
        "Another choice": other_table(results),
        f"The frontiers at ${CAPITAL:,.0f}": frontier_table(results),
        "Estimators": estimator_table(results),
        "Presets": preset_table(results),
        "The greedy gap, and the Sharpe ratio": gap_table(presets),
        "The buffer, and the cost of holding": buffer_table(results),
    }
    return "\n\n".join(f"### {head}\n\n{text}" for head, text in parts.items())


def place(
    results: pd.DataFrame, capital: float = CAPITAL, size: int = INSTRUMENTS, period: str = REPORTED
) -> pd.DataFrame:
    """The rows of a capital, a number of instruments and a period."""
    there = (results["capital"] == capital) & (results["instruments"] == size) & (results["period"] == period)
    return results[there]


def along(rows: pd.DataFrame, holder: str, choice: Choice = RECOMMENDED) -> pd.DataFrame:
    """The rows of a holder over λ, all else as chosen."""
    same = (rows["covariance"] == choice.covariance) & (rows["buffer"] == choice.buffer)
    same &= (rows["holding_cost"] == choice.holding_cost) & (rows["holder"] == holder)
    return rows[same].sort_values("cost_multiplier")


def one(rows: pd.DataFrame, holder: str, choice: Choice = RECOMMENDED) -> pd.Series:
    """The row of a holder with what was chosen."""
    found = along(rows, holder, choice)
    return found[found["cost_multiplier"] == choice.cost_multiplier].iloc[0]


def rounding(rows: pd.DataFrame) -> list[Point]:
    """The points of rounding, at once and within the position buffer."""
    return points_of(rows[rows["holder"].isin(TARGETS_ROUNDED)])


def advantages(results: pd.DataFrame, capital: float, size: int, period: str = REPORTED) -> dict[str, float]:
    """Of the recommended exact run: its point, and how far it lies inside the frontiers of greedy and of rounding."""
    rows = place(results, capital, size, period)
    own = one(rows, "exact")
    point = points_of(own.to_frame().T)[0]
    greedy, rounded = points_of(along(rows, "greedy")), rounding(rows)
    return {
        "cost": point.cost, "realised": point.realised, "ratio": own["realised"] / own["expected"],
        "closer_greedy": closer(point, greedy), "closer_rounding": closer(point, rounded),
        "cheaper_greedy": cheaper(point, greedy), "cheaper_rounding": cheaper(point, rounded),
    }  # fmt: skip


def beyond(point: Point, points: list[Point], of: str) -> str:
    """A mark where a frontier does not reach a cost, or a tracking error, so that its nearest end stands for it."""
    reached = [getattr(each, of) for each in frontier(points)]
    return "" if min(reached) <= getattr(point, of) <= max(reached) else "*"


def other_table(results: pd.DataFrame) -> str:
    """What λ = 20 without a buffer, nearly the choice, comes to; and greedy's frontier over the whole cross."""
    rows, lines = place(results), []
    cross = points_of(rows[rows["holder"] == "greedy"])
    for name, choice in (("recommended", RECOMMENDED), ("λ = 20, no buffer", NEARLY)):
        point = points_of(one(rows, "exact", choice).to_frame().T)[0]
        rivals = (points_of(along(rows, "greedy", choice)), cross, rounding(rows))
        lines.append([name, _percent(point.cost, 2), _percent(point.realised),
                      *(_less(closer(point, rival)) + beyond(point, rival, "cost") for rival in rivals)])  # fmt: skip
    heads = ["at $250,000", "cost a year", "tracking error, realised", "at equal cost, against greedy",
             "against greedy with any setting of the cross", "against rounding"]  # fmt: skip
    return markdown(heads, lines)


def advantage_table(results: pd.DataFrame, period: str) -> str:
    """By capital and number of instruments: how much closer at equal cost, how much cheaper at equal closeness."""
    lines = []
    for capital, size in PLACES:
        found, rows = advantages(results, capital, size, period), place(results, capital, size, period)
        point, rivals = Point(found["cost"], found["realised"]), (points_of(along(rows, "greedy")), rounding(rows))
        compared = [
            _less(found[f"{what}_{name}"]) + beyond(point, rival, of)
            for what, of in (("closer", "cost"), ("cheaper", "realised"))
            for name, rival in zip(("greedy", "rounding"), rivals, strict=True)
        ]
        lines.append(
            [_money(capital), size, _percent(found["cost"], 2), _percent(found["realised"]), f"{found['ratio']:.2f}",
             *compared]
        )  # fmt: skip
    heads = ["capital", "instruments", "cost a year", "tracking error, realised", "realised ÷ expected",
             "at equal cost: tracking error, against greedy", "against rounding",
             "at equal closeness: cost, against greedy", "against rounding"]  # fmt: skip
    return markdown(heads, lines)


def frontier_table(results: pd.DataFrame) -> str:
    """Each holder along λ at the place of the cross."""
    rows, lines = place(results), []
    for holder in TARGETS_ROUNDED:
        lines.append([holder, "", *_figures(rows[rows["holder"] == holder].iloc[0], expected=False)])
    for holder in OPTIMISED:
        lines += [[holder, f"{row['cost_multiplier']:g}", *_figures(row)] for _, row in along(rows, holder).iterrows()]
    return markdown(["held by", "λ", *FIGURES], lines)


FIGURES = ("tracking error, expected", "realised", "realised ÷ expected", "trades + rolls a year", "net Sharpe ratio",
           "against the forecast")  # fmt: skip


def _figures(row: pd.Series, *, expected: bool = True) -> list[str]:
    return [
        _percent(row["expected"]) if expected else "–", _percent(row["realised"]),
        f"{row['realised'] / row['expected']:.2f}" if expected else "–",
        f"{_percent(row['trading_cost'], 2)} + {_percent(row['roll_cost'], 2)}", f"{row['sharpe_ratio']:.2f}",
        _percent(row["against_forecast"]),
    ]  # fmt: skip


def estimator_table(results: pd.DataFrame) -> str:
    """Realised over expected tracking error of greedy and exact, by covariance, in both periods."""
    lines = []
    for covariance in COVARIANCES:
        choice = RECOMMENDED._replace(covariance=covariance)
        line = [covariance]
        for period in (CHOSEN, REPORTED):
            for holder in ("greedy", "exact"):
                row = one(place(results, period=period), holder, choice)
                line.append(f"{row['realised'] / row['expected']:.2f}")
            cost = row["trading_cost"] + row["roll_cost"]
            line.append(f"{_percent(row['realised'])} for {_percent(cost, 2)}")
        lines.append(line)
    heads = [f"{what}, {period}" for period in (CHOSEN, REPORTED)
             for what in ("realised ÷ expected, greedy", "exact", "exact: realised for cost a year")]  # fmt: skip
    return markdown(["correlations of the optimisation", *heads], lines)


def preset_table(results: pd.DataFrame) -> str:
    """Greedy and exact under each preset, and rounding, by capital."""
    lines = []
    for capital in SHOWN:
        rows = place(results, capital)
        for holder in TARGETS_ROUNDED:
            lines.append(
                [_money(capital), "", holder, *_figures(rows[rows["holder"] == holder].iloc[0], expected=False)]
            )
        for name, choice in CHOICES.items():
            for holder in ("greedy", "exact"):
                lines.append([_money(capital), name, holder, *_figures(one(rows, holder, choice))])
    return markdown(["capital", "preset", "held by", *FIGURES], lines)


def gap_table(presets: pd.DataFrame) -> str:
    """The greedy gap from the positions that exact held, and differences of net Sharpe ratios, by preset."""
    lines = []
    for name in CHOICES:
        for _, row in presets[presets["preset"] == name].sort_values("capital").iterrows():
            differences = [f"{row[f'over_{rival}']:+.2f} ± {row[f'over_{rival}_error']:.2f}"
                           for rival in ("greedy", "rounded", "buffered")]  # fmt: skip
            lines.append([name, _money(row["capital"]), _percent(row["mean_gap"]), _percent(row["largest_gap"]),
                          _percent(row["greedy_optimal"]), *differences])  # fmt: skip
    heads = ["preset", "capital", "greedy gap, mean", "largest", "greedy optimal"]
    rivals = ["net Sharpe ratio of exact less greedy's", "less rounding's", "less that of rounding with a buffer"]
    return markdown([*heads, *rivals], lines)


def buffer_table(results: pd.DataFrame) -> str:
    """Exact with what was chosen but for the buffer and the cost of holding."""
    rows, lines = place(results), []
    for holding in (True, False):
        for buffer in dict.fromkeys(rows["buffer"]):
            choice = RECOMMENDED._replace(buffer=buffer, holding_cost=holding)
            if buffer and len(along(rows, "exact", choice)):
                words = "counted" if holding else "not counted"
                lines.append([buffer, words, *_figures(one(rows, "exact", choice))])
    return markdown(["buffer", "cost of holding", *FIGURES], lines)


def _money(capital: float) -> str:
    return f"${capital / 1e6:g}m" if capital >= 1e6 else f"${capital / 1e3:g}k"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _less(share: float) -> str:
    return f"{-100 * share:+.1f} %".replace("-", "−")


def picture(results: pd.DataFrame, path: Path = PICTURE) -> None:
    """A frontier a holder at three capitals, what the covariance expected beside what came of it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    colours = {"exact": COLOURS[OF_OPTIMIZERS.index("exact")], "greedy": COLOURS[OF_OPTIMIZERS.index("greedy")]}
    for panel, capital in zip(panels, SHOWN, strict=True):
        rows = place(results, capital)
        for holder, colour in colours.items():
            line = along(rows, holder)
            costs = 100 * (line["trading_cost"] + line["roll_cost"])
            panel.plot(costs, 100 * line["realised"], color=colour, marker="o", label=f"{holder}, realised")
            panel.plot(costs, 100 * line["expected"], color=colour, linestyle=":", label=f"{holder}, expected")
            if holder == "exact":
                for cost, realised, each in zip(costs, 100 * line["realised"], line["cost_multiplier"], strict=True):
                    panel.annotate(f"{each:g}", (cost, realised), textcoords="offset points", xytext=(-5, -10),
                                   ha="right", fontsize=7, color=colour)  # fmt: skip
        points = rounding(rows)
        panel.plot([100 * p.cost for p in points], [100 * p.realised for p in points], "s",
                   color=COLOURS[OF_OPTIMIZERS.index("rounded")],
                   label="rounding, with and without a buffer")  # fmt: skip
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g} %"))
        panel.xaxis.set_minor_formatter(FuncFormatter(lambda cost, _: f"{cost:g} %" if cost in (0.5, 2, 5) else ""))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{error:g} %"))
        panel.set_title(f"{_money(capital)}, {INSTRUMENTS} instruments", loc="left", fontsize="medium")
        panel.set_xlabel("trades and rolls, a year")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("tracking error, a year")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    figure.suptitle(
        f"What following targets costs, and how close it comes, {REPORTED.replace('-', ' to ')}; λ beside the points",
        x=0.01, ha="left", fontsize="medium",
    )  # fmt: skip
    save_picture(figure, path)
