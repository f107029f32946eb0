"""Error pages stand when the database does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client

from aiwriter.core.staticfiles import ModuleStorage, start_problem


@pytest.mark.parametrize("where", ["/", "/documents/"])
def test_the_page_of_a_fault_needs_no_database(where: str):
    # This test may not use the database: every query raises, as when it is down.
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = "somebody"
    answer = client.get(where)
    assert answer.status_code == 500
    assert "Something went wrong on the server." in answer.content.decode()
    assert answer.headers["X-Request-ID"] in answer.content.decode()


def test_a_bare_page_comes_where_the_page_of_a_fault_fails_too(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str, *_: object) -> str:
        raise ValueError(f"Missing staticfiles manifest entry for '{name}'")

    monkeypatch.setattr(type(staticfiles_storage._wrapped), "url", missing)
    answer = Client(raise_request_exception=False).get("/accounts/login/")
    assert answer.status_code == 500
    assert "Something went wrong on the server." in answer.content.decode()
    assert answer.headers["X-Request-ID"] in answer.content.decode()
    assert "<link" not in answer.content.decode()


def test_a_process_without_its_static_files_does_not_start(tmp_path: Path):
    # As in an image whose files are of another version: every page failed, and the proxy found the process well.
    storage = ModuleStorage(location=tmp_path)
    (tmp_path / "staticfiles-0.0.1.json").write_text(json.dumps({"version": "1.1", "paths": {}, "hash": ""}))
    assert f"no static files of version {settings.VERSION}" in start_problem(storage)
    (tmp_path / f"staticfiles-{settings.VERSION}.json").write_text('{"version": "1.1", "paths": {}, "hash": ""}')
    assert start_problem(storage) == ""
    assert start_problem(staticfiles_storage) == "", "without hashed names nothing has to be there"
