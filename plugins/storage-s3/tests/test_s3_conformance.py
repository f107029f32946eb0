"""The conformance suite on this plugin, against S3 servers over HTTP."""

from __future__ import annotations

import os
import uuid

import pytest
from aiwriter_storage_s3.files import Credentials, Place, S3Files
from aiwriter_storage_s3.plugin import descriptor
from botocore.exceptions import ClientError
from django.core.files import File
from django.core.files.base import ContentFile

from aiwriter_sdk import Secret
from aiwriter_sdk.testing.storage import StorageConformance
from tests.fakes.s3 import S3Server, weed


class OnServer(StorageConformance):
    """What both servers have in common; no test class of its own, as its name says to pytest."""

    descriptor = descriptor
    server: S3Server

    def options(self) -> dict[str, object]:
        return {
            "bucket": self.server.bucket,
            "prefix": f"{self.tmp_path.parent.name}/{self.tmp_path.name}",
            "endpoint_url": self.server.url,
            "addressing": "path",
        }

    def secrets(self) -> dict[str, str]:
        return {"access_key_id": self.server.access_key_id, "secret_access_key": self.server.secret_access_key}

    def unreachable_options(self) -> dict[str, object]:
        return {**self.options(), "endpoint_url": "http://127.0.0.1:9"}

    def wrong_secrets(self) -> dict[str, str]:
        return {"access_key_id": self.server.access_key_id, "secret_access_key": "wrong-secret-key-Zq81xx"}


class TestS3OnMoto(OnServer):
    expected_failures = {"test_temporary_urls_expire": "moto answers signed links with status 500 or for ever"}

    @pytest.fixture(autouse=True)
    def _server(self, moto_server: S3Server) -> None:
        self.server = moto_server


if weed():

    @pytest.mark.slow
    class TestS3OnSeaweedFS(OnServer):
        @pytest.fixture(autouse=True)
        def _server(self, seaweedfs_server: S3Server) -> None:
            self.server = seaweedfs_server


@pytest.mark.skipif(not weed(), reason="moto forgets the locks of files that arrive in parts")
def test_locked_files_cannot_be_deleted(seaweedfs_server: S3Server) -> None:
    """Here and not with the other tests of files: those run in another process, which would need a second server."""
    client = seaweedfs_server.client
    bucket = f"locked-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    server = seaweedfs_server
    place = Place(
        bucket=bucket,
        region="us-east-1",
        endpoint_url=server.url,
        addressing="path",
        parameters={},
        lock_days=30,
        lock_mode="COMPLIANCE",
    )
    files = S3Files(place, Credentials(Secret(server.access_key_id), Secret(server.secret_access_key), Secret("")))
    assert files.can_lock()
    for size in (1_000, 20 * 2**20):
        name = files.save(f"pack-{size}", File(ContentFile(os.urandom(size))))
        head = client.head_object(Bucket=bucket, Key=name)
        days = (head["ObjectLockRetainUntilDate"] - head["LastModified"]).days
        assert (head["ObjectLockMode"], days in (29, 30)) == ("COMPLIANCE", True)
        files.delete(name)
        assert not files.exists(name)
        kept = client.list_object_versions(Bucket=bucket, Prefix=name)["Versions"]
        assert [version["Size"] for version in kept] == [size]
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket, Key=name, VersionId=kept[0]["VersionId"])
