"""The part of `limits-ssrf-canaries` about secrets that must not leave their place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.lab.models import writer_token
from tests.lab.portal import ROOT, Portal
from tests.proofs import expect


def canaries() -> str:
    """Type ten secrets, read everything."""
    with _provider() as provider, Portal({"AIWRITER_LOG_LEVEL": "DEBUG"}, within=300) as portal:
        secrets, seen = _type_secrets(portal, provider)
        expect(len(secrets) == 10, f"{len(secrets)} canaries were typed")
        seen |= _read_everything(portal)
        places = 0
        for place, content in seen.items():
            places += 1
            for name, secret in secrets.items():
                expect(secret.encode() not in content, f"the canary '{name}' stands in {place}")
    return f"0 of {len(secrets)} canaries in {places} places"


@contextlib.contextmanager
def _provider() -> Iterator[str]:
    """A model provider that throws keys back: it quotes the request's headers in its refusal, as some do."""
    import http.server

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {"error": {"message": f"Incorrect API key: {self.headers.get('Authorization')}"}}
            ).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _canary(name: str) -> str:
    return f"canary{name}{os.urandom(9).hex()}"


def _type_secrets(portal: Portal, provider: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Type ten secrets where secrets are typed; the answers are what the portal said to it."""
    secrets: dict[str, str] = {}
    answers: list[bytes] = []

    def note(answer: httpx2.Response) -> httpx2.Response:
        answers.append(answer.content + repr(dict(answer.headers)).encode())
        return answer

    admin = writer_token(
        portal, only=("backends.manage", "backends.read", "audit.manage", "audit.read", "webhooks.manage")
    )
    wide = portal.shell(
        f"""
from django.contrib.auth import get_user_model
from apps.users.models.capabilities import CAPABILITIES
from apps.users.selectors.access import Actor, capabilities_of
from apps.users.services.tokens import create_token
user = get_user_model().objects.get(email={portal.email!r})
actor = Actor.for_user(user)
answer = create_token(actor=actor, name="wide", scopes=sorted(capabilities_of(actor)))[1].reveal()
"""
    )
    secrets["an API token"] = wide
    secrets["an API token of a workspace"] = admin
    secrets["a password that is right"] = portal.password
    secrets["a password that is wrong"] = _canary("password")
    with httpx2.Client(base_url=portal.url, trust_env=False, timeout=60) as visitor:
        page = visitor.get("/accounts/login/")
        token = page.cookies.get("csrftoken") or ""
        form = {"login": portal.email, "password": secrets["a password that is wrong"], "csrfmiddlewaretoken": token}
        note(visitor.post("/accounts/login/", data=form, headers={"Referer": portal.url}))
        bearer = secrets["a bearer that is nobody's"] = f"aiw_{_canary('bearer')}_x"
        note(visitor.get("/api/v1/me", headers={"Authorization": f"Bearer {bearer}"}))
    with portal.api(wide) as client:
        secrets["a key in a query"] = f"sk-{_canary('query')}"
        note(client.get("/content", params={"api_key": secrets["a key in a query"]}))
        secrets["a key in a body"] = f"sk-{_canary('body')}"
        note(client.post("/workspaces", json={"password": secrets["a key in a body"]}))
        note(
            client.post("/tokens", json={"name": "x", "secret": secrets["a key in a body"], "scopes": ["content.read"]})
        )
        secrets["a provider's key"] = f"sk-{_canary('provider')}"
        body = {
            "kind": "model",
            "plugin": "openai",
            "name": "Quotes keys",
            "options": {"base_url": provider},
            "secrets": {"api_key": secrets["a provider's key"]},
        }
        made = note(client.post("/backends/profiles", json=body))
        expect(made.status_code == 201, f"profile: {made.status_code} {made.text[:300]}")
        tested = note(client.post(f"/backends/profiles/{made.json()['id']}/test"))
        expect(tested.status_code in (200, 409), f"test: {tested.status_code} {tested.text[:300]}")
        secrets["a webhook's secret"] = _canary("sink")
        sink = {
            "name": "Hook",
            "kind": "webhook",
            "address": f"{provider}/audit",
            "secret": secrets["a webhook's secret"],
        }
        made = note(client.post("/audit/sinks", json=sink))
        expect(made.status_code == 201, f"sink: {made.status_code} {made.text[:300]}")
        note(client.post("/audit/checkpoints"))
    secrets["a key in an exception"] = f"sk-{_canary('exception')}"
    raised = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "--no-imports",
            "-c",
            _RAISES.format(secret=secrets["a key in an exception"]),
        ],
        cwd=ROOT,
        env=portal.environment,
        capture_output=True,
        check=False,
    )
    expect(b"the provider refused" in raised.stderr, f"nothing was logged: {raised.stderr[-300:]!r}")
    time.sleep(3)
    return secrets, {"answers": b"\n".join(answers), "a traceback in the log": raised.stderr}


_RAISES = """
import logging
def call(api_key):
    raise ValueError(f"the provider refused Authorization: Bearer {{api_key}}")
try:
    call("{secret}")
except ValueError:
    logging.getLogger("apps.proof").exception("a call failed with api_key={secret}")
"""


def _read_everything(portal: Portal) -> dict[str, bytes]:
    """What an operator, a backup's reader and a thief of the database see."""
    found: dict[str, bytes] = {}
    portal.manage("audit", "seal")
    found["the ledger's export"] = portal.manage("audit", "export").stdout.encode()
    with contextlib.closing(portal.sign_in()) as console:
        waiting, seen = ["/admin/"], set()
        while waiting and len(seen) < 150:
            path = waiting.pop(0)
            if path in seen or "logout" in path or "/delete/" in path:
                continue
            seen.add(path)
            answer = console.get(path)
            found[f"page {path}"] = answer.content
            links = re.findall(r'href="(/admin/[^"#?]*)"', answer.text)
            waiting += [link for link in links if link not in seen]
    backed = portal.manage("backup", "--json", check=False)
    expect(backed.returncode in (0, 3), f"backup: {backed.stdout[-400:]}{backed.stderr[-400:]}")
    found["the backup's words"] = (
        backed.stdout.encode() + portal.manage("backup", "list", "--json", check=False).stdout.encode()
    )
    portal.stop()
    for path in sorted(portal.folder.rglob("*")):
        inside = path.relative_to(portal.folder)
        # The keys themselves are a place for secrets, and nothing else is.
        if path.is_file() and inside.parts[0] not in ("keys", "static", "chroma"):
            found[f"file {inside}"] = path.read_bytes()
    log = portal.folder.with_suffix(".out")
    # The first password is shown there once, to the person at the terminal: that is its place.
    shown = log.read_text().replace(portal.password, "")
    found["the terminal"] = shown.encode()
    return found
