"""What parameters of the content app name."""

from __future__ import annotations

import datetime as dt

from django.core.files.base import ContentFile
from django.utils import timezone

from apps.backends.models import BackendProfile
from apps.backends.services.profiles import Secrets, create_profile
from apps.content.models import (
    Collection,
    ContentType,
    Document,
    DocumentVersion,
    EmbeddingIndex,
    Export,
    Generation,
    PromptAction,
    Publication,
    Source,
    Suggestion,
    Tag,
    WebhookEndpoint,
)
from apps.content.services.collections import create_collection
from apps.content.services.content_types import create_content_type
from apps.content.services.documents import delete_document
from apps.content.services.exports import start_export
from apps.content.services.importing import import_file
from apps.content.services.lifecycle import approve
from apps.content.services.outlines import set_sections
from apps.content.services.pictures import add_picture
from apps.content.services.prompt_actions import create_prompt_action
from apps.content.services.publishing import publish_document
from apps.content.services.suggestions import suggest_edits
from apps.content.services.tags import create_tag
from apps.content.services.webhooks import create_webhook, ping
from tests.factories.backends import SETUP, storage_profile
from tests.factories.content import DocumentFactory, GenerationFactory, file_source


def _files():
    if not BackendProfile.objects.of_kind("storage").exists():
        storage_profile()


def _document(people):
    found = Document.objects.filter(workspace=people.press).first()
    return (found or DocumentFactory(actor=people.actor("wanda"), workspace=people.press)).pk


def _generation(people):
    """Finished, so that it can be taken over and asked for again."""
    found = Generation.objects.filter(workspace=people.press).first()
    made = found or GenerationFactory(
        actor=people.actor("wanda"), workspace=people.press, document_id=_document(people)
    )
    Generation.objects.filter(pk=made.pk).update(state="succeeded", output_markdown="Written.\n")
    return made.pk


def _source(people):
    _files()
    found = Source.objects.filter(workspace=people.press).first()
    made = found or file_source(people.press, "notes.md", b"# Notes\n\nA fact.\n", actor=people.actor("wanda"))
    Source.objects.filter(pk=made.pk).update(state="ready")
    return made.pk


def _collection(people):
    found = Collection.objects.filter(workspace=people.press).first()
    return (found or create_collection(actor=people.actor("wanda"), workspace=people.press, name="Reports")).pk


def _tag(people):
    found = Tag.objects.filter(workspace=people.press, name="one").first()
    return (found or create_tag(actor=people.actor("wanda"), workspace=people.press, name="one")).pk


def _other_tag(people):
    found = Tag.objects.filter(workspace=people.press, name="two").first()
    return (found or create_tag(actor=people.actor("wanda"), workspace=people.press, name="two")).pk


def _binned(people):
    made = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    delete_document(actor=people.actor("wanda"), document_id=made.pk)
    return made.pk


def _suggestion(people):
    """Open: "first" becomes "only"."""
    document = _document(people)
    found = Suggestion.objects.filter(document_id=document, state="open").first()
    if found is None:
        found = suggest_edits(
            actor=people.actor("wanda"), document_id=document, edits=[{"quote": "first", "replacement": "only"}]
        )
    return found.pk


def _export(people):
    found = Export.objects.filter(document__workspace=people.press).first()
    return (found or start_export(actor=people.actor("wanda"), document_id=_document(people), format="md")).pk


def _index(people):
    return EmbeddingIndex.objects.get_or_create(workspace=people.press, embedder_id="tests", dimension=3)[0].pk


def _upload(people):
    _files()
    return {"file": ContentFile(b"text", "upload.txt"), "workspace": ""}


def _place(people):
    """A place to publish to; nothing is sent there."""
    found = BackendProfile.objects.of_kind("publish").first()
    if found is None:
        options = {"base_url": "http://127.0.0.1:9", "username": "wanda"}
        secrets = Secrets(typed={"application_password": "abcd efgh ijkl mnop"})
        found = create_profile(
            actor=SETUP, kind="publish", plugin_key="wordpress", name="Blog", options=options, secrets=secrets
        )
        BackendProfile.objects.filter(pk=found.pk).update(
            enabled=True, last_test_ok=True, last_test_revision=found.revision
        )
    return found.pk


