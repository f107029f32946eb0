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
