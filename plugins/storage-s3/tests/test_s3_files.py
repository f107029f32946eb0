"""What the bucket promises beyond the contract: no race replaces a file, no copy before reading, faults with a remedy."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from aiwriter_storage_s3.backend import S3Backend
from aiwriter_storage_s3.faults import fault
from aiwriter_storage_s3.files import S3Files
from botocore import exceptions as boto
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile

from aiwriter_sdk import (
    AuthFailed,
    BackendContext,
    BackendError,
    CallControl,
    Config,
    ConfigInvalid,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Secret,
    TimedOut,
    Unavailable,
    Unsupported,
)
from aiwriter_sdk.testing.http import PlainHttpClient
from tests.fakes.s3 import S3Server

_MIB = 1024 * 1024


def _control(seconds: float = 10.0) -> CallControl:
    return CallControl(deadline=time.monotonic() + seconds)


def _backend(server: S3Server, secret: str = "", **options: object) -> S3Backend:
    values: dict[str, object] = {
        "bucket": server.bucket,
        "endpoint_url": server.url,
        "addressing": "path",
        "access_key_id": Secret(server.access_key_id),
        "secret_access_key": Secret(secret or server.secret_access_key),
        **options,
    }
    context = BackendContext(http=PlainHttpClient(), logger=logging.getLogger("s3"), data_dir="")
    return S3Backend(Config(values), context)


@pytest.fixture
def files(moto_server: S3Server) -> S3Files:
    """Files under a prefix of this test's own."""
    return _backend(moto_server, prefix=f"own/{uuid.uuid4()}").storage()


@pytest.mark.parametrize("size", [1, 9 * _MIB], ids=["one-request", "in-parts"])
def test_a_name_taken_since_it_was_looked_at_is_not_replaced(files: S3Files, size: int) -> None:
    files.save("a.bin", ContentFile(b"first"))
    # Storage.save looks for a free name before it calls this; here the name is taken after the look.
    second = files._save("a.bin", ContentFile(b"2" * size))
    assert second != "a.bin"
    assert files.open("a.bin").read() == b"first"
    assert files.size(second) == size


def test_content_that_can_be_read_once_is_not_written_by_halves(files: S3Files) -> None:
    class Once(File):
        def seekable(self) -> bool:
            return False

        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"once"

    files.save("a.bin", ContentFile(b"first"))
    with pytest.raises(InvalidRequest):
        files._save("a.bin", Once(cast("Any", None), name="once"))
    assert files.listdir("") == ([], ["a.bin"])


def test_an_upload_that_breaks_leaves_no_parts_that_cost_money(files: S3Files, moto_server: S3Server) -> None:
    class Breaking(File):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"x" * 20 * _MIB
            raise OSError("the source broke off")

    with pytest.raises(OSError, match="broke off"):
        files.save("a.bin", Breaking(cast("Any", None), name="broken"))
    uploads = moto_server.client.list_multipart_uploads(Bucket=moto_server.bucket).get("Uploads", [])
    assert uploads == []


def test_a_file_is_read_as_it_arrives_and_from_anywhere(files: S3Files) -> None:
    content = os.urandom(3 * _MIB)
    files.save("a.bin", ContentFile(content))
    with files.open("a.bin") as file:
        assert file.size == len(content)
        assert file.read(10) == content[:10]
        file.seek(2 * _MIB)
        assert file.read(100) == content[2 * _MIB : 2 * _MIB + 100]
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]
        file.seek(0)
        assert b"".join(file.chunks()) == content
    with files.open("a.bin", "rb") as file:
        file.seek(len(content) + 10)
        assert file.read() == b""


def test_text_is_read_as_text(files: S3Files) -> None:
    files.save("a.txt", ContentFile("naïve 漢字"))
    with files.open("a.txt", "r") as file:
        assert file.read() == "naïve 漢字"


def test_files_are_written_by_save_alone(files: S3Files) -> None:
    for mode in ("wb", "ab", "r+b"):
        with pytest.raises(Unsupported):
            files.open("a.txt", mode)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a\x00b", "..\\x"])
def test_no_name_leads_out_of_the_prefix(files: S3Files, name: str) -> None:
    for call in (files.open, files.exists, files.size, files.delete, files.listdir, files.url):
        with pytest.raises(SuspiciousFileOperation):
            call(name)


def test_a_writers_page_is_not_a_page_of_the_bucket(files: S3Files, moto_server: S3Server) -> None:
    files.save("page.html", ContentFile(b"<script>"))
    head = moto_server.client.head_object(Bucket=moto_server.bucket, Key=f"{files.location}/page.html")
    assert head["ContentType"] == "application/octet-stream"


def test_the_encryption_that_was_asked_for_is_asked_of_the_server(moto_server: S3Server) -> None:
    storage = _backend(moto_server, prefix="kept", encryption="aws:kms", kms_key_id="key-7").storage()
    storage.save("a.bin", ContentFile(b"x"))
    storage.save("b.bin", ContentFile(b"x" * 9 * _MIB))
    for name in ("a.bin", "b.bin"):
        head = moto_server.client.head_object(Bucket=moto_server.bucket, Key=f"kept/{name}")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "key-7")


