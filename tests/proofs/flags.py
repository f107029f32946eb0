"""Flags reach the proxy's people; a bad variant goes back by itself; the kill switch is quick; no verdict before its time.

A portal with three web processes and a model behind a gate that can refuse or delay the wishes of one variant. PEOPLE=n.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx2

from aiwriter.core.buckets import bucket_of
from tests.fakes.provider import FakeProvider
from tests.lab.models import connect_models
from tests.lab.portal import ROOT, Portal
from tests.proofs import expect, until
from tests.servers import free_port

KEY = "generation-prompt"
# What only the prompt of the variant "exact" says.
MARK = b"Say each thing once"
KILL_SECONDS = 5.0
_PEOPLE = """
from django.contrib.auth import get_user_model
from apps.users.models import Membership, Workspace
from apps.users.selectors.access import Actor
from apps.users.services.tokens import create_token
room = Workspace.objects.order_by("created_at").first()
answer = []
for number in range({count}):
    user = get_user_model()(email=f"p{{number}}@example.org", full_name=f"P {{number}}")
    user.set_unusable_password()
    user.save()
    Membership.objects.create(user=user, workspace=room, role="writer")
    made, raw = create_token(actor=Actor.for_user(user), name="proof", scopes=["content.read", "content.generate"], workspace=room)
    answer.append([str(user.pk), raw.reveal() if hasattr(raw, "reveal") else raw])
"""


class Gate:
    """Stands before the provider. `mode` is what becomes of the wishes of the variant: "", "refuse" or "slow"."""

    def __init__(self, behind: str) -> None:
        self.mode, gate, upstream = "", self, urlsplit(behind)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                marked = MARK in body
                if marked and gate.mode == "refuse":
                    text = b'{"error": {"message": "This prompt is not allowed.", "type": "invalid_request_error"}}'
                    return self._answer(400, text, "application/json")
                if marked and gate.mode == "slow":
                    time.sleep(2.5)
                url = f"http://{upstream.netloc}{self.path}"
                keep = {name: self.headers[name] for name in ("Authorization", "Content-Type") if self.headers[name]}
                found = httpx2.post(url, content=body, headers=keep, timeout=30, trust_env=False)
                return self._answer(found.status_code, found.content, found.headers["content-type"])

            def do_GET(self) -> None:
                found = httpx2.get(f"http://{upstream.netloc}{self.path}", timeout=30, trust_env=False)
                self._answer(found.status_code, found.content, found.headers["content-type"])

            def _answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{upstream.path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def more_web(portal: Portal, count: int) -> Iterator[list[str]]:
    """Further web processes of the same portal; the addresses of all."""
    ports = [free_port() for _ in range(count)]
    command = [sys.executable, "-m", "aiwriter.web", "--host", "127.0.0.1", "--port"]
    environment = {**portal.environment, **portal._chroma()}
    started = [
        subprocess.Popen([*command, str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in ports
    ]
    urls = [portal.url, *(f"http://127.0.0.1:{port}" for port in ports)]
    try:
        for url in urls:
            until(lambda url=url: _lives(url), 60, f"{url} does not answer")
        yield urls
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


def _lives(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/livez", trust_env=False, timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


class Crowd:
    """People with tokens, who ask any of the web processes."""

    def __init__(self, portal: Portal, urls: list[str], count: int) -> None:
        self.people: dict[str, str] = dict(portal.shell(_PEOPLE.format(count=count)))
        self._clients = [httpx2.Client(base_url=f"{url}/api/v1", timeout=60, trust_env=False) for url in urls]

    def answer(self, user: str, where: int = 0) -> str:
        """What the flag answers to a person in one of the processes."""
        client = self._clients[where % len(self._clients)]
        found = client.get("/flags/answers", headers={"Authorization": f"Bearer {self.people[user]}"})
        found.raise_for_status()
        return next(str(row["variant"]) for row in found.json()["data"] if row["key"] == KEY)

    def answers(self, users: list[str]) -> dict[str, str]:
        """What it answers to each, asked in turn at all processes."""
        with ThreadPoolExecutor(6) as pool:
            found = pool.map(lambda pair: self.answer(pair[1], pair[0]), enumerate(users))
            return dict(zip(users, found, strict=True))

    def write(self, user: str, number: int) -> None:
        """Ask for a text."""
        client = self._clients[number % len(self._clients)]
        body = {"topic": f"Rivers {number}", "source_ids": []}
        asked = client.post("/generate/content", json=body, headers={"Authorization": f"Bearer {self.people[user]}"})
        asked.raise_for_status()

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.close()


def _rollout(admin: httpx2.Client, flag: str, **more: Any) -> str:
    body = {"flag_id": flag, "variant": "exact", "min_seconds": 5, "min_samples": 30, "latency_times": 2, **more}
    begun = admin.post("/flag-rollouts", json=body)
    expect(begun.status_code == 201, f"no roll-out: {begun.text}")
    return str(begun.json()["id"])


def _until_ended(admin: httpx2.Client, crowd: Crowd, rollout: str, seconds: float) -> tuple[dict[str, Any], int, float]:
    """Write in turn until it is not under way any more; what it says then, texts asked for, seconds."""
    users, asked, begun = list(crowd.people), 0, time.monotonic()
    while True:
        row: dict[str, Any] = admin.get(f"/flag-rollouts/{rollout}").json()
        took = time.monotonic() - begun
        if row["state"] != "running":
            return row, asked, took
        expect(took < seconds, f"under way after {took:.0f} s: {row['why']}")
        for _ in range(6):
            crowd.write(users[asked % len(users)], asked)
            asked += 1
        time.sleep(0.3)


def prove() -> str:
    """All of it, on one portal."""
    count = int(os.environ.get("PEOPLE", "400"))
    fast = {"AIWRITER_API_TOKEN_RATE": "100000", "AIWRITER_API_USER_RATE": "100000"}
    with FakeProvider(process=True, words=30) as fake, Portal(fast) as portal, contextlib.ExitStack() as stack:
        gate = Gate(fake.openai_url)
        stack.callback(gate.close)
        connect_models(portal, [{"name": "Gated", "base_url": gate.url, "model": "fake-large"}])
        token = _admin_token(portal)
        urls = stack.enter_context(more_web(portal, 2))
        admin = stack.enter_context(portal.api(token))
        crowd = Crowd(portal, urls, count)
        stack.callback(crowd.close)
        flag = next(row["id"] for row in admin.get("/flags").json()["data"] if row["key"] == KEY)
        said = [
            _ten_percent(admin, crowd, flag),
            _bad_variants(admin, crowd, gate, flag),
            _unseen(admin, flag),
            _kill(portal, admin, crowd, flag, len(urls)),
            _experiments(admin, crowd, flag),
        ]
    return "; ".join(said)


def _admin_token(portal: Portal) -> str:
    """A token of the administrator that reaches the whole portal."""
    found: str = portal.shell(
        f"""
