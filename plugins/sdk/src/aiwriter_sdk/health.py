"""Health checks: something that operators want watched. Part of the contract since 1.2."""

from __future__ import annotations

from aiwriter_sdk.backend import Backend


class HealthCheck(Backend):
    """Looks at one thing, again and again, for as long as a profile of it is enabled.

    `health` is the look: it is awaited every `Descriptor.interval` seconds on each machine of the portal and given up after
    `Descriptor.deadline`. "warn" and "fail" become alerts; whatever it raises counts as "fail". Figures in `Health.data` are
    kept over time, so that operators can plot them and write rules about them.
    """
