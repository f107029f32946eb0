"""OpenAI's public prices for text, in US dollars, per million tokens: input, output, input from the cache.

Prompts above 272,000 tokens cost more at some models; the price below is the one for shorter prompts. An operator's own
price replaces the list.
"""

from __future__ import annotations

import datetime as dt

from aiwriter_sdk.prices import PriceList

PRICES = PriceList(
    as_of=dt.date(2026, 11, 1),
    rows={
        "gpt-6-sol": ("2", "10", "0.2"),
        "gpt-6-astra": ("10", "50", "1"),
        "gpt-6-luna": ("0.1", "0.5", "0.01"),
        "gpt-6.1-sol": ("2", "10", "0.1"),
        "gpt-6.1-terra": ("1", "5", "0.05"),
        "gpt-5.6-sol": ("4", "20", "0.4"),
        "gpt-5.6-terra": ("2", "12", "0.2"),
        "gpt-5.6-luna": ("0.2", "1.2", "0.02"),
        "gpt-5.5": ("5", "30", "0.5"),
        "gpt-5.4": ("2.5", "15", "0.25"),
        "gpt-5.4-mini": ("0.75", "4.5", "0.075"),
        "gpt-5.4-nano": ("0.2", "1.25", "0.02"),
        "gpt-5.2": ("1.75", "14", "0.175"),
        "gpt-5.1": ("1.25", "10", "0.125"),
        "gpt-5": ("1.25", "10", "0.125"),
        "gpt-5-mini": ("0.25", "2", "0.025"),
        "gpt-5-nano": ("0.05", "0.4", "0.005"),
        "gpt-5-pro": ("15", "120", ""),
        "gpt-4.1": ("2", "8", "0.5"),
        "gpt-4.1-mini": ("0.4", "1.6", "0.1"),
        "gpt-4.1-nano": ("0.1", "0.4", "0.025"),
        "gpt-4o": ("2.5", "10", "1.25"),
        "gpt-4o-mini": ("0.15", "0.6", "0.075"),
        "o3": ("2", "8", "0.5"),
        "o4-mini": ("1.1", "4.4", "0.275"),
        "text-embedding-3-small": ("0.02", "0", ""),
        "text-embedding-3-large": ("0.13", "0", ""),
        "text-embedding-ada-002": ("0.1", "0", ""),
    },
)
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
