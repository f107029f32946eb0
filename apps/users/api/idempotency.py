"""`Idempotency-Key`: a client that asks twice after a lost connection makes one thing, not two."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.renderers import to_json
from apps.users.api.authentication import actor_of
from apps.users.services import idempotency

# Told to the client again with the kept answer; others, such as cookies, belong to the first answer only.
_KEPT_HEADERS = ("Location", "ETag")


def idempotent(handler: Callable[..., Response]) -> Callable[..., Any]:
    """Wrap a method of a view.

    A request with `Idempotency-Key` is answered once; the same key with the same body gets the same answer for
    24 hours, marked `Idempotency-Replayed: true`. Another body, or a first request that still runs, gets 409. Answers
    of 400 and above are not kept: nothing was done, so the client may mend the request and use the key again.
    """

    @functools.wraps(handler)
    def run(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return handler(view, request, *args, **kwargs)
        if len(key) > 128 or not key.isascii() or not key.isprintable():
            raise InvalidInput(
                "The Idempotency-Key cannot be used.",
                field="Idempotency-Key",
                remedy="Send up to 128 plain characters.",
            )
        actor = actor_of(request)
        begun = idempotency.begin(
            scope=f"{actor.id} {actor.token_id or ''} {request.method} {request.path}",
            key=key,
            request_hash=_digest(request),
        )
        if isinstance(begun, idempotency.KeptAnswer):
            answer = HttpResponse(begun.body, status=begun.status, content_type="application/json")
            for name, value in {**begun.headers, "Idempotency-Replayed": "true"}.items():
                answer.headers[name] = value
            return answer
        try:
            response = handler(view, request, *args, **kwargs)
        except BaseException:
            idempotency.abandon(begun)
            raise
        if response.status_code >= 400:
            idempotency.abandon(begun)
            return response
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        body = b"" if response.data is None else to_json(response.data)
        idempotency.finish(begun, status=response.status_code, body=body, headers=headers)
        return response

    run.idempotent = True  # type: ignore[attr-defined]  # for the description of the API
    return run


def _digest(request: Request) -> str:
    """Of what was asked: the form's fields and files, or the body as sent."""
    digest = hashlib.sha256()
    if request.content_type and request.content_type.startswith("multipart/"):
        # A boundary is new in every request, so equal forms have different bodies.
        form: Any = request.data
        for name in sorted(form):
            for value in form.getlist(name):
                digest.update(f"{name}\0".encode())
                if isinstance(value, UploadedFile):
                    digest.update(f"{value.name}\0".encode())
                    for chunk in value.chunks():
                        digest.update(chunk)
                    value.seek(0)
                else:
                    digest.update(str(value).encode())
    else:
        digest.update(request._request.body)
    return digest.hexdigest()
