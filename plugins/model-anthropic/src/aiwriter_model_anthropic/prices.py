"""Anthropic's public prices, in US dollars, per million tokens: input, output, input read from the cache.

Some models cost more for very long prompts; the price below is the one for shorter prompts. An operator's own price
replaces the list.
"""

from __future__ import annotations

import datetime as dt

from aiwriter_sdk.prices import PriceList

PRICES = PriceList(
    as_of=dt.date(2026, 11, 1),
    rows={
        "claude-fable-5-2": ("8", "40", "0.2"),
        "claude-fable-5": ("10", "50", "1"),
        "claude-opus-5-5": ("4", "20", "0.2"),
        "claude-opus-5": ("5", "25", "0.5"),
        "claude-opus-4-8": ("5", "25", "0.5"),
        "claude-opus-4-7": ("5", "25", "0.5"),
        "claude-opus-4-6": ("5", "25", "0.5"),
        "claude-opus-4-5": ("5", "25", "0.5"),
        "claude-opus-4-1": ("15", "75", "1.5"),
        "claude-sonnet-5-5": ("2", "10", "0.1"),
        "claude-sonnet-5": ("2", "10", "0.2"),
        "claude-sonnet-4-6": ("3", "15", "0.3"),
        "claude-sonnet-4-5": ("3", "15", "0.3"),
        "claude-haiku-5-5": ("0.1", "0.5", "0.01"),
        "claude-haiku-4-5": ("1", "5", "0.1"),
    },
)
