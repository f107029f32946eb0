"""Uploads go to disk in pieces, and a file over the limit is refused while it is taken out of the request."""

from __future__ import annotations

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from aiwriter.core.errors import StorageFull, TooLarge

_MIB = 1024 * 1024


class LimitedTemporaryFileUploadHandler(TemporaryFileUploadHandler):
    """Counts while it writes, because a length header may lie."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece.

        Raises:
            TooLarge: the file has grown over the limit.
            StorageFull: the temporary folder's disk is full.
        """
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            raise _file_too_large()
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError as error:
            raise StorageFull(
                f"The upload could not be written: {error.strerror}.",
                field="file",
                remedy="Ask the operator for space.",
            ) from error


def request_too_large() -> TooLarge:
    """The error for a request over the limit of all its files and fields together."""
    limit = settings.MAX_REQUEST_BYTES // _MIB
    return TooLarge(
        f"The request is larger than {limit} MiB.",
        remedy="Send fewer or smaller files at once, or ask the operator to raise AIWRITER_MAX_REQUEST_MB.",
    )


def _file_too_large() -> TooLarge:
    limit = settings.MAX_UPLOAD_BYTES // _MIB
    return TooLarge(
        f"The file is larger than {limit} MiB.",
        field="file",
        remedy="Split it, or ask the operator to raise AIWRITER_MAX_UPLOAD_MB.",
    )
