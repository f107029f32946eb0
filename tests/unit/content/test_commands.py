"""Commands of the content app, against real rows; Chroma itself is killed and rebuilt in the proof vectors-rebuild."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from apps.backends.models import BackendProfile
from apps.content.management.commands import load_demo
from apps.content.models import Document, Source
from apps.users.models import AuditEvent
from tests.people import People


def test_the_demo_needs_an_administrator(db: None) -> None:
    with pytest.raises(CommandError, match="bootstrap"):
        call_command("load_demo", stdout=io.StringIO())


def test_the_demo_names_an_unknown_person(people: People) -> None:
    with pytest.raises(CommandError, match="nobody@example"):
        call_command("load_demo", "--email", "nobody@example.org", stdout=io.StringIO())


def test_rebuilding_without_a_vector_store_says_so(people: People, settings: object) -> None:
    settings.AIWRITER_CHROMA_URL = ""  # type: ignore[attr-defined]
    output = io.StringIO()
    call_command("rebuild_vectors", stdout=output)
    assert "0 vectors in 0 workspaces" in output.getvalue()


def test_rebuilding_an_unknown_workspace_names_the_problem(people: People) -> None:
    with pytest.raises(CommandError, match="no such workspace") as caught:
        call_command("rebuild_vectors", "--workspace", "nowhere", stdout=io.StringIO())
    assert caught.value.returncode == 5
    assert not AuditEvent.objects.filter(action="vectors.rebuilt").exists()


def test_the_demo_files_are_documents_that_can_be_read() -> None:
    files = sorted(load_demo.FOLDER.glob("*.md"))
    assert len(files) == 3
    assert all(file.read_text().startswith("# ") for file in files)


def test_the_demo_writes_an_article_from_its_sources(
    transactional_db: None,
    people: People,
    files: BackendProfile,
    offline: BackendProfile,
    run_jobs: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waiting stands for the worker here: each pause of the command runs what was enqueued."""
    pause = time.sleep

    def work(seconds: float) -> None:
        run_jobs()
        pause(0.1)

    monkeypatch.setattr(load_demo, "time", SimpleNamespace(sleep=work, monotonic=time.monotonic))
    call_command("load_demo", "--email", people.named("alma").email, stdout=io.StringIO())
    assert Source.objects.filter(state="ready").count() == 3
    document = Document.objects.get()
    assert "[1]" in document.body_markdown
    assert "moon" in document.body_markdown
