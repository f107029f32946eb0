"""What the writers' pages are sent, and the citation that two of them show."""

from __future__ import annotations

from django.core.files.base import ContentFile

from apps.content.models import Citation, Document
from apps.content.services.documents import save_document
from tests.web.matrix.content import BODIES as STATED
from tests.web.matrix.content import THINGS as CONTENT
from tests.web.permissions import Json


def _marker(people):
    """A citation in wanda's document and in the generation that it came from."""
    generation, document = CONTENT["generation_id"](people), Document.objects.get(pk=CONTENT["document_id"](people))
    if not Citation.objects.filter(marker="1").exists():
        said = {"marker": "1", "quote": "A fact.", "source_title": "Notes", "generation_id": generation}
        saved = save_document(
            actor=people.actor("wanda"),
            document_id=document.pk,
            revision=document.revision,
            title="Cited",
            body_markdown="A fact. [1]\n",
            reason="manual",
        )
        Citation.objects.create(**said)
        Citation.objects.create(**said, version=saved.current_version)
    return "1"


def _revision(people):
    return Document.objects.get(pk=CONTENT["document_id"](people)).revision


THINGS = {"marker": _marker}


def _merge(people):
    """A text that came too late, and goes together with the stored one by itself."""
    text = {"title": "Cited", "html": "<p>A fact.</p>"}
    return Json(revision=_revision(people), base=text, mine=text, choices={}, title="theirs")


def _merge_form(people):
    text = Document.objects.get(pk=CONTENT["document_id"](people))
    said = {"base_title": text.title, "base_body": text.body_markdown}
    return {"revision": text.revision, **said, "mine_title": text.title, "mine_body": f"{text.body_markdown}\nMore.\n"}


_ACTION = {"name": "New", "template": "{selection}", "scope": "both", "placement": "replace"}
BODIES = {
    "POST documents/<uuid:document_id>/pictures": STATED["POST api/v1/content/<uuid:document_id>/pictures"],
    "POST ai-actions/": lambda people: _ACTION,
    "POST ai-actions/<uuid:action_id>/": lambda people: _ACTION,
    "POST ai-actions/<uuid:action_id>/restore": lambda people: {"number": "1"},
    "POST settings/workspace": lambda people: {"name": "Press", "language": "en", "trash_days": "3"},
    "POST settings/you": lambda people: {"locale": "en", "timezone": "UTC", "theme": "dark"},
    "POST documents/<uuid:document_id>/presence": lambda people: Json(leave=False),
    "POST documents/<uuid:document_id>/merge": _merge,
    "POST documents/<uuid:document_id>/merge/page": _merge_form,
    "POST documents/many": lambda people: {"act": "trash", "document": str(CONTENT["document_id"](people))},
    "POST collections/": lambda people: {"name": "New"},
    "POST collections/<uuid:collection_id>/change": lambda people: {"name": "New"},
    "POST tags/": lambda people: {"name": "new"},
    "POST tags/<uuid:tag_id>/change": lambda people: {"name": "new"},
    "POST documents/<uuid:document_id>/save": lambda people: Json(
        title="New", html="<p>New.</p>", revision=_revision(people), reason="manual"
    ),
    "POST documents/<uuid:document_id>/markdown": lambda people: {
        "title": "New",
        "body": "New.",
        "revision": _revision(people),
    },
    "POST documents/<uuid:document_id>/publish": lambda people: {
        "target": STATED["POST api/v1/content/<uuid:document_id>/publications"](people)["target_id"],
        "wish": "publish",
    },
    "POST documents/<uuid:document_id>/seo/suggest": lambda people: {"what": "title"},
    "POST webhooks/": STATED["POST api/v1/webhooks"],
    "POST webhooks/<uuid:webhook_id>/": STATED["POST api/v1/webhooks"],
    "POST documents/<uuid:document_id>/comments": lambda people: {"act": "say", "body": "True?"},
    "POST documents/<uuid:document_id>/exports": lambda people: {"format": "md", "version": "current"},
    "POST documents/<uuid:document_id>/rewrites": lambda people: Json(action="shorten", html=""),
    "GET documents/<uuid:document_id>/export": lambda people: {"format": "md"},
    "GET documents/<uuid:document_id>/compare": lambda people: {"from": "1", "to": "1"},
    "POST documents/<uuid:document_id>/versions/<int:number>/label": lambda people: {"label": "First"},
    "POST estimate/": lambda people: {"topic": "Bridges"},
    "POST budgets/": lambda people: {
        "target": f"workspace:{people.press.pk}",
        "period": "day",
        "limit_tokens": "5",
        "currency": "USD",
        "warn_at": "80",
    },
    "POST budgets/<uuid:budget_id>/": lambda people: {"limit_tokens": "5", "currency": "USD", "warn_at": "80"},
    "POST write/": lambda people: {
        "topic": "Bridges",
        "kind": "article",
        "length": "300",
        "language": "en",
        "use": "none",
        "key": "matrix",
    },
    "POST sources/upload": lambda people: {"files": ContentFile(b"A fact.", "notes.txt")},
    "POST sources/text": STATED["POST api/v1/sources/text"],
}
