"""Template tags of the console."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from aiwriter.core import plots

register = template.Library()


@register.simple_tag
def bar_plot(columns: Sequence[plots.Bar], title: str) -> SafeString:
    """A column chart of `aiwriter.core.plots.Bar`."""
    return plots.bars(columns, title)


@register.simple_tag
def line_plot(drawn: Sequence[plots.Line], title: str) -> SafeString:
    """A plot of `aiwriter.core.plots.Line`."""
    return plots.lines(drawn, title)


@register.simple_tag
def strip_plot(cells: Sequence[plots.Cell], title: str) -> SafeString:
    """A row of `aiwriter.core.plots.Cell`."""
    return plots.strip(cells, title)


@register.simple_tag
def heat_plot(rows: Sequence[tuple[str, Sequence[plots.Cell]]], title: str) -> SafeString:
    """A map of `aiwriter.core.plots.Cell`."""
    return plots.heat(rows, title)


@register.simple_tag
def moment(at: float) -> SafeString:
    """Seconds since 1970 as a time that a browser may put into its own zone."""
    when = dt.datetime.fromtimestamp(at, dt.UTC)
    return format_html('<time datetime="{}">{} UTC</time>', when.isoformat(), when.strftime("%Y-%m-%d %H:%M"))
