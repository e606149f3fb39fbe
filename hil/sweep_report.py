"""The measured detection card as one HTML page that opens offline."""

import html
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import Span, Whisker
from bokeh.palettes import Category20_20
from bokeh.plotting import figure

from hil import card, grid
from hil.bounds import Bounded
from hil.card import Row
from hil.display import scale
from hil.grid import Dimension
from hil.report import TOOLS, table, write_page

WANTED = 0.95  # the usual demand on P(detect)
HEIGHT = 320
MOST_TICKS = 12
WIDE = 20  # from this ratio on an axis of values is logarithmic


def write(folder: Path, rows: Sequence[Row], dimensions: Sequence[Dimension], confidence: float) -> Path:
    """Write `sweep.html` into `folder`, which is there; returns its path."""
    page = folder / "sweep.html"
    axis = _Axis(rows, dimensions)
    leaking = [row for row in rows if row.delays_s]
    figures = [_p_detect(axis, leaking), _delays(axis, leaking), _waiting(leaking)] if leaking else []
    quiet = [row for row in rows if row.quiet_s]
    figures += [_false_alarms(axis, quiet)] if quiet else []
    write_page(page, rows[0].point.name, _head(rows, dimensions, confidence), figures)
    return page


def _head(rows: Sequence[Row], dimensions: Sequence[Dimension], confidence: float) -> str:
    cells = [[html.escape(cell) for cell in (*row.point.labels, *card.words(row))] for row in rows]
    heads = [html.escape(head) for head in (*card.columns(dimensions), *card.HEADS)]
    return (
        f"<h2>{html.escape(rows[0].point.name)}: detection card, as measured</h2>"
        + table(heads, cells)
        + f"<p>Bounds are exact, and each holds by itself with {confidence * 100:g} % confidence. Delays are from "
        "the hole to the alarm; in their quantiles a leak that was not found counts as never. False alarms are those "
        "before the hole opens, or of a vessel without one.</p>"
    )


class _Axis:
    """Where a row stands: at the number that the first key has, or in the order of the rows when it has none."""

    def __init__(self, rows: Sequence[Row], dimensions: Sequence[Dimension]) -> None:
        numbers = grid.scale_of(dimensions[0]) if dimensions else None
        places = dict.fromkeys(row.point.labels for row in rows)
        self._names: dict[Any, Any] = {}
        if numbers is None:
            self._x = {labels: float(at) for at, labels in enumerate(places)}
            self._names = {at: ", ".join(labels) or "as it is" for at, labels in enumerate(places)}
            self._label, others = "", []
        else:
            by_label = dict(zip(dimensions[0].labels, numbers[0], strict=True))
            self._x = {labels: by_label[labels[0]] for labels in places}
            self._label = f"{dimensions[0].key} in {numbers[1]}" if numbers[1] else dimensions[0].key
            others = list(range(1, len(dimensions)))
        self._others = [at for at in others if len(dimensions[at].values) > 1]
        least, most = min(self._x.values()), max(self._x.values())
        self._log = least > 0 and most > WIDE * least
        edge = (most - least) / 20 or 1.0
        begin, end = (least / 1.2, most * 1.2) if self._log else (least - edge, most + edge)
        self._range = Range1d(start=begin, end=end)

    def figure(self, title: str, label: str, highest: float) -> figure:
        """An empty one over this axis, from 0 to `highest`."""
        found = figure(
            title=title,
            height=HEIGHT,
            sizing_mode="stretch_width",
            x_axis_label=self._label,
            y_axis_label=label,
            x_axis_type="log" if self._log else "linear",
            x_range=self._range,
            y_range=Range1d(start=0.0, end=1.05 * highest or 1.0),
            tools=TOOLS,
        )
        ticks = sorted(set(self._x.values()))
        if self._names or len(ticks) <= MOST_TICKS:
            found.xaxis.ticker = ticks
        if self._names:
            found.xaxis.major_label_overrides = self._names
        return found

    def lines(self, rows: Iterable[Row]) -> list[tuple[str, str, list[float], list[Row]]]:
        """(name, colour, x, rows) of what belongs on one line: a vessel and the values of the other keys."""
        found: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            others = (row.point.labels[at] for at in self._others)
            found.setdefault((row.vessel.name, *others), []).append(row)
        lines = []
        for place, (name, group) in enumerate(found.items()):
            group.sort(key=lambda row: self._x[row.point.labels])
            lines.append(
                (", ".join(name), _colour(place), [self._x[row.point.labels] for row in group], group)
            )
        return lines


