"""The conformance suite on this plugin, against a server of the shape of the WordPress REST API."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from aiwriter_publish_wordpress.plugin import descriptor

from aiwriter_sdk.testing.publish import PublishConformance
from tests.fakes.wordpress import PASSWORD, USER, FakeWordPress


class TestWordPress(PublishConformance):
    descriptor = descriptor

    def _scenery(self) -> contextlib.AbstractContextManager[object]:
        self.site = FakeWordPress()
        return self.site

    def options(self) -> Mapping[str, object]:
        return {"base_url": self.site.url, "username": USER}

    def secrets(self) -> Mapping[str, str]:
        return {"application_password": PASSWORD}

    def published(self) -> int:
        return len(self.site.live)
