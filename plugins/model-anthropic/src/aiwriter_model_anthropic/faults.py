"""What an error of the Messages API means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aiwriter_sdk import AuthFailed, BackendError, ContextTooLong, RateLimited, Unavailable
from aiwriter_sdk.calls import mapping, quota_error, quoted, retry_after, status_error, text

_CONTEXT = re.compile(
    r"prompt is too long|exceed[^.]{0,40}context (limit|window)|maximum context length", re.IGNORECASE
)
_CREDIT = re.compile(r"credit balance is too low|usage limits?|spend limit", re.IGNORECASE)
# What models of different ages refuse, and what the requests without it are called in this plugin.
_REFUSALS = (
    ("prefill", re.compile(r"prefill|must end with a user message", re.IGNORECASE)),
    ("temperature", re.compile(r"temperature[^.]{0,40}(deprecated|not supported|may only be set)", re.IGNORECASE)),
    ("tool", re.compile(r"tool_choice[^.]{0,80}(thinking|not supported)|thinking[^.]{0,80}tool_choice", re.IGNORECASE)),
)
_STATUS = {
    "authentication_error": 401,
    "permission_error": 403,
    "billing_error": 402,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "api_error": 500,
}


def code_and_words(body: object) -> tuple[str, str]:
    """The type and the message of {"type": "error", "error": {"type", "message"}}; empty where there are none."""
    error = mapping(mapping(body).get("error"))
    return text(error.get("type")), text(error.get("message"))


def refused_part(status: int, body: object) -> str:
    """Which part of the request the model does not take: "prefill", "temperature" or "tool"; "" for any other fault."""
    words = code_and_words(body)[1]
    return next((name for name, sign in _REFUSALS if status == 400 and sign.search(words)), "")


def fault(
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    texts: Iterable[str] = (),
) -> BackendError:
    """The error to raise for an answer or an event of this kind.

    Args:
        status: HTTP status; the code in the body goes before it, since events have none.
        body: the error's JSON.
        headers: of the answer, for Retry-After.
        secrets: values that no message may show.
        texts: what was sent, which no message may show either.
    """
    code, words = code_and_words(body)
    status = _STATUS.get(code, status)
    where = f"HTTP {status}" + (f", {code}" if code else "")
    if status == 402 or (status in (400, 429) and _CREDIT.search(words)):
        return quota_error(where, code)
    if status == 400 and _CONTEXT.search(words):
        remedy = "Use fewer or shorter passages, or a model with a larger context window."
        message = f"The request is longer than the model's context window ({where})."
        return ContextTooLong(message, remedy=remedy, provider_code=code)
    if status == 401:
        message = f"Anthropic refused the credentials ({where})."
        return AuthFailed(message, remedy="Check the API key of this profile.", provider_code=code)
    if status == 529:
        wait = retry_after(headers or {})
        if wait is not None:
            return RateLimited(f"Anthropic is overloaded ({where}).", retry_after=wait, provider_code=code)
        return Unavailable(f"Anthropic is overloaded ({where}).", provider_code=code)
    return status_error(status, headers=headers, code=code, quote=quoted(words, secrets=secrets, texts=texts))
