"""Charts of lines as SVG in HTML: sharp at every width, in the page's colours, with the values under the pointer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dynopt_milp.io.colours import COLOURS
from dynopt_milp.pages.axes import Axis, amounts, day_numbers, days, named, powers
from formulations import FloatArray

if TYPE_CHECKING:
    from markupsafe import Markup

# Heights are whole numbers of this many units: finer than a pixel, and short in the file.
HEIGHT = 10_000
WIDTH = 10_000
"""The same across, for axes of numbers; an axis of days has a unit a day."""
MOST_POINTS = 1_000
"""Of a line: about as many as a wide window has pixels. Of more, the least and the largest of each group are drawn."""
SPARK_POINTS = 160
NARROWER = (480, 760, 1_000, 1_180)
"""Widths of charts in CSS pixels, below which some marks across are not written."""
NARROWEST = 300
FEWEST_LETTERS = 6
"""Beside an axis of y, so that charts of shares under each other begin at one place."""
LETTER, APART = 7.5, 8.0
"""CSS pixels: about the width of a letter of a mark, and what is to be free between two."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes
    ----------
    name : str
        In the legend, and beside the pointer.
    x : DatetimeIndex or sequence of str or float
        Of one kind in a chart.
    y : sequence of float
        As many; where one is NaN, the line is interrupted.
    style : int, optional
        Below seven one of the colours, above one with dashes. Default: its place in the chart.
    """

    name: str
    x: Any
    y: Any
    style: int | None = None


def line_chart(
    lines: Sequence[Line], *, label: str, y_title: str = "", x_title: str = "", percent: bool = False,
    log: bool = False, from_zero: bool = False, dots: bool = False, most_x: float | None = None, height: int = 320,
    span: tuple[pd.Timestamp, pd.Timestamp] | None = None,
) -> Markup:  # fmt: skip
    """A chart as HTML for a page that extends ``pages/base.html.j2``; empty if it would have one dot.

    Parameters
    ----------
    lines : sequence of Line
        The first seven are told apart by colour, further ones by dashes.
    label : str
        What it shows, for those who do not see it.
    y_title, x_title : str
    percent : bool
        Write 0.1 as ``10%`` on the axis of y; on that of x if it is one of numbers.
    log : bool
        A logarithmic axis of y: all are positive.
    from_zero : bool
        The axis of y reaches to zero.
    dots : bool
        Mark every point.
    most_x : float, optional
        Where an axis of numbers ends; what is beyond is not drawn.
    height : int
        Of the area of lines, in CSS pixels.
    span : tuple of Timestamp, optional
        The first and last day of an axis of days, so that charts under each other have the same one.
    """
    from markupsafe import Markup, escape

    shown = [line for line in lines if np.isfinite(np.asarray(line.y, dtype=np.float64)).any()]
    if not shown:
        return Markup("")
    kind, places, across, width = _across(shown, percent=percent, most_x=most_x, span=span)
    if across is None:
        return Markup("")
    values = np.concatenate([np.asarray(line.y, dtype=np.float64) for line in shown])
    up = powers(values, percent=percent) if log else amounts(values, percent=percent, from_zero=from_zero)
    paths = [_grid(up, width)]
    for number, (line, at) in enumerate(zip(shown, places, strict=True)):
        within = np.where(at <= across.high, np.asarray(line.y, dtype=np.float64), np.nan)
        x, y = thinned(np.round(width * across.share(at)), within)
        points = np.column_stack([x, np.round(HEIGHT * (1 - up.share(y)))])
        style = _style(line, number)
        paths.append(f'<path class="line {style}" data-name="{escape(line.name)}" d="{_path(points)}"/>')
        if dots:
            paths.append(
                f'<path class="dot {style}" d="{"".join(f"M{a:.0f} {b:.0f}h0" for a, b in points if b == b)}"/>'
            )
    digits = max(0, min(4, 3 - math.floor(math.log10((100 if percent else 1) * (up.high - up.low)))))
    data = {
        "x": kind, "from": across.low, "to": across.high, "low": up.low, "high": up.high, "log": int(log),
        "unit": "%" if percent else "", "digits": digits,
        "texts": json.dumps([text for _, text in across.marks], ensure_ascii=False) if kind == "text" else "",
    }  # fmt: skip
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items() if value != "")
    keys = "".join(
        f'<span class="key {_style(line, number)}"><i></i>{escape(line.name)}</span>'
        for number, line in enumerate(shown)
    )
    marks_up = "".join(f'<span style="bottom:{100 * at:.2f}%">{escape(text)}</span>' for at, text in _placed(up))
    letters = max(FEWEST_LETTERS, *(len(text) for _, text in up.marks))
    placed = _placed(across)
    hidden = hidden_below(placed, beside=LETTER * letters + 10)
    marks_across = "".join(
        f'<span style="left:{100 * at:.2f}%"{f" class=below{below}" if below else ""}>{escape(text)}</span>'
        for (at, text), below in zip(placed, hidden, strict=True)
    )
    return Markup(
        f'<figure class="chart"{attributes}>'
        f'<figcaption><span class="title">{escape(y_title)}</span>'
        + (f'<span class="keys">{keys}</span>' if len(shown) > 1 else "")
        + f'</figcaption><div class="plot" style="--height:{height}px;--letters:{letters}">'
        f'<div class="up" aria-hidden="true">{marks_up}</div><div class="area">'
        f'<svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'{"".join(paths)}</svg></div><div class="across" aria-hidden="true">{marks_across}</div></div>'
        + (f'<div class="x-title">{escape(x_title)}</div>' if x_title else "")
        + "</figure>"
    )


def sparkline(values: FloatArray, label: str) -> Markup:
    """A line of steps without axes, as high as a line of text; zero is marked.

    Parameters
    ----------
    values : ndarray
        Finite, side by side.
    label : str
        What it shows, for those who do not see it.
    """
    from markupsafe import Markup, escape

    x, y = thinned(np.arange(len(values), dtype=np.float64), np.asarray(values, dtype=np.float64), SPARK_POINTS)
    low, high = min(0.0, float(y.min())), max(0.0, float(y.max()))
    height = np.round(100 * (1 - (y - low) / ((high - low) or 1.0)))
    changed = np.concatenate([[True], height[1:] != height[:-1]])
    steps = "".join(
        f"M{a:.0f} {b:.0f}" if place == 0 else f"H{a:.0f}V{b:.0f}"
        for place, (a, b) in enumerate(zip(x[changed], height[changed], strict=True))
    )
    zero = round(100 * (1 + low / ((high - low) or 1.0)))
    width = max(len(values) - 1, 1)
    return Markup(
        f'<svg class="spark" viewBox="0 -4 {width} 108" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><path class="grid" d="M0 {zero}H{width}"/>'
        f'<path class="line s0" d="{steps}H{width}"/></svg>'
    )


def thinned(x: FloatArray, y: FloatArray, most: int = MOST_POINTS) -> tuple[FloatArray, FloatArray]:
    """The points of a line, or of many the least and the largest of each group of neighbours, and the first and last.

    Parameters
    ----------
    x, y : ndarray
        In the order of x.
    most : int
        About so many are left.
    """
    if len(x) <= most:
        return x, y
    kept = {0, len(x) - 1}
    for group in np.array_split(np.arange(len(x)), most // 2):
        if np.isfinite(y[group]).any():
            kept |= {int(group[np.nanargmin(y[group])]), int(group[np.nanargmax(y[group])])}
        else:
            kept.add(int(group[0]))
    order = sorted(kept)
    return x[order], y[order]


def _across(
    lines: Sequence[Line], *, percent: bool, most_x: float | None, span: tuple[pd.Timestamp, pd.Timestamp] | None
) -> tuple[str, list[FloatArray], Axis | None, int]:
    """The kind of the axis of x, where the points of each line are on it, the axis, and its width in units.

    There is no axis where all points have one x.
    """
    if all(isinstance(line.x, pd.DatetimeIndex) for line in lines):
        places = [np.array(day_numbers(line.x)) for line in lines]
        first, last = span or (min(line.x.min() for line in lines), max(line.x.max() for line in lines))
        axis = days(first.normalize(), last.normalize()) if first < last else None
        return "day", places, axis, WIDTH if axis is None else round(axis.high - axis.low)
    if all(isinstance(x, str) for line in lines for x in line.x):
        texts = list(dict.fromkeys(x for line in lines for x in line.x))
        places = [np.array([float(texts.index(x)) for x in line.x]) for line in lines]
        return "text", places, named(texts) if len(texts) > 1 else None, WIDTH
    places = [np.asarray(line.x, dtype=np.float64) for line in lines]
    every = np.concatenate(places)
    if every.min() == every.max():
        return "number", places, None, WIDTH
    axis = amounts(every if most_x is None else np.clip(every, None, most_x), percent=percent)
    return "number", places, axis, WIDTH


def hidden_below(marks: Sequence[tuple[float, str]], *, beside: float) -> list[int]:
    """Of each mark across: the width of a chart below which it is not written, as it would run into others; 0 if none.

    Of the marks every second is written, or every fourth, and so on.

    Parameters
    ----------
    marks : sequence of (share of the way, text)
    beside : float
        What of the chart's width is left of the axis, CSS pixels.
    """
    hidden = [0] * len(marks)
    for least, below in zip((NARROWEST, *NARROWER), NARROWER, strict=False):
        step = 1
        while step < len(marks) and _overlap(marks[::step], least - beside):
            step *= 2
        for place in range(len(marks)):
            if place % step:
                hidden[place] = below
    return hidden


def _overlap(marks: Sequence[tuple[float, str]], width: float) -> bool:
    """Whether two neighbours run into each other on an axis so wide; those at its ends are written within it."""
    end = -math.inf
    for at, text in marks:
        wide = LETTER * len(text)
        start = min(max(width * at - wide / 2, 0.0), width - wide) if round(at, 4) in (0, 1) else width * at - wide / 2
        if start < end + APART:
            return True
        end = start + wide
    return False


def _style(line: Line, place: int) -> str:
    """The classes of a line: its colour and its dashes."""
    number = place if line.style is None else line.style
    return f"s{number % len(COLOURS)} d{number // len(COLOURS) % 3}"


def _grid(up: Axis, width: int) -> str:
    """A line across at every mark; that of zero is stronger."""
    return "".join(
        f'<path class="grid{" zero" if value == 0 and up.low < 0 else ""}" d="M0 {HEIGHT * (1 - at):.0f}H{width}"/>'
        for (value, _), (at, _) in zip(up.marks, _placed(up), strict=True)
    )


def _placed(axis: Axis) -> list[tuple[float, str]]:
    """The marks of an axis, each by its share of the way."""
    shares = axis.share(np.array([value for value, _ in axis.marks]))
    return [(float(share), text) for share, (_, text) in zip(shares, axis.marks, strict=True)]


def _path(points: FloatArray) -> str:
    """The ``d`` of a path through points; it begins anew after each that is not a number."""
    words, drawing = [], False
    for x, y in points:
        if y != y:
            drawing = False
            continue
        words.append(f"{'L' if drawing else 'M'}{x:.0f} {y:.0f}")
        drawing = True
    return "".join(words)
