"""Uploads go to disk in pieces, and a body over the limit is refused while it arrives."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from aiwriter.core.errors import StorageFull, TooLarge


class LimitedTemporaryFileUploadHandler(TemporaryFileUploadHandler):
    """Counts while it writes, because a length header may lie."""

    def handle_raw_input(
        self, input_data: Any, META: dict[str, Any], content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        """Refuse by the announced length, before a byte is written."""
        # Form fields and part headers travel with the file, hence the allowance of one MiB.
        if content_length > settings.MAX_UPLOAD_BYTES + 1024 * 1024:
            raise self._too_large()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece.

        Raises:
            TooLarge: the file has grown over the limit.
            StorageFull: the temporary folder's disk is full.
        """
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            raise self._too_large()
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError as error:
            raise StorageFull(
                f"The upload could not be written: {error.strerror}.",
                field="file",
                remedy="Ask the operator for space.",
            ) from error

    @staticmethod
    def _too_large() -> TooLarge:
        limit = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
        return TooLarge(
            f"The file is larger than {limit} MiB.",
            field="file",
            remedy="Split it, or ask the operator to raise AIWRITER_MAX_UPLOAD_MB.",
        )
