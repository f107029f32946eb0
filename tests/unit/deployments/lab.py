"""An environment in which 1.0 serves, its real agent on drivers in memory, and the portal of the test that knows of both."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.deployments.models import Deployment, Release
from apps.deployments.services import plans, rollouts
from apps.users.selectors.access import Actor
from aw_deployd import judging
from aw_deployd.cli import read_sealed
from aw_deployd.console import Console
from aw_deployd.engine import Engine
from aw_deployd.journal import Journal
from aw_deployd.release import digest
from aw_deployd.traffic import Shares
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.factories.users import make_token
from tests.fakes.rollout import FakeProbes, FakeRuntime, FakeTraffic, environment
from tests.people import People


class Talking(Console):
    """Asks the portal of the test."""

    client: APIClient

    def _ask(self, report: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"/api/v1/agents/{self._environment.name}/reports", report)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


class Lab:
    """An environment in which 1.0 serves, its agent, and a portal that knows of both."""

    def __init__(self, folder: Path, people: People, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
        self.place = an_environment("lab", **values)
        made = environment(folder, 2)
        self.environment = dataclasses.replace(made, trusted_keys=(self.place.public_key,))
        (self.environment.state / "inbox").mkdir(parents=True, exist_ok=True)
        self.runtime = FakeRuntime()
        self.runtime.running = {"blue": "1.0", "worker": "1.0", "scheduler": "1.0"}
        self.traffic = FakeTraffic(Shares.only("blue"), self.runtime)
        self.journal = Journal(self.environment.state / "journal.sqlite3")
        monkeypatch.setattr(judging, "LOOK_SECONDS", 0.001)
        monkeypatch.setattr("aw_deployd.hands.OBSERVE_SECONDS", 0.05)
        self.engine = Engine(
            self.environment,
            self.journal,
            runtime=self.runtime,
            traffic=self.traffic,
            say=lambda text: None,
            tick=0.001,
        )
        self.engine.probes = FakeProbes(self.runtime)  # type: ignore[assignment]
        self.engine._ready = lambda slot: slot in self.runtime.running  # type: ignore[method-assign]
        self.console = Talking(self.environment, self._describe, lambda text: None, by_people=True)
        self.console.client = APIClient()
        _, secret = make_token(people.otto, "deployments.report")
        self.console.client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        for version in ("1.0", "2.0"):
            code = self.environment.releases / version / "app"
            a_release(
                version, digest=digest(code), schema_heads={"users": "0001_initial"}, notes_users=f"New in {version}."
            )
        self.talk()

    def _describe(self, made: Any, journal: Journal) -> dict[str, Any]:
        shares = self.traffic.shares
        return {
            "proxy": "answers" if shares else "does not answer",
            "slots": {
                slot.name: {
                    "release": self.runtime.running.get(slot.name, ""),
                    "up": slot.name in self.runtime.running,
                    "percent": shares.of(slot.name) if shares else None,
                }
                for slot in made.slots
            },
        }

    def talk(self) -> None:
        self.console.once(self.journal)

    def work(self) -> None:
        """The agent takes what lies in its inbox."""
        for path in (self.environment.state / "inbox").glob("*.json"):
            plan, signer = read_sealed(path.read_text(), self.environment.trusted_keys)
            path.rename(path.with_suffix(".taken"))
            self.engine.take(plan, signer)
        if row := self.journal.active("lab"):
            self.engine.run(row)

    def plan(self, actor: Actor = SETUP, version: str = "2.0", **more: Any) -> Deployment:
        release = Release.objects.get(version=version)
        values: dict[str, Any] = {"strategy": "blue_green", "bake_seconds": 0, **more}
        return plans.plan_deployment(actor=actor, environment_id=self.place.pk, release_id=release.pk, **values)

    def deploy(self, **more: Any) -> Deployment:
        made = self.plan(**more)
        rollouts.start(actor=SETUP, deployment_id=made.pk)
        self.talk()
        self.work()
        self.talk()
        made.refresh_from_db()
        return made
