"""The target: finds what it made before, uploads pictures, writes the post."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import mimetypes
from collections.abc import Mapping, Sequence

from aiwriter_publish_wordpress.wire import WordPress, entries, rendered
from aiwriter_sdk import (
    BackendContext,
    CallControl,
    Config,
    Health,
    InvalidRequest,
    NotFound,
    Publishable,
    Published,
    PublishImage,
    PublishTarget,
    Unavailable,
)
from aiwriter_sdk.calls import count, mapping, text

_STATUS = {"draft": "draft", "publish": "publish", "schedule": "future"}
# `any` leaves out what lies in the bin.
_ANY = "publish,future,draft,pending,private"


class WordPressTarget(PublishTarget):
    """One site. What was made carries a mark in its text, so that it is found again when an answer was lost."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        self._site = WordPress(config, context)
        self._kind = config.text("post_type", "posts")

    async def health(self, *, control: CallControl) -> Health:
        """Ask who we are, which is free and tells the rights."""
        status, answer = await self._site.get("users/me", control=control, context="edit")
        if status != 200:
            return Health(status="fail", detail="The address answers, but there is no WordPress REST API behind it.")
        person = mapping(answer)
        rights = mapping(person.get("capabilities"))
        name = text(person.get("name")) or text(person.get("slug"))
        needed = "publish_posts" if self._kind == "posts" else "publish_pages"
        if rights and not rights.get(needed):
            return Health(status="warn", detail=f"{name} may write drafts there, but not publish.")
        if rights and not rights.get("upload_files"):
            return Health(status="warn", detail=f"{name} may publish there, but not upload pictures.")
        return Health(status="ok", detail=f"Writes as {name}.")

    async def publish(self, item: Publishable, *, remote_id: str | None, control: CallControl) -> Published:
        """Update the post of this id or of this key; make one when there is none."""
        body = await self._body(item, control)
        found = remote_id if remote_id and remote_id.isdigit() else None
        if found:
            status, answer = await self._site.post(f"{self._kind}/{found}", body, control=control)
            # WordPress answers 200 for a post in its bin as well, and leaves it there unless a status is named: it is.
            if status == 200:
                return _published(answer)
        found = await self._find(item, control)
        address = f"{self._kind}/{found}" if found else self._kind
        status, answer = await self._site.post(address, body, control=control)
        if status in (404, 410):
            raise NotFound("WordPress has no such kind of post.", remedy="Check the address of the site.")
        return _published(answer)

    async def unpublish(self, remote_id: str, *, control: CallControl) -> None:
        """Make it a draft or put it into the bin; quiet when it is gone."""
        if not remote_id.isdigit():
            return
        path = f"{self._kind}/{remote_id}"
        if self.config.text("after_unpublish", "draft") == "trash":
            await self._site.delete(path, control=control)
        else:
            await self._site.post(path, {"status": "draft"}, control=control)

    async def _body(self, item: Publishable, control: CallControl) -> dict[str, object]:
        content = await self._with_pictures(item, control)
        body: dict[str, object] = {
            "title": item.title,
            "content": f"{content}\n{_mark(item)}" if item.key else content,
            "excerpt": item.excerpt,
            "status": _STATUS[item.status],
        }
        if item.slug:
            body["slug"] = item.slug
        if item.status == "schedule":
            if item.publish_at is None:
                raise InvalidRequest("A scheduled post needs a time.")
            body["date_gmt"] = item.publish_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        if self._kind == "posts":
            always = [name.strip() for name in self.config.text("categories").split(",")]
            names = list(dict.fromkeys(n for n in (*always, *item.categories) if n))
            body["tags"] = [await self._term("tags", name, control) for name in dict.fromkeys(item.tags)]
            if names:
                body["categories"] = [await self._term("categories", name, control) for name in names]
        return body

    async def _find(self, item: Publishable, control: CallControl) -> str | None:
        """The post that an earlier call made whose answer was lost: by its address, then by its mark."""
        if not item.key:
            return None
        mark = _mark(item)
        queries: list[dict[str, str]] = [{"search": f"aiwriter:{item.key}"}]
        if item.slug:
            queries.insert(0, {"slug": item.slug})
        for query in queries:
            status, answer = await self._site.get(
                self._kind, control=control, status=_ANY, context="edit", per_page="20", **query
            )
            if status != 200:
                continue
            for post in entries(answer):
                if mark in rendered(post.get("content")):
                    return str(count(post.get("id")))
        return None

    async def _term(self, kind: str, name: str, control: CallControl) -> int:
        """The id of a tag or category, made when it is missing."""
        _, answer = await self._site.get(kind, control=control, search=name, per_page="100")
        for term in entries(answer):
            if html.unescape(text(term.get("name"))).casefold() == name.casefold():
                return count(term.get("id"))
        _, made = await self._site.post(kind, {"name": name}, control=control)
        return count(mapping(made).get("id"))

    async def _with_pictures(self, item: Publishable, control: CallControl) -> str:
        content = item.html
        for image in item.images:
            address = await self._picture(image, control)
            old, new = html.escape(image.address, quote=True), html.escape(address, quote=True)
            content = content.replace(f'src="{old}"', f'src="{new}"')
        return content

    async def _picture(self, image: PublishImage, control: CallControl) -> str:
        """Where a picture lies there. Equal bytes are uploaded once: the name tells them."""
        slug = f"aiwriter-{hashlib.sha256(image.content).hexdigest()[:24]}"
        status, answer = await self._site.get("media", control=control, slug=slug)
        if status == 200:
            for entry in entries(answer):
                if address := text(entry.get("source_url")):
                    return address
        ending = mimetypes.guess_extension(image.content_type) or ".bin"
        made = await self._site.upload(f"{slug}{ending}", image.content_type, image.content, control=control)
        address = text(made.get("source_url"))
        if not address:
            raise Unavailable("WordPress did not say where it put a picture.")
        if image.alt and (number := count(made.get("id"))):
            await self._site.post(f"media/{number}", {"alt_text": image.alt}, control=control)
        return address


def _mark(item: Publishable) -> str:
    """A comment that WordPress keeps in the text and no reader sees."""
    return f"<!-- aiwriter:{item.key} -->"


def _published(answer: object) -> Published:
    post: Mapping[str, object] = mapping(answer)
    number = count(post.get("id"))
    if not number:
        raise Unavailable("WordPress did not say which post it wrote.")
    return Published(remote_id=str(number), url=text(post.get("link")))


__all__: Sequence[str] = ["WordPressTarget"]
