"""Which figures the console draws, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.monitoring.selectors.series import History, histories
from apps.users.selectors.access import Actor

_SURFACES = ("web", "api", "console")
_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One plot.

    Args:
        title: what it shows.
        names: figures.
        labels: of these only; the four largest when empty.
        unit: "s", "bytes", "%", "" for plain numbers.
    """

    title: str | Promise
    names: tuple[str, ...]
    labels: tuple[str, ...] = ()
    unit: str = ""


GROUPS: Sequence[tuple[str | Promise, Sequence[Panel]]] = (
    (
        _("Requests"),
        (
            Panel(title=_("Requests a minute"), names=("requests",), labels=_SURFACES),
            Panel(title=_("Errors a minute"), names=("request_errors",), labels=_SURFACES),
            Panel(title=_("95 % are answered within"), names=("request_p95_seconds",), labels=_SURFACES, unit="s"),
            Panel(title=_("Open streams"), names=("streams_open",)),
        ),
    ),
    (
        _("Models"),
        (
            Panel(title=_("Calls a minute"), names=("model_calls",), labels=("all",)),
            Panel(title=_("Failed calls a minute"), names=("model_errors",), labels=("all",)),
            Panel(title=_("First word within (95 %)"), names=("model_first_token_p95_seconds",), unit="s"),
            Panel(title=_("Tokens a second (half of the calls)"), names=("model_tokens_p50_per_second",)),
            Panel(title=_("Cost a minute"), names=("model_cost",)),
            Panel(title=_("Search for passages (95 %)"), names=("retrieval_p95_seconds",), unit="s"),
        ),
    ),
    (
        _("Jobs"),
        (
            Panel(title=_("Tasks a minute"), names=("tasks",), labels=("all",)),
            Panel(title=_("Failed tasks a minute"), names=("task_errors",), labels=("all",)),
            Panel(
                title=_("Texts that wait or are written"),
                names=("check_figure",),
                labels=("queue generations_waiting", "queue generations_running"),
            ),
            Panel(title=_("Messages that wait"), names=("check_figure",), labels=("broker messages",)),
        ),
    ),
    (
        _("Machine"),
        (
            Panel(title=_("Processor"), names=("check_figure",), labels=("processor busy_percent",), unit="%"),
            Panel(title=_("Memory left"), names=("check_figure",), labels=("memory available_bytes",), unit="bytes"),
            Panel(
                title=_("Memory of the portal"),
                names=("check_figure",),
                labels=("memory web_bytes", "memory worker_bytes", "memory vectors_bytes", "memory watch_bytes"),
                unit="bytes",
            ),
            Panel(title=_("Disk left"), names=("check_figure",), labels=("disk free_bytes",), unit="bytes"),
        ),
    ),
    (
        _("Database"),
        (
            Panel(title=_("A trivial query"), names=("check_figure",), labels=("database latency_seconds",), unit="s"),
            Panel(
                title=_("Size"),
                names=("check_figure",),
                labels=("database_log size_bytes", "database_bloat size_bytes", "database_log wal_bytes"),
                unit="bytes",
            ),
            Panel(
                title=_("Connections"),
                names=("check_figure",),
                labels=("database_connections used", "database_transactions waiting_for_locks"),
            ),
            Panel(
                title=_("Oldest transaction"),
                names=("check_figure",),
                labels=("database_transactions oldest_seconds",),
                unit="s",
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel with what was measured."""

    panel: Panel
    series: list[History]


def drawn(actor: Actor, *, span: str) -> list[tuple[str | Promise, list[Drawn]]]:
    """All panels that have something to show, in two queries.

    Args:
        actor: needs "monitoring.read".
        span: one of `RANGES`.
    """
    panels = [panel for _, each in GROUPS for panel in each]
    names = sorted({name for panel in panels for name in panel.names})
    # Routes have a series each and are no part of a panel; without the labels they would be read for nothing.
    labels = sorted({label for panel in panels for label in panel.labels})
    free = sorted({name for panel in panels if not panel.labels for name in panel.names})
    found = histories(actor, names, span=span, labels=labels)
    found |= histories(actor, free, span=span)
    groups = []
    for title, each in GROUPS:
        shown = [Drawn(panel, series) for panel in each if (series := _of(panel, found))]
        if shown:
            groups.append((title, shown))
    return groups


def _of(panel: Panel, found: dict[str, list[History]]) -> list[History]:
    every = [history for name in panel.names for history in found.get(name, [])]
    if panel.labels:
        order = {label: place for place, label in enumerate(panel.labels)}
        return sorted((h for h in every if h.label in order), key=lambda h: order[h.label])
    return sorted(every, key=lambda h: -h.total)[:_SHOWN]


def slowest_routes(actor: Actor, *, span: str, count: int = 10) -> list[tuple[History, float]]:
    """Routes by the time that all their requests took together, with how often they were asked for.

    Args:
        actor: needs "monitoring.read".
        span: one of `RANGES`.
        count: how many.
    """
    found = histories(actor, ["requests", "request_p95_seconds"], span=span)
    asked = {history.label: history.total for history in found["requests"] if " " in history.label}
    rows = [(history, asked.get(history.label, 0.0)) for history in found["request_p95_seconds"]]
    rows = [(history, times) for history, times in rows if " " in history.label and times]
    return sorted(rows, key=lambda row: -(row[0].mean or 0.0) * row[1])[:count]
