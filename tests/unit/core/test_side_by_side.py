"""Two versions side by side: whose people, whose files, and how a process lets go of its streams."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory

from aiwriter.core import draining, staticfiles
from aiwriter.core.buckets import COOKIE, bucket_of
from tests.people import People


class TestBuckets:
    def test_people_are_spread_evenly_and_stay(self) -> None:
        found = Counter(bucket_of(str(number)) for number in range(20000))
        assert set(found) == set(range(100))
        assert max(found.values()) < 1.4 * min(found.values())
        # Of the other draw: who is in the first tenth of one is no more often in the first tenth of the other.
        both = sum(bucket_of(str(n)) < 10 and bucket_of(str(n), salt="flag") < 10 for n in range(20000))
        assert 120 < both < 290
        assert bucket_of("7") == bucket_of("7")

    @pytest.mark.django_db
    def test_a_page_sets_the_cookie_and_signing_in_makes_it_the_persons(self, people: People) -> None:
        client = Client()
        client.get("/accounts/login/")
        first = client.cookies[COOKIE]
        assert 0 <= int(first.value) < 100
        assert first["httponly"]
        client.get("/accounts/login/")
        assert client.cookies[COOKIE].value == first.value
        client.cookies[COOKIE] = "900"
        client.get("/accounts/login/")
        assert int(client.cookies[COOKIE].value) < 100
        client.force_login(people.wanda)
        client.get("/")
        assert client.cookies[COOKIE].value == str(bucket_of(str(people.wanda.pk)))
        assert COOKIE not in client.get("/api/v1/me").cookies


class TestStaticFiles:
    @pytest.fixture
    def root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An empty folder that three versions have collected into."""
        source, root = tmp_path / "source", tmp_path / "static"
        source.mkdir()
        monkeypatch.setattr(settings, "STATIC_ROOT", str(root))
        for version in ("1.0", "2.0"):
            (source / "page.css").write_text(f"p{{order:{version[0]}}}")
            self._collect(source, version, monkeypatch)
        return root

    def _collect(self, source: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "VERSION", version)
        monkeypatch.setattr(settings, "STATICFILES_DIRS", [str(source)])
        storage = staticfiles.ModuleStorage()
        monkeypatch.setattr(staticfiles, "staticfiles_storage", storage)

        def command(name: str, **options: Any) -> None:
            found = {path.name: (storage, path.name) for path in source.iterdir()}
            for path in source.iterdir():
                (Path(storage.location) / path.name).write_text(path.read_text())
            for _, _, processed in storage.post_process(found, dry_run=False):
                assert not isinstance(processed, Exception)

        monkeypatch.setattr(staticfiles, "call_command", command)
        staticfiles.collect()

    def _named(self, root: Path, version: str) -> str:
        name: str = json.loads((root / f"staticfiles-{version}.json").read_text())["paths"]["page.css"]
        return name

    def test_each_version_keeps_its_files_and_its_names(self, root: Path) -> None:
        old, new = self._named(root, "1.0"), self._named(root, "2.0")
        assert old != new
        assert (root / old).read_text() == "p{order:1}"
        assert (root / new).read_text() == "p{order:2}"
        assert not (root / "page.css").exists()

    def test_what_no_recent_version_names_goes(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        old = self._named(root, "1.0")
        monkeypatch.setattr(staticfiles, "KEPT_VERSIONS", 1)
        staticfiles._prune(root)
        assert not (root / old).exists()
        assert (root / self._named(root, "2.0")).exists()

    def test_a_running_process_serves_what_came_after_its_start(self, root: Path) -> None:
        middleware = staticfiles.LiveStaticMiddleware(lambda _: HttpResponse("passed on", status=404))
        (root / "late.1234.css").write_text("late")
        ask = RequestFactory().get
        answer = middleware(ask("/static/late.1234.css"))
        assert b"".join(answer.streaming_content) == b"late"
        assert middleware(ask("/static/never.css")).status_code == 404
        assert middleware(ask("/static/../source/page.css")).status_code == 404


def test_what_is_open_is_told_of_the_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_over", False)
    told: list[str] = []

    def finished() -> None:
        told.append("finished")

    def open_still() -> None:
        told.append("open")

    draining.watch(finished)
    draining.watch(open_still)
    draining.leave(finished)
    draining._end()
    assert told == ["open"]
    draining.leave(open_still)
    # Who comes while it is over is told at once.
    draining.watch(finished)
    draining.leave(finished)
    assert told == ["open", "finished"]
