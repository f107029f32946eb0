"""Argo Rollouts and Flagger act, this console answers: verdicts, webhooks, ends; over the API, as they do it."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import resolve
from django.utils import timezone
from rest_framework.test import APIClient

from aiwriter.core.errors import Conflict, InvalidInput
from apps.deployments.models import Announcement, Deployment, Environment, FreezeWindow, Release, State, Target
from apps.deployments.services import delegates, environments, plans, rollouts, verdicts
from apps.monitoring.models import CheckResult
from apps.monitoring.services import keeping
from apps.monitoring.services.checks import registry
from apps.monitoring.services.incidents import open_incident
from apps.monitoring.services.measuring import Figure
from apps.users.models import AuditEvent
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.factories.users import make_token
from tests.people import People

pytestmark = pytest.mark.django_db
EXAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "delegates"


# When each test began: a minute holds one number, and the clock's minute may end between two `measure` of a test.
_begun_at: list[float] = []


@pytest.fixture(autouse=True)
def healthy() -> Iterator[None]:
    """The portal works, and nothing has been measured yet."""
    keeping.forget_series()
    _begun_at.append(time.time())
    for check in registry():
        if check.required:
            until = timezone.now() + dt.timedelta(hours=1)
            CheckResult.objects.update_or_create(
                key=check.key, node="here", defaults={"status": "ok", "valid_until": until}
            )
    yield
    keeping.forget_series()


def place(delegate: str = "flagger", **values: Any) -> Environment:
    """An environment in which 1.0 serves, this portal's own unless told otherwise."""
    Environment.objects.filter(own=True).update(own=False)
    made = an_environment("lab", **{"kind": "development", "own": True, "delegate": delegate, **values})
    made.current, made.current_since = a_release("1.0"), timezone.now()
    made.save(update_fields=["current", "current_since"])
    a_release("2.0")
    return made


def plan(environment: Environment, *, started: bool = True, **more: Any) -> Deployment:
    """2.0 on its way."""
    release = Release.objects.get(version="2.0")
    values = {"strategy": "canary", **more}
    made = plans.plan_deployment(actor=SETUP, environment_id=environment.pk, release_id=release.pk, **values)
    return rollouts.start(actor=SETUP, deployment_id=made.pk) if started else made


def measure(good: int, bad: int = 0, minutes_ago: float = 0.0) -> None:
    """Requests of pages within a minute."""
    figures = [Figure("requests", "web", good + bad), Figure("request_errors", "web", bad)]
    keeping.keep(figures, at=_begun_at[-1] - minutes_ago * 60)


def begun(deployment: Deployment, minutes: float = 5.0) -> None:
    """As if it had begun so long ago."""
    at = timezone.now() - dt.timedelta(minutes=minutes)
    Deployment.objects.filter(pk=deployment.pk).update(taken_at=at, started_at=at)
    deployment.refresh_from_db()


@pytest.fixture
def controller(people: People) -> APIClient:
    """With a token that may do nothing but "deployments.report"."""
    client = APIClient()
    _, secret = make_token(people.otto, "deployments.report")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def hook(client: APIClient, environment: Environment, name: str, phase: str = "Progressing", **metadata: str) -> Any:
    """As Flagger sends it, with a field that we have never heard of."""
    said = {"name": "portal", "namespace": "p", "phase": phase, "checksum": "8f1c", "metadata": metadata, "newer": 1}
    return client.post(f"/api/v1/environments/{environment.pk}/flagger/{name}", said, format="json")


