"""The conformance suite on this plugin."""

from __future__ import annotations

from aiwriter_storage_local.plugin import descriptor

from aiwriter_sdk.testing.storage import StorageConformance


class TestLocal(StorageConformance):
    descriptor = descriptor

    def options(self) -> dict[str, object]:
        return {"root": str(self.tmp_path / "files")}
