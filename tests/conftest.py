"""Fixtures for every test. Settings of the run: `tests/settings.py`.

people        the six named people and their two workspaces (`tests/people.py`); each is made when first named
portal        a browser's client: `portal("wanda")` is signed in, `portal()` is nobody
api           the REST client: `api("wanda")` with a session, `api(token="aiw_…")` with a token, `api()` as nobody
run_jobs      runs the tasks that were enqueued, in order, until none is left; returns their names
jobs_of_test  empties the in-memory queue between tests (automatic)
doors_of_test forgets between tests what Redis has counted (automatic)

A test that starts threads, sub-processes or servers takes pytest-django's `transactional_db` (or `live_server`);
all others run in a transaction that is rolled back.
"""

from __future__ import annotations

import gc
import importlib
import math
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from queue import Empty
from typing import Any

import pytest
from django.db import connection
from django.template import RequestContext, Template
from django.test import Client
from django.test.utils import _TestState
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.transport.memory import Channel
from rest_framework.test import APIClient
from xdist.scheduler import LoadScopeScheduling

from aiwriter.celery import app as celery
from aiwriter.core import keyring
from tests.databases import migrated_file
from tests.people import People, open_session
from tests.settings import REDIS_URL

# The tests of one of these files share a server, a process or a whole portal: on several workers each would start its own.
_SHARE_A_SERVER = (
    "tests/unit/users/test_single_sign_on",
    "tests/faults/",
    "tests/house/test_api",
    "tests/unit/core/test_replica",
    "tests/unit/backups/test_capture_postgres",
    "tests/unit/backends/test_filestore",
    "plugins/storage-s3/tests/",
)
# Django's own rows, which no test changes: writing them anew takes 0.1 s a test.
_FOR_EVER = ("django_content_type", "auth_permission")
_NEEDS_DATABASE = {"db", "transactional_db", "django_db_setup", "live_server"}


class _Scheduling(LoadScopeScheduling):
    """Keeps together what shares a server. pytest-xdist's own groups do nothing under pytest 9.2 (xdist 3.8.0)."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/e2e/"):
            return "tests/e2e"
        return file if file.startswith(_SHARE_A_SERVER) else nodeid

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget a group that is done: xdist counts through all that a worker ever had, after each of its tests."""
        test = self.registered_collections[node][item_index]
        groups, scope = self.assigned_work[node], self._split_scope(test)
        groups[scope][test] = True
        if all(groups[scope].values()):
            del groups[scope]
        self._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """How tests are handed to workers under `--dist loadscope`."""
    return _Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def _with_room(test: Callable[[], None]) -> None:
    test()


# Python 3.11 takes memory for frames from the system in pieces of 16 KB and gives a piece back when its first frame ends
# (`push_chunk` in Python/pystate.c), so a loop whose calls happen to begin a new piece asks the system each time: under
# pytest's deep stack that was a quarter of what a request takes. Behind one large frame comes one large piece.
_with_room.__code__ = _with_room.__code__.replace(co_stacksize=1 << 14)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Each test runs behind a frame with room for all that it calls."""
    item.runtest = partial(_with_room, item.runtest)  # type: ignore[method-assign]


# What is collected lives as long as the process, like what is imported (`CoreConfig.ready`): a quarter of the time.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the collector work, more seldom than by itself: it took 7 % of the time."""
    if session.config.option.collectonly:
        _let_hypothesis_look_around()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    gc.enable()


