"""Traces by OpenTelemetry, off by default: requests, tasks and calls of models, sent to the collector of `AIWRITER_OTLP_URL`.

Names and attributes are those of the semantic conventions (https://opentelemetry.io/docs/specs/semconv/), for models
`gen_ai.*`. No text that a person or a model wrote is in a span, no address, no name. Requests to the collector pass the
egress guard like all others. Without a collector nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from aiwriter.core import context
from aiwriter.core.egress import exchange
from aiwriter_sdk import BackendError

logger = logging.getLogger(__name__)
_tracer: Any = None
_provider: Any = None
_SECONDS = 8.0


def begin(part: str) -> None:
    """Trace this process from now on, if a collector is named.

    Args:
        part: "web" or "worker"; stands in every span as `aiwriter.part`.
    """
    global _provider, _tracer
    if not settings.OTLP_URL or _tracer is not None:
        return
    # Set for what chromadb would send of itself; it would switch ours off as well.
    os.environ.pop("OTEL_SDK_DISABLED", None)  # noqa: TID251
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    _provider = TracerProvider(resource=Resource.create({"service.name": "aiwriter", "aiwriter.part": part}))
    _provider.add_span_processor(BatchSpanProcessor(_exporter()))
    _tracer = _provider.get_tracer("aiwriter")


def is_on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


@contextmanager
def span(name: str, *, kind: str, traceparent: str = "") -> Iterator[Any]:
    """What happens within, as a span; gives it, or None where nothing is traced.

    Args:
        name: of low cardinality; may be updated.
        kind: "SERVER" or "CONSUMER".
        traceparent: whose work it is (https://www.w3.org/TR/trace-context/).
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    parent = extract({"traceparent": traceparent}) if traceparent else None
    # An exception's message may hold what somebody wrote; its kind is enough.
    silent = {"record_exception": False, "set_status_on_exception": False}
    with _tracer.start_as_current_span(name, context=parent, kind=SpanKind[kind], **silent) as made:
        context.trace_id.set(format(made.get_span_context().trace_id, "032x"))
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            raise


def past(name: str, *, begun: dt.datetime, ended: dt.datetime, attributes: Mapping[str, Any], error: str = "") -> None:
    """A span of something outside that is over, within the present one.

    Args:
        name: of low cardinality.
        begun, ended: when.
        attributes: None is left out.
        error: kind of what went wrong.
    """
    if _tracer is None:
        return
    from opentelemetry.trace import SpanKind, StatusCode

    known = {key: value for key, value in attributes.items() if value is not None}
    made = _tracer.start_span(name, kind=SpanKind.CLIENT, start_time=_nanoseconds(begun), attributes=known)
    if error:
        made.set_attribute("error.type", error)
        made.set_status(StatusCode.ERROR)
    made.end(_nanoseconds(ended))


def traceparent() -> str:
    """The present span, for whoever goes on with the work; "" where nothing is traced."""
    if _tracer is None:
        return ""
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent", "")


def end() -> None:
    """Send what waits, and trace no more."""
    global _provider, _tracer
    if _tracer is not None:
        _provider.shutdown()
    _provider = _tracer = None


def _nanoseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1e9)


def _exporter() -> Any:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Exporter(SpanExporter):
        """OTLP over HTTP with protobuf (https://opentelemetry.io/docs/specs/otlp/#otlphttp), through the guard."""

        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            """Send them, once; a collector that is away costs spans and nothing else."""
            try:
                status, _, _ = exchange(
                    "POST",
                    f"{settings.OTLP_URL.rstrip('/')}/v1/traces",
                    headers={"Content-Type": "application/x-protobuf"},
                    content=encode_spans(spans).SerializeToString(),
                    timeout=_SECONDS,
                )
            except BackendError as error:
                logger.warning("%d spans could not be sent: %s", len(spans), error.message)
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS if status < 300 else SpanExportResult.FAILURE

    return Exporter()
