"""The answer that carries the copy of a person's data."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.users.selectors.access import Actor
from apps.users.services.privacy import download


def download_response(*, actor: Actor, request_id: uuid.UUID | str) -> StreamingHttpResponse:
    """Arguments and errors as for `download`."""
    name, size, content = download(actor=actor, request_id=request_id)
    answer = StreamingHttpResponse(_stream(content), content_type="application/zip")
    answer.headers["Content-Length"] = str(size)
    answer.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


async def _stream(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Under ASGI a plain iterator would be read to its end into memory first.
    while piece := await asyncio.to_thread(_next, content):
        yield piece


def _next(content: Iterator[bytes]) -> bytes:
    try:
        return next(content, b"")
    finally:
        close_old_connections()
