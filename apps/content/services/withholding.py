"""What is on its way to places outside stops when the approval of its text is taken back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from aiwriter.core.queue import enqueue
from apps.content.models import Document, DocumentVersion, Publication
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

_State, _Wish = Publication.State, Publication.Wish


def withhold(*, actor: Actor, document: Document, version: DocumentVersion) -> int:
    """Stop a version whose approval was taken back on its way to every place. The caller holds the lock of the document.

    What waits or has failed is given up, and says why. Where the text stands already and waits for its time there, the
    place is asked to make a draft of it.

    Args:
        actor: who took the approval back.
        document: locked.
        version: the one that is not approved any more.

    Returns:
        how many places.
    """
    now = timezone.now()
    rows = Publication.objects.filter(document=document, version=version, wish__in=(_Wish.PUBLISH, _Wish.SCHEDULE))
    waiting = rows.filter(state__in=(_State.QUEUED, _State.FAILED)).select_related("target")
    planned = rows.filter(state=_State.PUBLISHED, wish=_Wish.SCHEDULE, publish_at__gt=now).select_related("target")
    count = 0
    for row in [*waiting, *planned]:
        fields: dict[str, Any] = {
            "next_try_at": None,
            "updated_at": now,
            "error": _("The approval of this text was taken back."),
            "remedy": _("Have it approved, then publish it again."),
            "state": _State.FAILED,
            "finished_at": now,
        }
        if row.state == _State.PUBLISHED:
            again = {"state": _State.QUEUED, "finished_at": None, "queued_at": now, "attempts": 0}
            fields |= {"wish": _Wish.DRAFT, "publish_at": None, **again}
        # Not what a worker took in this moment: that is sent as it was when it was approved.
        if not Publication.objects.filter(pk=row.pk, state=row.state).update(**fields):
            continue
        count += 1
        record(actor, "document.withheld", obj=document, after={"place": row.target.name, "version": version.number})
        if fields["state"] == _State.QUEUED:
            enqueue("content.run_publication", publication_id=str(row.pk))
    return count
