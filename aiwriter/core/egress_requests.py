"""The guarded way out for libraries that speak through `requests`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# This module is the guard in front of it.
import requests  # noqa: TID251
from requests.adapters import BaseAdapter  # noqa: TID251
from requests.structures import CaseInsensitiveDict  # noqa: TID251

from aiwriter.core.egress import exchange
from aiwriter_sdk import BackendError

_SECONDS = 8.0


class _Guarded(BaseAdapter):
    """Sends a prepared request through `GuardedClient`: judged and pinned addresses, no redirects, small answers."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Ask and read the whole answer.

        Raises:
            requests.ConnectionError: refused by the guard, unreachable, too slow or too large.
        """
        body = request.body.encode() if isinstance(request.body, str) else request.body
        # The answer is read undone from its packing; `requests` must not be told of one.
        sent = {**{name: str(value) for name, value in request.headers.items()}, "Accept-Encoding": "identity"}
        if body is not None and not isinstance(body, bytes):
            raise requests.ConnectionError("Streams are not sent this way.", request=request)
        try:
            status, headers, content = exchange(
                str(request.method), str(request.url), headers=sent, content=body, timeout=_SECONDS
            )
        except BackendError as error:
            raise requests.ConnectionError(f"{error.message} {error.remedy or ''}".strip(), request=request) from error
        response = requests.Response()
        response.status_code, response._content = status, content
        response.headers = CaseInsensitiveDict(headers)
        response.url, response.request = str(request.url), request
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        return response

    def close(self) -> None:
        """Nothing stays open."""


class GuardedSession(requests.Session):
    """A session of which every request is guarded. Nothing of the machine's environment (proxies, .netrc) is used."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self.mount("http://", _Guarded())
        self.mount("https://", _Guarded())


def get_json(url: str) -> Any:
    """What stands at an address.

    Raises:
        ValueError: it is not JSON, not there, or cannot be reached; with the reason.
    """
    try:
        with GuardedSession() as session:
            answer = session.get(url)
            answer.raise_for_status()
            return answer.json()
    except requests.RequestException as error:
        raise ValueError(str(error)) from error
