"""Limits are exact under 16 parallel clients on three stores; no address leads inside; no secret leaves its place.

Limits: two web processes, 16 clients at once, on SQLite, on PostgreSQL and on Redis; of a token's limit, a person's limit and
the tries of a password exactly as many pass as allowed (what comes back during the burst is counted from its length).
Addresses: 34 payloads and a name that answers differently the second time, through every way out of the portal, with servers
that listen where they would lead: nobody connects. Secrets: ten canaries are typed where secrets are typed, failures
included; logs, answers, the ledger's export, every page of the console, the database's bytes and the backups hold none.
ONLY=limits, addresses or canaries runs a part; STORES chooses among sqlite, postgresql and redis.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

from tests.lab.portal import ROOT, Portal
from tests.proofs import expect
from tests.proofs._addresses import addresses
from tests.proofs._canaries import canaries
from tests.servers import free_port
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

ONLY = os.environ.get("ONLY", "limits addresses canaries").split()
STORES = os.environ.get("STORES", "sqlite postgresql redis").split()
CLIENTS = 16
TOKEN_LIMIT, USER_LIMIT, SIGN_IN_LIMIT = 5, 7, 5
REQUESTS, GUESSES = 96, 48


def prove() -> str:
    """The three parts."""
    figures = []
    if "limits" in ONLY:
        for store in STORES:
            with _store(store) as environment:
                figures.append(f"{store} {_limits(environment)}")
    if "addresses" in ONLY:
        figures.append(addresses())
    if "canaries" in ONLY:
        figures.append(canaries())
    return "; ".join(figures)


@contextlib.contextmanager
def _store(name: str) -> Iterator[dict[str, str]]:
    if name == "postgresql":
        with Postgres() as server:
            yield {"DATABASE_URL": server.url}
    elif name == "redis":
        with Redis() as server:
            yield {"REDIS_URL": server.url}
    else:
        yield {}


# ---------------------------------------------------------------- limits
def _limits(environment: dict[str, str]) -> str:
    rates = {"AIWRITER_API_TOKEN_RATE": str(TOKEN_LIMIT), "AIWRITER_API_USER_RATE": str(USER_LIMIT)}
    with Portal({**environment, **rates}, within=900) as portal, _second(portal) as other:
        urls = [portal.url, other]
        tokens = _tokens(portal)
        passed = {
            "token": _burst(urls, [tokens["one"]], TOKEN_LIMIT),
            "person": _burst(urls, tokens["three"], USER_LIMIT),
            "sign-in": _guesses(urls),
        }
    for name, (got, allowed) in passed.items():
        expect(got == allowed, f"{name}: {got} passed, {allowed} are allowed")
    tried = {"token": REQUESTS, "person": REQUESTS, "sign-in": GUESSES}
    return f"({', '.join(f'{name} {got} of {tried[name]}' for name, (got, _) in passed.items())})"


@contextlib.contextmanager
def _second(portal: Portal) -> Iterator[str]:
    """Another web process on the same data."""
    port = free_port()
    web = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "aiwriter.asgi:application", "--port", str(port), "--log-level", "error"],
        cwd=ROOT,
        env={**portal.environment, **portal._chroma()},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{url}/livez", trust_env=False).status_code == 200:
                    break
            time.sleep(0.2)
        yield url
    finally:
        web.terminate()
        web.wait(30)


def _tokens(portal: Portal) -> dict[str, Any]:
    """A token of one person, and three of another."""
    found: dict[str, Any] = portal.shell(
        """
from apps.users.models import Membership, Workspace
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.tokens import create_token
from apps.users.services.workspaces import add_member
setup, room = Actor.system_actor("proof"), Workspace.objects.first()
def person(name):
    user = create_user(actor=setup, email=f"{name}@example.org", password="a password of enough length")
    add_member(actor=setup, workspace=room, user=user, role="writer")
    return user
def token(user):
    return create_token(actor=Actor.for_user(user), name="proof", scopes=["content.read"])[1].reveal()
one, two, _ = person("one"), person("two"), person("guessed")
answer = {"one": token(one), "three": [token(two) for _ in range(3)]}
"""
    )
    return found


def _burst(urls: list[str], tokens: list[str], limit: int) -> tuple[int, int]:
    """How many of many requests at once passed, and how many may have."""
    codes, seconds = _together(
        lambda client, number: (
            client.get(
                f"{urls[number % len(urls)]}/api/v1/auth/check",
                headers={"Authorization": f"Bearer {tokens[number % len(tokens)]}"},
            ).status_code
        )
    )
    expect(set(codes) <= {200, 429}, f"answers {sorted(set(codes))}")
    # What comes back evenly over the minute while the burst lasts.
    return codes.count(200), min(len(codes), limit + int(seconds / (60 / limit)))


def _guesses(urls: list[str]) -> tuple[int, int]:
    """How many wrong passwords were looked at."""

    def guess(client: httpx2.Client, number: int) -> str:
        url = urls[number % len(urls)]
        page = client.get(f"{url}/accounts/login/")
        token = client.cookies.get("csrftoken", domain="127.0.0.1") or page.cookies.get("csrftoken") or ""
        form = {"login": "guessed@example.org", "password": f"wrong password {number}", "csrfmiddlewaretoken": token}
        return client.post(f"{url}/accounts/login/", data=form, headers={"Referer": url}).text

    texts, _ = _together(guess, requests=GUESSES, fresh=True)
    looked = sum("do not belong together" in text for text in texts)
    refused = sum("Too many attempts" in text for text in texts)
    expect(looked + refused == len(texts), f"{len(texts) - looked - refused} guesses ended otherwise: {texts[0][:300]}")
    return looked, SIGN_IN_LIMIT


def _together(
    act: Callable[[httpx2.Client, int], Any], *, requests: int = REQUESTS, fresh: bool = False
) -> tuple[list[Any], float]:
    """Run from 16 clients that begin at the same moment."""
    gate = threading.Barrier(CLIENTS)

    def one(which: int) -> list[Any]:
        found = []
        # A connection each: one that is kept may be closed by the server in the moment in which it is used again.
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(timeout=120, trust_env=False, limits=limits) as client:
            gate.wait()
            for number in range(which, requests, CLIENTS):
                if fresh:
                    client.cookies.clear()
                found.append(act(client, number))
        return found

    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [each for part in pool.map(one, range(CLIENTS)) for each in part]
    return answers, time.monotonic() - begun