def _colour(place: int) -> str:
    return Category20_20[(2 * place + place // 10) % 20]  # the ten strong ones, then their pale sisters


def _p_detect(axis: _Axis, rows: Sequence[Row]) -> figure:
    plot = axis.figure("P(detect) until the end of the run", "probability", 1.0)
    for name, colour, x, group in axis.lines(rows):
        _bounded(plot, name, colour, x, [row.p_detect for row in group])
    plot.add_layout(Span(location=WANTED, dimension="width", line_dash="dotted"))
    return _finished(plot)


def _delays(axis: _Axis, rows: Sequence[Row]) -> figure:
    longest_s = _longest_s(rows)
    by = scale("s", longest_s)
    plot = axis.figure("Delay: each run, and the median", f"delay in {by.label}", longest_s * by.factor)
    for name, colour, x, group in axis.lines(rows):
        medians = [row.delay_s(0.5) for row in group]
        _bounded(plot, name, colour, x, [_times(found, by.factor) for found in medians])
        spots = [(at, found) for at, row in zip(x, group, strict=True) for found in _found(row, by.factor)]
        plot.scatter(x=[at for at, _ in spots], y=[s for _, s in spots], color=colour, size=4, alpha=0.4)
    return _finished(plot)


def _waiting(rows: Sequence[Row]) -> figure:
    """The share of leaks found by each waiting time."""
    longest_s = _longest_s(rows)
    by = scale("s", longest_s)
    plot = figure(
        title="Share of the leaks that are found by then",
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_axis_label=f"waiting time in {by.label}",
        y_axis_label="share",
        y_range=Range1d(start=0.0, end=1.05),
        tools=TOOLS,
    )
    for place, row in enumerate(rows):
        found = _found(row, by.factor)
        shares = [(rank + 1) / len(row.delays_s) for rank in range(len(found))]
        x, y = [0.0, *found, longest_s * by.factor], [0.0, *shares, (shares or [0.0])[-1]]
        name = ", ".join((row.vessel.name, *row.point.labels))
        plot.step(x=x, y=y, mode="after", color=_colour(place), line_width=1.5, legend_label=name)
    plot.add_layout(Span(location=WANTED, dimension="width", line_dash="dotted"))
    return _finished(plot)


def _false_alarms(axis: _Axis, rows: Sequence[Row]) -> figure:
    highest = 3600 * max(row.false_alarms_per_s.high for row in rows)
    plot = axis.figure("False alarms", "per hour without a leak", highest)
    for name, colour, x, group in axis.lines(rows):
        _bounded(plot, name, colour, x, [_times(row.false_alarms_per_s, 3600) for row in group])
    return _finished(plot)


def _found(row: Row, factor: float) -> list[float]:
    return sorted(each * factor for each in row.delays_s if math.isfinite(each))


def _longest_s(rows: Sequence[Row]) -> float:
    return max((found for row in rows for found in _found(row, 1.0)), default=1.0)


def _times(found: Bounded, factor: float) -> Bounded:
    return Bounded(*(each * factor for each in found))


def _bounded(plot: figure, name: str, colour: str, x: Sequence[float], found: Sequence[Bounded]) -> None:
    """Values with their bounds; one that is infinite is left out, and a bound is drawn as far as there is one."""
    shown = [(at, each) for at, each in zip(x, found, strict=True) if math.isfinite(each.value)]
    columns = {
        "x": [at for at, _ in shown],
        "y": [each.value for _, each in shown],
        "low": [each.low for _, each in shown],
        "high": [each.high if math.isfinite(each.high) else each.value for _, each in shown],
    }
    source = ColumnDataSource(columns)
    plot.line("x", "y", source=source, color=colour, legend_label=name)
    plot.scatter("x", "y", source=source, color=colour, size=7, legend_label=name)
    plot.add_layout(Whisker(source=source, base="x", lower="low", upper="high", line_color=colour))


def _finished(plot: figure) -> figure:
    plot.add_layout(plot.legend[0], "right")
    plot.legend.click_policy = "hide"
    return plot
