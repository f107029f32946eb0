"""Tokens and money."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aiwriter_sdk import Pricing, Usage
from apps.backends.models import PriceOverride
from apps.backends.services.counting import cost_of, count_text, pricing_of

_PRICE = Pricing(input=Decimal("2.50"), output=Decimal(10), cached_input=Decimal("0.25"))


def test_an_unknown_price_is_no_price() -> None:
    assert cost_of(Usage(input_tokens=10, output_tokens=10), None) is None


def test_cost_counts_cached_input_by_its_own_price() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)
    assert cost_of(usage, _PRICE) == Decimal("1.5") + Decimal("0.1") + Decimal("1.0")


def test_one_cheap_token_is_not_rounded_away() -> None:
    cheap = Pricing(input=Decimal("0.0375"), output=Decimal("0.15"))
    assert cost_of(Usage(input_tokens=0, output_tokens=1), cheap) == Decimal("0.000000150")


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_cost_is_never_negative_and_grows_with_tokens(given_in: int, given_out: int, cached: int) -> None:
    usage = Usage(input_tokens=given_in, output_tokens=given_out, cached_tokens=cached)
    more = Usage(input_tokens=given_in, output_tokens=given_out + 1, cached_tokens=cached)
    less_cost, more_cost = cost_of(usage, _PRICE), cost_of(more, _PRICE)
    assert less_cost is not None
    assert more_cost is not None
    assert 0 <= less_cost < more_cost


def test_the_operator_s_price_goes_before_the_plugin_s() -> None:
    override = PriceOverride(input_price=Decimal(1), output_price=Decimal(2), currency="EUR")
    chosen = pricing_of(override, _PRICE)
    assert chosen
    assert (chosen.input, chosen.currency) == (Decimal(1), "EUR")
    assert pricing_of(None, _PRICE) is _PRICE


def test_text_is_counted_by_script() -> None:
    assert count_text("") == 0
    assert count_text("a") == 1
    assert count_text("four characters a token") == 6
    assert count_text("漢字仮名") == 4
