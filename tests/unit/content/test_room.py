"""The last of the disk is kept for what must go on: files are refused, texts are saved."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from apps.backends.models import BackendProfile, StoredFile

pytestmark = pytest.mark.django_db
GIB = 2**30
Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("total", "free", "status"),
    [(100 * GIB, 2 * GIB - 1, 507), (100 * GIB, 2 * GIB, 202), (10 * GIB, GIB // 6, 507), (10 * GIB, GIB // 4, 202),
     (1000 * GIB, 3 * GIB, 202), (1000 * GIB, GIB, 507)],
)  # fmt: skip
def test_a_file_is_refused_below_two_per_cent_and_a_text_is_saved(
    total: int,
    free: int,
    status: int,
    files: BackendProfile,
    api: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))
    client = api("wanda")
    upload = SimpleUploadedFile("notes.md", b"The tide comes twice a day.", "text/markdown")
    answer = client.post("/api/v1/sources", {"file": upload}, format="multipart")
    assert answer.status_code == status, answer.content
    assert StoredFile.objects.exists() == (status == 202)
    if status == 507:
        error = answer.json()["error"]
        assert error["code"] == "storage_full"
        assert "Less than 2% of the server's disk is free" in error["message"]
        assert "Texts can still be saved" in str(error)
    made = client.post("/api/v1/content", {"title": "Tides", "body_markdown": "One.\n"})
    saved = client.patch(made.headers["Location"], {"body_markdown": "Two.\n"}, headers={"If-Match": '"1"'})
    assert (made.status_code, saved.status_code) == (201, 200)


def test_a_disk_that_cannot_be_asked_refuses_nothing(
    files: BackendProfile, api: Callable[..., APIClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(shutil, "disk_usage", gone)
    upload = SimpleUploadedFile("notes.md", b"The tide comes twice a day.", "text/markdown")
    assert api("wanda").post("/api/v1/sources", {"file": upload}, format="multipart").status_code == 202
