"""Short signed permissions to open a stream, for browsers, which cannot send a token with an EventSource."""

from __future__ import annotations

import uuid

from aiwriter.core.errors import AppError
from aiwriter.core.signing import sign, unsign

PURPOSE = "stream-ticket"
SECONDS = 60


def stream_url(*, user_id: uuid.UUID | None, generation_id: uuid.UUID) -> str:
    """The path of a generation's events with a ticket that lets its holder open it within 60 seconds."""
    ticket = sign(PURPOSE, {"g": str(generation_id), "u": str(user_id)}, seconds=SECONDS)
    return f"/api/v1/generations/{generation_id}/events?ticket={ticket}"


def is_valid(ticket: str, generation_id: str) -> bool:
    """Whether a ticket opens the stream of this generation now."""
    try:
        return unsign(PURPOSE, ticket).get("g") == generation_id
    except AppError:
        return False
