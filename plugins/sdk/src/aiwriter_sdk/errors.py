"""The errors that a backend may raise; the host maps everything else to `BackendError`."""

from __future__ import annotations


class BackendError(Exception):
    """Something went wrong in or behind a backend.

    Args:
        message: one sentence for an operator; never a payload, never a credential.
        remedy: what to do about it, if the plugin knows.
        provider_code: the provider's own code, for support ("insufficient_quota").

    `retryable` says whether the same call may succeed later or at another backend without a change of settings.
    `kind` is stable and is what the host stores.
    """

    kind = "error"
    retryable = False

    def __init__(self, message: str = "", *, remedy: str = "", provider_code: str = "") -> None:
        # Without a message the first line of the class's docstring is one ("The provider refused the credentials.");
        # python -OO has no docstrings.
        self.message = message or (type(self).__doc__ or self.kind).strip().partition("\n")[0]
        super().__init__(self.message)
        self.remedy = remedy
        self.provider_code = provider_code


class ConfigInvalid(BackendError):
    """The settings of this backend cannot work."""

    kind = "config_invalid"

    def __init__(self, message: str = "", *, field: str = "", remedy: str = "", provider_code: str = "") -> None:
        super().__init__(message, remedy=remedy, provider_code=provider_code)
        self.field = field


class AuthFailed(BackendError):
    """The provider refused the credentials."""

    kind = "auth_failed"


class QuotaExceeded(BackendError):
    """The account has no credit or quota left; asking again or elsewhere with the same account cannot help."""

    kind = "quota_exceeded"


class RateLimited(BackendError):
    """The provider asks to slow down.

    Args:
        retry_after: seconds to wait, when the provider said so.
    """

    kind = "rate_limited"
    retryable = True

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, remedy: str = "", provider_code: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, provider_code=provider_code)
        self.retry_after = retry_after


class Unavailable(BackendError):
    """The backend cannot be reached or answers with a fault of its own."""

    kind = "unavailable"
    retryable = True


class TimedOut(BackendError):
    """The backend did not answer in the time given."""

    kind = "timed_out"
    retryable = True


class Cancelled(BackendError):
    """The host asked to stop."""

    kind = "cancelled"


class NotFound(BackendError):
    """The model, bucket or object does not exist."""

    kind = "not_found"


class InvalidRequest(BackendError):
    """The provider refused the request as such."""

    kind = "invalid_request"


class ContextTooLong(InvalidRequest):
    """The request is longer than the model's context window."""

    kind = "context_too_long"


class Refused(BackendError):
    """The provider's policy refused to answer."""

    kind = "refused"


class Unsupported(BackendError):
    """This backend does not offer the capability."""

    kind = "unsupported"
