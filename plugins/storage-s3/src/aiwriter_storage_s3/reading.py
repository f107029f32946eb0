"""An object of a bucket as a file that is read while it arrives, and not first copied to a disk."""

from __future__ import annotations

import io
from typing import Any

from aiwriter_storage_s3.faults import explained


class ObjectReader(io.RawIOBase):
    """Reads on one connection from where it stands; a seek elsewhere asks anew from there.

    Args:
        client: boto3's S3 client.
        bucket: the bucket's name.
        key: the object's key.

    Attributes:
        size: bytes of the object.

    Raises:
        FileNotFoundError: there is no such object.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client, self._place = client, {"Bucket": bucket, "Key": key}
        self._at = 0
        self._body: Any = None
        with explained(bucket, key=True):
            answer = client.get_object(**self._place)
        self._body, self.size, self._etag = answer["Body"], int(answer["ContentLength"]), answer.get("ETag", "")

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the buffer's length; 0 at the end."""
        if self._at >= self.size or not len(buffer):
            return 0
        with explained(self._place["Bucket"], key=True):
            if self._body is None:
                # Only of the same content: a file that is replaced meanwhile must not be read half and half.
                same = {"IfMatch": self._etag} if self._etag else {}
                self._body = self._client.get_object(**self._place, Range=f"bytes={self._at}-", **same)["Body"]
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Stand elsewhere; nothing is asked until the next read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        target = max(0, start + offset)
        if target != self._at:
            self._let_go()
            self._at = target
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def close(self) -> None:
        """Let go of the connection."""
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
