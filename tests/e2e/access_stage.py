"""Groups, policies, elevations, reviews, uses and keys, for pages that say who may do what."""

from __future__ import annotations

from tests.lab.portal import Portal


def add_access(portal: Portal) -> None:
    """Give the people of the stage something to ask for, to decide about, to review and to reduce."""
    portal.shell(
        """
import datetime as dt
from django.utils import timezone
from apps.users.models import AccessReview, ApiToken, CapabilityUse, GroupMember, Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import elevation_policies, elevations, groups, proofs, reviews, shrinking
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.tokens import create_token
setup, now = Actor.system_actor("stage"), timezone.now()
ada = create_user(actor=setup, email="ada@example.org", full_name="Ada Imani", password="four plain words here")
grant_role(actor=setup, user=ada, role="auditor", reason="audits the portal")
robot = create_user(actor=setup, email="publisher@example.org", full_name="Publisher", kind="service")
alma, otto, eddie = (User.objects.get(email=f"{name}@example.org") for name in ("alma", "otto", "eddie"))
admin, room = Actor.for_user(alma), Workspace.objects.get(slug="field-notes")
desk = groups.create_group(actor=admin, name="News desk", description="Writes in every room, edits in none.")
for place in Workspace.objects.filter(slug__in=("field-notes", "new-room")):
    groups.add_role(actor=admin, group=desk, role="writer", workspace=place)
for name, reason in (("nora", "writes on Tuesdays"), ("wanda", "stands in for Nora")):
    groups.add_to_group(actor=admin, group=desk, user=User.objects.get(email=f"{name}@example.org"), reason=reason, expires_at=now + dt.timedelta(days=30) if name == "wanda" else None)
groups.create_group(actor=admin, name="On call")
restore = elevation_policies.create_policy(
    actor=admin, name="Restore a backup", description="For the night when the disk is gone.", capabilities=["backups.restore"], eligible_roles=["operator"],
    approver_roles=["admin"], approvals=1, default_minutes=60, max_minutes=240, ticket_pattern="OPS-[0-9]{1,6}", extendable=True,
)
read = elevation_policies.create_policy(
    actor=admin, name="Read a workspace", role="writer", capabilities=["content.read"], eligible_roles=["auditor", "operator"],
    approver_roles=["editor", "admin"], approvals=1, default_minutes=30, max_minutes=60,
)
keys = elevation_policies.create_policy(
    actor=admin, name="Look after the portal's keys", role="admin", capabilities=["keys.manage"], eligible_roles=["admin", "operator"],
    approver_roles=["admin"], approvals=0, default_minutes=15, max_minutes=30,
)
person = Actor.for_user(otto)
held = elevations.request_elevation(actor=person, policy=restore, reason="The disk of the vector store is gone", ticket="OPS-412", minutes=120)
elevations.decide(actor=admin, elevation=held, agrees=True, comment="Call me when it is back")
elevations.request_elevation(actor=person, policy=keys, reason="Quarterly rotation", minutes=15)
before = elevations.request_elevation(actor=Actor.for_user(ada), policy=read, reason="Complaint 9", workspace=room)
elevations.decide(actor=Actor.for_user(eddie), elevation=before, agrees=False, comment="Ask for the one document instead")
elevations.request_elevation(actor=Actor.for_user(ada), policy=read, reason="Complaint 7 names a text of this room", workspace=room)
RoleGrant.objects.filter(elevation=None).update(created_at=now - dt.timedelta(days=200))
Membership.objects.filter(elevation=None).update(created_at=now - dt.timedelta(days=200))
for who, what, ago, number, where in (
    (otto, "backups.run", 3, 41, None), (otto, "jobs.manage", 12, 9, None), (otto, "backends.manage", 40, 2, None), (alma, "users.manage", 1, 31, None),
    (eddie, "content.read", 1, 210, room), (eddie, "content.write", 2, 55, room), (ada, "audit.read", 4, 12, None), (otto, "backups.run", 88, 1, None),
):
    CapabilityUse.objects.create(user=who, capability=what, day=(now - dt.timedelta(days=ago)).date(), allowed=number, **({"workspace_id": where.pk} if where else {}))
shrinking.reduce_grant(actor=admin, grant=Membership.objects.get(user=eddie, workspace=room), keep=["content.read", "content.write", "members.manage", "residency.manage"], reason="edits no prompts")
wide, _ = create_token(actor=admin, name="Nightly script", scopes=["users.manage", "audit.read"])
ApiToken.objects.filter(pk=wide.pk).update(created_at=now - dt.timedelta(days=60), last_used_at=now - dt.timedelta(days=50))
create_token(actor=person, name="Backup monitor", scopes=["backups.read"], networks=["10.8.0.0/24"])
old = now - dt.timedelta(days=90)
User.objects.filter(email="nora@example.org").update(created_at=old, last_seen_day=old.date())
review = reviews.start_review(actor=admin, name="Roles, fourth quarter", recurrence_days=90)
reviews.decide_items(actor=admin, items=review.items.filter(user=otto), decision="keep", comment="runs the portal")
reviews.start_review(actor=admin, name="Who works in Field notes", scope="workspace", workspace=room, on_overdue="revoke")
pack = proofs.request_pack(actor=admin)
proofs.run_pack(pack.pk)
answer = None
"""
    )