class TestVerdict:
    def ask(self, client: APIClient, deployment: Deployment, **query: Any) -> dict[str, Any]:
        answer = client.get(f"/api/v1/deployments/{deployment.pk}/verdict", query)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def test_it_passes_with_requests_and_is_not_known_without(self, controller: APIClient) -> None:
        made = plan(place("argo"))
        begun(made)
        measure(500, minutes_ago=30)
        found = self.ask(controller, made)
        assert (found["verdict"], found["state"]) == ("inconclusive", "queued")
        assert "0 requests were measured here" in found["reason"]
        measure(39, minutes_ago=1)
        assert self.ask(controller, made)["verdict"] == "inconclusive"
        measure(1, minutes_ago=2)
        found = self.ask(controller, made)
        assert found["verdict"] == "pass"
        assert found["measured"] == {"requests": 40, "errors": 0, "requests_before": 500, "errors_before": 0}
        assert self.ask(controller, made, min_samples=41)["verdict"] == "inconclusive"

    def test_errors_that_chance_does_not_explain_fail(self, controller: APIClient) -> None:
        made = plan(place("argo"))
        begun(made)
        measure(500, 2, minutes_ago=30)
        measure(38, 2, minutes_ago=1)
        assert self.ask(controller, made)["verdict"] == "pass"
        measure(30, 6, minutes_ago=2)
        found = self.ask(controller, made)
        assert found["verdict"] == "fail"
        assert "8 errors of 76 requests, against 2 of 502 before" in found["reason"]

    def test_only_errors_fail_at_once(self, controller: APIClient) -> None:
        made = plan(place("argo"))
        begun(made)
        measure(0, 5, minutes_ago=1)
        assert self.ask(controller, made)["reason"] == "All 5 requests failed."

    def test_counts_of_another_place_are_believed_when_that_is_asked_for(self, controller: APIClient) -> None:
        made = plan(place("argo"))
        assert self.ask(controller, made, min_samples=0)["verdict"] == "pass"
        answer = controller.get(f"/api/v1/deployments/{made.pk}/verdict", {"min_samples": -1})
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "min_samples"

    @pytest.mark.parametrize("what", ["incident", "check", "halted", "abort"])
    def test_what_is_surely_wrong_fails_whatever_the_counts_are(
        self, controller: APIClient, people: People, what: str
    ) -> None:
        made = plan(place("argo"))
        begun(made)
        measure(100, minutes_ago=1)
        if what == "incident":
            open_incident(actor=SETUP, title="Slow")
        elif what == "check":
            CheckResult.objects.filter(key=next(c.key for c in registry() if c.required)).update(status="fail")
        elif what == "halted":
            Environment.objects.filter(pk=made.environment_id).update(halted="Look first.")
        else:
            rollouts.abort(actor=people.actor("otto"), deployment_id=made.pk)
        found = self.ask(controller, made)
        assert found["verdict"] == "fail"
        words = {"incident": "Slow", "check": "Not good", "halted": "Look first", "abort": "asked to stop"}
        assert words[what] in found["reason"]

    def test_what_must_hold_and_does_not_is_named(self, controller: APIClient) -> None:
        environment = place("argo")
        made = plan(environment)
        made.gates.filter(gate="freeze.none").update(status="fail", finding="Somebody asked for quiet.")
        found = self.ask(controller, made, min_samples=0)
        assert (found["verdict"], "Somebody asked for quiet" in found["reason"]) == ("inconclusive", True)
        made.gates.filter(gate="freeze.none").update(status="pass")
        now = timezone.now()
        FreezeWindow.objects.create(
            environment=environment, starts_at=now, ends_at=now + dt.timedelta(hours=1), reason="Holiday"
        )
        assert "Holiday" in self.ask(controller, made, min_samples=0)["reason"]

    def test_of_another_environment_nothing_is_measured_here(self, controller: APIClient) -> None:
        made = plan(place("argo", own=False))
        assert "does not run in Lab" in self.ask(controller, made)["reason"]
        assert self.ask(controller, made, min_samples=0)["verdict"] == "pass"

    def test_before_it_is_started_and_where_the_agent_acts_it_is_not_known(self, controller: APIClient) -> None:
        environment = place("argo")
        made = plan(environment, started=False)
        assert "not started" in self.ask(controller, made)["reason"]
        rollouts.abort(actor=SETUP, deployment_id=made.pk, reason="Wrong one.")
        assert (self.ask(controller, made)["verdict"], self.ask(controller, made)["reason"]) == ("fail", "Wrong one.")
        environments.update_environment(actor=SETUP, environment_id=environment.pk, delegate="")
        made = plan(environment, started=False)
        Deployment.objects.filter(pk=made.pk).update(state=State.ANALYSING)
        found = self.ask(controller, made)
        assert (found["verdict"], "Its agent works on it" in found["reason"]) == ("inconclusive", True)


