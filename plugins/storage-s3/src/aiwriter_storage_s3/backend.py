"""The backend: a bucket and its health. boto3, which takes half a second to import, comes with the first use."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from aiwriter_sdk import BackendContext, CallControl, Config, ConfigInvalid, Health, StorageBackend, TimedOut
from aiwriter_sdk.calls import base_address, opened

if TYPE_CHECKING:
    from aiwriter_storage_s3.files import S3Files

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class S3Backend(StorageBackend):
    """One bucket, or a folder of it."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        bucket, prefix = config.text("bucket"), config.text("prefix").strip("/")
        if not _BUCKET.fullmatch(bucket):
            remedy = "Enter the name alone, without s3:// and without a folder."
            raise ConfigInvalid("This is not the name of a bucket.", field="bucket", remedy=remedy)
        if ".." in prefix.split("/") or "\x00" in prefix:
            raise ConfigInvalid("This is not a folder within a bucket.", field="prefix", remedy="Leave out the dots.")
        if bool(config.secret("access_key_id")) != bool(config.secret("secret_access_key")):
            missing = "secret_access_key" if config.secret("access_key_id") else "access_key_id"
            raise ConfigInvalid("Only one of the two keys is given.", field=missing, remedy="Enter both, or none.")
        endpoint = config.text("endpoint_url")
        self._endpoint = base_address(endpoint, field="endpoint_url") if endpoint else ""
        self._bucket, self._prefix = bucket, prefix
        self._files: S3Files | None = None

    def storage(self) -> S3Files:
        """The bucket as a Django `Storage`; the same object each time."""
        if self._files is None:
            from aiwriter_storage_s3.files import Credentials, Place, S3Files

            secret = self.config.secret
            keys = Credentials(secret("access_key_id"), secret("secret_access_key"), secret("session_token"))
            place = Place(
                bucket=self._bucket,
                prefix=self._prefix,
                region=self.config.text("region", "us-east-1"),
                endpoint_url=self._endpoint,
                addressing=self.config.text("addressing", "auto"),
                link_seconds=self.config.integer("link_seconds", 300),
                parameters=self._parameters(),
                lock_days=self.config.integer("lock_days", 0),
                lock_mode=self.config.text("lock_mode", "GOVERNANCE"),
                conditional=self.config.flag("conditional_writes", default=True),
            )
            self._files = S3Files(place, keys)
        return self._files

    async def health(self, *, control: CallControl) -> Health:
        """Ask for the bucket's head, which costs next to nothing and changes nothing."""
        begin = time.monotonic()
        if self._endpoint:
            # boto3 goes its own way. The host's client judges the address first, so that no profile is switched on whose
            # address the host would refuse.
            async with opened(self.context.http, "GET", self._endpoint, control=control, silence=10):
                pass
        try:
            async with asyncio.timeout(control.remaining()):
                await asyncio.to_thread(self._head)
        except TimeoutError:
            raise TimedOut("The S3 server did not answer in the time given.") from None
        data = {"latency_ms": (time.monotonic() - begin) * 1000}
        return Health(status="ok", detail=f"The bucket {self._bucket} answers.", data=data)

    def _head(self) -> None:
        from aiwriter_storage_s3.faults import explained

        files = self.storage()
        with explained(self._bucket):
            files.client.head_bucket(Bucket=self._bucket)
        if self.config.integer("lock_days", 0) and not files.can_lock():
            raise ConfigInvalid(
                "The bucket has no object lock.",
                field="lock_days",
                remedy="Make a bucket with object lock switched on, which most servers allow only at its making, or enter 0.",
            )

    def _parameters(self) -> dict[str, str]:
        encryption, key = self.config.text("encryption", "none"), self.config.text("kms_key_id")
        if encryption == "none":
            return {}
        return {"ServerSideEncryption": encryption, **({"SSEKMSKeyId": key} if key and encryption == "aws:kms" else {})}
