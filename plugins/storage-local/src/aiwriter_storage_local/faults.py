"""What the operating system's errors mean to an operator."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from aiwriter_sdk import BackendError, ConfigInvalid, InvalidRequest, QuotaExceeded, Unavailable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOENT}


def fault(error: OSError, root: str) -> BackendError:
    """The error to raise; `provider_code` is the system's name for it (ENOSPC).

    Args:
        error: as the system raised it.
        root: the profile's folder, which the message names. The file's own name is a writer's matter and stays out.
    """
    code = errno.errorcode.get(error.errno or 0, "")
    if error.errno in _FULL:
        remedy = "Free some space, or move the folder to a larger disk."
        return QuotaExceeded(f"The disk of {root} is full.", remedy=remedy, provider_code=code)
    if error.errno in _FORBIDDEN:
        reason = "is read-only" if error.errno == errno.EROFS else "may not be written by the portal"
        remedy = "Give the portal's system user the right to write there, or choose another folder."
        return ConfigInvalid(f"The folder {root} {reason}.", field="root", remedy=remedy, provider_code=code)
    if error.errno in _NO_FOLDER:
        message = f"A part of the path of {root}, or of a folder within it, is not a folder."
        return ConfigInvalid(message, field="root", remedy="Choose another folder.", provider_code=code)
    if error.errno == errno.EXDEV:
        message = f"A folder within {root} lies on another disk, so that files cannot be put there in one step."
        return ConfigInvalid(message, field="root", remedy="Give it a profile of its own.", provider_code=code)
    if error.errno == errno.ENAMETOOLONG:
        return InvalidRequest("The name is longer than the disk allows.", provider_code=code)
    return Unavailable(f"The disk of {root} reports a fault ({code or 'unknown'}).", provider_code=code)


@contextlib.contextmanager
def explained(root: str, *, reading: bool = False) -> Iterator[None]:
    """Turn the system's errors into ours.

    Args:
        root: the profile's folder.
        reading: a file is looked for, so that "does not exist" stays `FileNotFoundError`, as the contract wants it.
    """
    try:
        yield
    except OSError as error:
        if reading and isinstance(error, FileNotFoundError):
            raise
        raise fault(error, root) from error