class TestOutcome:
    def test_argo_tells_how_it_ended_once(self, controller: APIClient) -> None:
        environment = place("argo")
        made = plan(environment)
        for _ in range(2):
            answer = controller.post(
                f"/api/v1/deployments/{made.pk}/outcome", {"outcome": "succeeded", "message": "Done."}
            )
            assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
        environment.refresh_from_db()
        assert environment.current is not None
        assert environment.current.version == "2.0"
        assert [each.new for each in made.transitions.all()] == ["planned", "queued", "delegated", "succeeded"]
        answer = controller.post(f"/api/v1/deployments/{made.pk}/outcome", {"outcome": "rolled_back"})
        assert answer.status_code == 409

    def test_back_means_the_version_before_serves(self, controller: APIClient) -> None:
        environment = place("argo")
        made = plan(environment)
        controller.post(
            f"/api/v1/deployments/{made.pk}/outcome", {"outcome": "rolled_back", "message": "Metric failed."}
        )
        made.refresh_from_db()
        environment.refresh_from_db()
        assert (made.state, made.reason) == ("rolled_back", "Metric failed.")
        assert environment.current is not None
        assert environment.current.version == "1.0"

    def test_what_was_not_started_or_is_the_agents_is_not_ended_so(self, controller: APIClient) -> None:
        environment = place("argo")
        made = plan(environment, started=False)
        answer = controller.post(f"/api/v1/deployments/{made.pk}/outcome", {"outcome": "succeeded"})
        assert "not started" in answer.json()["error"]["message"]
        with pytest.raises(InvalidInput, match="no end"):
            delegates.take_outcome(actor=SETUP, deployment_id=made.pk, outcome="perhaps")
        rollouts.abort(actor=SETUP, deployment_id=made.pk)
        environments.update_environment(actor=SETUP, environment_id=environment.pk, delegate="")
        made = plan(environment, started=False)
        with pytest.raises(Conflict, match="agent acts"):
            delegates.take_outcome(actor=SETUP, deployment_id=made.pk, outcome="succeeded")

    def test_an_abort_that_nobody_answers_halts_the_environment(self) -> None:
        environment = place("argo")
        made = plan(environment)
        with_state(made, State.DELEGATED)
        rollouts.abort(actor=SETUP, deployment_id=made.pk)
        rollouts.abort(actor=SETUP, deployment_id=made.pk)
        made.refresh_from_db()
        assert made.state == State.DELEGATED
        made.commands.update(at=timezone.now() - dt.timedelta(minutes=16))
        rollouts.abort(actor=SETUP, deployment_id=made.pk)
        environment.refresh_from_db()
        assert "Argo Rollouts has not told" in environment.halted