def test_a_link_has_the_life_that_was_asked_for_and_no_secret(files: S3Files, moto_server: S3Server) -> None:
    assert "X-Amz-Expires=300" in files.url("a.txt")
    link = files.url("a.txt", parameters={"ResponseContentDisposition": "attachment"}, expire=7)
    assert "X-Amz-Expires=7" in link
    assert "response-content-disposition=attachment" in link
    assert moto_server.secret_access_key not in link


def test_threads_have_connections_of_their_own(files: S3Files) -> None:
    def look() -> tuple[object, object, object]:
        return files.connection, files.bucket.meta.client, files.client

    with ThreadPoolExecutor(max_workers=1) as one, ThreadPoolExecutor(max_workers=1) as two:
        seen = [look(), one.submit(look).result(), two.submit(look).result()]
    assert len({id(connection) for connection, _, _ in seen}) == 3
    assert all(client is own for _, client, own in seen)


def test_nothing_is_taken_from_the_environment(moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_S3_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    storage = _backend(moto_server, prefix="clean").storage()
    assert storage.save("a.txt", ContentFile(b"x")) == "a.txt"
    assert "from-the-environment" not in repr(vars(storage))


def test_the_storage_shows_and_gives_away_no_secret(moto_server: S3Server) -> None:
    storage = _backend(moto_server).storage()
    assert storage.exists("a.txt") is False
    assert moto_server.secret_access_key not in f"{storage!r} {vars(storage)!r}"
    with pytest.raises(TypeError):
        pickle.dumps(storage)


def test_health_names_a_bucket_that_is_not_there(moto_server: S3Server) -> None:
    with pytest.raises(NotFound) as caught:
        asyncio.run(_backend(moto_server, bucket="no-such-bucket").health(control=_control()))
    assert "no-such-bucket" in caught.value.message
    with pytest.raises(NotFound):
        _backend(moto_server, bucket="no-such-bucket").storage().save("a.txt", ContentFile(b"x"))


def test_health_ends_at_its_deadline(moto_server: S3Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(TimedOut):
            asyncio.run(_backend(moto_server, endpoint_url=url).health(control=_control(0.5)))
        assert time.monotonic() - begin < 3


def test_health_asks_the_hosts_client_first(moto_server: S3Server) -> None:
    class Refusing(PlainHttpClient):
        def stream(self, method: str, url: str, **options: Any) -> Any:
            raise Unavailable("The address is not allowed.")

    backend = _backend(moto_server)
    context = BackendContext(http=Refusing(), logger=backend.context.logger, data_dir="")
    with pytest.raises(Unavailable, match="not allowed"):
        asyncio.run(S3Backend(backend.config, context).health(control=_control()))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"bucket": "s3://bucket"}, "bucket"),
        ({"bucket": "a"}, "bucket"),
        ({"prefix": "a/../b"}, "prefix"),
        ({"secret_access_key": Secret("")}, "secret_access_key"),
        ({"access_key_id": Secret("")}, "access_key_id"),
        ({"endpoint_url": "s3.example.org"}, "endpoint_url"),
    ],
)
def test_settings_that_cannot_work_are_named(moto_server: S3Server, options: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        _backend(moto_server, **options)
    assert caught.value.field == field
    assert caught.value.remedy


def _answer(code: str, status: int) -> boto.ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "hidden"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_answer("AccessDenied", 403), AuthFailed),
        (_answer("SignatureDoesNotMatch", 403), AuthFailed),
        (_answer("403", 403), AuthFailed),
        (_answer("NoSuchBucket", 404), NotFound),
        (_answer("PermanentRedirect", 301), ConfigInvalid),
        (_answer("RequestTimeTooSkewed", 403), ConfigInvalid),
        (_answer("NotImplemented", 501), ConfigInvalid),
        (_answer("QuotaExceeded", 403), QuotaExceeded),
        (_answer("SlowDown", 503), RateLimited),
        (_answer("InternalError", 500), Unavailable),
        (_answer("EntityTooLarge", 400), InvalidRequest),
        (boto.NoCredentialsError(), AuthFailed),
        (boto.EndpointConnectionError(endpoint_url="http://secret.example"), Unavailable),
        (boto.ReadTimeoutError(endpoint_url="http://secret.example"), TimedOut),
        (boto.SSLError(endpoint_url="http://secret.example", error="e"), Unavailable),
        (boto.ParamValidationError(report="hidden"), ConfigInvalid),
    ],
)
def test_botos_errors_have_their_meaning(error: Exception, kind: type[BackendError]) -> None:
    found = fault(error, "my-bucket")
    assert type(found) is kind
    assert "hidden" not in found.message
    assert "secret" not in found.message


def test_boto_comes_with_the_first_use() -> None:
    check = "import sys, aiwriter_storage_s3.plugin, aiwriter_storage_s3.backend; print('boto3' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"


def test_a_bucket_without_locks_is_told_before_it_is_used(moto_server: S3Server) -> None:
    with pytest.raises(ConfigInvalid, match="no object lock") as caught:
        asyncio.run(_backend(moto_server, lock_days=1).health(control=_control()))
    assert caught.value.field == "lock_days"
