"""Telling the people who watch over the portal."""

from __future__ import annotations

from apps.users.models import RoleGrant, User
from apps.users.services.notifications import notify


def tell_auditors(kind: str, title: str, body: str = "", link: str = "/admin/users/auditevent/ledger/") -> None:
    """Leave a message for every auditor and administrator.

    Args:
        kind: "audit.changed" …
        title: one line.
        body: what is wrong and what to do.
        link: the page that says more.
    """
    grants = RoleGrant.objects.live().filter(role__in=("auditor", "admin"))
    for person in User.objects.filter(pk__in=grants.values("user_id"), status=User.Status.ACTIVE):
        notify(person, kind, title, body, link)
