"""Publish targets: places where a finished document goes. Part of the contract since 1.1."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiwriter_sdk.backend import Backend, CallControl

PUBLISH_CAPABILITIES = frozenset({"images", "schedule", "draft", "categories", "tags"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishImage:
    """A picture of a document.

    Args:
        address: as `src` stands in `html` and the link's address in `markdown`.
        name: a file name without folders.
        content_type: image/png, image/jpeg, image/gif or image/webp.
        content: the file.
        alt: what it shows, for people who do not see it.
    """

    address: str
    name: str
    content_type: str
    content: bytes = field(repr=False)
    alt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishable:
    """A document as a target receives it; `markdown` is canonical, `html` is sanitised.

    Args:
        document_id: of the portal.
        title: plain text; not repeated at the beginning of the body.
        markdown, html: the body.
        slug: the last part of the address that the writer wishes for.
        language: language tag.
        excerpt: one or two sentences, plain text.
        tags, categories: names.
        metadata: more fields by name, such as "seo_title" and "meta_description".
        status: what the document is to be there.
        publish_at: with a time zone; when it appears, for the status "schedule".
        key: names this document at this place for good, 32 letters and digits. A target keeps it with what it made and
            looks for it before it makes something new, since the answer to an earlier call may have been lost.
        images: pictures that the body shows and that the portal keeps.
    """

    document_id: str
    title: str
    markdown: str
    html: str
    slug: str = ""
    language: str = ""
    excerpt: str = ""
    tags: Sequence[str] = ()
    categories: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: Literal["draft", "publish", "schedule"] = "publish"
    publish_at: dt.datetime | None = None
    key: str = ""
    images: Sequence[PublishImage] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the document now stands; `remote_id` is given back on the next publication so that it is updated."""

    remote_id: str
    url: str = ""


class PublishTarget(Backend):
    """Puts documents somewhere. Publishing twice never doubles: neither with the `remote_id` nor with the same key.

    Capabilities: "images" (takes pictures along), "schedule" (knows `publish_at`), "draft" (keeps what is not public),
    "categories", "tags". A status that a target does not declare is not asked of it.
    """

    @abstractmethod
    async def publish(self, item: Publishable, *, remote_id: str | None, control: CallControl) -> Published:
        """Create (no `remote_id`) or update in place.

        Without `remote_id` a document that already stands there with the item's `key` is updated, not doubled. With one
        that is gone there, the document is made anew.

        Raises:
            AuthFailed, InvalidRequest, RateLimited, TimedOut, Unavailable: as they are found; the portal tries again
                after those that are retryable, so a call that may have written something raises one of them.
        """

    @abstractmethod
    async def unpublish(self, remote_id: str, *, control: CallControl) -> None:
        """Take it down: nobody finds it there any more. Quiet when it is gone already."""
