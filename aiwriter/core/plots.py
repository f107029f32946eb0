"""Plots as SVG, drawn on the server: no script, no inline style, and they follow the theme through classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_HEIGHT, _STEP, _GAP = 64, 20, 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One column.

    Args:
        label: what it stands for, "14:00".
        good: height of the lower part.
        bad: height of the upper part.
    """

    label: str
    good: int
    bad: int = 0


def bars(columns: Sequence[Bar], title: str) -> SafeString:
    """A column chart.

    Args:
        columns: from left to right.
        title: what it shows, for those who do not see it.
    """
    top = max((bar.good + bar.bad for bar in columns), default=0) or 1
    width = max(len(columns) * _STEP - _GAP, 1)
    return format_html(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" preserveAspectRatio="none"><title>{}</title>{}</svg>',
        width,
        _HEIGHT,
        title,
        format_html_join("", "{}", ((_column(index, bar, top),) for index, bar in enumerate(columns))),
    )


def _column(index: int, bar: Bar, top: int) -> SafeString:
    good, bad = _scaled(bar.good, top), _scaled(bar.bad, top)
    x, wide = index * _STEP, _STEP - _GAP
    if not good and not bad:
        return _box("plot-none", x, _HEIGHT - 1, wide, 1, f"{bar.label}: 0")
    words = f"{bar.label}: {bar.good + bar.bad}"
    lower = _box("plot-good", x, _HEIGHT - good, wide, good, words) if good else SafeString("")
    upper = _box("plot-bad", x, _HEIGHT - good - bad, wide, bad, f"{bar.label}: {bar.bad} failed") if bad else ""
    return format_html("{}{}", lower, upper)


def _scaled(value: int, top: int) -> int:
    return max(2, round(value / top * (_HEIGHT - 4))) if value else 0


def _box(kind: str, x: int, y: int, width: int, height: int, words: str) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"><title>{}</title></rect>',
        kind,
        x,
        y,
        width,
        height,
        words,
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One piece of a strip or of a map.

    Args:
        label: what it stands for, with its value: read aloud and shown on hover.
        look: "ok", "warn", "fail", "unknown" or "none"; in a map "0" to "4".
    """

    label: str
    look: str


def strip(cells: Sequence[Cell], title: str) -> SafeString:
    """A row of pieces, one for each day or result.

    Args:
        cells: from left to right.
        title: what it shows.
    """
    width = max(len(cells) * 4 - 1, 1)
    pieces = ((_piece(f"strip-{cell.look}", index * 4, 0, 3, 16, cell.label),) for index, cell in enumerate(cells))
    return format_html(
        '<svg class="strip" viewBox="0 0 {} 16" role="img" preserveAspectRatio="none"><title>{}</title>{}</svg>',
        width,
        title,
        format_html_join("", "{}", pieces),
    )


def heat(rows: Sequence[tuple[str, Sequence[Cell]]], title: str) -> SafeString:
    """A map: a row of pieces for each name, as days by hours.

    Args:
        rows: name and pieces, from top to bottom.
        title: what it shows.
    """
    drawn = []
    for number, (_, cells) in enumerate(rows):
        for index, cell in enumerate(cells):
            drawn.append((_piece(f"heat-{cell.look}", index * 14, number * 14, 12, 12, cell.label),))
    columns = max((len(cells) for _, cells in rows), default=1)
    return format_html(
        '<svg class="heat" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>',
        columns * 14 - 2,
        max(len(rows) * 14 - 2, 1),
        title,
        format_html_join("", "{}", drawn),
    )


def _piece(kind: str, x: int, y: int, width: int, height: int, words: str) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{}</title></rect>',
        kind,
        x,
        y,
        width,
        height,
        words,
    )


_WIDE, _TALL = 600, 120


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot.

    Args:
        name: what it is.
        points: moments (any rising number) and values; None where nothing is known, which breaks the line.
    """

    name: str
    points: Sequence[tuple[float, float | None]]


def lines(drawn: Sequence[Line], title: str) -> SafeString:
    """A plot of lines over one axis, from zero.

    Args:
        drawn: the lines; the first four have colours of their own.
        title: what it shows.
    """
    moments = [at for line in drawn for at, _ in line.points]
    values = [value for line in drawn for _, value in line.points if value is not None]
    first, last = (min(moments), max(moments)) if moments else (0.0, 1.0)
    top = max(values, default=0.0) or 1.0
    span = (last - first) or 1.0

    def place(at: float, value: float) -> str:
        return f"{(at - first) / span * _WIDE:.1f} {_TALL - 2 - value / top * (_TALL - 6):.1f}"

    pieces = []
    for number, line in enumerate(drawn):
        path, pen_down = [], False
        for at, value in line.points:
            if value is None:
                pen_down = False
                continue
            path.append(f"{'L' if pen_down else 'M'}{place(at, value)}")
            if not pen_down:
                path.append("h0.1")  # a single point shows as a dot
            pen_down = True
        look = f"plot-line plot-line-{number % 4 + 1}"
        pieces.append(format_html('<path class="{}" d="{}"><title>{}</title></path>', look, "".join(path), line.name))
    return format_html(
        '<svg class="plot plot-tall" viewBox="0 0 {} {}" role="img" preserveAspectRatio="none"><title>{}</title>{}</svg>',
        _WIDE,
        _TALL,
        title,
        format_html_join("", "{}", ((piece,) for piece in pieces)),
    )