class TestFlagger:
    def test_from_the_question_to_the_end(self, controller: APIClient) -> None:
        environment = place()
        answer = hook(controller, environment, "confirm-rollout")
        assert (answer.status_code, "No deployment is under way" in answer.json()["error"]["message"]) == (403, True)
        assert "No deployment" in Target.objects.get(environment=environment).problem
        made = plan(environment)
        for _ in range(3):
            assert hook(controller, environment, "confirm-rollout", version="2.0").status_code == 200
        made.refresh_from_db()
        assert (made.state, Target.objects.get(environment=environment).problem) == (State.DELEGATED, "")
        step = made.steps.get(kind="confirm-rollout")
        assert (step.status, step.attempt, step.evidence["checksum"]) == ("done", 3, "8f1c")
        assert AuditEvent.objects.filter(action="deployment.delegate_answered").count() == 1
        (line,) = Announcement.objects.filter(deployment=made)
        assert (line.audience, "Flagger exchanges the version in Lab for 2.0" in line.text) == ("operators", True)
        # Not known yet, so not promoted; and no reason to go back.
        answer = hook(controller, environment, "confirm-promotion", phase="WaitingPromotion")
        assert (answer.status_code, "Not known" in answer.json()["error"]["message"]) == (403, True)
        assert hook(controller, environment, "rollback").status_code == 403
        begun(made)
        measure(60, minutes_ago=1)
        answer = hook(controller, environment, "confirm-promotion", phase="WaitingPromotion")
        assert (answer.status_code, "0 errors of 60" in answer.json()["reason"]) == (200, True)
        for phase in ("Promoting", "Finalising", "Succeeded", "Succeeded"):
            assert hook(controller, environment, "event", phase=phase, eventMessage=f"It is {phase}").status_code == 200
        made.refresh_from_db()
        environment.refresh_from_db()
        assert (made.state, made.reason) == (State.SUCCEEDED, "It is Succeeded")
        assert environment.current is not None
        assert environment.current.version == "2.0"
        kinds = set(made.steps.values_list("kind", flat=True))
        assert {"phase:Promoting", "phase:Succeeded", "confirm-promotion", "rollback"} <= kinds
        line.refresh_from_db()
        assert line.ends_at <= timezone.now()

    def test_an_abort_is_its_rollback(self, controller: APIClient, people: People) -> None:
        environment = place()
        made = plan(environment)
        hook(controller, environment, "confirm-rollout")
        assert hook(controller, environment, "rollback").status_code == 403
        rollouts.abort(actor=people.actor("otto"), deployment_id=made.pk, reason="Wrong text.")
        answer = hook(controller, environment, "rollback")
        assert (answer.status_code, "asked to stop" in answer.json()["reason"]) == (200, True)
        assert hook(controller, environment, "confirm-promotion", minSamples="0").status_code == 403
        # The answer has changed twice, and each change is in the record.
        said = AuditEvent.objects.filter(action="deployment.delegate_answered").values_list("after", flat=True)
        assert sum(each["question"] == "rollback" for each in said) == 2
        hook(controller, environment, "event", phase="Failed", eventMessage="Rolling back")
        made.refresh_from_db()
        environment.refresh_from_db()
        assert (made.state, made.reason) == (State.ROLLED_BACK, "Rolling back")
        assert environment.current is not None
        assert environment.current.version == "1.0"

    def test_another_version_than_was_agreed_to_does_not_start(self, controller: APIClient) -> None:
        environment = place()
        plan(environment)
        answer = hook(controller, environment, "confirm-rollout", version="3.0")
        assert (answer.status_code, "2.0 was agreed to" in answer.json()["error"]["message"]) == (403, True)

    def test_what_is_planned_and_not_started_does_not_start(self, controller: APIClient) -> None:
        environment = place()
        made = plan(environment, started=False)
        answer = hook(controller, environment, "confirm-rollout")
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            403,
            "It was not started here. Start it on its page in the console.",
        )
        hook(controller, environment, "event", phase="Succeeded")
        made.refresh_from_db()
        assert made.state == State.PLANNED

    def test_where_somebody_else_acts_nothing_is_answered(self, controller: APIClient) -> None:
        environment = place("argo")
        answer = hook(controller, environment, "confirm-rollout")
        assert (answer.status_code, "Argo Rollouts acts in Lab" in answer.json()["error"]["message"]) == (409, True)
        environment = an_environment("other", delegate="flagger")
        assert hook(controller, environment, "guess").status_code == 400
        assert controller.get(f"/api/v1/deployments/{plan(place_again()).pk}").status_code == 403

    def test_what_is_kept_is_short_and_without_secrets(self, controller: APIClient) -> None:
        environment = place()
        made = plan(environment)
        hook(controller, environment, "event", phase="Waiting", eventMessage="x" * 5000, password="hunter2hunter2")
        evidence = made.steps.get(kind="phase:Waiting").evidence
        assert len(evidence["eventMessage"]) <= 1000
        assert "hunter2" not in str(evidence)


