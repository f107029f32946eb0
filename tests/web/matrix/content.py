"""What parameters of the content app name."""

from __future__ import annotations

from django.core.files.base import ContentFile

from apps.backends.models import BackendProfile
from apps.content.models import Document, EmbeddingIndex, Export, Generation, Source
from apps.content.services.exports import start_export
from tests.factories.backends import storage_profile
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


def _export(people):
    found = Export.objects.filter(document__workspace=people.press).first()
    return (found or start_export(actor=people.actor("wanda"), document_id=_document(people), format="md")).pk


def _index(people):
    return EmbeddingIndex.objects.get_or_create(workspace=people.press, embedder_id="tests", dimension=3)[0].pk


def _upload(people):
    _files()
    return {"file": ContentFile(b"text", "upload.txt"), "workspace": ""}


BODIES = {
    "POST api/v1/content": lambda people: {"title": "New"},
    "PUT api/v1/content/<uuid:document_id>": lambda people: {"title": "New", "body_markdown": "New.\n"},
    "PATCH api/v1/content/<uuid:document_id>": lambda people: {"title": "New"},
    "POST api/v1/exports": lambda people: {"format": "md", "document_ids": [str(_document(people))]},
    "POST api/v1/generate/content": lambda people: {"topic": "Bridges"},
    "POST api/v1/generate/outline": lambda people: {"topic": "Bridges"},
    "POST api/v1/generate/section": lambda people: {"heading": "Bridges"},
    "POST api/v1/generate/title": lambda people: {"text": "Bridges"},
    "POST api/v1/generate/edit": lambda people: {"action": "shorten", "text": "Bridges"},
    "POST api/v1/sources": _upload,
    "POST api/v1/sources/text": lambda people: (_files(), {"title": "Notes", "text": "A fact."})[1],
    "POST api/v1/sources/search": lambda people: {"query": "fact"},
}
THINGS = {
    "document_id": _document,
    "generation_id": _generation,
    "source_id": _source,
    "export_id": _export,
    "number": lambda people: 1,
    "content.document": _document,
    "content.generation": _generation,
    "content.source": _source,
    "content.export": _export,
    "content.embeddingindex": _index,
}