from django.contrib.auth import get_user_model
from apps.users.selectors.access import Actor
from apps.users.services.tokens import create_token
user = get_user_model().objects.get(email={portal.email!r})
made, raw = create_token(actor=Actor.for_user(user), name="ops", scopes=["deployments.read", "deployments.run"])
answer = raw.reveal() if hasattr(raw, "reveal") else raw
"""
    )
    return found


def _cookie_pattern(percent: int) -> str:
    """What the agent has Caddy and Traefik match the cookie by: its own code, which is a package of its own."""
    sys.path.insert(0, str(ROOT / "deploy" / "agent" / "src"))
    try:
        found: str = importlib.import_module("aw_deployd.traffic.files").cookie_below(percent)
    finally:
        sys.path.pop(0)
    return found


def _ten_percent(admin: httpx2.Client, crowd: Crowd, flag: str) -> str:
    users = list(crowd.people)
    rule = {"rules": [{"variant": "exact", "percent": 10}]}
    admin.put(f"/flags/{flag}/rules", json=rule).raise_for_status()
    time.sleep(KILL_SECONDS)
    found = {user for user, variant in crowd.answers(users).items() if variant == "exact"}
    proxy = re.compile(_cookie_pattern(10))
    known = {user for user in users if proxy.search(f"a=b; aw_bucket={bucket_of(user)}")}
    expect(found == known, f"{len(found ^ known)} people are treated otherwise than by the proxy")
    share, margin = len(found) / len(users), 4 * (0.1 * 0.9 / len(users)) ** 0.5
    expect(abs(share - 0.1) <= margin, f"{share:.1%} of the people, not 10 % ± {margin:.1%}")
    admin.put(f"/flags/{flag}/rules", json={"rules": []}).raise_for_status()
    said = f"10 % reached {len(found)} of {len(users)} people ({share:.1%}), each of whom the proxy's pattern names too"
    print(f"  {said}", flush=True)
    return said


def _bad_variants(admin: httpx2.Client, crowd: Crowd, gate: Gate, flag: str) -> str:
    said = []
    for mode, stage, word in (("refuse", 10, "failed"), ("slow", 50, "95 %")):
        gate.mode = mode
        row, asked, took = _until_ended(admin, crowd, _rollout(admin, flag, stages=[stage, 90]), 150)
        expect(row["state"] == "back", f"{mode}: {row['state']}: {row['why']}")
        expect(word in row["why"] and row["percent"] == 0, f"{mode}: {row['why']}")
        time.sleep(KILL_SECONDS)
        left = {user for user, variant in crowd.answers(list(crowd.people)).items() if variant == "exact"}
        expect(not left, f"{len(left)} people still have it")
        hit = f"{row['people_hit']} people had a failed text" if mode == "refuse" else f"{row['people']} people waited"
        said.append(f"a variant that the provider {'refuses' if mode == 'refuse' else 'answers late'} went back by itself at "
                    f"{stage} % after {took:.0f} s and {asked} texts ({row['why']} {hit} of {len(crowd.people)})")  # fmt: skip
        print(f"  {said[-1]}", flush=True)
    gate.mode = ""
    return "; ".join(said)


def _unseen(admin: httpx2.Client, flag: str) -> str:
    rollout = _rollout(admin, flag, stages=[5], min_seconds=1, max_seconds=3)
    row: dict[str, Any] = {}

    def paused() -> bool:
        row.update(admin.get(f"/flag-rollouts/{rollout}").json())
        return bool(row["state"] != "running")

    until(paused, 60, "without texts it neither paused nor ended")
    time.sleep(8)
    paused()
    expect((row["state"], row["percent"]) == ("paused", 5), f"without texts: {row['state']} at {row['percent']} %")
    admin.post(f"/flag-rollouts/{rollout}/stop", json={}).raise_for_status()
    return "without texts it paused and was not promoted"


def _kill(portal: Portal, admin: httpx2.Client, crowd: Crowd, flag: str, processes: int) -> str:
    admin.put(f"/flags/{flag}/rules", json={"rules": [{"variant": "exact"}]}).raise_for_status()
    time.sleep(KILL_SECONDS)
    user = next(iter(crowd.people))
    slowest = 0.0
    for _ in range(3):
        expect(all(crowd.answer(user, n) == "exact" for n in range(processes)), "a process does not see the rule")
        # By a command, a process of its own: no web process is told. It is over a while after the switch is on.
        command = threading.Thread(target=portal.manage, args=("flags", "kill", KEY, "--reason", "Proof."))
        command.start()
        seen: dict[int, float] = {}

        def look(seen: dict[int, float] = seen) -> bool:
            for number in set(range(processes)) - set(seen):
                if crowd.answer(user, number) == "standard":
                    seen[number] = time.time()
            return len(seen) == processes

        until(look, 60, f"only {len(seen)} of {processes} processes have seen it")
        command.join()
        killed = dt.datetime.fromisoformat(admin.get(f"/flags/{flag}").json()["killed_at"]).timestamp()
        slowest = max(slowest, max(seen.values()) - killed)
        expect(slowest <= KILL_SECONDS, f"seen after {slowest:.1f} s")
        portal.manage("flags", "revive", KEY)
        time.sleep(KILL_SECONDS)
    admin.put(f"/flags/{flag}/rules", json={"rules": []}).raise_for_status()
    said = f"the kill switch was seen in {processes} web processes within {slowest:.1f} s, three times"
    print(f"  {said}", flush=True)
    return said


def _experiments(admin: httpx2.Client, crowd: Crowd, flag: str) -> str:
    users = list(crowd.people)
    asked = {"control": "standard", "treatment": "exact", "metric": "failed", "window_hours": 0}
    body = {"flag_id": flag, "title": "Proof", "baseline": 0.1, "effect": 0.15, **asked}
    row = admin.post("/experiments", json=body).json()
    planned = row["planned"]
    time.sleep(KILL_SECONDS)
    crowd.answers(users[:40])
    early = admin.get(f"/experiments/{row['id']}").json()["standing"]
    expect((early["verdict"], early["p"], early["control"]["hit"]) == ("collecting", None, None), f"early: {early}")
    # Every second of the treated never comes: by the number of the arm, which any process can tell.
    arm = {user: bucket_of(user, salt=f"arm:{row['id']}") for user in users}
    crowd.answers([user for user in users if arm[user] >= 50 or arm[user] % 2])
    planted = admin.get(f"/experiments/{row['id']}").json()
    found = planted["standing"]
    expect((found["verdict"], found["p"]) == ("refused", None), f"planted: {found}")
    sizes = f"{found['control']['exposed']} to {found['treatment']['exposed']}"
    admin.post(f"/experiments/{row['id']}/end", json={"reason": "Proof."}).raise_for_status()
    whole = admin.post("/experiments", json=body).json()
    time.sleep(KILL_SECONDS)
    crowd.answers(users)
    crowd.answers(users)
    state: dict[str, Any] = {}

    def concluded() -> bool:
        state.update(admin.get(f"/experiments/{whole['id']}").json())
        return bool(state["state"] == "concluded")

    until(concluded, 150, f"no result: {state}")
    end = state["standing"]
    expect(end["control"]["exposed"] + end["treatment"]["exposed"] == len(users), f"not once each: {end}")
    expect(min(end["control"]["counted"], end["treatment"]["counted"]) >= planned, f"too early: {end}")
    expect(end["verdict"] == "inconclusive", f"two equal arms: {end}")
    said = (
        f"no verdict at 40 of 2 x {planned} people, none for arms of {sizes} (p {found['ratio_p']:.1g}), and one, "
        f"inconclusive, for {end['control']['exposed']} to {end['treatment']['exposed']}, each person exposed once"
    )
    print(f"  {said}", flush=True)
    return said
