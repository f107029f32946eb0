"""Who is calling: one rule for the client's address, used by logs, limits and audit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from django.conf import settings


def client_address(meta: Mapping[str, str]) -> str:
    """The client's address.

    With N trusted proxies it is the Nth entry of X-Forwarded-For from the right; entries further left are the
    client's own words. With none the header is ignored.

    Args:
        meta: a WSGI-style environment, `request.META`.
    """
    remote = meta.get("REMOTE_ADDR", "") or ""
    count: int = settings.TRUSTED_PROXIES
    if not count:
        return remote
    chain = [part.strip() for part in (meta.get("HTTP_X_FORWARDED_FOR", "") or "").split(",") if part.strip()]
    return chain[-count] if len(chain) >= count else remote


def is_within(meta: Mapping[str, str], networks: Iterable[str]) -> bool:
    """Whether the client's address lies in one of some networks.

    Args:
        meta: as for `client_address`.
        networks: as text, "10.8.0.0/24".
    """
    return lies_within(client_address(meta), networks)


def lies_within(address_text: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of some networks; what is no address lies in none.

    Args:
        address_text: as text.
        networks: as for `is_within`.
    """
    try:
        address = ipaddress.ip_address(address_text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def network_of(address: str) -> str:
    """The network of an address, /24 or /48: enough to see where from, too little to follow a person.

    Args:
        address: as text; anything that is not an address becomes "".
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, prefix), strict=False).network_address)
