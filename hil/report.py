"""A run as one HTML page that opens offline: verdicts, alarms, every estimate with its band and the truth."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import HoverTool, Range1d
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.models.widgets import Div
from bokeh.plotting import figure
from bokeh.resources import INLINE

from fsw.board.printed_card import cards
from hil import summary
from hil.display import Scale, instant, number, scale
from hil.evidence import Evidence
from hil.expect import Verdict
from hil.scenario import Case
from hil.series import Series

BAND_SIGMAS = 2
_MEASURED, _TRUE = "#1f77b4", "#d62728"
_SEVERITY_COLOURS = {1: "#888888", 2: "#c9a400", 3: "#e07b00", 4: "#c00000"}
STYLE = (  # of the page's head, a table, a cell
    "font: 14px sans-serif; max-width: 75em",
    "border-collapse: collapse; margin: 0.5em 0 1em 0",
    "padding: 0.1em 1em 0.1em 0; text-align: left; border-bottom: 1px solid #ddd",
)
TOOLS = "pan,box_zoom,wheel_zoom,reset,save"


def write(folder: Path, case: Case, run: Evidence, verdicts: Sequence[Verdict]) -> Path:
    """Write the page and the evidence behind it (packets, XTCE, log) into `folder`; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.name}.packets").write_bytes(b"".join(packet for _, packet in run.packets))
    (folder / f"{case.name}.xtce.xml").write_bytes(run.background.xtce)
    (folder / f"{case.name}.log").write_text(run.log)
    page = folder / f"{case.name}.html"
    write_page(page, case.name, _head(case, run, verdicts), _figures(case, run))
    return page


def write_page(path: Path, title: str, head: str, figures: Sequence[figure]) -> None:
    """A page that needs no network: `head` is HTML."""
    parts = [Div(text=f'<div style="{STYLE[0]}">{head}</div>'), *figures]
    path.write_text(
        file_html(column(parts, sizing_mode="stretch_width"), INLINE, title=f"Ullage: {title}"),
        encoding="utf-8",
    )


def _head(case: Case, run: Evidence, verdicts: Sequence[Verdict]) -> str:
    judged = [
        ("met" if v.passed else "<b>FAILED</b>", _text(v.expected), _text(v.measured)) for v in verdicts
    ]
    alarms = [
        (
            instant(frame.time_ns),
            frame.transition,
            str(frame.severity),
            _text(frame.alarm),
            number(frame.value, run.background.units.get(frame.parameter, ""), frame.sigma),
        )
        for frame in run.frames
    ]
    title = _text(case.scenario.title or case.name)
    speed = f"{run.speed:.0f} times real time"
    ran = f"{instant(run.end_ns)} on board {case.board.name}, seed {case.scenario.seed}, {speed}"
    return (
        f"<h2>{title}</h2><p>{_text(ran)}</p>"
        + table(("", "expected", "measured"), judged)
        + table(("at the end", ""), [(_text(a), _text(b)) for a, b in summary.lines(run)])
        + "".join(
            f"<p>{_text(card.heading)}</p>" + table(card.columns, [[*map(_text, row)] for row in card.rows])
            for card in cards(case.board)
        )
        + table(("arrived", "alarm frame", "severity", "alarm", "value"), alarms)
        + f"<p>Blue: as reported, with a band of {BAND_SIGMAS} sigma. Red, dashed: the truth. "
        "Upright lines: alarms as they were raised; dotted: a hole opens; shaded: a fault lasts.</p>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML; nothing without rows."""
    lines = [("th", heads), *(("td", row) for row in rows)]
    if len(lines) == 1:
        return ""
    cells = ("".join(f'<{tag} style="{STYLE[2]}">{c}</{tag}>' for c in row) for tag, row in lines)
    return f'<table style="{STYLE[1]}">' + "".join(f"<tr>{line}</tr>" for line in cells) + "</table>"


def _text(text: str) -> str:
    return html.escape(text)


def _figures(case: Case, run: Evidence) -> list[figure]:
    """One for each channel, then for each estimate that ever had a number; all share the axis of time."""
    channels = [f"{name}.{c}" for name, at in case.board.file.instruments.items() for c in at.channels]
    vessels = tuple(f"{name}." for name in case.board.file.vessels)
    estimates = [name for name in run.parameters if name.startswith(vessels)]
    time = scale("s", run.end_ns / 1e9)
    x_range = Range1d(start=0, end=run.end_ns / 1e9 * time.factor)
    return [
        _figure(case, run, name, time, x_range)
        for name in [*channels, *estimates]
        if name in run.parameters and np.isfinite(run.parameters[name].value).any()
    ]


def _figure(case: Case, run: Evidence, name: str, time: Scale, x_range: Range1d) -> figure:
    series, unit = run.parameters[name], run.background.units[name]
    by = scale(unit, float(np.median(np.abs(series.value[np.isfinite(series.value)]))))
    plot = figure(
        title=name,
        height=240,
        sizing_mode="stretch_width",
        x_range=x_range,
        x_axis_label=f"time in {time.label}",
        y_axis_label=by.label,
        tools=TOOLS,
    )
    x, y = series.time_ns / 1e9 * time.factor, _shown(series.value, by)
    band = BAND_SIGMAS * np.nan_to_num(series.sigma) * by.factor
    plot.varea(x=x, y1=y - band, y2=y + band, color=_MEASURED, alpha=0.2)
    plot.line(x=x, y=y, color=_MEASURED, line_width=1.5, legend_label="reported")
    truth = run.background.truth_of(name)
    if truth is not None:
        _draw_truth(plot, truth, time, by)
    _draw_events(plot, case, run, time)
    plot.add_tools(HoverTool(tooltips=[("t", f"@x {time.label}"), (name, f"@y {by.label}")], mode="vline"))
    plot.legend.click_policy = "hide"
    return plot


def _draw_truth(plot: figure, truth: Series, time: Scale, by: Scale) -> None:
    values = np.where(np.isfinite(truth.value), truth.value, np.nan)
    x = truth.time_ns / 1e9 * time.factor
    plot.line(x=x, y=_shown(values, by), color=_TRUE, line_dash="dashed", legend_label="truth")


def _draw_events(plot: figure, case: Case, run: Evidence, time: Scale) -> None:
    per_ns = time.factor / 1e9
    for frame in run.frames:
        if frame.raises:
            colour = _SEVERITY_COLOURS.get(frame.severity, "#888888")
            plot.add_layout(Span(location=frame.time_ns * per_ns, dimension="height", line_color=colour))
    for onset_ns in run.background.onsets_ns.values():
        plot.add_layout(Span(location=onset_ns * per_ns, dimension="height", line_dash="dotted"))
    for fault in case.faults:
        until_ns = run.end_ns if fault.until is None else fault.until
        plot.add_layout(BoxAnnotation(left=fault.at * per_ns, right=until_ns * per_ns, fill_alpha=0.1))


def _shown(values: np.ndarray, by: Scale) -> np.ndarray:
    return values * by.factor + by.offset
