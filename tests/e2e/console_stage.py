"""One row of every table of the console that the other stages leave empty, so that each of its pages can be opened."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.lab.portal import Portal
from tests.servers.identity_providers import make_certificate

_PROGRAM = """
import datetime as dt
from decimal import Decimal
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, SolarSchedule
from apps.backends.models import BackendProfile
from apps.backends.services.routing import set_price
from apps.backups.services import pauses
from apps.content.models import Document
from apps.content.services import batches, exports
from apps.content.services.content_types import create_content_type
from apps.deployments.models import Environment, Flag
from apps.deployments.services import experiments, flag_rollouts, flags, scaling
from apps.monitoring.models import AlertChannel, AlertRule
from apps.monitoring.services import alerts, budgets, channels, rules
from tests.factories.content import GenerationFactory
from apps.users.models import GroupMember, GroupRole, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import (
    factors, groups, invitations, key_rotation, ledger_archive, ledger_sealing, ledger_sinks, legal_holds, privacy, sso, tokens, workspaces
)
from apps.users.services.people import create_user
alma, otto, wanda, eddie = (User.objects.get(email=f"{name}@example.org") for name in ("alma", "otto", "wanda", "eddie"))
admin, operator, now = Actor.for_user(alma), Actor.for_user(otto), timezone.now()
room = Workspace.objects.get(slug="field-notes")
# Monitoring
channels.create_route(actor=operator, channel_id=AlertChannel.objects.get(name="Night watch").pk, least_severity="critical")
alerts.create_silence(actor=operator, kind="maintenance", reason="The database moves to a larger machine",
    starts_at=now + dt.timedelta(days=1), ends_at=now + dt.timedelta(days=1, hours=2))
rules.start_drill(actor=operator, rule_id=AlertRule.objects.get(slug="check-fails").pk)
budgets.create_budget(actor=operator, scope="workspace", scope_id=room.pk, period="month", limit_tokens=2_000_000)
profile = BackendProfile.objects.filter(kind="model").first()
set_price(actor=operator, profile_id=profile.pk, model="*", input_price=Decimal("0.5"), output_price=Decimal("1.5"))
# People and access
sso.create_provider(actor=admin, kind="saml", slug="house", name="House account", issuer="https://idp.example.org/meta",
    sso_url="https://idp.example.org/sso", certificate=CERTIFICATE, groups_claim="groups", enabled=False)
provider = sso.SignInProvider.objects.get(slug="house")
sso.add_rule(actor=admin, provider=provider, group="editors", role="editor", workspace=room)
invitations.invite(actor=admin, email="new.colleague@example.org", workspace=room, workspace_role="writer")
factors.set_policy(actor=admin, role="auditor", grace_days=14)
privacy.ask(actor=Actor.for_user(wanda), kind="export")
hold = legal_holds.place_hold(actor=admin, user=eddie, reason="Case 12 of the press council")
key_rotation.rotate_key(actor=admin, purpose="field")
ledger_sinks.create_sink(actor=admin, name="Second machine", kind="file", address=FOLDER)
ledger_sealing.seal_pending()
ledger_sealing.make_checkpoint(force=True)
ledger_archive.archive_old(now=now + dt.timedelta(days=500), events=20, least=1)
# Schedules of the library that nothing of ours uses, and that operators may
ClockedSchedule.objects.create(clocked_time=now + dt.timedelta(days=2))
SolarSchedule.objects.create(event="sunset", latitude=59.3, longitude=18.1)
# Content
exports.start_export(actor=Actor.for_user(wanda), document_id=Document.objects.filter(workspace=room, owner=wanda, deleted_at=None).first().pk, format="docx")
kind = create_content_type(actor=Actor.system_actor("stage"), workspace=room, name="Label", instructions="Write about {product}.",
    fields={"properties": {"product": {"type": "string", "title": "Product"}}, "required": ["product"], "x-order": ["product"]})
batches.create_batch_of_rows(actor=Actor.for_user(wanda), workspace=room, content_type_id=kind.pk, name="Labels for June",
    rows=[{"product": "Tide clock"}, {"product": "Rain gauge"}])
GenerationFactory(workspace=room, actor=Actor.for_user(wanda))
pauses.begin_maintenance(actor=admin, message="The database moves; back at nine.")
pauses.end_maintenance(actor=admin)
# Flags: a roll-out that was stopped, a comparison that is under way
prompt = Flag.objects.get(key="generation-prompt")
rollout = flag_rollouts.start_rollout(actor=operator, flag_id=prompt.pk, variant="exact", stages=[5, 25, 50])
flag_rollouts.look_after()
flag_rollouts.stop_rollout(actor=operator, rollout_id=rollout.pk, reason="The exact rules read like a form")
experiments.start_experiment(actor=operator, flag_id=prompt.pk, title="Exact rules against the standard ones", control="standard",
    treatment="exact", share=100, split=50, metric="regenerated", baseline=0.2, effect=0.05)
flags.set_rules(actor=operator, flag_id=prompt.pk, rules=[{"role": "editor", "percent": 50, "variant": "exact"}])
# Workers that follow the queue, watched for an hour
place = Environment.objects.filter(kind="development").first() or Environment.objects.first()
scaling.create_policy(actor=admin, environment_id=place.pk, part="worker", metric="queue", target=4, minimum=1, maximum=4)
minute = int(now.timestamp()) // 60
scaling.take_scaling(place, {
    "events": [{"number": n, "at": (minute - at) * 60.0, "part": "worker", "old": 1, "new": new, "why": why, "acted": False}
        for n, at, new, why in ((1, 50, 2, "9 jobs wait, 4 for each"), (2, 20, 3, "11 jobs wait, 4 for each"))],
    "samples": [{"minute": minute - n, "part": "worker", "count": 1, "wanted": 1 + (40 < n < 50) + 2 * (10 < n < 20), "load": 4.0}
        for n in range(60)],
})
# A program with an account and a key of its own
robot = create_user(actor=Actor.system_actor("stage"), email="press.feed@example.org", kind="service")
workspaces.add_member(actor=Actor.system_actor("stage"), user=robot, workspace=room, role="writer")
key, _ = tokens.create_token(actor=admin, user=robot, name="The feed of the press", scopes=["content.read"], workspace=room)
member, role = GroupMember.objects.first(), GroupRole.objects.first()
grant = RoleGrant.objects.filter(user=otto).first()
answer = {
    "hold_id": str(hold.pk), "kind": "role", "grant_id": str(grant.pk), "action": "begin",
    "user_id": str(robot.pk), "token_id": str(key.pk),
    "group_member_id": str(member.pk), "group_role_id": str(role.pk), "group_id": str(member.group_id),
}
"""


def add_rest(portal: Portal, outside: Path) -> dict[str, Any]:
    """Put them there.

    Args:
        portal: with the people and rows of the other stages.
        outside: an empty folder beside the portal's, for copies of the audit record.

    Returns:
        values for addresses that name more than one row of their own table.
    """
    with tempfile.TemporaryDirectory() as name:
        certificate = make_certificate(Path(name))
    code = _PROGRAM.replace("CERTIFICATE", repr(certificate)).replace("FOLDER", repr(str(outside)))
    found: dict[str, Any] = portal.shell(code)
    return found
