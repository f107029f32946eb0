"""What an error of the Gemini API means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiwriter_sdk import AuthFailed, BackendError, ContextTooLong, RateLimited, TimedOut
from aiwriter_sdk.calls import items, mapping, quota_error, quoted, retry_after, status_error, text

_CONTEXT = re.compile(r"exceeds? the maximum number of tokens|token count[^.]{0,60}exceeds", re.IGNORECASE)
_KEY_REASONS = {
    "API_KEY_INVALID",
    "API_KEY_SERVICE_BLOCKED",
    "API_KEY_HTTP_REFERRER_BLOCKED",
    "API_KEY_IP_ADDRESS_BLOCKED",
}
_REFUSALS = (
    ("prefill", re.compile(r"ending with a model turn|ends? with a user role", re.IGNORECASE)),
    ("temperature", re.compile(r"temperature[^.]{0,40}(deprecated|not supported)", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """{"error": {"code", "message", "status", "details": […]}}, alone or, from some gateways, as the entry of a list.

    Args:
        status: HTTP status.
        code: Google's word for it, or the more telling reason among the details (API_KEY_INVALID).
        words: the message.
        delay: seconds to wait, as the details say it.
        exhausted: the quota that is used up is one of a day or of the whole account, so that waiting does not help.
    """

    status: int
    code: str = ""
    words: str = ""
    delay: float | None = None
    exhausted: bool = False

    @classmethod
    def read(cls, status: int, body: object) -> Fault:
        """The fault in an error's body."""
        whole = (items(body) or [{}])[0] if isinstance(body, list) else mapping(body)
        error = mapping(whole.get("error"))
        details = items(error.get("details"))
        reason = next(filter(None, (text(detail.get("reason")) for detail in details)), "")
        delays = [text(detail.get("retryDelay")).removesuffix("s") for detail in details if detail.get("retryDelay")]
        violations = [one for detail in details for one in items(detail.get("violations"))]
        return cls(
            status=status,
            code=reason or text(error.get("status")),
            words=text(error.get("message")),
            delay=float(delays[0]) if delays and re.fullmatch(r"\d+(\.\d+)?", delays[0]) else None,
            exhausted=any("PerDay" in text(one.get("quotaId")) or one.get("quotaValue") == "0" for one in violations),
        )

    @property
    def refused_part(self) -> str:
        """Which part of the request the model does not take: "prefill" or "temperature"; "" for any other fault."""
        return next((name for name, sign in _REFUSALS if self.status == 400 and sign.search(self.words)), "")

    def error(
        self, *, headers: Mapping[str, str] | None = None, secrets: Iterable[str] = (), texts: Iterable[str] = ()
    ) -> BackendError:
        """The error to raise.

        Args:
            headers: of the answer.
            secrets: values that no message may show.
            texts: what was sent, which no message may show either.
        """
        where = f"HTTP {self.status}" + (f", {self.code}" if self.code else "")
        # A wrong key is a 400 here.
        if self.code in _KEY_REASONS or self.status == 401:
            message = f"Google refused the credentials ({where})."
            return AuthFailed(message, remedy="Check the API key of this profile.", provider_code=self.code)
        if self.exhausted:
            return quota_error(where, self.code)
        if self.status == 400 and _CONTEXT.search(self.words):
            remedy = "Use fewer or shorter passages, or a model with a larger context window."
            message = f"The request is longer than the model's context window ({where})."
            return ContextTooLong(message, remedy=remedy, provider_code=self.code)
        if self.status == 429:
            wait = self.delay if self.delay is not None else retry_after(headers or {})
            return RateLimited(f"Google asks to slow down ({where}).", retry_after=wait, provider_code=self.code)
        if self.status == 504:
            return TimedOut(f"Google gave up waiting for the model ({where}).", provider_code=self.code)
        quote = quoted(self.words, secrets=secrets, texts=texts)
        return status_error(self.status, headers=headers, code=self.code, quote=quote)
