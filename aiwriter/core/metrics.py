"""What every process counts: requests, streams, tasks, model calls, searches.

With `PROMETHEUS_MULTIPROC_DIR` (the supervisor sets it) the counts lie in files that all processes of a machine share;
healthd adds them up for Prometheus and the watch for the console. A count costs a few microseconds and no system call.
Labels have few values: the route and not the address, the purpose and not the person.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from aiwriter.core import metric_files

metric_files.use()

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)

requests = Counter("aiw_http_requests", "Requests that were answered.", ("surface", "route", "status"))
request_seconds = Histogram(
    "aiw_http_request_seconds", "From the request's arrival to its answer.", ("surface", "route"), buckets=SECONDS
)
streams = Gauge("aiw_streams_open", "Streams that are open now.", ("kind",), multiprocess_mode="livesum")
# Beside the counts of all: whoever compares versions by them takes these off. A label of the counts themselves would let
# anybody keep errors out of the alerts by sending a header.
probe_seconds = Histogram(
    "aiw_http_probe_seconds",
    "Of the requests, those that a deployment agent marked as its own.",
    ("status",),
    buckets=SECONDS,
)
tasks = Counter("aiw_tasks", "Tasks that ended.", ("task", "outcome"))
task_seconds = Histogram("aiw_task_seconds", "How long tasks ran.", ("task",), buckets=LONG_SECONDS)
calls = Counter("aiw_model_calls", "Model calls that ended.", ("backend", "model", "outcome"))
first_token = Histogram(
    "aiw_model_first_token_seconds", "Until the first word came.", ("backend", "model"), buckets=LONG_SECONDS
)
token_rate = Histogram(
    "aiw_model_tokens_per_second",
    "How fast text came.",
    ("backend", "model"),
    buckets=(5, 10, 20, 40, 60, 80, 120, 200, 400, 800),
)
tokens = Counter("aiw_model_tokens", "Tokens that went in and came out.", ("backend", "model", "direction"))
cost = Counter("aiw_model_cost", "What calls cost, where the price is known.", ("backend", "model", "currency"))
search_seconds = Histogram(
    "aiw_retrieval_seconds", "How long a search for passages took.", ("engine",), buckets=SECONDS
)
replica_looks = Counter(
    "aiw_replica_looks", "How often a request that reads looked whether the standby has everything.", ("answer",)
)

_known: dict[tuple[str, str, str], tuple[Any, Any]] = {}


def surface_of(path: str) -> str:
    """Which side of the portal an address belongs to."""
    if path.startswith(("/api/", "/v1/", "/mcp")):
        return "api"
    if path.startswith("/admin"):
        return "console"
    return "web"


def count_request(surface: str, route: str, status: int, seconds: float) -> None:
    """Count an answer.

    Args:
        surface: "web", "api", "console".
        route: the pattern that the address fits, "documents/<uuid:document_id>/".
        status: 200, 404 …
        seconds: how long it took.
    """
    key = (surface, route, f"{status // 100}xx")
    children = _known.get(key)
    if children is None:
        # Kept: looking a child up by its labels takes a lock and costs more than counting.
        children = _known[key] = (requests.labels(*key), request_seconds.labels(surface, route))
    children[0].inc()
    children[1].observe(seconds)


def count_probe(status: int, seconds: float) -> None:
    """Count an answer to a probe of the deployment agent; it is counted by `count_request` as well.

    Args:
        status: 200, 404 …
        seconds: how long it took.
    """
    probe_seconds.labels(f"{status // 100}xx").observe(seconds)


def counted(application: Callable[..., Any], kind: str, route: str) -> Callable[..., Any]:
    """Wrap an ASGI application that answers ahead of Django, so that what it answers is counted too.

    Args:
        application: what answers.
        kind: what its open connections are called.
        route: as for `count_request`.
    """
    opened = streams.labels(kind)

    async def serve(scope: dict[str, Any], receive: Any, send: Any, **more: Any) -> None:
        begun, status = time.perf_counter(), 0

        async def noted(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # The answer begins here: how long a stream then runs says nothing about the portal.
                count_request("api", route, status, time.perf_counter() - begun)
            await send(message)

        opened.inc()
        try:
            await application(scope, receive, noted, **more)
        finally:
            opened.dec()

    return serve


def count_call(
    *,
    backend: str,
    model: str,
    outcome: str,
    first_token_ms: int | None,
    duration_ms: int,
    input_tokens: int,
    output_tokens: int,
    price: float | None,
    currency: str,
) -> None:
    """Count a model call that was settled.

    Args:
        backend: the profile's name.
        model: the model's name.
        outcome: "succeeded", "failed", "stopped", "abandoned".
        first_token_ms: None when none came, or none was awaited.
        duration_ms: the whole call.
        input_tokens, output_tokens: as they were billed.
        price: None when it is not known.
        currency: of the price.
    """
    calls.labels(backend, model, outcome).inc()
    tokens.labels(backend, model, "in").inc(input_tokens)
    tokens.labels(backend, model, "out").inc(output_tokens)
    if price is not None and currency:
        cost.labels(backend, model, currency).inc(price)
    if first_token_ms is not None:
        first_token.labels(backend, model).observe(first_token_ms / 1000)
        writing = duration_ms - first_token_ms
        if output_tokens > 1 and writing > 0:
            token_rate.labels(backend, model).observe(output_tokens * 1000 / writing)
