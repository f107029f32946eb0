"""Template tags of the console."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.safestring import SafeString

from aiwriter.core import plots

register = template.Library()


@register.simple_tag
def bar_plot(columns: Sequence[plots.Bar], title: str) -> SafeString:
    """A column chart of `aiwriter.core.plots.Bar`."""
    return plots.bars(columns, title)