class TestConsole:
    def test_the_pages_say_who_acts(self, portal: Callable[..., Client]) -> None:
        environment = place()
        made = plan(environment)
        client = portal("otto")
        text = client.get(f"/admin/deployments/deployment/{made.pk}/change/").content.decode()
        assert "Waits for Flagger" in text
        assert "Flagger exchanges the version, in the steps of its own objects" in text
        assert "aw-deployd status" not in text
        text = client.get(f"/admin/deployments/environment/{environment.pk}/change/").content.decode()
        assert "Who acts" in text
        assert "aw-deployd " not in text.partition("Ways to a new version")[0]
        assert "Flagger acts there, and does blue/green and canaries." in text

    def test_no_agent_gets_its_plan(self, controller: APIClient) -> None:
        environment = place()
        made = plan(environment)
        assert made.signed_plan == ""
        agent = {"version": "1", "runtime": "systemd", "traffic": "haproxy", "by_people": True, "observed": {}}
        said = {"agent": agent, "fence": 0, "deployments": [], "refused": [], "taken": []}
        answer = controller.post(f"/api/v1/agents/{environment.slug}/reports", said, format="json")
        assert answer.json()["plan"] is None

    def test_ways_that_no_controller_goes_are_refused(self) -> None:
        environment = place()
        with pytest.raises(InvalidInput, match="Flagger acts there"):
            plan(environment, strategy="recreate")
        made = plan(environment)
        assert (made.plan["delegate"], made.plan["stages"], made.stages.count()) == ("flagger", [], 0)


class TestExamples:
    """The files that are shipped for clusters say what this API says."""

    def objects(self, name: str) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all((EXAMPLES / name).read_text()))

    def test_argos_metric_asks_for_the_verdict_and_knows_all_of_them(self) -> None:
        (template,) = (each for each in self.objects("argo-rollouts.yaml") if each["kind"] == "AnalysisTemplate")
        metric = next(each for each in template["spec"]["metrics"] if "web" in each["provider"])
        address = re.sub(
            r"\{\{args\.deployment\}\}", "0198c0de-0000-7000-8000-000000000000", metric["provider"]["web"]["url"]
        )
        path = re.sub(r"^https?://[^/]+", "", address).partition("?")[0]
        assert resolve(path).view_name.endswith("api-deployment-verdict")
        assert metric["provider"]["web"]["jsonPath"] == "{$.verdict}"
        values = {verdicts.PASS: 0, verdicts.FAIL: 0, verdicts.INCONCLUSIVE: 0}
        for verdict in values:
            good, bad = (
                metric[name].replace("result", repr(verdict)) for name in ("successCondition", "failureCondition")
            )
            values[verdict] = (eval(good), eval(bad))
        assert values == {"pass": (True, False), "fail": (False, True), "inconclusive": (False, False)}
        assert metric["failureLimit"] == 0
        arguments = {each["name"] for each in template["spec"]["args"]}
        used = set(re.findall(r"\{\{args\.([a-z-]+)\}\}", yaml.safe_dump(template)))
        assert used <= arguments
        told = next(each for each in self.objects("argo-rollouts.yaml") if each["kind"] == "ConfigMap")["data"]
        bodies = " ".join(told.values())
        assert set(re.findall(r'"outcome": "(\w+)"', bodies)) == set(delegates.OUTCOMES)

    def test_flaggers_webhooks_are_those_that_are_answered(self) -> None:
        (canary,) = (each for each in self.objects("flagger.yaml") if each["kind"] == "Canary")
        hooks = {each["type"]: each for each in canary["spec"]["analysis"]["webhooks"]}
        assert set(hooks) == set(delegates.HOOKS)
        for kind, each in hooks.items():
            path = re.sub(r"^https?://[^/]+", "", each["url"])
            found = resolve(path.replace("ENVIRONMENT", "0198c0de-0000-7000-8000-000000000000"))
            assert (found.view_name.rpartition(":")[2], found.kwargs["hook"]) == ("api-flagger-hook", kind)


def with_state(deployment: Deployment, state: State) -> None:
    """As if it had come so far."""
    Deployment.objects.filter(pk=deployment.pk).update(state=state, taken_at=timezone.now())


def place_again() -> Environment:
    """Another one."""
    made = an_environment("third", kind="development", delegate="argo")
    return made
