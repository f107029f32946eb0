"""Releases for pictures: one that serves, and one that is being judged as a canary."""

from __future__ import annotations

from tests.lab.portal import Portal

_PROGRAM = """
import datetime as dt, time
from django.utils import timezone
from apps.deployments.models import Deployment, Environment, State
from apps.deployments.services import announcements, checking, environments, plans, releases, reports, transitions
from apps.users.models import User
from apps.users.selectors.access import Actor

me = Actor.system_actor("tests")
environments.ensure_environment()
place = Environment.objects.get(own=True)
notes = "Folders can be **shared** with a workspace. Exports are twice as fast."
for version in ("1.4.0", "1.5.0", "1.6.0"):
    releases.register_release(
        actor=me, version=version, digest="sha256:" + version[2] * 64, schema_heads={"content": "0023_folders"},
        contract=["content.0024_drop_old_folders"] if version == "1.6.0" else [],
        notes_operators="The first start takes a minute longer: the index is made anew.", notes_users=notes,
        config_added=["AIWRITER_FOLDERS"] if version == "1.6.0" else [],
    )

def agent(serving, shares):
    slots = {name: {"release": release, "up": True, "percent": percent} for name, release, percent in shares}
    return {"version": "1.0.0", "runtime": "systemd", "traffic": "haproxy", "by_people": True,
            "observed": {"proxy": "answers", "slots": slots}}

def report(row, ways, shares, samples=(), sequence=1, hit=0):
    now = time.time()
    changes, old = [], "planned"
    for number, (new, reason) in enumerate(ways):
        changes.append({"at": now - 240 + 12 * number, "old": old, "new": new, "reason": reason})
        old = new
    steps = [{"kind": "verify", "status": "done", "attempt": 1, "evidence": {"digest": row.release.digest}, "begun_at": now - 239, "ended_at": now - 238},
             {"kind": "smoke", "status": "done", "attempt": 1, "evidence": {"probes": [{"name": "sign-in page", "status": 200, "ms": 12.5}]}, "begun_at": now - 190, "ended_at": now - 188}]
    reports.take_report(actor=me, environment=place.slug, agent=agent("", shares), fence=row.fence, deployments=[
        {"id": str(row.pk), "sequence": sequence, "state": old, "users_hit": hit, "people": 832, "transitions": changes,
         "steps": steps, "samples": samples}])

def go(version, strategy, **more):
    row = plans.plan_deployment(actor=Actor.for_user(User.objects.filter(role_grants__role="operator").first()),
        environment_id=place.pk, release_id=releases.Release.objects.get(version=version).pk, strategy=strategy, **more)
    checking.check_gates(actor=me, deployment_id=row.pk)
    row.environment.refresh_from_db()
    plans.sign_plan(row)
    row.started_at = timezone.now()
    row.save()
    transitions.move(row, State.QUEUED, actor=me)
    return row

fine = ("gating", "preparing", "starting", "smoking", "promoting", "swapping_workers", "baking", "finalising", "succeeded")
reports.take_report(actor=me, environment=place.slug, agent=agent("", [("blue", "1.4.0", 100), ("green", "", 0)]))
done = go("1.5.0", "blue_green", why="Faster exports")
report(done, [(state, "") for state in fine], [("blue", "1.4.0", 0), ("green", "1.5.0", 100)])
announcements.publish_notes(actor=me, deployment_id=done.pk)
row = go("1.6.0", "canary", why="Shared folders")
ways = [(state, "") for state in ("gating", "preparing", "starting", "smoking", "shifting")]
ways += [("analysing", "5 % of the people"), ("shifting", "53 requests, no worse."), ("analysing", "25 % of the people")]
for beat in range(1, 13):
    at, stage = time.time() - 130 + 10 * beat, 0 if beat < 6 else 1
    count = beat if stage == 0 else beat - 5
    samples = [{"stage": stage, "slot": slot, "kind": kind, "n": n * count, "errors": bad, "p95": p95, "at": at}
               for slot, kind, n, bad, p95 in (("new", "real", 9 + 30 * stage, 0, 180.0), ("old", "real", 170, 1, 175.0),
                                               ("new", "probe", 20, 0, 40.0), ("old", "probe", 20, 0, 41.0))]
    report(row, ways, [("blue", "1.6.0", 25), ("green", "1.5.0", 75)], samples, beat, 2)
answer = str(row.pk)
"""


def add_releases(portal: Portal) -> str:
    """Put them there. Returns the id of the deployment that is under way."""
    return str(portal.shell(_PROGRAM))