@settings(database=None, deadline=None)
@given(st.text())
def _let_hypothesis_look_around(text: str) -> None:
    """Hypothesis takes constants out of every module of ours, and keeps what it found: 3 s, which else each worker takes."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL run what touches the database; everything else has run with SQLite and would only run again."""
    if connection.vendor != "postgresql":
        return
    chosen, left = [], []
    for item in items:
        named = _NEEDS_DATABASE & set(getattr(item, "fixturenames", ()))
        marked = item.get_closest_marker("django_db") or item.get_closest_marker("postgres")
        (chosen if named or marked else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = chosen


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Where the run has migrated a database (`tests/suite.py`), each worker's is a copy, and goes with its server."""
    return "TESTS_MIGRATED" in os.environ


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Puts that copy where this worker's database is looked for; PostgreSQL makes its own (`tests/settings.py`)."""
    if migrated := migrated_file():
        shutil.copy(migrated, connection.settings_dict["TEST"]["NAME"])


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The test database, whose emptying after a transactional test also reaches what is guarded or no model.

    The audit record refuses deletion by triggers, and the cache is a table without a model, so Django's flush would
    stumble over the one and leave the other, sign-in limits included. On PostgreSQL only what has held rows is emptied:
    TRUNCATE makes new files for every table, 0.3 s a test.
    """
    guard = importlib.import_module("apps.users.migrations.0005_audit_ledger_guard")
    flush = connection.ops.sql_flush

    def on_sqlite(style: Any, tables: list[str], **kwargs: Any) -> list[str]:
        emptied = [name for name in [*tables, "cache"] if name not in _FOR_EVER]
        return [*guard.REMOVE["sqlite"], *flush(style, emptied, **kwargs), *guard.INSTALL["sqlite"]]

    def on_postgres(style: Any, tables: list[str], **kwargs: Any) -> list[str]:
        emptied = ", ".join(f"'{name}'" for name in [*tables, "cache"] if name not in _FOR_EVER)
        # A replica asks neither triggers nor foreign keys. Asking first whether a table has rows took 60 ms of planning.
        return [
            f"""DO $$ DECLARE name text; BEGIN
                SET LOCAL session_replication_role = replica;
                FOREACH name IN ARRAY ARRAY[{emptied}] LOOP
                    IF pg_relation_size(name::regclass) > 0 THEN EXECUTE format('DELETE FROM %I', name); END IF;
                END LOOP;
            END $$"""
        ]

    connection.ops.sql_flush = on_sqlite if connection.vendor == "sqlite" else on_postgres  # type: ignore[method-assign]
    # Of what follows a migration only this puts rows where some were taken away.
    importlib.import_module("django.core.management.commands.flush").emit_post_migrate_signal = _as_installed


def _as_installed(*args: Any, **kwargs: Any) -> None:
    importlib.import_module("apps.content.services.prompt_defaults").ensure_default_actions()


@pytest.fixture(scope="session", autouse=True)
def keyring_of_run() -> None:
    """The keyring that a new installation has; each worker of the run has its own data folder."""
    keyring.create(stage="contract")


@pytest.fixture(scope="session", autouse=True)
def pages_noted(django_test_environment: None) -> None:
    """Of what a page is put together from, only the page itself is kept for `answer.context`.

    Django's tests copy the context for the parent of a page, for each part that it includes and each control of a form.
    """
    noting, plain = Template._render, _TestState.saved_data.template_render

    def render(template: Template, context: Any) -> Any:
        page = isinstance(context, RequestContext) and context.template is template
        return (noting if page else plain)(template, context)

    Template._render = render


@pytest.fixture(autouse=True)
def nothing_announced() -> None:
    """Pages ask for announcements once in ten seconds: a test that counts questions must not meet that one now and then."""
    shown = importlib.import_module("apps.deployments.selectors.announcements")
    shown._kept.update(dict.fromkeys(("users", "operators"), (math.inf, ())))


@pytest.fixture(autouse=True)
def no_flags() -> None:
    """Flags are asked for once in two seconds: a test that counts questions must not meet that one now and then."""
    kept = importlib.import_module("apps.deployments.selectors.flag_set")
    kept.forget()
    kept._asked_at = math.inf
    importlib.import_module("apps.deployments.services.exposures").forget()


@pytest.fixture
def people(db: None) -> People:
    """The named people."""
    return People()


@pytest.fixture
def portal(people: People) -> Callable[..., Client]:
    """A browser's client, signed in as one of the people."""

    def client(name: str = "", **headers: str) -> Client:
        browser = Client(headers=headers)
        if name:
            open_session(browser, people.named(name))
        return browser

    return client


@pytest.fixture
def api(people: People) -> Callable[..., APIClient]:
    """A REST client."""

    def client(name: str = "", *, token: str = "") -> APIClient:
        caller = APIClient()
        if name:
            open_session(caller, people.named(name))
        if token:
            caller.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return caller

    return client


def _messages() -> Iterator[tuple[str, dict[str, object]]]:
    """Takes every waiting message from the in-memory broker, queue by queue."""
    # Looked for before a connection and a consumer are made for each queue: after most tests nothing waits.
    kept = Channel.queues
    filled = [name for name in celery.amqp.queues if name in kept and kept[name].qsize()]
    if not filled:
        return
    with celery.connection_for_read() as broker:
        for name in filled:
            waiting = broker.SimpleQueue(name)
            while True:
                try:
                    message = waiting.get_nowait()
                except Empty:
                    break
                message.ack()
                yield message.headers["task"], message.payload[1]
            waiting.close()


@pytest.fixture(autouse=True)
def jobs_of_test() -> Iterator[None]:
    """Throws away what a test has enqueued and not run."""
    yield
    for _ in _messages():
        pass


@cache
def _counters() -> Any:
    from redis import Redis

    return Redis.from_url(REDIS_URL)


@pytest.fixture(autouse=True)
def doors_of_test() -> Iterator[None]:
    """Forgets what a test has counted in Redis: it is not rolled back as the table is, and would close the next one's door."""
    yield
    if REDIS_URL:
        _counters().flushdb()


@pytest.fixture
def run_jobs(db: None) -> Callable[..., list[str]]:
    """Runs what was enqueued, as a worker would, but here and now.

    The message is really published to Celery's in-memory broker (so its arguments are serialised) and the registered
    task really runs. Inside a rolled-back test nothing ever commits, so the callbacks that wait for the commit are run
    first. `run_jobs(limit=1)` runs one task; countdowns are not waited for.
    """

    def run(limit: int = 100) -> list[str]:
        done: list[str] = []
        while len(done) < limit:
            waiting, connection.run_on_commit = connection.run_on_commit, []
            for _, callback, _ in waiting:
                callback()
            message = next(_messages(), None)
            if message is None:
                return done
            task, arguments = message
            done.append(task)
            celery.tasks[task].apply(kwargs=arguments, throw=True)
        return done

    return run