def _approved(people):
    """The document, with an approved version."""
    document = _document(people)
    if Document.objects.get(pk=document).approved_version is None:
        approve(actor=people.actor("eddie"), document_id=document)
    return document


def _in(status):
    """Makes the document one of this status and returns an empty body."""

    def body(people):
        found = Document.objects.get(pk=_approved(people))
        Document.objects.filter(pk=found.pk).update(status=status, published_version=found.approved_version)
        return {}

    return body


def _schedule_body(people):
    _approved(people)
    return {"publish_at": (timezone.now() + dt.timedelta(days=1)).isoformat()}


def _publication(people):
    document, place = _approved(people), _place(people)
    made = publish_document(actor=people.actor("wanda"), document_id=document, target_id=place)
    Publication.objects.filter(pk=made.pk).update(state="failed")
    return made.pk


def _prompt(people):
    found = PromptAction.objects.filter(workspace=people.press).first()
    if found is None:
        found = create_prompt_action(
            actor=people.actor("eddie"), workspace=people.press, name="Plain", template="Say it plainly: {selection}"
        )
    return found.pk


PNG = b"\x89PNG\r\n\x1a\n and more"


def _picture_file(people):
    _files()
    made = add_picture(
        actor=people.actor("wanda"), document_id=_document(people), name="a.png", stream=ContentFile(PNG, "a.png")
    )
    # The text shows it, so that a link to the text shows it as well.
    DocumentVersion.objects.filter(document=_document(people)).update(body_markdown=f"![A](/pictures/{made.pk})\n")
    return made.pk


def _picture_upload(people):
    _files()
    return {"file": ContentFile(PNG, "a.png")}


def _webhook(people):
    found = WebhookEndpoint.objects.filter(workspace=people.press).first()
    if found is None:
        found, _ = create_webhook(
            actor=people.actor("eddie"), workspace=people.press, name="Site", url="https://hooks.example.org/"
        )
    return found.pk


def _template(people):
    """The workspace's own."""
    found = ContentType.objects.filter(workspace=people.press).first()
    return (
        found
        or create_content_type(
            actor=people.actor("eddie"), workspace=people.press, name="Label", instructions="Write a label."
        )
    ).pk


def _common_template(people):
    """Common to all, so that it can be copied and changed in the console."""
    found = ContentType.objects.filter(workspace=None).first()
    made = found or create_content_type(actor=SETUP, workspace=None, name="Card", instructions="Write a card.")
    return made.pk


def _with_sections(people):
    set_sections(actor=people.actor("wanda"), document_id=_document(people), sections=[{"heading": "New"}])
    return {}


def _import(people):
    _files()
    made = import_file(
        actor=people.actor("wanda"), workspace=people.press, name="a.md", stream=ContentFile(b"# A\n", "a.md")
    )
    return made.pk


def _seo_document(people):
    return {"document_id": str(_document(people))}


def _picture(people):
    document = Document.objects.get(pk=_document(people))
    Document.objects.filter(pk=document.pk).update(body_markdown="![](/x.png)\n")
    return {"document_id": str(document.pk), "image": "/x.png"}


def _delivery(people):
    return ping(actor=people.actor("eddie"), webhook_id=_webhook(people)).pk


