"""Pages of the console; Django's autodiscovery imports this package."""

from apps.users.admin import (
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
