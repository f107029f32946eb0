"""What every backend that speaks HTTP needs: a call within its deadline, server-sent events, and faults by status.

Optional: a plugin may do all of it by itself on `BackendContext.http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email.utils
import json as jsonlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from aiwriter_sdk.backend import CallControl, HttpClient, HttpResponse
from aiwriter_sdk.config import Secret
from aiwriter_sdk.errors import (
    AuthFailed,
    BackendError,
    ConfigInvalid,
    ContextTooLong,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RateLimited,
    TimedOut,
    Unavailable,
)
from aiwriter_sdk.models import GenerateRequest, Usage

_ERROR_BYTES = 64 * 1024
_EVENT_BYTES = 16 * 1024 * 1024
_QUOTE = 240
_ECHO = 24


class ServerEvent(NamedTuple):
    """One server-sent event; `name` is empty where the server gave none."""

    name: str
    data: str


@contextlib.asynccontextmanager
async def opened(
    http: HttpClient,
    method: str,
    url: str,
    *,
    control: CallControl,
    headers: Mapping[str, str] | None = None,
    json: object | None = None,
    silence: float | None = None,
) -> AsyncIterator[HttpResponse]:
    """Send a request and wait for the head of its answer, at most until the deadline.

    Args:
        http: the host's client.
        method: HTTP method.
        url: the whole address.
        control: of the call.
        headers: of the request.
        json: the body.
        silence: longest silence in seconds; the time left when it is None or longer than that.

    Raises:
        TimedOut: the deadline came first.
        Unavailable: no connection.
    """
    left = control.remaining()
    if left <= 0:
        raise TimedOut("There was no time left for the call.")
    quiet = left if silence is None else min(silence, left)
    async with contextlib.AsyncExitStack() as stack:
        with _deadline():
            async with asyncio.timeout(left):
                call = http.stream(method, url, headers=headers, json=json, timeout=quiet)
                response = await stack.enter_async_context(call)
        yield response


async def pieces(response: HttpResponse, *, control: CallControl) -> AsyncGenerator[bytes, None]:
    """The body in pieces as they arrive, until the deadline.

    Raises:
        TimedOut: the deadline came first, even where the other side never falls silent.
    """
    body = response.aiter_bytes()
    alarm = _Alarm(control.remaining())
    try:
        while True:
            with alarm:
                try:
                    piece = await anext(body)
                except StopAsyncIteration:
                    return
            if control.remaining() <= 0:
                raise TimedOut("The answer took longer than the call may take.")
            yield piece
    finally:
        alarm.cancel()
        if isinstance(body, AsyncGenerator):
            await body.aclose()


async def server_events(response: HttpResponse, *, control: CallControl) -> AsyncGenerator[ServerEvent, None]:
    """The events of a `text/event-stream`; use it within `contextlib.aclosing`.

    A character may be split over two pieces of the body, and U+2028 does not end a line. An event that the connection
    broke off in the middle of a line is not given.

    Raises:
        TimedOut: the deadline came first.
        Unavailable: the answer says that it is something else (the sign-in page of a proxy), or an event is longer than
            16 MB.
    """
    kind = response.headers.get("content-type", "text/event-stream").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        remedy = "Check the address: another service may answer there."
        raise Unavailable(f"The answer is {kind[:60]}, not a stream of events.", remedy=remedy)
    rest = b""
    name, data = "", list[bytes]()
    async with contextlib.aclosing(pieces(response, control=control)) as body:
        async for piece in body:
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _EVENT_BYTES:
                raise Unavailable("The answer is not a stream of events: a line of it does not end.")
            for line in lines:
                line = line.removesuffix(b"\r")
                if line.startswith(b"data:"):
                    data.append(line[5:].removeprefix(b" "))
                elif line.startswith(b"event:"):
                    name = line[6:].strip().decode("utf-8", "replace")
                elif not line:
                    if data:
                        yield ServerEvent(name, b"\n".join(data).decode("utf-8", "replace"))
                    name, data = "", []
    if data and not rest:
        yield ServerEvent(name, b"\n".join(data).decode("utf-8", "replace"))


async def drained(events: AsyncIterator[ServerEvent], *, seconds: float = 0.2) -> None:
    """Read what comes after the last event that matters, for a moment, so that the connection can be used again.

    Without the end of the body an HTTP client has to close it, and the next call pays for a new handshake.
    """
    with contextlib.suppress(TimeoutError, BackendError):
        async with asyncio.timeout(seconds):
            async for _ in events:
                pass


async def read_json(response: HttpResponse, *, control: CallControl) -> object:
    """The whole body as JSON.

    Raises:
        Unavailable: it is something else, such as the sign-in page of a proxy.
        TimedOut: the deadline came first.
    """
    with _deadline():
        async with asyncio.timeout(control.remaining()):
            body = await response.aread()
    return parse_json(body)


async def read_fault(response: HttpResponse, *, control: CallControl) -> object:
    """The body of an error, as JSON where it is JSON and as text otherwise; at most its first 64 KB.

    The status is already known, so a body that breaks off is not a second error.
    """
    body = bytearray()
    with contextlib.suppress(BackendError):
        async with contextlib.aclosing(pieces(response, control=control)) as parts:
            async for piece in parts:
                body += piece
                if len(body) >= _ERROR_BYTES:
                    break
    try:
        return jsonlib.loads(body)
    except ValueError:
        return bytes(body[:_ERROR_BYTES]).decode("utf-8", "replace")


def base_address(value: str, *, endings: Iterable[str] = (), field: str = "base_url") -> str:
    """An address from the form as the start of every path: without a slash at its end.

    Args:
        value: what the operator entered.
        endings: paths that people copy along from a manual ("/chat/completions") and that are cut off.
        field: the option's name.

    Raises:
        ConfigInvalid: it is not an http or https address, or has credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(value.strip())
        plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    except ValueError:
        plain = False
    if not plain or parts.query or parts.fragment:
        remedy = "Enter one such as https://api.example.com/v1, without a key, a question mark or a hash in it."
        raise ConfigInvalid("This is not the address of a provider.", field=field, remedy=remedy)
    address = value.strip().rstrip("/")
    for ending in endings:
        address = address.removesuffix(ending).rstrip("/")
    return address


