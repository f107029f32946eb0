"""Prometheus scrapes, an alert goes through a real Alertmanager to a webhook, errors and traces reach their receivers without values.

The shipped configurations are used, with ports of this run. The fault is real: the place of the files is taken away. Ten
canaries (body, header, query, cookie, prompt, file name, variable, exception, log line, a plugin's own extra) must not be in
what the receiver gets. Loki is no package of Debian (its `loki` is a program for geneticists), so that part is told as not run.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.fakes.collector import Collector
from tests.fakes.receiver import Receiver
from tests.lab.models import writer_token
from tests.lab.portal import ROOT, Portal
from tests.proofs import NotRun, expect, until
from tests.servers import free_port

DEPLOY = ROOT / "deploy/observability"
CANARIES = ("body", "header", "query", "cookie", "prompt", "file", "variable", "exception", "line", "extra")
_START = 500.0


def prove() -> str:
    """All of it."""
    missing = [each for each in ("prometheus", "prometheus-alertmanager") if not shutil.which(each)]
    if missing:
        raise NotRun(f"{', '.join(missing)} (Debian: apt install prometheus prometheus-alertmanager)")
    health, prometheus, alertmanager = free_port(), free_port(), free_port()
    with Receiver() as webhook, Receiver() as tracker, Collector() as collector:
        environment = {
            "AIWRITER_HEALTH_PORT": str(health),
            "AIWRITER_OUTGOING_ALLOW_NETWORKS": "127.0.0.0/8",
            "AIWRITER_OTLP_URL": collector.url,
            "AIWRITER_SENTRY_DSN": f"{tracker.url.replace('//', '//publickey@').removesuffix('/hook')}/7",
        }
        with Portal(environment, within=_START) as portal, tempfile.TemporaryDirectory() as folder:
            errors = _errors(portal, tracker)
            traced = _traced(portal, collector)
            with _peers(Path(folder), portal, webhook.url, health, prometheus, alertmanager):
                scraped = _scraped(prometheus)
                told = _alert(portal, webhook, prometheus)
    loki = "Loki NOT RUN: no such package here"
    return f"{scraped} series scraped; alert told through Alertmanager after {told:.0f} s; {errors}; {traced}; {loki}"


# ------------------------------------------------------------ traces
def _traced(portal: Portal, collector: Collector) -> str:
    """A draft is asked for with a trace: the request, the task that it sends and the calls of models belong to it."""
    asked = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    with portal.api(writer_token(portal)) as client:
        body = {"topic": "A kingfisher at the weir", "source_ids": []}
        answer = client.post("/generate/content", json=body, headers={"traceparent": asked})
        expect(answer.status_code == 202, f"{answer.status_code} {answer.text[:300]}")

    def of_trace() -> dict[str, str]:
        return {span["name"]: span["part"] for span in collector.spans if span["trace"] == asked.split("-")[1]}

    wanted = {"POST /api/v1/generate/content": "web", "content.run_generation": "worker", "chat composer": "worker"}
    until(lambda: wanted.items() <= of_trace().items(), 60, f"spans of the trace: {of_trace()}")
    expect(b"kingfisher" not in b"".join(collector.bodies), "a span holds what was asked for")
    return "request, task and model call are one trace at an OTLP collector"


# ------------------------------------------------------------ errors
_FAILING = """
import logging, sys, types
from django.conf import settings
from django.test import Client
from django.urls import path
import sentry_sdk
marks = {marks}

def view(request):
    variable = marks["variable"]
    prompt = request.POST["prompt"]
    logging.getLogger("apps.content").error("could not settle 'a text with %s in it'", marks["line"])
    raise ValueError(f"cannot use '{{marks['exception']}} which somebody wrote'")

failing = types.ModuleType("failing")
failing.urlpatterns = [path("fail/", view)]
sys.modules["failing"] = failing
settings.ROOT_URLCONF = "failing"
settings.ALLOWED_HOSTS = ["*"]
from django.core.files.uploadedfile import SimpleUploadedFile
client = Client(raise_request_exception=False, headers={{"X-Note": marks["header"], "X-Request-ID": "peers-proof-0001"}})
client.cookies["note"] = marks["cookie"]
answer = client.post(
    "/fail/?q=" + marks["query"],
    {{"prompt": marks["prompt"], "b": marks["body"], "f": SimpleUploadedFile(marks["file"] + ".txt", b"x")}},
).status_code
# A plugin that calls the library itself, with everything that it has.
with sentry_sdk.new_scope() as scope:
    scope.set_extra("note", marks["extra"])
    scope.set_tag("note", marks["extra"])
    scope.set_user({{"email": marks["extra"] + "@example.org"}})
    try:
        raise KeyError(marks["extra"])
    except KeyError as error:
        sentry_sdk.capture_exception(error)
