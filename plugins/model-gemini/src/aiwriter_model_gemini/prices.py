"""Google's public prices for text, in US dollars, per million tokens: input, output, input read from the cache.

Some models cost more for prompts above 200,000 tokens; the price below is the one for shorter prompts. An operator's own
price replaces the list.
"""

from __future__ import annotations

import datetime as dt

from aiwriter_sdk.prices import PriceList

PRICES = PriceList(
    as_of=dt.date(2026, 11, 1),
    rows={
        "gemini-4-argon": ("4", "20", "0.2"),
        "gemini-3.8-flash": ("1.5", "7.5", "0.15"),
        "gemini-3.7-flash": ("1.5", "7.5", "0.15"),
        "gemini-3.6-flash": ("1.5", "7.5", "0.15"),
        "gemini-3.5-flash": ("1.5", "9", "0.15"),
        "gemini-3.5-flash-lite": ("0.3", "2.5", "0.03"),
        "gemini-3.1-pro-preview": ("2", "12", "0.2"),
        "gemini-3.1-flash-lite": ("0.25", "1.5", "0.025"),
        "gemini-2.5-pro": ("1.25", "10", "0.125"),
        "gemini-2.5-flash": ("0.3", "2.5", "0.03"),
        "gemini-2.5-flash-lite": ("0.1", "0.4", "0.01"),
        "gemini-embedding-001": ("0.15", "0", ""),
        "gemini-embedding-2": ("0.2", "0", ""),
    },
)
