"""What all middleware together add to a request of somebody who is signed in: sessions, limits, headers, logs, audit."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from tests.benchmarks import Row
from tests.lab.portal import ROOT

LIMIT_MS = 1.5
ROUNDS, WARM_UP = 1500, 200


def measure() -> list[Row]:
    """Medians of the same view with and without middleware, in turns, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.middleware"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Row("all middleware together, added to a request (median)", found["added"], LIMIT_MS, "ms", "limit", 1.0),
        Row("writing an audit event (median)", found["audit"], LIMIT_MS, "ms", "limit", 1.0),
    ]


def main() -> None:
    """Measure; prints milliseconds."""
    from tests.lab.django import set_up

    settings = set_up()
    from django.core.handlers.base import BaseHandler
    from django.db import transaction
    from django.http import HttpRequest, HttpResponse
    from django.test import Client, RequestFactory
    from django.urls import path

    from apps.users.selectors.access import Actor
    from apps.users.services.audit import record
    from tests.people import People

    def view(request: HttpRequest) -> HttpResponse:
        # Who asks is looked up by the session, as every page of ours does.
        name = str(request.user) if hasattr(request, "user") else ""
        return HttpResponse(f"ok {name}")

    settings.ALLOWED_HOSTS = ["*"]
    sys.modules[__name__].urlpatterns = [path("probe", view)]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = __name__
    browser = Client()
    browser.force_login(People().wanda)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    whole = list(settings.MIDDLEWARE)

    def handler(middleware: list[str]) -> BaseHandler:
        settings.MIDDLEWARE = middleware
        made = BaseHandler()
        made.load_middleware()
        return made

    handlers = {"with": handler(whole), "without": handler([])}
    factory = RequestFactory()
    times: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(ROUNDS + WARM_UP):
        for name, one in handlers.items():
            request = factory.get("/probe", HTTP_COOKIE=cookies)
            begun = time.perf_counter()
            answer = one.get_response(request)
            took = (time.perf_counter() - begun) * 1000
            if answer.status_code != 200:
                raise RuntimeError(f"{name}: {answer.status_code}")
            if number >= WARM_UP:
                times[name].append(took)
    actor, audit = Actor.system_actor("benchmark"), []
    for _ in range(300):
        with transaction.atomic():
            begun = time.perf_counter()
            record(actor, "user.updated", after={"name": "x", "count": 3})
            audit.append((time.perf_counter() - begun) * 1000)
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(json.dumps({"added": medians["with"] - medians["without"], "audit": statistics.median(audit), **medians}))


if __name__ == "__main__":
    os.environ.setdefault("AIWRITER_LOG_LEVEL", "ERROR")
    main()