sentry_sdk.flush(10)
"""


def _errors(portal: Portal, tracker: Receiver) -> str:
    marks = {name: f"canary{name}{os.urandom(9).hex()}" for name in CANARIES}
    status = portal.shell(_FAILING.format(marks=repr(marks)))
    expect(status == 500, f"the failing page answered {status}")
    until(lambda: len(tracker.got) >= 3, 60, f"{len(tracker.got)} of 3 events arrived")
    events = [json.loads(body.split(b"\n")[2]) for _, body in tracker.got]
    sent = b"".join(json.dumps(headers).encode() + body for headers, body in tracker.got)
    found = [name for name, mark in marks.items() if mark.encode() in sent]
    expect(not found, f"canaries were sent: {found}")
    types = {value["type"] for event in events for value in event.get("exception", {}).get("values", [])}
    expect({"ValueError", "KeyError"} <= types, f"the types were {types}")
    expect(
        any(e.get("tags", {}).get("request_id") == "peers-proof-0001" for e in events), "the request's id is missing"
    )
    expect("publickey" in tracker.got[0][0].get("x-sentry-auth", ""), "the key is not in its header")
    return f"{len(events)} errors sent, {len(found)} of {len(marks)} canaries in them"


# ------------------------------------------------------------ Prometheus and Alertmanager
@contextlib.contextmanager
def _peers(
    folder: Path, portal: Portal, webhook: str, health: int, prometheus: int, alertmanager: int
) -> Iterator[None]:
    token = folder / "token"
    token.write_text(_token(portal))
    shutil.copy(DEPLOY / "rules.yml", folder / "rules.yml")
    config = (DEPLOY / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:9301", f"127.0.0.1:{health}").replace(
        "127.0.0.1:9093", f"127.0.0.1:{alertmanager}"
    )
    (folder / "prometheus.yml").write_text(config)
    routes = (DEPLOY / "alertmanager.yml").read_text()
    routes = routes.replace("http://127.0.0.1:8000", portal.url).replace("/etc/aiwriter/alerts-token", str(token))
    routes += f"      - url: {webhook}\n        send_resolved: true\n"
    (folder / "alertmanager.yml").write_text(routes)
    words = [
        [
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            f"--storage.path={folder}/am",
            "--cluster.listen-address=",
        ],
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            f"--storage.tsdb.path={folder}/tsdb",
        ],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for each in words:
            log = (folder / f"{each[0]}.log").open("wb")
            started.append(subprocess.Popen(each, stdout=log, stderr=subprocess.STDOUT))
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _token(portal: Portal) -> str:
    made: str = portal.shell(
        "from apps.users.models import User\n"
        "from apps.users.selectors.access import Actor\n"
        "from apps.users.services.tokens import create_token\n"
        f"actor = Actor.for_user(User.objects.get(email={portal.email!r}))\n"
        "made, raw = create_token(actor=actor, name='alertmanager', scopes=['monitoring.manage'])\n"
        "answer = raw.reveal() if hasattr(raw, 'reveal') else raw"
    )
    return made


def _query(port: int, expression: str) -> list[Any]:
    try:
        answer = httpx2.get(
            f"http://127.0.0.1:{port}/api/v1/query", params={"query": expression}, trust_env=False, timeout=10
        )
    except httpx2.HTTPError:
        return []
    return answer.json().get("data", {}).get("result", []) if answer.status_code == 200 else []


def _scraped(port: int) -> int:
    until(lambda: _query(port, 'up{job="aiwriter"} == 1'), 90, "Prometheus never scraped the portal")
    until(lambda: _query(port, "aiw_check_status"), 60, "no status of a check arrived")
    expect(_query(port, "aiw_http_requests_total"), "no requests were counted")
    return int(_query(port, 'count({job="aiwriter"})')[0]["value"][1])


def _alert(portal: Portal, webhook: Receiver, port: int) -> float:
    files = next(path for path in (portal.folder / "files", portal.folder / "storage") if path.exists())
    away = files.with_name("files-away")
    begun = time.monotonic()
    files.rename(away)
    files.write_text("in the way")
    try:
        until(lambda: _told(webhook, "firing"), 240, "the webhook was never told")
        told = time.monotonic() - begun
        until(lambda: _external(portal), 60, "the portal never took the alert from Alertmanager")
    finally:
        files.unlink()
        away.rename(files)
    until(lambda: _told(webhook, "resolved"), 300, "its end was never told")
    return told


def _told(webhook: Receiver, status: str) -> bool:
    for _, body in webhook.got:
        for alert in json.loads(body)["alerts"]:
            if alert["labels"].get("check") == "file_storage" and alert["status"] == status:
                return True
    return False


def _external(portal: Portal) -> int:
    found: int = portal.shell(
        "from apps.monitoring.models import Alert\n"
        "answer = Alert.objects.filter(external=True, title__icontains='check').count()"
    )
    return found
