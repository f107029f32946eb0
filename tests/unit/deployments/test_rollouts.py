"""From the plan in the console to the agent's work and back: the agent is the real one, on drivers in memory."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied, ProofRequired
from apps.deployments.models import Deployment, Environment, GateResult, Release, Sample, State, Target
from apps.deployments.models.states import BEFORE_AGENT, FINAL, allowed
from apps.deployments.selectors import announcements as shown
from apps.deployments.selectors.deployments import consequences, counts, operators_notes
from apps.deployments.selectors.releases import kept_releases
from apps.deployments.services import announcements, checking, environments, releases, rollouts, transitions
from apps.monitoring.selectors.incidents import timeline
from apps.monitoring.services.incidents import open_incident
from apps.users.models import Notification
from apps.users.selectors.access import Actor
from aw_deployd import machine
from aw_deployd.cli import read_sealed
from aw_deployd.errors import Refused
from aw_deployd.traffic import Shares
from tests.factories.deployments import SETUP, a_release
from tests.factories.users import make_token
from tests.people import People

pytestmark = pytest.mark.django_db
STAGES = [{"share": 5, "min_seconds": 0, "max_seconds": 0.05, "min_samples": 10}]


# ------------------------------------------------------------ the table of states
def test_the_ways_are_those_of_the_agent() -> None:
    for state in set(machine.State) - {machine.State.PLANNED}:
        assert {str(s) for s in allowed(State(state))} == {str(s) for s in machine.allowed(state)}, state
    assert {str(s) for s in FINAL - {State.WITHDRAWN}} == {str(s) for s in machine.FINAL}


def test_one_function_alone_changes_a_state() -> None:
    for path in (Path(settings.BASE_DIR) / "apps" / "deployments").rglob("*.py"):
        text = path.read_text()
        # Roll-outs of flags and experiments have states of their own.
        found = re.findall(r"\.state\b[^=\n]* = |update\(state=", text) if re.search(r"\bDeployment\b", text) else []
        assert not found or path.name == "transitions.py", path


def test_whatever_is_not_final_can_be_ended(make_lab: Any) -> None:
    lab = make_lab()
    for state in State:
        made = lab.plan()
        Deployment.objects.filter(pk=made.pk).update(
            state=state, taken_at=None if state in BEFORE_AGENT else timezone.now()
        )
        if state in FINAL:
            with pytest.raises(Conflict, match="has ended"):
                rollouts.abort(actor=SETUP, deployment_id=made.pk)
        elif state in BEFORE_AGENT:
            assert rollouts.abort(actor=SETUP, deployment_id=made.pk).state == State.WITHDRAWN
        else:
            rollouts.abort(actor=SETUP, deployment_id=made.pk)
            rollouts.abort(actor=SETUP, deployment_id=made.pk)
            assert [each.verb for each in made.commands.all()] == ["abort"]
        Deployment.objects.filter(pk=made.pk).update(state=State.WITHDRAWN)
    with pytest.raises(Conflict, match="cannot become"):
        transitions.move(Deployment.objects.filter(state=State.WITHDRAWN)[0], State.SUCCEEDED)


# ------------------------------------------------------------ forward and back
def test_a_version_goes_live_and_is_taken_back(make_lab: Any, people: People) -> None:
    lab = make_lab(own=True)
    assert Environment.objects.get().current == Release.objects.get(version="1.0")
    made = lab.plan()
    assert "1.0" in consequences(made).back
    with pytest.raises(Conflict, match="under way"):
        lab.plan()
    people.otto  # noqa: B018  is told
    rollouts.start(actor=SETUP, deployment_id=made.pk)
    lab.talk()
    lab.talk()
    (path,) = (lab.environment.state / "inbox").glob("*.json")
    with pytest.raises(Refused, match="trusted"):
        read_sealed(path.read_text().replace('"fence": 1', '"fence": 2'), lab.environment.trusted_keys)
    lab.work()
    lab.talk()
    made.refresh_from_db()
    assert (made.state, made.fence) == (State.SUCCEEDED, 1)
    assert Environment.objects.get().current == made.release
    changes, steps = made.transitions.count(), made.steps.count()
    assert next(step.kind for step in made.steps.all()) == "verify"
    # The same again, as after an answer that was lost: nothing is counted twice.
    lab.console._acknowledged.clear()
    lab.talk()
    assert (made.transitions.count(), made.steps.count()) == (changes, steps)
    assert Notification.objects.filter(kind="deployment.ended", user=people.otto).count() == 1
    assert kept_releases(Environment.objects.get()) == ["1.0", "2.0"]
    announcements.publish_notes(actor=SETUP, deployment_id=made.pk)
    assert [line.text for line in shown.lines("users")] == ["What is new in 2.0"]
    Target.objects.update(seen_at=timezone.now() - dt.timedelta(hours=1))
    with pytest.raises(Conflict, match="silent"):
        rollouts.roll_back(actor=SETUP, deployment_id=made.pk)
    lab.talk()
    # Going back to what was withdrawn is better than to stay, and a plan that could not begin is in nobody's way.
    releases.withdraw_release(actor=SETUP, release_id=Release.objects.get(version="1.0").pk, reason="It loses words.")
    assert "withdrawn: It loses words." in consequences(Deployment.objects.get(pk=made.pk)).back
    with pytest.raises(Conflict, match="has ended"):
        checking.sign_gate(actor=people.actor("alma"), deployment_id=made.pk, gate_id="support.told")
    checking.sign_gate(actor=people.actor("alma"), deployment_id=made.pk, gate_id="feedback.read")
    back = rollouts.roll_back(actor=SETUP, deployment_id=made.pk, reason="It is slow.")
    lab.talk()
    lab.work()
    lab.talk()
    back.refresh_from_db()
    assert (back.strategy, back.state, back.fence) == ("rollback", State.SUCCEEDED, 2)
    assert shown.lines("users") == ()
    assert Environment.objects.get().current == Release.objects.get(version="1.0")
    incident = open_incident(actor=SETUP, title="Slow")
    told = [each.text for each in timeline(incident)]
    assert any("2.0 → Lab begins" in text for text in told)


def test_a_bad_canary_is_believed_to_be_back_only_when_that_is_seen(make_lab: Any) -> None:
    lab = make_lab()
    lab.traffic.rates = {"1.0": (40, 0), "2.0": (20, 8)}
    made = lab.plan(strategy="canary", stages=STAGES)
    rollouts.start(actor=SETUP, deployment_id=made.pk)
    lab.talk()
    lab.work()
    real, lab.traffic.shares = lab.traffic.shares, Shares.only("green")
    lab.talk()
    made.refresh_from_db()
    assert made.state == State.ROLLING_BACK
    lab.traffic.shares = real
    lab.talk()
    made.refresh_from_db()
    assert made.state == State.ROLLED_BACK
    assert "errors of" in made.reason
    (stage,) = made.stages.all()
    assert stage.began_at
    assert "errors of" in stage.verdict
    newest = {(count.slot, count.real > 0, count.real_errors > 0) for count in counts(made)}
    assert newest == {("new", True, True), ("old", True, False)}
    assert Sample.objects.filter(deployment=made).count() <= 8
    assert Environment.objects.get().current == Release.objects.get(version="1.0")


def test_a_plan_that_the_agent_refuses_has_failed(make_lab: Any) -> None:
    lab = make_lab()
    made = lab.plan()
    rollouts.start(actor=SETUP, deployment_id=made.pk)
    lab.talk()
    inbox = lab.environment.state / "inbox"
    (path,) = inbox.glob("*.json")
    path.with_suffix(".reason").write_text("No trusted key has signed this plan.")
    path.rename(path.with_suffix(".refused"))
    lab.talk()
    lab.talk()
    made.refresh_from_db()
    assert made.state == State.FAILED
    assert "No trusted key" in made.reason


def test_a_pause_waits_for_a_person(make_lab: Any) -> None:
    lab = make_lab()
    lab.traffic.rates = {"1.0": (0, 0), "2.0": (0, 0)}
    made = lab.plan(strategy="canary", stages=STAGES)
    rollouts.start(actor=SETUP, deployment_id=made.pk)
    lab.talk()
    lab.work()
    lab.talk()
    made.refresh_from_db()
    assert made.state == State.PAUSED
    rollouts.accept(actor=SETUP, deployment_id=made.pk, reason="It is night.")
    lab.talk()
    lab.talk()
    lab.work()
    lab.talk()
    made.refresh_from_db()
    assert made.state == State.SUCCEEDED
    checking.check_gates(actor=SETUP, deployment_id=made.pk)
    assert made.gates.get(gate="stages.judged").status == "fail"
    assert made.gates.get(gate="probes.passed").status == "pass"


def test_a_host_that_is_gone_does_not_hold_the_environment_for_ever(make_lab: Any) -> None:
    lab = make_lab()
    made = lab.plan()
    Deployment.objects.filter(pk=made.pk).update(state=State.BAKING, taken_at=timezone.now())
    rollouts.abort(actor=SETUP, deployment_id=made.pk)
    assert rollouts.abort(actor=SETUP, deployment_id=made.pk).state == State.BAKING
    long_ago = timezone.now() - dt.timedelta(hours=1)
    made.commands.update(at=long_ago)
    Target.objects.update(seen_at=long_ago)
    assert rollouts.abort(actor=SETUP, deployment_id=made.pk).state == State.ROLLBACK_FAILED
    assert "agent is gone" in Environment.objects.get().halted


def test_a_terminal_lists_and_stops(make_lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lab = make_lab()
    made = lab.plan()
    call_command("deployments", "list")
    assert capsys.readouterr().out.split() == [
        str(made.pk),
        made.created_at.isoformat(timespec="seconds"),
        *("lab", "2.0", "blue_green", "planned"),
    ]
    call_command("deployments", "abort", str(made.pk), "--reason", "Not today.")
    assert "withdrawn" in capsys.readouterr().out
    call_command("deployments", "list", "--json")
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["from_release"]) == ("withdrawn", "1.0")
    made.refresh_from_db()
    assert made.reason == "Not today."
    with pytest.raises(CommandError, match="has ended"):
        call_command("deployments", "abort", str(made.pk))
    going = lab.plan()
    Deployment.objects.filter(pk=going.pk).update(state=State.BAKING, taken_at=timezone.now())
    call_command("deployments", "abort", str(going.pk))
    assert "The agent is told" in capsys.readouterr().out
    assert [each.verb for each in going.commands.all()] == ["abort"]


def test_what_serves_must_be_registered_before_it_is_replaced(make_lab: Any) -> None:
    lab = make_lab()
    Environment.objects.update(current=None)
    with pytest.raises(Conflict, match=r"1\.0 serves there and is not registered"):
        lab.plan()


# ------------------------------------------------------------ what must hold
def test_what_must_hold_holds_or_is_waived_by_somebody_else(make_lab: Any, people: People) -> None:
    lab = make_lab(kind="production", approvals_required=1)
    otto, alma = people.actor("otto"), people.actor("alma")
    made = lab.plan(actor=otto)
    assert made.state == State.AWAITING
    with pytest.raises(Conflict) as caught:
        rollouts.start(actor=otto, deployment_id=made.pk)
    for title in ("Others have agreed", "A backup is fresh", "Notes for operators", "Somebody watches"):
        assert title in str(caught.value)
    with pytest.raises(PermissionDenied, match="planned"):
        rollouts.approve(actor=otto, deployment_id=made.pk)
    with pytest.raises(ProofRequired):
        rollouts.approve(actor=Actor.for_user(people.alma, proven=False), deployment_id=made.pk)
    token, _ = make_token(people.alma, "deployments.approve")
    with pytest.raises(PermissionDenied, match="API key"):
        rollouts.approve(actor=Actor.for_token(token), deployment_id=made.pk)
    rollouts.approve(actor=alma, deployment_id=made.pk, reason="Read it.")
    with pytest.raises(Conflict, match="already"):
        rollouts.approve(actor=alma, deployment_id=made.pk)
    release = made.release
    releases.update_release(actor=otto, release_id=release.pk, notes_operators="Mind the disk.")
    checking.sign_gate(actor=alma, deployment_id=made.pk, gate_id="operators.ready")
    # This portal does not run there and cannot ask: who knows signs it.
    checking.sign_gate(actor=alma, deployment_id=made.pk, gate_id="backup.restored")
    with pytest.raises(Conflict, match="by itself"):
        checking.sign_gate(actor=alma, deployment_id=made.pk, gate_id="freeze.none")
    with pytest.raises(PermissionDenied):
        checking.waive_gate(actor=otto, deployment_id=made.pk, gate_id="backup.fresh", reason="r")
    with pytest.raises(Conflict, match="Nobody can waive"):
        checking.waive_gate(actor=alma, deployment_id=made.pk, gate_id="approvals.given", reason="r")
    with pytest.raises(InvalidInput):
        checking.waive_gate(actor=alma, deployment_id=made.pk, gate_id="backup.fresh", reason=" ")
    for row in GateResult.objects.filter(deployment=made, required=True).exclude(status__in=checking.GOOD):
        if row.gate not in ("approvals.given", "release.notes"):
            checking.waive_gate(actor=alma, deployment_id=made.pk, gate_id=row.gate, reason="No portal here.", hours=1)
    rollouts.start(actor=otto, deployment_id=made.pk)
    notes = operators_notes(Deployment.objects.get(pk=made.pk))
    assert "Mind the disk." in notes
    assert "backup.fresh was waived by alma@example.org" in notes
    # A waiver that ran out lets nothing pass any more.
    made.waivers.update(expires_at=timezone.now())
    results = {row.gate: row.status for row in checking.check_gates(actor=otto, deployment_id=made.pk, phase="before")}
    assert results["backup.fresh"] == "open"


def test_no_release_that_is_not_what_it_should_be(make_lab: Any) -> None:
    lab = make_lab(kind="staging")
    for version, facts, told in (
        ("3.0", {}, "without a digest"),
        ("3.1", {"digest": "sha256:" + "a" * 64, "min_upgrade_from": "2.0"}, "2.0 and newer"),
    ):
        a_release(version, schema_heads={"users": "0001_initial"}, **facts)
        made = lab.plan(version=version)
        with pytest.raises(Conflict, match=told):
            rollouts.start(actor=SETUP, deployment_id=made.pk)
        rollouts.abort(actor=SETUP, deployment_id=made.pk)
    release = Release.objects.get(version="3.0")
    releases.withdraw_release(actor=SETUP, release_id=release.pk, reason="Bad.")
    with pytest.raises(Conflict, match="withdrawn"):
        lab.plan(version="3.0")
    for wrong, field in (
        ({"strategy": "rolling"}, "strategy"),
        ({"strategy": "fast"}, "strategy"),
        ({"strategy": "canary", "stages": [{"share": 50}, {"share": 5}]}, "stages"),
        ({"probes": 50}, "probes"),
        ({"on_lost": "cry"}, "on_lost"),
    ):
        with pytest.raises(InvalidInput) as caught:
            lab.plan(**wrong)
        assert caught.value.details[0].field == field


def test_after_a_contract_there_is_no_way_back(make_lab: Any) -> None:
    lab = make_lab()
    made = lab.deploy()
    assert lab.runtime.running["blue"] == "1.0"
    contract = lab.deploy(strategy="contract")
    assert contract.state == State.SUCCEEDED
    assert consequences(contract).final
    assert "blue" not in lab.runtime.running  # what stood by could not work any more
    with pytest.raises(Conflict, match="contracted"):
        rollouts.roll_back(actor=SETUP, deployment_id=made.pk)


def test_a_way_back_that_fails_halts_the_environment(make_lab: Any, people: People) -> None:
    lab = make_lab()
    made = lab.plan()
    Deployment.objects.filter(pk=made.pk).update(state=State.ROLLING_BACK)
    made.refresh_from_db()
    transitions.move(made, State.ROLLBACK_FAILED, reason="The proxy is gone.")
    with pytest.raises(Conflict, match="halted"):
        lab.plan()
    assert Environment.objects.get().halted == "The proxy is gone."
    environments.open_again(actor=SETUP, environment_id=lab.place.pk, reason="It is back.")
    lab.plan()


# ------------------------------------------------------------ pages
def test_the_pages_and_what_people_are_told(make_lab: Any, people: People, portal: Any, api: Any) -> None:
    lab = make_lab(own=True)
    otto = portal("otto")
    release = Release.objects.get(version="2.0")
    form = {
        "release": release.pk,
        "environment": lab.place.pk,
        "strategy": "canary",
        "shares": "5, 50",
        "stage_seconds": "1",
    }
    form |= {"min_samples": "10", "bake_seconds": "0", "probes": "0", "why": "Folders"}
    form |= {"workers": "on", "rehearse": "on", "on_lost": "hold"}
    Environment.objects.filter(pk=lab.place.pk).update(title="Lab <b>")
    asked = otto.get("/admin/deployments/deployment/add/").content.decode()
    assert "Lab &lt;b&gt;: Rolling – Fewer than two slots serve." in asked
    Environment.objects.filter(pk=lab.place.pk).update(title="Lab")
    assert (
        "numbers with commas"
        in otto.post("/admin/deployments/deployment/add/", {**form, "shares": "x"}).content.decode()
    )
    otto.post("/admin/deployments/deployment/add/", form)
    made = Deployment.objects.get()
    chosen = {name: made.plan[name] for name in ("keep_old", "workers", "rehearse", "on_lost", "dry_run")}
    assert chosen == {"keep_old": False, "workers": True, "rehearse": True, "on_lost": "hold", "dry_run": False}
    page = f"/admin/deployments/deployment/{made.pk}"
    text = otto.get(f"{page}/change/").content.decode()
    for words in ("5 %, then 50 % of the people", "The way back", "Keys of providers fit", ">Start<"):
        assert words in text
    assert ">Start<" not in portal("ada").get(f"{page}/change/").content.decode()
    otto.post(f"{page}/abort/", {"reason": "Not today."})
    live = otto.get(f"{page}/change/", headers={"X-Fragment": "1"}).content.decode()
    assert "Not today." in live
    assert "<html" not in live
    done = lab.deploy()
    assert done.state == State.SUCCEEDED
    announcements.publish_notes(actor=people.actor("otto"), deployment_id=done.pk)
    assert "What is new in 2.0" in portal("wanda").get("/").content.decode()
    assert "New in 2.0." in portal("wanda").get("/whats-new/").content.decode()
    assert "2.0" in otto.get("/admin/").content.decode()
    listed = api("ada").get("/api/v1/deployments").json()["data"]
    assert [row["state"] for row in listed] == ["succeeded", "withdrawn"]
    place = api("ada").get(f"/api/v1/environments/{lab.place.pk}").json()
    ways = {each["strategy"]: each["missing"] for each in place["strategies"]}
    assert ways == {"blue_green": "", "canary": "", "rolling": "Fewer than two slots serve.", "recreate": ""}
    assert (
        "Fewer than two slots serve."
        in otto.get(f"/admin/deployments/environment/{lab.place.pk}/change/").content.decode()
    )
    whole = api("ada").get(f"/api/v1/deployments/{done.pk}").json()
    assert whole["possible"] == ["rollback"]
    assert whole["consequences"]["final"] is False
    assert api("ada").get(f"/api/v1/deployments/{done.pk}/verdict").json()["verdict"] == "pass"
    assert api("ada").post(f"/api/v1/deployments/{done.pk}/rollback", {}).status_code == 403
