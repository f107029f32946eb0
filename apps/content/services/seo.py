"""Search engine fields of a document: looked at, saved, suggested."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from aiwriter.core.egress import GuardedClient, outgoing_networks
from aiwriter.core.errors import InvalidInput
from aiwriter_sdk import BackendError
from apps.content.markup import seo as rules
from apps.content.markup.markdown import clean_text
from apps.content.markup.seo_outline import structured_data_of
from apps.content.models import Document, Generation
from apps.content.selectors.documents import get_document
from apps.content.services.documents import lock_document
from apps.content.services.generation import start_generation
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

LENGTHS = {"title": 200, "description": 400, "slug": 120, "keyword": 100}
MAX_LINKS, _LINK_SECONDS, _AT_ONCE = 40, 8.0, 8
_MAX_TEXT = 12_000
_WISHES = {
    "meta-description": "Write a meta description of this text for search results: one or two sentences, 120 to 155 "
    "characters, active, saying what readers get. Answer with the description alone, without quotation marks.",
    "title": "Write a title of this text for search results: at most 60 characters, the most important words first. "
    "Answer with the title alone, without quotation marks.",
    "alt-text": "Write the alternative text of the picture {address} that stands in this text: one sentence of at most "
    "125 characters that says what it shows, as far as the text around it tells. Answer with the sentence alone.",
}


def analyse_document(
    *, actor: Actor, document_id: uuid.UUID | str, fields: Mapping[str, Any] | None = None
) -> rules.Report:
    """Look at a document.

    Args:
        actor: who asks.
        document_id: which document.
        fields: "title", "description", "slug", "keyword" to try instead of the saved ones.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read.
    """
    document = get_document(actor=actor, document_id=document_id)
    return rules.analyse(
        title=document.title,
        body=document.body_markdown,
        language=document.language,
        seo={**document.seo, **(fields or {})},
        slug=document.slug,
        own_hosts=_own_hosts(),
        facts=_facts(document),
    )


def save_seo(
    *, actor: Actor, document_id: uuid.UUID | str, fields: Mapping[str, Any], revision: int | None = None
) -> Document:
    """Keep the fields of a document; what is not named stays, an empty one is forgotten.

    Args:
        actor: who writes.
        document_id: which document.
        fields: some of "title", "description", "slug", "keyword".
        revision: of the document that the actor has seen; None writes whatever is there.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write.
        StaleRevision: somebody else saved in between.
        InvalidInput: a value cannot be used.
    """
    found = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=found.workspace_id)
    checked = {name: _field(name, value) for name, value in fields.items()}
    with transaction.atomic():
        document = lock_document(found.pk, revision)
        changed = {name: value for name, value in {**document.seo, **checked}.items() if value}
        if changed != document.seo:
            document.seo = changed
            document.revision += 1
            document.save(update_fields=["seo", "revision", "updated_at"])
            record(actor, "document.seo", obj=document, after={"fields": sorted(checked)})
    return document


def structured_data(*, actor: Actor, document_id: uuid.UUID | str) -> dict[str, Any]:
    """JSON-LD of a document.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to read.
    """
    document = get_document(actor=actor, document_id=document_id)
    return structured_data_of(
        title=document.seo.get("title") or document.title,
        body=document.body_markdown,
        description=document.seo.get("description", ""),
        language=document.language,
        facts=_facts(document),
    )


def suggest(*, actor: Actor, document_id: uuid.UUID | str, what: str, address: str = "") -> Generation:
    """Have a model suggest a field; nothing is changed before somebody saves it.

    Args:
        actor: who asks.
        document_id: which document.
        what: "title", "meta-description" or "alt-text".
        address: of the picture, for "alt-text".

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: the document has no text, or no such picture.
        BudgetExceeded: the budget is used up.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.generate", workspace=document.workspace_id)
    body = document.body_markdown.strip()
    if not body:
        raise InvalidInput("The document has no text yet.", remedy="Write something first.")
    wish = _WISHES[what]
    if what == "alt-text":
        at = body.find(f"]({address}") if address else -1
        if at < 0:
            raise InvalidInput("The text has no such picture.", field="image", remedy="Name one of its addresses.")
        body = body[max(0, at - _MAX_TEXT // 4) : at + _MAX_TEXT // 4]
        wish = wish.replace("{address}", address[:200])
    brief = {"action": "custom", "instruction": wish, "text": body[:_MAX_TEXT]}
    return start_generation(
        actor=actor,
        workspace=document.workspace_id,
        kind="rewrite",
        brief=brief,
        document_id=document.pk,
        source_ids=[],
    )


def check_links(*, actor: Actor, document_id: uuid.UUID | str) -> list[dict[str, Any]]:
    """Ask the external links of a document whether they still lead anywhere, at most 40 of them. Takes some seconds.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's to write; asking tells others about the text.
    """
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.write", workspace=document.workspace_id)
    report = analyse_document(actor=actor, document_id=document_id)
    addresses = [link["address"] for link in report.links if urlsplit(link["address"]).scheme in ("http", "https")]
    return asyncio.run(_ask(list(dict.fromkeys(addresses))[:MAX_LINKS]))


async def _ask(addresses: list[str]) -> list[dict[str, Any]]:
    client = GuardedClient(allowed=outgoing_networks(), max_bytes=64 * 1024, connect_timeout=4.0)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(address: str) -> dict[str, Any]:
        try:
            async with (
                room,
                asyncio.timeout(_LINK_SECONDS),
                client.stream("GET", address, timeout=_LINK_SECONDS) as got,
            ):
                status = got.status_code
        except BackendError as error:
            return {"address": address, "status": None, "ok": False, "problem": error.message}
        except TimeoutError:
            return {"address": address, "status": None, "ok": False, "problem": "It did not answer in time."}
        # A redirect leads somewhere, and 401, 403 and 429 mean that something is there which does not like programs.
        fine = status < 400 or status in (401, 403, 405, 429)
        return {"address": address, "status": status, "ok": fine, "problem": "" if fine else f"It answers {status}."}

    try:
        return list(await asyncio.gather(*(one(address) for address in addresses)))
    finally:
        await client.aclose()


def _facts(document: Document) -> dict[str, str]:
    return {
        "author": document.owner.full_name if document.owner else "",
        "modified": document.updated_at.isoformat(),
        "published": document.published_at.isoformat() if document.published_at else "",
    }


def _own_hosts() -> list[str]:
    host = urlsplit(getattr(settings, "PUBLIC_URL", "") or "").hostname
    return [host] if host else []


def _field(name: str, value: object) -> str:
    if name not in LENGTHS:
        raise InvalidInput(f"There is no field '{name[:40]}'.", field=name[:40], remedy=f"Use {', '.join(LENGTHS)}.")
    text = " ".join(clean_text(str(value or "")).split())
    if len(text) > LENGTHS[name]:
        raise InvalidInput(
            f"The {name} has {len(text)} characters.", field=name, remedy=f"Use at most {LENGTHS[name]}."
        )
    return slugify(text) if name == "slug" else text
