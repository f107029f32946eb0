"""What errors of S3 mean to an operator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from botocore import exceptions as boto

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    ConfigInvalid,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RateLimited,
    TimedOut,
    Unavailable,
)

_MISSING = {"NoSuchKey", "404", "NotFound"}
_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403", "401"}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507"}
_SLOW = {"SlowDown", "TooManyRequests", "RequestLimitExceeded", "429"}
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412"}


def code_of(error: boto.ClientError) -> str:
    """S3's own code; for answers to HEAD, which have no body, the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def fault(error: Exception, bucket: str) -> BackendError:
    """The error to raise for one of boto's. Its text is left out: boto quotes addresses, keys and names in it.

    Args:
        error: as boto raised it.
        bucket: the bucket's name, for the message.
    """
    if isinstance(error, boto.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return _answered(code_of(error), status, bucket)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        remedy = "Enter both keys, or give the machine a role."
        return AuthFailed("There are no credentials for the bucket.", remedy=remedy)
    if isinstance(error, boto.ConnectTimeoutError | boto.ReadTimeoutError):
        return TimedOut("The S3 server did not answer in time.", remedy="Check the address and the network.")
    if isinstance(error, boto.SSLError):
        remedy = "Check the certificate of the server, and whether it speaks https at all."
        return Unavailable("No encrypted connection to the S3 server came about.", remedy=remedy)
    if isinstance(error, boto.ParamValidationError | boto.InvalidRegionError | ValueError):
        remedy = "Check the name of the bucket, the region and the address."
        return ConfigInvalid("The settings do not fit S3.", field="bucket", remedy=remedy)
    return Unavailable("The S3 server cannot be reached.", remedy="Check the address and the network.")


def _answered(code: str, status: int, bucket: str) -> BackendError:
    where = f"HTTP {status}" + (f", {code}" if code and not code.isdigit() else "")
    if code in _REGION or status in (301, 307):
        remedy = "Enter the region in which the bucket was made."
        message = f"The bucket {bucket} is in another region ({where})."
        return ConfigInvalid(message, field="region", remedy=remedy, provider_code=code)
    if code == "RequestTimeTooSkewed":
        remedy = "Set the clock of this server."
        return ConfigInvalid("The clocks of the two servers differ too much.", remedy=remedy, provider_code=code)
    if code in ("NoSuchBucket", *_MISSING) or status == 404:
        remedy = "Create it, or check its name and the address."
        return NotFound(f"There is no bucket {bucket} ({where}).", remedy=remedy, provider_code=code)
    if code in _FULL:
        return QuotaExceeded(f"The server has no room left for the bucket {bucket} ({where}).", provider_code=code)
    if code in _SLOW:
        return RateLimited(f"The S3 server asks to slow down ({where}).", provider_code=code)
    if code in _DENIED or status in (401, 403):
        remedy = "Check the keys, and that their policy allows reading, writing, deleting and listing in this bucket."
        return AuthFailed(
            f"The S3 server refused access to the bucket {bucket} ({where}).", remedy=remedy, provider_code=code
        )
    if code == "NotImplemented" or status == 501:
        remedy = "Switch off conditional writes or encryption, which the server may not know."
        message = f"The S3 server does not know a part of the request ({where})."
        return ConfigInvalid(message, field="conditional_writes", remedy=remedy, provider_code=code)
    if status >= 500:
        return Unavailable(f"The S3 server has a fault of its own ({where}).", provider_code=code)
    return InvalidRequest(f"The S3 server refused the request ({where}).", provider_code=code)


@contextlib.contextmanager
def explained(bucket: str, *, key: bool = False) -> Iterator[None]:
    """Turn boto's errors into ours.

    Args:
        bucket: the bucket's name.
        key: the call is about one file, so that "not found" is `FileNotFoundError`; a missing bucket stays `NotFound`
            where the server tells the two apart.
    """
    try:
        yield
    except boto.ClientError as error:
        if key and code_of(error) in _MISSING:
            raise FileNotFoundError("There is no such file.") from None
        raise fault(error, bucket) from None
    except boto.BotoCoreError as error:
        raise fault(error, bucket) from None
