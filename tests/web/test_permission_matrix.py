"""Every address × everybody: what they get stands in a table, and is what they get.

The addresses come from the URL configuration, so a new one without a row fails here, and so does a row whose address is
gone. A row says what eight askers get from one method of one address, all of it about things of wanda's in "press":

    anonymous  nobody            otto   operator          token  a token of wanda's, bound to press, that may only
    wanda      writer of press   ada    auditor                  read content ("content.read")
    eddie      editor of press   alma   administrator
    eve        writer of another workspace: 404 for what is in press, never 403 when somebody there may

Writes are sent with the body that `BODIES` states, as JSON or, outside the API, as a form; else with an empty one, where
400 (or a form again) means "let through to the body".
A run of all tests asks one of those who get the same, in turn; `make prove P=permission-matrix`, and so CI, asks everybody.
A method of an address that nobody may use (405 for everybody who is signed in) needs no row.

To add addresses: write what their parameters name into `THINGS` of `tests/web/matrix/<app>.py`, bodies into `BODIES`, run

    python -m tests.web.matrix_propose

It prints rows for whatever has none, as measured now. Read each number before you copy the row into
`tests/web/matrix/<app>.csv`: the table is what ought to be, not what happens to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from tests.people import People
from tests.web.permissions import ASKERS, Asking, Row, asked, expected, is_closed, known_at_the_door
from tests.web.routes import ADMIN, Route, routes

ROUTES = routes()
ROWS = expected()
REFUSALS = (302, 403, 404, 405)
# Who shows that nobody may use a method: the one half has no console, the other nothing but that.
SIGNED_IN = ("wanda", "otto")
# Addresses that keep none of the rules of `_problem_of`, and why they need not.
OPEN: Mapping[str, str] = {
    "api/v1/schema": "describes the API and shows nothing that is in it",
    "documents/<uuid:document_id>/undelete": "asks for a click, names nothing; only what is in the bin comes back",
    "s/<str:secret>/": "a share link: whoever has its secret reads one text, which tests/unit/content/test_sharing.py bounds",
    "s/<str:secret>/pictures/<uuid:picture_id>": "a picture of the text that this share link shows, and of no other",
    "invitations/<str:token>/": "a link to one address: whoever has its secret may make the account that it names",
    "api/v1/privacy/requests/<uuid:privacy_id>/file": "one person's alone, once it is made: tests/unit/users/test_privacy.py",
    "privacy/<uuid:privacy_id>/file": "the same as a page",
    "admin/login/": "the console's door",
    "admin/logout/": "leaving is always allowed",
    "admin/jsi18n/": "words for scripts",
}


@pytest.fixture(scope="module")
def asking(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Asking]:
    """Everybody, made and signed in once: a quarter of the time went there when each address had people of its own.

    What is made for one address is gone with its test's transaction, which lies within this one.
    """
    # They have shown who they are at the beginning, and on a slow machine the last address is asked a quarter of an hour later.
    day = 86_400
    shown = override_settings(PROOF_SECONDS=day, ACCOUNT_REAUTHENTICATION_TIMEOUT=day)
    with django_db_blocker.unblock(), shown, transaction.atomic():
        asking = Asking(People())
        with known_at_the_door(asking):
            yield asking
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.text or "home")
def test_everybody_gets_what_the_table_says(route: Route, asking: Asking):
    path = asking.path(route)
    wrong = []
    for method in route.methods:
        row = ROWS.get((method, route.text))
        got = asking.answers(method, route, path, asked(row) if row else SIGNED_IN)
        if row is None:
            if not is_closed(got):
                wrong.append(f"{method} {route.text} has no row in tests/web/matrix/{route.app}.csv; it answers {got}")
            continue
        differing = {who: (row.answers[who], answer) for who, answer in got.items() if row.answers[who] != answer}
        if differing:
            wrong.append(f"{row} ({row.table}): expected and got {differing}")
    assert not wrong, "\n".join(wrong)


def test_no_row_is_left_over():
    present = {(method, route.text) for route in ROUTES for method in route.methods}
    assert sorted(set(ROWS) - present) == []


def test_a_sample_has_every_answer_and_the_neighbour_who_sees_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MATRIX", raising=False)
    for row in ROWS.values():
        chosen = asked(row)
        assert {row.answers[who] for who in chosen} == set(row.answers.values()), row
        assert row.answers["eve"] != 404 or "eve" in chosen, row
    assert {who for row in ROWS.values() for who in asked(row)} == set(ASKERS)


def test_every_row_makes_sense():
    problems = [f"{row} ({row.table}): {problem}" for row in ROWS.values() if (problem := _problem_of(row))]
    assert not problems, "\n".join(problems)


def _problem_of(row: Row) -> str:
    """What a reader of the table should not have let through, or ""."""
    answers, in_console = row.answers, row.route.startswith(ADMIN)
    if any(answer >= 500 and answer != 503 for answer in answers.values()):
        return "a defect is not an answer"
    if row.route.startswith("api/") and answers["anonymous"] not in (401, 405) and row.route not in OPEN:
        return "the API is open to nobody"
    if in_console and row.route not in OPEN:
        # The sign-in page or a refusal, never a page.
        inside = [who for who in ("anonymous", "wanda", "eddie", "eve", "token") if answers[who] not in REFUSALS]
        return f"writers have no console: {inside}" if inside else ""
    if "<" in row.route and not row.route.startswith("accounts/") and row.route not in OPEN:
        # 403 to everybody in press as well: a thing of the operators, in no workspace.
        for_operators = answers["wanda"] == answers["eddie"] == answers["eve"] == 403
        if answers["eve"] not in (404, 405) and not for_operators:
            return "eve learns of a thing in press"
        if answers["wanda"] == 404:
            return "nothing was there to be asked for: add it to THINGS"
    return ""