BODIES = {
    "POST api/v1/content/<uuid:document_id>/merge": lambda people: {
        "title": "New",
        "body_markdown": "New.",
        "base_version": 1,
    },
    "POST api/v1/content/bulk": lambda people: {
        "ids": [str(_document(people))],
        "action": "tag",
        "add_tags": ["new"],
    },
    "POST api/v1/collections": lambda people: {"name": "New"},
    "PATCH api/v1/collections/<uuid:collection_id>": lambda people: {"name": "New"},
    "POST api/v1/tags": lambda people: {"name": "new"},
    "PATCH api/v1/tags/<uuid:tag_id>": lambda people: {"name": "new"},
    "POST api/v1/tags/<uuid:tag_id>/merge": lambda people: {"into": str(_other_tag(people))},
    "PATCH api/v1/settings": lambda people: {"trash_days": 3},
    "POST api/v1/content": lambda people: {"title": "New"},
    "PUT api/v1/content/<uuid:document_id>": lambda people: {"title": "New", "body_markdown": "New.\n"},
    "PATCH api/v1/content/<uuid:document_id>": lambda people: {"title": "New"},
    "POST api/v1/content/<uuid:document_id>/publications": lambda people: (
        _approved(people),
        {"target_id": str(_place(people))},
    )[1],
    "POST api/v1/content/<uuid:document_id>/publish": lambda people: (_approved(people), {})[1],
    "DELETE api/v1/content/<uuid:document_id>/publish": _in("published"),
    "POST api/v1/content/<uuid:document_id>/schedule": _schedule_body,
    "DELETE api/v1/content/<uuid:document_id>/schedule": _in("scheduled"),
    "POST api/v1/content/<uuid:document_id>/send-back": _in("in_review"),
    "DELETE api/v1/content/<uuid:document_id>/archive": _in("archived"),
    "POST documents/<uuid:document_id>/status": lambda people: {"step": "submit"},
    "POST api/v1/imports": _upload,
    "POST api/v1/seo/analyze": _seo_document,
    "POST api/v1/seo/structured-data": _seo_document,
    "POST api/v1/seo/title": _seo_document,
    "POST api/v1/seo/meta-description": _seo_document,
    "POST api/v1/seo/alt-text": _picture,
    "PATCH api/v1/content/<uuid:document_id>/seo": lambda people: {"keyword": "tides"},
    "POST api/v1/content/<uuid:document_id>/pictures": _picture_upload,
    "POST api/v1/prompt-actions": lambda people: {"name": "New", "template": "{selection}"},
    "PATCH api/v1/prompt-actions/<uuid:action_id>": lambda people: {"name": "New"},
    "POST api/v1/webhooks": lambda people: {"name": "Site", "url": "https://hooks.example.org/"},
    "POST api/v1/exports": lambda people: {"format": "md", "document_ids": [str(_document(people))]},
    "POST api/v1/content/<uuid:document_id>/suggestions": lambda people: {
        "edits": [{"quote": "first", "replacement": "only"}]
    },
    "PUT api/v1/content/<uuid:document_id>/sections": lambda people: {"sections": [{"heading": "New"}]},
    "POST api/v1/content/<uuid:document_id>/sections/plan": lambda people: {"topic": "Bridges"},
    "POST api/v1/content/<uuid:document_id>/sections/write": _with_sections,
    "POST api/v1/templates": lambda people: {"name": "New", "instructions": "Write."},
    "PATCH api/v1/templates/<uuid:content_type_id>": lambda people: {"name": "New"},
    "POST api/v1/templates/<uuid:content_type_id>/generate": lambda people: {"values": {}},
    "POST api/v1/generate/content": lambda people: {"topic": "Bridges"},
    "POST api/v1/generate/outline": lambda people: {"topic": "Bridges"},
    "POST api/v1/generate/section": lambda people: {"heading": "Bridges"},
    "POST api/v1/generate/title": lambda people: {"text": "Bridges"},
    "POST api/v1/generate/estimate": lambda people: {"kind": "draft", "brief": {"topic": "Bridges"}},
    "POST api/v1/generate/edit": lambda people: {"action": "shorten", "text": "Bridges"},
    "POST api/v1/sources": _upload,
    "POST api/v1/sources/text": lambda people: (_files(), {"title": "Notes", "text": "A fact."})[1],
    "POST api/v1/sources/search": lambda people: {"query": "fact"},
}
THINGS = {
    "collection_id": _collection,
    "tag_id": _tag,
    "binned_id": _binned,
    "document_id": _document,
    "generation_id": _generation,
    "source_id": _source,
    "export_id": _export,
    "content_type_id": _template,
    "content.contenttype": _common_template,
    "import_id": _import,
    "action_id": _prompt,
    "picture_id": _picture_file,
    "webhook_id": _webhook,
    "delivery_id": _delivery,
    "publication_id": _publication,
    "content.publication": _publication,
    "suggestion_id": _suggestion,
    "number": lambda people: 1,
    "content.document": _document,
    "content.generation": _generation,
    "content.source": _source,
    "content.export": _export,
    "content.promptaction": lambda people: PromptAction.objects.filter(workspace=None).first().pk,
    "content.embeddingindex": _index,
}
