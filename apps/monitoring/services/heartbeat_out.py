"""Telling a dead-man's switch elsewhere that this portal lives: when we fall silent, it raises the alarm."""

from __future__ import annotations

import time

from django.conf import settings

from aiwriter.core.egress import post
from aiwriter.core.errors import AppError
from aiwriter.core.redact import redact
from aiwriter_sdk import BackendError
from apps.monitoring.services.watching import Watch

EVERY = 60.0
_TIMEOUT = 10.0


class HeartbeatOut:
    """Says once a minute that all is well.

    Args:
        watch: knows whether the portal is ready; while it is not, nothing is sent, and the silence tells.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.sent_at = 0.0
        self.problem = ""

    def beat(self) -> bool:
        """Send one, if there is where to and the portal is ready.

        Returns:
            whether it arrived.
        """
        url = settings.HEARTBEAT_URL
        required = [turn for turn in self._watch.turns.values() if turn.check.required]
        if not url or any(turn.status in ("", "fail", "unknown") for turn in required):
            return False
        try:
            answer = post(url, headers={"User-Agent": "AI-Writer"}, content=b"alive", timeout=_TIMEOUT, beginning=200)
        except BackendError as error:
            # The address is a key: who has it could keep the switch quiet.
            raise AppError(f"The heartbeat could not be sent: {redact(str(error), [url])}") from None
        if not 200 <= answer.status < 300:
            raise AppError(f"The heartbeat's receiver answered {answer.status}.")
        self.sent_at = time.time()
        return True
