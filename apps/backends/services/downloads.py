"""A file as an answer to a browser: streamed, never executed, never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.backends.models import StoredFile
from apps.backends.services import filestore
from apps.backends.services.blobs import PIECE, BlobReader
from apps.users.selectors.access import Actor
from apps.users.services.audit import record


def download(actor: Actor, file: StoredFile, *, seen: str = "") -> HttpResponseBase:
    """The response that carries a file.

    Always an attachment with a type of our choosing: what a writer uploaded must not run as a page of this site.

    Args:
        actor: needs the reading capability of the file's purpose.
        file: which.
        seen: the request's If-None-Match.
    """
    response = _response(actor, file, seen, "application/octet-stream", attachment=True)
    if response.status_code == HTTPStatus.OK:
        record(actor, "file.downloaded", obj=file)
    return response


def show(actor: Actor, file: StoredFile, *, content_type: str, seen: str = "") -> HttpResponseBase:
    """The response that carries a picture which stands in a page.

    Args:
        actor: needs the reading capability of the file's purpose.
        file: which.
        content_type: a type of pictures that cannot hold a script; a browser shows it as that or not at all.
        seen: the request's If-None-Match.
    """
    return _response(actor, file, seen, content_type, attachment=False)


def _response(actor: Actor, file: StoredFile, seen: str, content_type: str, *, attachment: bool) -> HttpResponseBase:
    reader = filestore.open_file(actor=actor, file=file)
    tag = f'"{file.blob.sha256}"'
    if tag in [part.strip().removeprefix("W/") for part in seen.split(",")]:
        reader.close()
        return HttpResponse(status=304, headers={"ETag": tag})
    response = StreamingHttpResponse(_stream(reader), content_type=content_type)
    response.headers["Content-Length"] = str(reader.size)
    response.headers["Content-Disposition"] = content_disposition_header(attachment, file.name) or "attachment"
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


async def _stream(reader: BlobReader) -> AsyncIterator[bytes]:
    # Under ASGI a plain iterator would be read to its end into memory first.
    try:
        while piece := await asyncio.to_thread(_read, reader):
            yield piece
    finally:
        await asyncio.to_thread(reader.close)


def _read(reader: BlobReader) -> bytes:
    try:
        return reader.read(PIECE)
    finally:
        # A damaged blob is noted in the database, by a thread that nobody else tidies up after.
        close_old_connections()
