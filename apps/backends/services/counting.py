"""Counts tokens where the provider did not, and turns tokens into money."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from aiwriter_sdk import GenerateRequest, Pricing, Usage
from apps.backends.models import PriceOverride

# English and German text of the common tokenizers: about four characters a token. Scripts without spaces take a token
# for nearly each character.
_CHARACTERS_PER_TOKEN = 4
_DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_PER_MESSAGE = 4
_EXACT = Decimal("0.000000001")
_MILLION = Decimal(1_000_000)


def count_text(text: str) -> int:
    """Tokens of a text, estimated; 0 only for an empty one."""
    if not text:
        return 0
    dense = len(_DENSE.findall(text)) if not text.isascii() else 0
    return max(1, dense + math.ceil((len(text) - dense) / _CHARACTERS_PER_TOKEN))


def count_characters(characters: int) -> int:
    """Tokens of a text of which only the length is known."""
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def count_texts(texts: Iterable[str]) -> int:
    """Tokens of several texts."""
    return sum(count_text(text) for text in texts)


def count_request(request: GenerateRequest) -> int:
    """Tokens of a whole conversation, estimated."""
    return sum(count_text(message.content) + _PER_MESSAGE for message in request.messages)


def pricing_of(override: PriceOverride | None, known: Pricing | None) -> Pricing | None:
    """The price that counts: the operator's, else the plugin's, else unknown."""
    if override is None:
        return known
    return Pricing(
        input=override.input_price,
        output=override.output_price,
        cached_input=override.cached_input_price,
        currency=override.currency,
    )


def cost_of(usage: Usage, pricing: Pricing | None) -> Decimal | None:
    """What tokens cost, in the price's currency, to the billionth; None when the price is not known.

    Cached tokens are part of the input tokens, reasoning tokens of the output tokens, as the providers bill them.
    """
    if pricing is None:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    cached_price = pricing.input if pricing.cached_input is None else pricing.cached_input
    total = (usage.input_tokens - cached) * pricing.input + cached * cached_price + usage.output_tokens * pricing.output
    return (total / _MILLION).quantize(_EXACT, ROUND_HALF_UP)
