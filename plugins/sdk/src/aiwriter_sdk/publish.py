"""Publish targets: places where a finished document goes. Reserved in 1.0; the host calls it from 1.1 on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiwriter_sdk.backend import Backend, CallControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishable:
    """A document as a target receives it; `markdown` is canonical, `html` is sanitised."""

    document_id: str
    title: str
    markdown: str
    html: str
    slug: str = ""
    language: str = ""
    excerpt: str = ""
    tags: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: Literal["draft", "publish"] = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the document now stands; `remote_id` is given back on the next publication so that it is updated."""

    remote_id: str
    url: str = ""


class PublishTarget(Backend):
    """Puts documents somewhere. Publishing twice with the same `remote_id` updates and never doubles."""

    @abstractmethod
    async def publish(self, item: Publishable, *, remote_id: str | None, control: CallControl) -> Published:
        """Create (no `remote_id`) or update in place."""

    @abstractmethod
    async def unpublish(self, remote_id: str, *, control: CallControl) -> None:
        """Take it down; quiet when it is gone already."""
