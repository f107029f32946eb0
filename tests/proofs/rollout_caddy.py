"""A new version goes live and the old one comes back without a failed request, with streams open, behind Caddy.

Two real versions of the portal, the agent, a load of pages, API calls and writes, and generations that are read from before
the change to after it. RATE=n, PROXY_SECONDS=n (least time of the load) and STREAMS=n change the sizes.
"""

from __future__ import annotations

from tests.proofs._rollout import blue_green


def prove() -> str:
    """Forward and back."""
    return blue_green("caddy")
