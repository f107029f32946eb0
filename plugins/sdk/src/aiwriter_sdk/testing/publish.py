"""The conformance suite of publish targets."""

from __future__ import annotations

import uuid
from typing import ClassVar, cast

from aiwriter_sdk.backend import Backend
from aiwriter_sdk.descriptor import Kind
from aiwriter_sdk.errors import NotFound
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
        self.unpublish(backend, self.publish(backend, "Hello", key=uuid.uuid4().hex).remote_id)

    def publish(self, backend: Backend, title: str, remote_id: str | None = None, *, key: str = "") -> Published:
        """Publish a small document; its key is made of its title unless one is given."""
        item = Publishable(
            document_id="1",
            title=title,
            markdown=f"About {title}.",
            html=f"<p>About {title}.</p>",
            slug=title.lower().replace(" ", "-"),
            key=key or title.split()[0].lower().ljust(32, "0")[:32],
        )
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

    @rule("P04")
    def test_a_lost_answer_does_not_double(self) -> None:
        """Publishing with the same key and without the remote id, as after a lost answer, updates in place."""
        first = self.publish(self.build(), "Buoy")
        again = self.publish(self.build(), "Buoy by night")
        assert again.remote_id == first.remote_id, "the same key got another id"
        assert self.published() == 1, f"{self.published()} documents stand there"

    @rule("P05")
    def test_keys_tell_documents_apart(self) -> None:
        """Two documents of one title and different keys both stand there."""
        backend = self.build()
        first = self.publish(backend, "Pier", key="a" * 32)
        second = self.publish(backend, "Pier", key="b" * 32)
        assert first.remote_id != second.remote_id, "the second document took the place of the first"
        assert self.published() == 2, f"{self.published()} documents stand there"

    @rule("P06")
    def test_what_was_removed_there_comes_back(self) -> None:
        """Publishing with the id of a document that was taken down there puts it there again, or says `NotFound`."""
        backend = self.build()
        done = self.publish(backend, "Jetty")
        self.unpublish(backend, done.remote_id)
        try:
            again = self.publish(backend, "Jetty", done.remote_id)
        except NotFound:
            return
        assert again.remote_id, "remote_id is empty"
        assert self.published() == 1, f"{self.published()} documents stand there"
