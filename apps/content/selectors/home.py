"""What a person should do next, gathered for the home page.

A part of the portal that has something waiting for people adds a function to `SOURCES`. Each is one or two queries
and looks at the newest few only.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from apps.content.models import Document, Generation, Source
from apps.content.selectors.reviews import waiting_for
from apps.users.models import Workspace
from apps.users.selectors.access import Actor

MOST = 5
_KINDS_WITH_PAGES = (Generation.Kind.DRAFT, Generation.Kind.OUTLINE, Generation.Kind.SECTION)


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do.

    Args:
        kind: "writing" (a model writes), "stopped", "failed", "unkept", "source", or a word of the part that adds it.
        title: of the thing.
        route: name of the page that does it.
        key: id in the page's address.
        since: when it began to wait.
        detail: more, such as an error; "" when the kind says enough.
        icon: symbol of the sprite.
    """

    kind: str
    title: str
    route: str
    key: uuid.UUID
    since: dt.datetime
    detail: str = ""
    icon: str = "spark"


def next_steps(actor: Actor, workspace: Workspace) -> list[NextStep]:
    """Everything that waits for the actor, what is going on now first, then the newest.

    Args:
        actor: may read in the workspace.
        workspace: where.
    """
    steps = [step for source in SOURCES for step in source(actor, workspace)]
    return sorted(steps, key=lambda step: (step.kind != "writing", -step.since.timestamp()))


def unfinished_generations(actor: Actor, workspace: Workspace) -> list[NextStep]:
    """What a model is writing, and what it wrote that is in no document: that would otherwise be out of sight."""
    rows = Generation.objects.in_workspace(workspace.pk).filter(kind__in=_KINDS_WITH_PAGES)
    running = rows.unfinished().order_by("-created_at")[:MOST]
    left = rows.filter(state__in=Generation.FINAL_STATES, applied_version=None, document=None)
    return [_of_generation(row) for row in [*running, *left.order_by("-created_at")[:3]]]


def _of_generation(row: Generation) -> NextStep:
    brief = row.input.get("brief", {})
    kind = "failed" if row.state == Generation.State.FAILED else "unkept" if row.is_final else "writing"
    return NextStep(
        kind,
        str(brief.get("title") or brief.get("topic") or row.get_kind_display())[:120],
        "content:generation",
        row.pk,
        row.created_at,
        row.error if kind == "failed" else "",
    )


def failed_sources(actor: Actor, workspace: Workspace) -> list[NextStep]:
    """Sources that could not be read and wait for another try or another file."""
    rows = Source.objects.filter(workspace=workspace, state=Source.State.FAILED).order_by("-updated_at")[:MOST]
    return [NextStep("source", r.title, "content:source", r.pk, r.updated_at, r.error, "source") for r in rows]


def open_reviews(actor: Actor, workspace: Workspace) -> list[NextStep]:
    """Reviews that wait for the actor's word."""
    rows = waiting_for(actor, workspace, MOST)
    return [NextStep("review", title, "content:status", pk, since, "", "check") for pk, title, since in rows]


# In this order asked; shown by time. Reviews, mentions and the like add their function here.
SOURCES: list[Callable[[Actor, Workspace], list[NextStep]]] = [
    unfinished_generations,
    open_reviews,
    failed_sources,
]


def drafts_to_continue(actor: Actor, workspace: Workspace, limit: int = 3) -> list[Document]:
    """The actor's own drafts, last changed first."""
    rows = Document.objects.in_workspace(workspace.pk).kept().filter(owner_id=actor.user_id or uuid.UUID(int=0))
    rows = rows.filter(status=Document.Status.DRAFT).defer("body_markdown", "body_html", "brief")
    return list(rows.order_by("-updated_at", "-id")[:limit])
