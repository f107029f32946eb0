"""What an error of an OpenAI-compatible server means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiwriter_sdk import AuthFailed, BackendError, ContextTooLong, NotFound, Refused
from aiwriter_sdk.calls import mapping, quota_error, quoted, status_error, text

_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_credits"}
_POLICY = {"content_filter", "content_policy_violation", "responsible_ai_policy_violation"}
_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_CONTEXT = re.compile(
    r"maximum context length|context (length|window|size)[^.]{0,40}exceed|exceeds? (the )?[^.]{0,30}context"
    r"|prompt is too long|too many tokens in the prompt|larger than the (maximum )?context",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A server's error, read from whichever of the shapes in use it has.

    OpenAI: {"error": {"message", "type", "code", "param"}}; Ollama: {"error": "text"}; FastAPI: {"detail": …};
    older vLLM: {"object": "error", "message", "type", "code"}.
    """

    status: int
    code: str = ""
    words: str = ""
    param: str = ""

    @classmethod
    def read(cls, status: int, body: object) -> Fault:
        """The fault in an error's body."""
        whole = mapping(body)
        inner = whole.get("error", whole)
        if not isinstance(inner, Mapping):
            return cls(status, words=text(inner))
        words = text(inner.get("message")) or str(inner.get("detail") or "")
        code = inner.get("code")
        known = text(code) or text(inner.get("type"))
        return cls(status, code=known, words=words, param=text(inner.get("param")))

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
        if self.code in _QUOTA or self.status == 402:
            return quota_error(where, self.code)
        if self.code in _CONTEXT_CODES or (400 <= self.status < 500 and _CONTEXT.search(self.words)):
            remedy = "Use fewer or shorter passages, or a model with a larger context window."
            message = f"The request is longer than the model's context window ({where})."
            return ContextTooLong(message, remedy=remedy, provider_code=self.code)
        if self.code in _POLICY:
            return Refused(f"The provider's policy refused to answer ({where}).", provider_code=self.code)
        if self.code == "invalid_api_key" or self.status == 401:
            message = f"The provider refused the credentials ({where})."
            return AuthFailed(message, remedy="Check the API key of this profile.", provider_code=self.code)
        quote = quoted(self.words, secrets=secrets, texts=texts)
        if self.code == "model_not_found":
            message = f"The provider knows no such model ({where}).{quote}"
            return NotFound(message, remedy="Choose one of the models that it lists.", provider_code=self.code)
        if self.status == 404:
            remedy = "Check the model's name and the address: most servers want it to end in /v1."
            message = f"The server knows no such model or path ({where}).{quote}"
            return NotFound(message, remedy=remedy, provider_code=self.code)
        return status_error(self.status, headers=headers, code=self.code, quote=quote)


def in_stream(body: Mapping[str, object]) -> BackendError:
    """The error that a server sends as an event after the text has begun; by default one that may pass."""
    fault = Fault.read(500, body)
    numeric = mapping(body.get("error")).get("code")
    status = numeric if isinstance(numeric, int) and 400 <= numeric < 600 else 500
    if fault.code in ("rate_limit_exceeded", "rate_limit_error"):
        status = 429
    return Fault(status, code=fault.code, words=fault.words).error()
