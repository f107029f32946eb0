"""Documents, sources and generations for tests, made by the services.

A generation is written in another thread with a connection of its own, so tests that run one take `transactional_db`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import factory

from apps.content.models import Document, Generation, GenerationEvent, Source
from apps.content.services.documents import create_document
from apps.content.services.generation import run_generation, start_generation
from apps.content.services.ingesting import ingest
from apps.content.services.sources import add_file_source, add_text_source
from tests.factories.users import SETUP, ServiceFactory, WorkspaceFactory

BRIDGES = """# Bridges

## Arches

The stone arch carries its load by compression alone. The Romans built arches without mortar.

## Cables

A suspension bridge hangs its deck from steel cables. The Akashi bridge has a main span of 1,991 metres.
"""


class DocumentFactory(ServiceFactory):
    """A short article."""

    class Meta:
        model = Document

    actor = SETUP
    workspace = factory.SubFactory(WorkspaceFactory)
    title = factory.Sequence(lambda n: f"Article {n}")
    body_markdown = "# Article\n\nIts first sentence.\n"
    service = staticmethod(create_document)


class TextSourceFactory(ServiceFactory):
    """A text that waits to be read."""

    class Meta:
        model = Source

    actor = SETUP
    workspace = factory.SubFactory(WorkspaceFactory)
    title = factory.Sequence(lambda n: f"Notes {n}")
    text = BRIDGES
    service = staticmethod(add_text_source)


class GenerationFactory(ServiceFactory):
    """A draft that waits for a worker."""

    class Meta:
        model = Generation

    actor = SETUP
    workspace = factory.SubFactory(WorkspaceFactory)
    kind = "draft"
    brief = factory.LazyFunction(lambda: {"topic": "Bridges"})
    service = staticmethod(start_generation)


def file_source(workspace: Any, name: str, content: bytes, **more: Any) -> Source:
    """An uploaded file."""
    return add_file_source(**{"actor": SETUP, "workspace": workspace, "name": name, "stream": BytesIO(content), **more})


def ready_source(workspace: Any, **more: Any) -> Source:
    """A text that was read and indexed."""
    source = TextSourceFactory(workspace=workspace, **more)
    ingest()
    source.refresh_from_db()
    assert source.state == Source.State.READY, f"{source.state}: {source.error}"
    return source


def run_to_end(generation: Generation) -> Generation:
    """Write a generation here and now, as a worker would."""
    asyncio.run(run_generation(generation.pk))
    generation.refresh_from_db()
    return generation


def events_of(generation: Generation) -> list[tuple[int, str, dict[str, Any]]]:
    """(seq, type, data) of all events."""
    rows = GenerationEvent.objects.filter(generation=generation).order_by("seq")
    return list(rows.values_list("seq", "type", "data"))


def wait_for(condition: Callable[[], Any], *, seconds: float = 10.0, every: float = 0.02) -> Any:
    """The condition's value as soon as it is true.

    Raises:
        TimeoutError: it did not become true in that time.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not true within {seconds} s")
        time.sleep(every)
    return value
