"""Staging copies: nothing of the original is in them, and a portal runs on them."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from aiwriter.core.datamap import DataClass, Rule, Staging, data_map
from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.backends.models import BackendProfile
from apps.backups.models import BackupSet, StagingCopy, StagingMark
from apps.backups.services.staging import copies, steps
from apps.backups.services.staging.copies import start_staging
from apps.backups.services.staging.files import content_of
from apps.backups.services.staging.masks import Masks
from apps.backups.services.staging.originals import Originals, Search
from apps.backups.services.staging.targets import StagingTarget
from apps.backups.services.working import carry_out
from apps.content.models import Document
from apps.content.services.documents import save_document
from apps.content.services.pictures import add_picture
from apps.content.services.sources import add_text_source
from tests.factories.content import DocumentFactory
from tests.factories.users import SETUP
from tests.people import People

BackUp = Callable[..., BackupSet]
SEEN = pytest.mark.django_db(transaction=connection.vendor == "postgresql")
PNG = b"\x89PNG\r\n\x1a\nKEEPERSPORTRAIT" + b"\0" * 60
_TEXT = models.CharField | models.TextField | models.JSONField


# ------------------------------------------------------------ the map
def test_every_column_of_every_table_has_a_class() -> None:
    known = data_map()
    tables = apps.get_models(include_auto_created=True)
    assert {model._meta.label for model in tables} == set(known), "declare it in models/datamap.py of its app"
    for model in tables:
        declared = set(known[model._meta.label].columns)
        assert {field.name for field in model._meta.concrete_fields} == declared, model._meta.label


def test_no_text_of_a_copy_stays_as_it_is_unless_the_code_lists_its_values() -> None:
    for model in apps.get_models(include_auto_created=True):
        table = data_map()[model._meta.label]
        for field in model._meta.concrete_fields:
            column = table.columns[field.name]
            if table.staging == Staging.COPY and isinstance(field, _TEXT) and column.rule == Rule.KEEP:
                assert field.choices, f"{table.label}.{field.name} is kept, and may hold anything"
            if column.data_class == DataClass.SECRET:
                assert column.rule in (Rule.DROP, Rule.UNUSABLE), f"{table.label}.{field.name} is a secret"


def test_the_people_of_a_table_are_columns_that_lead_to_one() -> None:
    for model in apps.get_models(include_auto_created=True):
        table = data_map()[model._meta.label]
        assert table.retention
        for path in table.people:
            found: Any = model
            for step in path.split("__"):
                field = found._meta.get_field(step)
                found = field.related_model or found
        assert (table.erasure == "none") or table.people or table.label in ("sessions.Session",), table.label


# ------------------------------------------------------------ masks
def test_a_text_keeps_its_length_its_markup_and_nothing_else() -> None:
    masks = Masks(b"k" * 32, files={"0198c6aa-0000-7000-8000-000000000001"})
    text = (
        "# Plan für Anna Schmidt\n\n1. Call +49 30 1234567, **secretly** [3]\n- <anna.schmidt@firma.de>\n"
        "- https://docs.example.com/plan?x=1\n\n![x](/pictures/0198c6aa-0000-7000-8000-000000000001) Привет 東京\n"
    )
    made = masks.text(text)
    assert len(made) == len(text)
    assert [made.count(mark) for mark in "#*[]()!\n"] == [text.count(mark) for mark in "#*[]()!\n"]
    assert "1. " in made
    assert "[3]" in made
    assert "/pictures/0198c6aa-0000-7000-8000-000000000001" in made
    assert ".invalid/" in made
    for word in ("Anna", "Schmidt", "1234567", "secretly", "firma", "docs", "Привет", "東京"):
        assert word not in made
    assert masks.text(text) == made
    assert Masks(b"l" * 32).text(text) != made


def test_equal_passages_stay_equal_and_a_quotation_is_still_found() -> None:
    masks = Masks(b"k" * 32)
    text = "The keeper lights the lamp at dusk, and the ships turn."
    assert masks.text("lights the lamp at dusk") in masks.text(text)


def test_many_words_become_the_same_one_so_that_counting_brings_nothing_back() -> None:
    masks = Masks(b"k" * 32)
    words = {f"w{first}{second}rdle" for first in "abcdefghijklmnopqrst" for second in "abcdefghijklmnopqrst"}
    assert len({masks.text(word) for word in words}) <= 64


def test_names_stay_apart_and_people_have_one_pseudonym() -> None:
    masks = Masks(b"k" * 32, people={"anna@firma.de": "7"})
    names = [f"Room {number}" for number in range(500)] + ["A", "B", "C"]
    assert len({masks.name(name).casefold() for name in names}) == len(names)
    assert masks.email("Anna@firma.de") == masks.email("anna@firma.de") != masks.email("bo@firma.de")
    first, last = masks.person("Anna Schmidt", "7").lower().split()
    assert masks.email("anna@firma.de").startswith(f"{first}.{last}.")
    assert masks.email("anna@firma.de").endswith("@staging.invalid")


def test_json_keeps_the_words_of_the_code_and_no_others() -> None:
    made = Masks(b"k" * 32).json({"title": "Anna", "salary": ["high", 3], "id": None}, ("title", "id"))
    assert made["title"] != "Anna"
    assert made["id"] is None
    assert "salary" not in made
    assert 3 in next(value for key, value in made.items() if key not in ("title", "id"))


@pytest.mark.parametrize(
    ("kind", "begin"),
    [
        ("image/png", b"\x89PNG"),
        ("image/gif", b"GIF89a"),
        ("image/jpeg", b"\x89PNG"),
        ("application/pdf", b"%PDF-"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK"),
        ("text/markdown", b"This file"),
        ("", b"This file"),
    ],
)
def test_a_file_is_replaced_by_one_of_its_kind(kind: str, begin: bytes) -> None:
    assert content_of(kind, "00ff").startswith(begin)
    assert content_of(kind, "00ff") != content_of(kind, "11ff")


# ------------------------------------------------------------ the search
def test_the_search_finds_a_word_at_every_place_of_raw_bytes() -> None:
    for offset in range(20):
        data = b"\0" * offset + b"lighthouse\x01keeper" + b"\0" * 9
        assert [at for at, _ in Search({b"lighthouse": "content"}).look(data)] == [offset]
    assert Search({b"lighthouse": "content"}).look(b"lighthaus and more") == []
    assert Search({b"a@b.de": "personal"}).look(b"xxa@b.de") == [(2, b"a@b.de")]


def test_what_stayed_or_is_the_products_own_is_not_looked_for() -> None:
    column = data_map()["content.Document"].columns["title"]
    originals = Originals()
    originals.note(column, "Wintermorning instructions", "Xantermorning pokeructions")
    originals.note(column, "Wintermorning", "Wintermorning")
    search = originals.haystack([b"<label>instructions</label>"])
    assert search.look(b"Wintermorning instructions") == []
    assert Originals().haystack().look(b"anything at all") == []


# ------------------------------------------------------------ copies
def filled(people: People) -> Document:
    """A document with versions, a picture, a comment and a source."""
    document = DocumentFactory(workspace=people.press, title="Harbourmaster's memorandum")
    picture = add_picture(
        actor=SETUP, document_id=document.pk, name="Portrait of Leuchtturm.png", stream=io.BytesIO(PNG)
    )
    document = save_document(
        actor=SETUP,
        document_id=document.pk,
        revision=Document.objects.get(pk=document.pk).revision,
        body_markdown=f"# Confidential\n\nThe lighthousekeeper sleeps.\n\n![x](/pictures/{picture.pk})\n",
        label="second",
    )
    add_text_source(actor=SETUP, workspace=people.press, title="Tidetables", text="Springtides are highest.\n" * 5)
    return document


def copied(row: BackupSet, folder: Path, **values: Any) -> StagingCopy:
    """Make a copy in this process."""
    job = start_staging(actor=SETUP, set_id=row.pk, folder=str(folder), wake=False, **values)
    carry_out("staging", job.pk)
    return StagingCopy.objects.get(pk=job.pk)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the proof does it on PostgreSQL")
def test_a_copy_has_every_row_and_nothing_of_the_original(
    files: BackendProfile, people: People, back_up: BackUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = StagingTarget.begin

    def begun(target: StagingTarget) -> None:
        """Where the run has a migrated database the copy's `migrate` finds it: 20 s less, minutes on a busy machine."""
        begin(target)
        if migrated := os.environ.get("TESTS_MIGRATED"):
            shutil.copy(migrated, target.folder / "aiwriter.sqlite3")

    monkeypatch.setattr(StagingTarget, "begin", begun)
    document = filled(people)
    job = copied(back_up(), tmp_path / "copy")
    assert job.state == "succeeded", f"{job.error}\n{job.log}"
    assert job.scan["found"] == 0
    assert job.scan["looked_for"] > 10
    # The source waits to be read, and a copy goes on with nothing that waited.
    assert (job.result["tables"]["content.Document"], job.result["tables"]["content.Source"]) == (1, 0)
    assert job.identity_ref == job.database_ref == ""
    raw = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    for word in (b"Harbourmaster", b"lighthousekeeper", b"Springtides", b"KEEPERSPORTRAIT", b"@example"):
        assert word not in raw
    assert str(document.pk).replace("-", "").encode() in raw
    with closing(sqlite3.connect(tmp_path / "copy" / "aiwriter.sqlite3")) as opened:
        title, body, html = opened.execute("SELECT title, body_markdown, body_html FROM content_document").fetchone()
        assert len(title) == len(document.title)
        assert html.startswith("<h1")
        assert body.startswith("# ")
        assert len(body) == len(document.body_markdown)
        assert opened.execute("SELECT count(*) FROM backups_stagingmark").fetchone() == (1,)
        assert opened.execute("SELECT count(*) FROM users_apitoken").fetchone() == (0,)
        names = {row[0] for row in opened.execute("SELECT storage_name FROM backends_storedblob")}
        assert {path.name for path in (tmp_path / "copy" / "files").rglob("*") if path.is_file()} == {
            name.rpartition("/")[2] for name in names
        }
        assert not opened.execute("PRAGMA foreign_key_check").fetchall()
    assert "password" in (tmp_path / "copy" / copies.SIGN_IN).read_text()


