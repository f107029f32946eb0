"""django-storages' S3 storage, with what the contract asks beyond it.

It adds: a save that cannot replace a file even in a race, reading while the bytes arrive, safety in threads, errors that
an operator understands, and credentials that are neither read from the environment nor kept in clear on the object.
"""

from __future__ import annotations

import io
import itertools
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import boto3.session
import botocore.loaders
import botocore.session
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from storages.backends.s3 import S3Storage
from storages.utils import is_seekable

from aiwriter_sdk import ConfigInvalid, InvalidRequest, Secret, Unsupported
from aiwriter_storage_s3.faults import TAKEN, code_of, explained
from aiwriter_storage_s3.reading import ObjectReader

_PART = 8 * 1024 * 1024
_READ = 256 * 1024
_RACES = 5
# Amazon's descriptions of its services, 1 MB of JSON that each session would read again for itself: 0.2 s for each profile.
_DESCRIPTIONS = botocore.loaders.create_loader()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files are and how they are kept.

    Args:
        bucket: its name.
        prefix: folder within it, "" for none.
        region: its region.
        endpoint_url: address of the server; "" for Amazon.
        addressing: auto, path or virtual.
        link_seconds: life of a signed link.
        parameters: S3's parameters for every write, such as ServerSideEncryption.
        lock_days: days for which no version of a file can be deleted; 0 for none.
        lock_mode: GOVERNANCE or COMPLIANCE.
        conditional: the server is asked to refuse a write to a name that is taken.
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint_url: str = ""
    addressing: str = "auto"
    link_seconds: int = 300
    parameters: Mapping[str, str]
    lock_days: int = 0
    lock_mode: str = "GOVERNANCE"
    conditional: bool = True


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys; all empty for the role of the machine."""

    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret


class S3Files(S3Storage):  # type: ignore[misc]
    """Files of one profile."""

    def __init__(self, place: Place, credentials: Credentials) -> None:
        self._place = place
        self._credentials = credentials
        self._session: Any = None
        self._session_lock = threading.Lock()
        super().__init__(
            bucket_name=place.bucket,
            location=place.prefix,
            region_name=place.region or None,
            endpoint_url=place.endpoint_url or None,
            querystring_expire=place.link_seconds,
            client_config=_client_config(place),
            file_overwrite=False,
        )

    def get_default_settings(self) -> dict[str, object]:
        """Nothing from Django's settings or the environment: a profile is configured by its form alone."""
        known: dict[str, object] = dict.fromkeys(super().get_default_settings())
        values: dict[str, object] = {"querystring_auth": True, "gzip": False, "use_ssl": True, "use_threads": True}
        values |= {"object_parameters": {}, "location": "", "url_protocol": "https:", "max_memory_size": 0}
        return known | values | {"gzip_content_types": (), "file_name_charset": "utf-8"}

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a storage with credentials cannot be pickled")

    def _create_session(self) -> Any:
        # One for all threads, since it takes 0.2 s to make; with it a thread's own resource takes 5 ms.
        if self._session is None:
            keys, core = self._credentials, botocore.session.get_session()
            core.register_component("data_loader", _DESCRIPTIONS)
            self._session = boto3.session.Session(
                botocore_session=core,
                aws_access_key_id=keys.access_key_id.reveal() or None,
                aws_secret_access_key=keys.secret_access_key.reveal() or None,
                aws_session_token=keys.session_token.reveal() or None,
            )
            # boto3 adds its own folder to them, each time.
            _DESCRIPTIONS.search_paths[:] = dict.fromkeys(_DESCRIPTIONS.search_paths)
        return self._session

    @property
    def connection(self) -> Any:
        """boto3's resource of this thread: a resource may not be shared between threads."""
        with self._session_lock, explained(self._place.bucket):
            return super().connection

    @property
    def bucket(self) -> Any:
        """The bucket on this thread's resource; the parent class would keep the first thread's for all."""
        return self.connection.Bucket(self._place.bucket)

    @property
    def client(self) -> Any:
        """boto3's client of this thread."""
        return self.connection.meta.client

    def _key(self, name: str) -> str:
        text = str(name).replace("\\", "/")
        if "\x00" in text or ".." in text.split("/") or text.startswith("/"):
            raise SuspiciousFileOperation("The name of the file is not allowed.")
        key: str = self._normalize_name(text)
        return key

    def _open(self, name: str, mode: str = "rb") -> File:
        if set(mode) - set("rbt"):
            raise Unsupported("Files are written with save(), so that none is seen half written.")
        reader = ObjectReader(self.client, self._place.bucket, self._key(name))
        buffered = io.BufferedReader(reader, _READ)
        opened: File[Any] = File(buffered if "b" in mode else io.TextIOWrapper(buffered, "utf-8"), name)
        # Otherwise Django seeks to the end to find out, which would cost a second request.
        opened.size = reader.size
        return opened

    def _save(self, name: str, content: File) -> str:
        for _ in range(_RACES):
            key = self._key(name)
            try:
                with explained(self._place.bucket):
                    self._upload(key, _parts(content.chunks()))
                return name.replace("\\", "/")
            except _Taken:
                if not is_seekable(content):
                    raise InvalidRequest("Another file took the name while this one was read.") from None
                name = self.get_available_name(name)
        raise ConfigInvalid(
            "The server calls every name taken.",
            field="conditional_writes",
            remedy="Switch off conditional writes, which the server does not do right.",
        )

    def _upload(self, key: str, parts: Iterator[bytes]) -> None:
        """Write in one request, or part by part where there is more than 8 MB; nothing is visible before the end."""
        client, first = self.client, next(parts, b"")
        target = {"Bucket": self._place.bucket, "Key": key}
        # Never the type of the file's name: a link would then show a writer's HTML as a page of the bucket's domain.
        kept = {"ContentType": "application/octet-stream", **self._place.parameters, **self._lock()}
        condition = {"IfNoneMatch": "*"} if self._place.conditional else {}
        second = next(parts, None)
        if second is None:
            with _taken():
                client.put_object(**target, **kept, **condition, **self._digest(first), Body=first)
            return
        upload = {**target, "UploadId": client.create_multipart_upload(**target, **kept)["UploadId"]}
        try:
            done = []
            for number, part in enumerate(itertools.chain((first, second), parts), start=1):
                etag = client.upload_part(**upload, **self._digest(part), PartNumber=number, Body=part)["ETag"]
                done.append({"ETag": etag, "PartNumber": number})
            with _taken():
                client.complete_multipart_upload(**upload, **condition, MultipartUpload={"Parts": done})
        except BaseException:
            # Parts that are not put together cost money for ever.
            with suppress(ClientError, BotoCoreError):
                client.abort_multipart_upload(**upload)
            raise

    def _lock(self) -> dict[str, object]:
        place = self._place
        if not place.lock_days:
            return {}
        until = datetime.now(UTC) + timedelta(days=place.lock_days)
        return {"ObjectLockMode": place.lock_mode, "ObjectLockRetainUntilDate": until}

    def _digest(self, part: bytes) -> dict[str, str]:
        """S3 takes locked bytes only with their digest."""
        if not self._place.lock_days:
            return {}
        return {"ContentMD5": b64encode(md5(part, usedforsecurity=False).digest()).decode()}

    def can_lock(self) -> bool:
        """Whether the bucket keeps locks."""
        try:
            answer = self.client.get_object_lock_configuration(Bucket=self._place.bucket)
        except ClientError as error:
            if code_of(error) in ("ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"):
                return False
            with explained(self._place.bucket):
                raise
        found: dict[str, str] = answer.get("ObjectLockConfiguration", {})
        return found.get("ObjectLockEnabled") == "Enabled"

    def delete(self, name: str) -> None:
        """Remove a file; quiet when there is none of that name. Of a locked one the version stays, out of sight."""
        if not name:
            raise ValueError("The name must be given to delete().")
        with explained(self._place.bucket):
            self.client.delete_object(Bucket=self._place.bucket, Key=self._key(name))

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        try:
            self._head(name)
        except FileNotFoundError:
            return False
        return True

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Folders and files within a folder; both empty when there is no such folder."""
        self._key(name)
        with explained(self._place.bucket):
            folders, files = super().listdir(name)
        return folders, files

    def walk(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names that begin with a prefix, in whatever folder, and their sizes: a thousand of them for one request."""
        self._key(prefix)
        base = f"{self._place.prefix.strip('/')}/".removeprefix("/")
        with explained(self._place.bucket):
            pages = self.client.get_paginator("list_objects").paginate(Bucket=self._place.bucket, Prefix=base + prefix)
            for page in pages:
                for entry in page.get("Contents", ()):
                    if not entry["Key"].endswith("/"):
                        yield entry["Key"].removeprefix(base), int(entry["Size"])

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return int(self._head(name)["ContentLength"])

    def get_modified_time(self, name: str) -> datetime:
        """When the file was saved, with its time zone."""
        modified: datetime = self._head(name)["LastModified"]
        return modified

    def url(
        self,
        name: str,
        parameters: Mapping[str, str] | None = None,
        expire: int | None = None,
        http_method: str | None = None,
    ) -> str:
        """A signed link.

        Args:
            name: the file's.
            parameters: S3's parameters of the answer, such as ResponseContentDisposition.
            expire: seconds for which it works; the profile's own where none are given.
            http_method: GET where none is given.
        """
        self._key(name)
        with explained(self._place.bucket):
            link: str = super().url(name, parameters=parameters, expire=expire, http_method=http_method)
        return link

    def _head(self, name: str) -> dict[str, Any]:
        with explained(self._place.bucket, key=True):
            answer: dict[str, Any] = self.client.head_object(Bucket=self._place.bucket, Key=self._key(name))
        return answer


class _Taken(Exception):
    """The name was taken between the look and the write."""


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) in TAKEN:
            raise _Taken from None
        raise


def _client_config(place: Place) -> BotoConfig:
    # Since 2025 boto adds checksums of a kind that older servers refuse; Amazon itself gets them.
    checksums = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return BotoConfig(
        s3={"addressing_style": place.addressing},
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
        ignore_configured_endpoint_urls=True,
        **(checksums if place.endpoint_url else {}),
    )


def _parts(chunks: Iterable[bytes | str]) -> Iterator[bytes]:
    """The chunks regrouped into parts of 8 MB, the last one shorter."""
    part = bytearray()
    for chunk in chunks:
        part += chunk.encode() if isinstance(chunk, str) else chunk
        while len(part) > _PART:
            yield bytes(part[:_PART])
            del part[:_PART]
    yield bytes(part)
