"""Asks an address as each of the people and notes the answers."""

from __future__ import annotations

import copy
import csv
import importlib
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from unittest import mock

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import HttpResponseBase
from django.template.backends.django import Template
from django.test import Client, RequestFactory
from django.test.client import ClientHandler

from apps.users.models import User
from apps.users.portal import entrance
from tests.factories.users import make_token
from tests.people import People, open_session
from tests.web.routes import Route

TABLES = Path(__file__).parent / "matrix"
ASKERS = ("anonymous", "wanda", "eddie", "otto", "ada", "alma", "eve", "token")
HEADER = ("method", "route", *ASKERS)


@dataclass(frozen=True)
class Row:
    """What each asker gets from one method of one address."""

    method: str
    route: str
    answers: Mapping[str, int]
    table: str

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def expected() -> dict[tuple[str, str], Row]:
    """All rows of all tables.

    Raises:
        AssertionError: a row stands twice, or has no number for somebody.
    """
    rows: dict[tuple[str, str], Row] = {}
    for path in sorted(TABLES.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines = [line for line in file if line.strip() and not line.startswith("#")]
        for cells in csv.DictReader(lines, skipinitialspace=True):
            values = {key.strip(): (value or "").strip() for key, value in cells.items()}
            key = (values["method"], values["route"])
            assert key not in rows, f"{path.name}: {' '.join(key)} stands twice"
            assert all(values[asker].isdigit() for asker in ASKERS), f"{path.name}: {' '.join(key)} has a gap"
            rows[key] = Row(*key, {asker: int(values[asker]) for asker in ASKERS}, path.name)
    return rows


class Json(dict[str, Any]):
    """A body of a page that takes JSON from its script; outside the API other bodies are forms."""


@cache
def stated(name: str) -> Mapping[str, Callable[[People], Any]]:
    """What the modules of `tests/web/matrix` say about addresses.

    Args:
        name: "THINGS": a parameter's name, or "users.user" for the console's pages about that model, to a function that
            makes a thing of wanda's in press and returns what stands in the address.
            "BODIES": "POST tokens/" to a function that returns a body which wanda could send; for GET, the query.
    """
    found: dict[str, Callable[[People], Any]] = {}
    for path in sorted(TABLES.glob("[a-z]*.py")):
        found |= getattr(importlib.import_module(f"tests.web.matrix.{path.stem}"), name, {})
    return found


class _Server(RequestFactory):
    """Django's test client without what it keeps for looking at pages: copies of every template's values, exceptions."""

    def __init__(self) -> None:
        super().__init__()
        self._handler = ClientHandler(enforce_csrf_checks=False)

    def request(self, **request: Any) -> HttpResponseBase:
        """The answer to what `get`, `post` and the others have put together."""
        return self._handler(self._base_environ(**request))


@contextmanager
def drawn_once() -> Iterator[None]:
    """Draw pages for the first who gets one: an answer's number is settled before, and drawing takes as long as the rest."""
    draw, drawn = Template.render, set()

    def first(self: Template, context: Any = None, request: Any = None) -> Any:
        if self.origin.name in drawn:
            return ""
        page = draw(self, context, request)
        drawn.add(self.origin.name)
        return page

    with mock.patch.object(Template, "render", first):
        yield


@contextmanager
def known_at_the_door(asking: Asking) -> Iterator[None]:
    """Load each person and each session once, and log nothing: together that takes a quarter of the time.

    Sessions and people are the same at each question, since whatever it does is rolled back; what they may do is asked
    of the database each time. The askers are loaded before the first question: what is made for one address, such as a
    text that everybody is asked to agree to, would stay with whoever was loaded while it was there.
    """
    load_session, load_person = SessionStore.load, entrance.session_user
    sessions: dict[str | None, dict[str, Any]] = {}
    people: dict[Any, Any] = {}

    def session(self: SessionStore) -> dict[str, Any]:
        if self.session_key not in sessions:
            sessions[self.session_key] = load_session(self)
        return copy.deepcopy(sessions[self.session_key])

    def person(user_id: Any) -> Any:
        if user_id not in people:
            people[user_id] = load_person(user_id)
        return copy.copy(people[user_id])

    for key, user in asking.signed_in():
        session(SessionStore(key))
        person(user.pk)
    logging.disable()
    try:
        with mock.patch.object(SessionStore, "load", session), mock.patch.object(entrance, "session_user", person):
            yield
    finally:
        logging.disable(logging.NOTSET)


class Asking:
    """The six people, nobody, and a token of wanda's that may only read content of press.

    Args:
        people: in a transaction that somebody else rolls back.
    """

    def __init__(self, people: People) -> None:
        self.people = people
        self._server = _Server()
        self._cookies: dict[str, SimpleCookie] = {"anonymous": SimpleCookie(), "token": SimpleCookie()}
        _, self._token = make_token(people.wanda, "content.read", workspace=people.press)
        for name in ASKERS:
            if name not in self._cookies:
                client = Client()
                open_session(client, people.named(name))
                self._cookies[name] = client.cookies

    def signed_in(self) -> Iterator[tuple[str, User]]:
        """The askers who have a session, with its key."""
        for name, cookies in self._cookies.items():
            if settings.SESSION_COOKIE_NAME in cookies:
                yield cookies[settings.SESSION_COOKIE_NAME].value, self.people.named(name)

    def path(self, route: Route) -> str:
        """The route's address, naming things of wanda's."""
        made = stated("THINGS")
        values = {name: str(made[name](self.people)) for name in route.parameters if name in made}
        if route.model in made:
            values["object_id"] = str(made[route.model](self.people))
        return route.path(values)

    def ask(self, method: str, path: str, asker: str, body: Mapping[str, Any]) -> int:
        """The status that one asker gets; nothing that it does remains."""
        self._server.cookies = SimpleCookie(self._cookies[asker].output(header="", sep=";"))
        headers = {"Authorization": f"Bearer {self._token}"} if asker == "token" else {}
        send = getattr(self._server, method.lower())
        how = {} if method == "GET" else self._content_type(path, body)
        with transaction.atomic():
            answer = send(path, dict(body), headers=headers, **how)
            transaction.set_rollback(True)
        return answer.status_code

    def answers(self, method: str, route: Route, path: str, askers: Iterable[str] = ASKERS) -> dict[str, int]:
        """What they get."""
        make = stated("BODIES").get(f"{method} {route.text}")
        with drawn_once():
            return {asker: self.ask(method, path, asker, make(self.people) if make else {}) for asker in askers}

    @staticmethod
    def _content_type(path: str, body: Mapping[str, Any]) -> dict[str, str]:
        has_file = any(hasattr(value, "read") for value in body.values())
        as_json = isinstance(body, Json) or (path.startswith("/api/") and not has_file)
        return {"content_type": "application/json"} if as_json else {}


def asked(row: Row) -> list[str]:
    """Who is asked about a row: everybody where MATRIX is "whole", else one for each answer, and eve where she sees nothing.

    Who that one is goes around from row to row, and is the same in each run.
    """
    if os.environ.get("MATRIX") == "whole":
        return list(ASKERS)
    turn = zlib.crc32(str(row).encode())
    alike = [[who for who in ASKERS if row.answers[who] == answer] for answer in sorted(set(row.answers.values()))]
    chosen = {group[turn % len(group)] for group in alike} | ({"eve"} if row.answers["eve"] == 404 else set())
    return [who for who in ASKERS if who in chosen]


def is_closed(answers: Mapping[str, int]) -> bool:
    """Whether an address knows no such method: 405 for whoever is signed in; visitors may meet the door first."""
    return all(answer == 405 for name, answer in answers.items() if name not in ("anonymous", "token"))
