"""Prices as data: what a plugin knows of its provider's, and what an operator enters instead."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from aiwriter_sdk.config import Config, ConfigField
from aiwriter_sdk.errors import ConfigInvalid
from aiwriter_sdk.models import Pricing

_EDITION = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")

PRICE_FIELDS = (
    ConfigField(
        name="price_input",
        type="float",
        label="Price of input",
        help="Per million tokens, such as 2.50. Holds for all models of this profile and replaces the known prices.",
        required=False,
        minimum=0,
        group="Prices",
    ),
    ConfigField(
        name="price_output",
        type="float",
        label="Price of output",
        help="Per million tokens, such as 10. Needed when a price of input is given; 0 for a server of your own.",
        required=False,
        minimum=0,
        group="Prices",
    ),
    ConfigField(
        name="price_currency",
        type="str",
        label="Currency",
        help="Three letters, such as USD or EUR.",
        required=False,
        default="USD",
        group="Prices",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """A provider's public prices on a day.

    Args:
        as_of: when they were looked up.
        rows: by model: price of input, of output, and of input read from a cache ("" where there is no such price),
            each per million tokens.
        currency: of all of them.
    """

    as_of: dt.date
    rows: Mapping[str, tuple[str, str, str]]
    currency: str = "USD"

    def find(self, model: str) -> Pricing | None:
        """The price of a model or of a dated edition of it ("gpt-4o-2024-08-06"); None when it is not known.

        A longer name is never taken for a shorter one's: "gpt-5-pro" costs twelve times what "gpt-5" costs.
        """
        row = self.rows.get(model) or self.rows.get(_EDITION.sub("", model))
        if row is None:
            return None
        read, write, cached = row
        return Pricing(
            input=Decimal(read),
            output=Decimal(write),
            cached_input=Decimal(cached) if cached else None,
            currency=self.currency,
            as_of=self.as_of,
        )


def operator_price(config: Config) -> Pricing | None:
    """The price entered in `PRICE_FIELDS`; None when none was.

    Raises:
        ConfigInvalid: only one of the two prices, or a currency that is not three letters.
    """
    given = {name: config.get(name) not in (None, "") for name in ("price_input", "price_output")}
    if not any(given.values()):
        return None
    for name, present in given.items():
        if not present:
            raise ConfigInvalid("Only one of the two prices is given.", field=name, remedy="Enter both, 0 for none.")
    currency = config.text("price_currency", "USD").upper()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ConfigInvalid("The currency is not three letters.", field="price_currency", remedy="Enter USD or EUR.")
    # By way of text, so that 2.1 stays 2.1 and does not become 2.100000000000000088817841970012523.
    return Pricing(
        input=Decimal(str(config.number("price_input"))),
        output=Decimal(str(config.number("price_output"))),
        currency=currency,
    )