def header_value(secret: Secret, *, field: str = "api_key") -> str:
    """The secret for use in a header; call it where the request is built.

    Raises:
        ConfigInvalid: it holds characters that no key has and no header may have, such as a line break.
    """
    value = secret.reveal().strip()
    if not value.isascii() or not value.isprintable():
        remedy = "Paste the key alone, without the text around it."
        raise ConfigInvalid("The key holds characters that no key has.", field=field, remedy=remedy)
    return value


def estimated_usage(request: GenerateRequest, output: str) -> Usage:
    """Usage for a provider that did not count: a token for every four bytes of UTF-8, which suits most languages."""
    sent = sum(len(message.content.encode()) for message in request.messages)
    return Usage(input_tokens=-(-sent // 4), output_tokens=-(-len(output.encode()) // 4), estimated=True)


def parse_json(text: str | bytes) -> object:
    """JSON that a provider sent.

    Raises:
        Unavailable: it is not JSON. Trying again may help: half an event is what a breaking connection leaves.
    """
    try:
        return jsonlib.loads(text)
    except ValueError:
        raise Unavailable(
            "The provider's answer is not JSON.", remedy="Check the address: another service may answer there."
        ) from None


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a JSON object, else an empty one; providers leave out what they feel like leaving out."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Mapping[str, object]]:
    """The JSON objects of the value if it is a list, else none."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The value if it is text, else the empty text."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """The value if it is a whole number from 0, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def status_error(
    status: int, *, headers: Mapping[str, str] | None = None, code: str = "", quote: str = "", field: str = "base_url"
) -> BackendError:
    """The error that an HTTP status means where the provider's own code says no more.

    Args:
        status: HTTP status.
        headers: of the answer, for Retry-After.
        code: the provider's code.
        quote: what `quoted` made of the provider's words; shown only where the request itself was wrong.
        field: the option that holds the address.
    """
    where = f"HTTP {status}" + (f", {code}" if code else "")
    if 300 <= status < 400:
        remedy = "Enter the address that it points to; redirects are not followed."
        return ConfigInvalid(f"The address answers with a redirect ({where}).", field=field, remedy=remedy)
    if status in (401, 403):
        remedy = "Check the key, and that it may use this model."
        return AuthFailed(f"The provider refused the credentials ({where}).", remedy=remedy, provider_code=code)
    if status == 402:
        return quota_error(where, code)
    if status == 404:
        remedy = "Check the model's name and the address."
        return NotFound(
            f"The provider knows no such model or path ({where}).{quote}", remedy=remedy, provider_code=code
        )
    if status == 408:
        return TimedOut(f"The provider gave up waiting ({where}).", provider_code=code)
    if status == 413:
        return ContextTooLong(f"The request is too large for the provider ({where}).", provider_code=code)
    if status == 429:
        wait = retry_after(headers or {})
        return RateLimited(f"The provider asks to slow down ({where}).", retry_after=wait, provider_code=code)
    if status >= 500:
        return Unavailable(f"The provider has a fault of its own ({where}).", provider_code=code)
    return InvalidRequest(f"The provider refused the request ({where}).{quote}", provider_code=code)


def quota_error(where: str, code: str = "") -> QuotaExceeded:
    """The account is out of credit; `where` is the HTTP status and code for the message."""
    remedy = "Add credit or raise the limit at the provider, or use another account."
    return QuotaExceeded(f"The account has no credit or quota left ({where}).", remedy=remedy, provider_code=code)


def quoted(words: str, *, secrets: Iterable[str] = (), texts: Iterable[str] = ()) -> str:
    """The provider's words as a sentence to put behind our own; empty where they repeat a secret or the request.

    Some servers answer a request that they cannot read with the whole request, and an operator may not see a writer's
    text.

    Args:
        words: the provider's message.
        secrets: values that must not be shown.
        texts: what was sent; 24 characters of it in a row are a repetition.
    """
    said = " ".join(words.split())
    if not said or any(secret and secret in said for secret in secrets):
        return ""
    sent = [" ".join(sent.split()) for sent in texts]
    if any(said[i : i + _ECHO] in one for one in sent for i in range(0, max(1, len(said) - _ECHO), 4)):
        return ""
    return f' It said: "{said[:_QUOTE]}{"…" if len(said) > _QUOTE else ""}"'


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait: Retry-After as a number or a date, or retry-after-ms; None if absent."""
    given = {name.lower(): value.strip() for name, value in headers.items()}
    try:
        if "retry-after-ms" in given:
            return max(0.0, float(given["retry-after-ms"]) / 1000)
        value = given.get("retry-after", "")
        if value.replace(".", "", 1).isdigit():
            return float(value)
        then = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=dt.UTC)
    return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())


_LATE = "The provider did not answer in the time given."


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise TimedOut(_LATE) from None


class _Alarm:
    """Ends each wait within it at one time, as `asyncio.timeout` does, which would make a timer for every token.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._due = self._cancelled = False
        self._task: asyncio.Task[object] | None = None
        self._before = 0
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def cancel(self) -> None:
        """It will not ring any more."""
        self._timer.cancel()

    def _ring(self) -> None:
        self._due = True
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()

    def __enter__(self) -> None:
        if self._due:
            raise TimedOut(_LATE)
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task else 0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        task, self._task = self._task, None
        # Somebody else may have cancelled the task as well; then it stays cancelled.
        if self._cancelled and task and task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimedOut(_LATE) from None
