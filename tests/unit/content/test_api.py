"""The REST API of documents, generations and sources, as a program uses it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.backends.models import BackendProfile
from apps.content.models import Document, Generation
from apps.content.services import ingesting
from tests.factories.content import BRIDGES, DocumentFactory, GenerationFactory, run_to_end
from tests.fakes.provider import FakeProvider
from tests.people import People

Api = Callable[..., APIClient]


def error_of(response) -> dict:
    body = response.json()
    assert set(body) == {"error", "request_id"}
    return body["error"]


# ---------------------------------------------------------------- documents
def test_a_document_from_start_to_end(api: Api):
    client = api("wanda")
    made = client.post("/api/v1/content", {"title": "Bridges", "body_markdown": "One.\n"})
    assert made.status_code == 201
    url = made.headers["Location"]
    assert made.headers["ETag"] == '"1"'
    saved = client.patch(url, {"body_markdown": "Two.\n", "mode": "append"}, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.json()["body_markdown"]) == (200, "One.\n\nTwo.\n")
    assert saved.headers["ETag"] == '"2"'
    put = client.put(url, {"title": "Spans", "body_markdown": "Three.\n"}, headers={"If-Match": '"2"'})
    assert put.json()["title"] == "Spans"
    versions = client.get(f"{url}/versions").json()
    assert [row["number"] for row in versions["data"]] == [3, 2, 1]
    assert client.get(f"{url}/versions/1").json()["body_markdown"] == "One.\n"
    diff = client.get(f"{url}/diff?from=1&to=3").json()
    assert (diff["inserted_words"], diff["deleted_words"], diff["title_changed"]) == (1, 1, True)
    back = client.post(f"{url}/revert/1")
    assert (back.json()["body_markdown"], back.json()["version"]) == ("One.\n", 4)
    assert client.get(f"{url}/citations").json() == {"data": []}
    page = client.get(f"{url}/export?format=html")
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert client.get(url, headers={"If-None-Match": '"4"'}).status_code == 304
    assert client.delete(url, headers={"If-Match": '"4"'}).status_code == 204
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_stale_etag_changes_nothing(api: Api, people: People, method: str):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    url = f"/api/v1/content/{document.pk}"
    api("eddie").patch(url, {"title": "Eddie's"})
    body = {"title": "Wanda's", "body_markdown": "x"} if method != "delete" else None
    answer = getattr(api("wanda"), method)(url, body, headers={"If-Match": '"1"'})
    assert (answer.status_code, error_of(answer)["code"]) == (412, "precondition_failed")
    assert Document.objects.get(pk=document.pk).title == "Eddie's"


def test_lists_filter_sort_and_page(api: Api, people: People):
    for number in range(7):
        DocumentFactory(
            actor=people.actor("wanda"),
            workspace=people.press,
            title=f"Text {number}",
            kind="memo" if number % 2 else "article",
            body_markdown=f"needle{number}\n",
        )
    client = api("wanda")
    first = client.get("/api/v1/content?sort=title&limit=4").json()
    assert [row["title"] for row in first["data"]] == ["Text 0", "Text 1", "Text 2", "Text 3"]
    rest = client.get(f"/api/v1/content?sort=title&limit=4&cursor={first['pagination']['next_cursor']}").json()
    assert [row["title"] for row in rest["data"]] == ["Text 4", "Text 5", "Text 6"]
    assert not rest["pagination"]["has_more"]
    assert len(client.get("/api/v1/content?kind=memo").json()["data"]) == 3
    assert [r["title"] for r in client.get("/api/v1/content?q=needle3").json()["data"]] == ["Text 3"]
    assert error_of(client.get("/api/v1/content?sort=colour"))["details"][0]["field"] == "sort"
    assert "body_markdown" not in first["data"][0]


def test_a_list_takes_the_same_queries_whatever_its_length(api: Api, people: People):
    client = api("wanda")
    for _ in range(3):
        DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    client.get("/api/v1/content")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get("/api/v1/content")
    for _ in range(20):
        DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    with CaptureQueriesContext(connection) as many:
        assert len(client.get("/api/v1/content").json()["data"]) == 23
    assert len(many) == len(few) <= 9


def test_unknown_fields_and_bad_bodies_are_told(api: Api):
    client = api("wanda")
    wrong = client.post("/api/v1/content", {"title": "x", "boby": "y"})
    assert (wrong.status_code, error_of(wrong)["details"][0]["field"]) == (400, "boby")
    assert client.post("/api/v1/content", b"{", content_type="application/json").status_code == 400
    assert client.post("/api/v1/content", {"title": "x", "workspace": "rival"}).status_code == 404


def test_another_workspace_is_404_everywhere(api: Api, people: People):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    generation = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    client = api("eve")
    urls = [
        f"/api/v1/content/{document.pk}{tail}"
        for tail in ("", "/versions", "/versions/1", "/diff?from=1", "/export", "/citations")
    ]
    urls.append(f"/api/v1/generations/{generation.pk}")
    for url in urls:
        answer = client.get(url)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found"), url
    for tail in ("stop", "retry", "apply"):
        assert client.post(f"/api/v1/generations/{generation.pk}/{tail}").status_code == 404
    assert client.get("/api/v1/content").json()["data"] == []
    assert client.get("/api/v1/generations").json()["data"] == []
    assert client.get(f"/api/v1/content/{uuid.uuid4()}").status_code == 404


# ---------------------------------------------------------------- generations
def test_asking_answers_202_with_a_stream(api: Api):
    client = api("wanda")
    asked = client.post(
        "/api/v1/generate/content", {"topic": "Bridges", "length": 300}, headers={"Idempotency-Key": "a"}
    )
    assert asked.status_code == 202
    body = asked.json()
    assert body["state"] == "queued"
    assert asked.headers["Location"] == f"/api/v1/generations/{body['id']}"
    assert body["stream_url"].startswith(f"/api/v1/generations/{body['id']}/events?ticket=")
    again = client.post(
        "/api/v1/generate/content", {"topic": "Bridges", "length": 300}, headers={"Idempotency-Key": "a"}
    )
    assert again.json()["id"] == body["id"]
    other = client.post("/api/v1/generate/content", {"topic": "Tunnels"}, headers={"Idempotency-Key": "a"})
    assert other.status_code == 409
    stopped = client.post(f"/api/v1/generations/{body['id']}/stop")
    assert stopped.json()["state"] == "stopped"
    assert Generation.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("content", {"topic": "x", "headings": ["a", "b"]}),
        ("outline", {"topic": "x"}),
        ("section", {"heading": "x"}),
        ("title", {"text": "x"}),
        ("edit", {"action": "shorten", "text": "x"}),
    ],
)
def test_every_kind_can_be_asked_for(api: Api, path: str, body: dict):
    assert api("wanda").post(f"/api/v1/generate/{path}", body).status_code == 202


def test_wishes_that_cannot_be_used(api: Api):
    client = api("wanda")
    assert error_of(client.post("/api/v1/generate/content", {}))["details"][0]["field"] == "topic"
    assert (
        error_of(client.post("/api/v1/generate/edit", {"action": "sing", "text": "x"}))["details"][0]["field"]
        == "action"
    )
    assert error_of(client.post("/api/v1/generate/content?wait=99", {"topic": "x"}))["details"][0]["field"] == "wait"
    missing = client.post("/api/v1/generate/content", {"topic": "x", "source_ids": [str(uuid.uuid4())]})
    assert (missing.status_code, error_of(missing)["details"][0]["field"]) == (404, "source_ids")


def test_waiting_for_the_text(model: BackendProfile, provider: FakeProvider, api: Api, people: People):
    provider.behave("fake-large", words=20)
    client = api("wanda")
    done = threading.Event()

    def worker() -> None:
        while not done.is_set():
            for row in Generation.objects.filter(state="queued"):
                run_to_end(row)
            done.wait(0.05)
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        answer = client.post("/api/v1/generate/content?wait=20", {"topic": "Bridges", "apply": True})
    finally:
        done.set()
        thread.join()
    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], len(body["output_markdown"].split())) == ("succeeded", 20)
    assert body["models_used"][0]["model"] == "fake-large"
    assert body["document_id"]
    assert client.get(f"/api/v1/content/{body['document_id']}").json()["version"] == 1


# ---------------------------------------------------------------- sources
def test_sources_from_upload_to_search(
    files: BackendProfile, offline: BackendProfile, transactional_db: None, api: Api
):
    client = api("wanda")
    uploads = [
        SimpleUploadedFile("bridges.md", BRIDGES.encode(), "text/markdown"),
        SimpleUploadedFile("empty.md", b"", "text/markdown"),
        SimpleUploadedFile("other.txt", b"Nothing about that at all.", "text/plain"),
    ]
    answer = client.post("/api/v1/sources", {"file": uploads}, format="multipart")
    assert answer.status_code == 202
    assert [row["uri"] for row in answer.json()["data"]] == ["bridges.md", "other.txt"]
    assert answer.json()["errors"][0]["name"] == "empty.md"
    text = client.post("/api/v1/sources/text", {"title": "Tunnels", "text": "A tunnel is not a bridge."})
    assert text.status_code == 202
    ingesting.ingest()
    rows = client.get("/api/v1/sources?state=ready").json()["data"]
    assert len(rows) == 3
    found = client.post("/api/v1/sources/search", {"query": "span of the Akashi bridge", "limit": 3}).json()
    assert "1,991" in found["data"][0]["text"]
    assert found["data"][0]["keyword_rank"] == 1
    assert found["data"][0]["vector_score"] is not None
    source = f"/api/v1/sources/{rows[0]['id']}"
    assert client.get(source).json()["warnings"] == []
    assert client.post(f"{source}/retry").status_code == 202
    assert client.delete(source).status_code == 204
    assert client.get(source).status_code == 404


def test_uploads_that_cannot_be_used(files: BackendProfile, api: Api):
    client = api("wanda")
    assert error_of(client.post("/api/v1/sources", {}, format="multipart"))["details"][0]["field"] == "file"
    empty = client.post("/api/v1/sources", {"file": BytesIO(b"")}, format="multipart")
    assert empty.status_code == 400
    assert client.post("/api/v1/sources", {"file": "x"}, format="json").status_code == 415
