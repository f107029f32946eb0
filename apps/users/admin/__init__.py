"""Pages of the console; Django's autodiscovery imports this package."""

from apps.users.admin import (
    consents,
    elevations,
    groups,
    keys,
    ledger,
    people,
    privacy,
    proofs,
    records,
    reviews,
    signin,
    sso,
    workspaces,
)

__all__ = [
    "consents",
    "elevations",
    "groups",
    "keys",
    "ledger",
    "people",
    "privacy",
    "proofs",
    "records",
    "reviews",
    "signin",
    "sso",
    "workspaces",
]
