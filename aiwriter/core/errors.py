"""The errors that services raise. Pages, the API and commands each turn them into words, a status and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """One problem with one field."""

    field: str
    issue: str
    remedy: str = ""


class AppError(Exception):
    """Something that the person can understand and mostly mend.

    Args:
        message: what is wrong, as one sentence.
        field: the field that is wrong, as the person named it.
        remedy: what to do.
        details: several problems at once; made from `field` when left out.
    """

    code = "error"
    status = 500
    exit_code = 1

    def __init__(self, message: str, *, field: str = "", remedy: str = "", details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy
        self.details = tuple(details) or ((Detail(field, message, remedy),) if field else ())

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class InvalidInput(AppError):
    """A value cannot be used."""

    code, status, exit_code = "invalid_input", 400, 2


class NotAuthenticated(AppError):
    """Nobody is signed in, or the token is not valid."""

    code, status, exit_code = "not_authenticated", 401, 3


class BudgetExceeded(AppError):
    """The budget does not allow the call."""

    code, status, exit_code = "budget_exceeded", 402, 4


class PermissionDenied(AppError):
    """The actor may not do this."""

    code, status, exit_code = "permission_denied", 403, 3


class ProofRequired(PermissionDenied):
    """The person signed in too long ago for this act and has to show once more that it is them."""

    code = "reauthentication_required"

    def __init__(self) -> None:
        super().__init__(
            "This needs a fresh proof that it is you.",
            remedy="Confirm at /accounts/reauthenticate/, then try again.",
        )


class FactorRequired(PermissionDenied):
    """The person's role asks for a second factor, and this session has shown none."""

    code = "second_factor_required"


class ResidencyRefused(PermissionDenied):
    """A text or a file would have gone where the rules of its workspace do not let it go. Nothing was sent."""

    code = "residency_refused"


class ConsentMissing(PermissionDenied):
    """The person has not agreed that this is done with their texts. Nothing was sent."""

    code = "consent_missing"


class NotFound(AppError):
    """It does not exist, or the actor may not know that it does."""

    code, status, exit_code = "not_found", 404, 5


class Conflict(AppError):
    """The present state does not allow it, or somebody else was faster."""

    code, status, exit_code = "conflict", 409, 6


class PreconditionFailed(AppError):
    """The row has changed since it was read."""

    code, status, exit_code = "precondition_failed", 412, 6


class TooLarge(AppError):
    """It is larger than the limit."""

    code, status, exit_code = "too_large", 413, 2


class UnsupportedType(AppError):
    """Files of this type cannot be read."""

    code, status, exit_code = "unsupported_type", 415, 2


class TooManyRequests(AppError):
    """A limit was reached.

    Args:
        retry_after: seconds until it makes sense to try again.
    """

    code, status, exit_code = "too_many_requests", 429, 7

    def __init__(self, message: str, *, retry_after: float | None = None, field: str = "", remedy: str = "") -> None:
        super().__init__(message, field=field, remedy=remedy)
        self.retry_after = retry_after


class Unavailable(AppError):
    """A part that is needed does not answer."""

    code, status, exit_code = "unavailable", 503, 8


class StorageFull(AppError):
    """No space is left."""

    code, status, exit_code = "storage_full", 507, 9