@SEEN
def test_a_copy_in_which_an_original_is_found_is_removed(
    files: BackendProfile, people: People, back_up: BackUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(job: StagingCopy, reader: Any, target: StagingTarget, progress: Any, clock: Any) -> dict[str, Any]:
        originals = Originals()
        originals.note(data_map()["content.Document"].columns["title"], "Leuchtturm", "Xonemasopi")
        (target.folder / "notes.bin").write_bytes(b"\0\1Leuchtturm\2")
        return copies._scan(target, originals.haystack(), progress)

    monkeypatch.setattr(copies, "_make", leaking)
    monkeypatch.setattr(StagingTarget, "streams", lambda _target: iter(()))
    job = copied(back_up(), tmp_path / "copy")
    assert (job.state, job.exit_code) == ("failed", 14)
    assert job.scan["found"] == 1
    assert job.scan["places"] == [{"where": "notes.bin", "at": 2, "kind": "content"}]
    assert "Leuchtturm" not in f"{job.scan} {job.log} {job.error}"
    assert not (tmp_path / "copy").exists()


@SEEN
def test_a_place_that_holds_something_is_refused(
    files: BackendProfile, people: People, back_up: BackUp, tmp_path: Path, settings: Any
) -> None:
    row = back_up()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "letter.txt").write_text("x")
    with pytest.raises(Conflict, match="not empty"):
        start_staging(actor=SETUP, set_id=row.pk, folder=str(tmp_path / "there"), wake=False)
    for folder in ("", str(settings.DATA_DIR), f"{settings.DATA_DIR}/files", "../files"):
        with pytest.raises(InvalidInput):
            start_staging(actor=SETUP, set_id=row.pk, folder=folder, wake=False)
    for database in ("mysql://x/y", "postgres:///x", "nonsense"):
        with pytest.raises(InvalidInput):
            start_staging(actor=SETUP, set_id=row.pk, folder=str(tmp_path / "new"), database=database, wake=False)
    with pytest.raises(PermissionDenied):
        start_staging(actor=people.actor("otto"), set_id=row.pk, folder=str(tmp_path / "new"), wake=False)


@pytest.mark.django_db
def test_a_staging_installation_refuses_rows_that_were_not_sanitised(people: People, settings: Any) -> None:
    assert people.ada
    settings.ENVIRONMENT = "production"
    steps.refuse_unsanitised()
    settings.ENVIRONMENT = "staging"
    with pytest.raises(Conflict, match="not sanitised"):
        steps.refuse_unsanitised()
    StagingMark.objects.create()
    steps.refuse_unsanitised()
