"""Calls of the WordPress REST API, and what its refusals mean."""

from __future__ import annotations

import base64
import contextlib
import html
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

from aiwriter_sdk import AuthFailed, BackendContext, BackendError, CallControl, Config, HttpResponse, InvalidRequest
from aiwriter_sdk.calls import (
    base_address,
    header_value,
    items,
    mapping,
    opened,
    parse_json,
    quoted,
    read_fault,
    status_error,
    text,
)

_LIST_SILENCE = 20.0


class WordPress:
    """One site with the credentials of one user."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        self._config = config
        self._context = context
        site = base_address(config.text("base_url"), endings=("/wp-json/wp/v2", "/wp-json", "/wp-admin"))
        self._api = f"{site}/wp-json/wp/v2"

    async def get(self, path: str, *, control: CallControl, **query: str) -> tuple[int, object]:
        """Status and JSON of a GET; 404 and 410 are answers, other refusals raise.

        Raises:
            BackendError: a subclass, by the status.
        """
        address = f"{self._api}/{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._call("GET", address, control=control)

    async def post(self, path: str, body: Mapping[str, object], *, control: CallControl) -> tuple[int, object]:
        """The same for a POST of JSON."""
        return await self._call("POST", f"{self._api}/{path}", control=control, json=body)

    async def delete(self, path: str, *, control: CallControl) -> tuple[int, object]:
        """The same for a DELETE; WordPress puts what it deletes into its bin."""
        return await self._call("DELETE", f"{self._api}/{path}", control=control)

    async def upload(
        self, name: str, content_type: str, content: bytes, *, control: CallControl
    ) -> Mapping[str, object]:
        """Put a file into the media library.

        Args:
            name: plain ASCII file name.
            content_type: of the file.
            content: the file.
            control: of the call.
        """
        headers = {"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
        _, answer = await self._call("POST", f"{self._api}/media", control=control, headers=headers, content=content)
        return mapping(answer)

    async def _call(
        self,
        method: str,
        address: str,
        *,
        control: CallControl,
        json: object | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> tuple[int, object]:
        async with self._open(method, address, control, json, headers, content) as response:
            if response.status_code in (404, 410):
                return response.status_code, await read_fault(response, control=control)
            if response.status_code >= 300:
                raise self._error(response, await read_fault(response, control=control))
            return response.status_code, parse_json(await response.aread())

    @contextlib.asynccontextmanager
    async def _open(
        self,
        method: str,
        address: str,
        control: CallControl,
        json: object | None,
        headers: Mapping[str, str] | None,
        content: bytes | None,
    ) -> AsyncIterator[HttpResponse]:
        sent = {"Accept": "application/json", "Authorization": self._credentials(), **(headers or {})}
        call: contextlib.AbstractAsyncContextManager[HttpResponse]
        if content is None:
            call = opened(
                self._context.http, method, address, control=control, headers=sent, json=json, silence=_LIST_SILENCE
            )
        else:
            left = max(1.0, control.remaining())
            call = self._context.http.stream(method, address, headers=sent, content=content, timeout=left)
        async with call as response:
            yield response

    def _credentials(self) -> str:
        password = header_value(self._config.secret("application_password"), field="application_password")
        pair = f"{self._config.text('username')}:{password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def _error(self, response: HttpResponse, fault: object) -> BackendError:
        said = mapping(fault)
        code = text(said.get("code"))
        status = response.status_code
        secret = self._config.secret("application_password").reveal()
        quote = quoted(html.unescape(text(said.get("message"))), secrets=[secret, secret.replace(" ", "")])
        if status in (401, 403):
            remedy = "Check user name and application password, and that the user may do this there."
            return AuthFailed(f"WordPress refused the user (HTTP {status}).{quote}", remedy=remedy, provider_code=code)
        if status == 400 and code:
            return InvalidRequest(f"WordPress refused the post ({code}).{quote}", provider_code=code)
        return status_error(status, headers=response.headers, code=code, quote=quote)


def rendered(value: object) -> str:
    """A field of a post as WordPress stores it ("raw") or, without the right to see that, as it shows it."""
    parts = mapping(value)
    return text(parts.get("raw")) or text(parts.get("rendered"))


def entries(answer: object) -> list[Mapping[str, object]]:
    """The posts, media or terms of a list."""
    return items(answer)
