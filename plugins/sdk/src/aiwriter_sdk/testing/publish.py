"""The conformance suite of publish targets; as small as their contract, which hosts call from 1.1 on."""

from __future__ import annotations

from typing import ClassVar, cast

from aiwriter_sdk.backend import Backend
from aiwriter_sdk.descriptor import Kind
from aiwriter_sdk.publish import Publishable, Published, PublishTarget
from aiwriter_sdk.testing.every_backend import BackendConformance
from aiwriter_sdk.testing.rules import rule

__all__ = ["PublishConformance"]


class PublishConformance(BackendConformance):
    """Subclass it, give `descriptor` and `options`; the place must be empty at the beginning of every test."""

    kind: ClassVar[Kind] = "publish"

    def published(self) -> int:
        """How many documents stand at the place now; the author looks there."""
        raise AssertionError("the test class has to give published()")

    def exercise(self, backend: Backend) -> None:
        """Publish and take down again."""
        self.unpublish(backend, self.publish(backend, "Hello").remote_id)

    def publish(self, backend: Backend, title: str, remote_id: str | None = None) -> Published:
        """Publish a small document."""
        item = Publishable(document_id="1", title=title, markdown=f"# {title}", html=f"<h1>{title}</h1>")
        target = cast("PublishTarget", backend)
        return self.run(target.publish(item, remote_id=remote_id, control=self.control()))

    def unpublish(self, backend: Backend, remote_id: str) -> None:
        """Take a document down."""
        self.run(cast("PublishTarget", backend).unpublish(remote_id, control=self.control()))

    @rule("P01")
    def test_publishing_gives_an_id(self) -> None:
        """A published document has a remote id and stands there once."""
        done = self.publish(self.build(), "Harbour")
        assert done.remote_id, "remote_id is empty"
        assert self.published() == 1, f"{self.published()} documents stand there"

    @rule("P02")
    def test_publishing_again_updates(self) -> None:
        """Publishing with the remote id updates in place: the id stays, nothing doubles."""
        backend = self.build()
        first = self.publish(backend, "Ferry")
        second = self.publish(backend, "Ferry at dawn", first.remote_id)
        assert second.remote_id == first.remote_id, "the id changed"
        assert self.published() == 1, f"{self.published()} documents stand there"

    @rule("P03")
    def test_taking_down_is_quiet(self) -> None:
        """`unpublish` removes, and is quiet when the document is gone already."""
        backend = self.build()
        done = self.publish(backend, "Lighthouse")
        self.unpublish(backend, done.remote_id)
        assert self.published() == 0, f"{self.published()} documents stand there"
        self.unpublish(backend, done.remote_id)
