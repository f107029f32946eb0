"""The conformance suite on this plugin, against S3 servers over HTTP."""

from __future__ import annotations

import pytest
from aiwriter_storage_s3.plugin import descriptor

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
