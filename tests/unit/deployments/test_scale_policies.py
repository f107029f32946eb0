"""Scale policies: set in the console or over the API, obeyed by the real agent, told back."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound, ProofRequired
from apps.deployments.models import Environment, ScaleEvent, ScalePolicy, ScaleSample
from apps.deployments.selectors import scaling as selectors
from apps.deployments.services import scaling
from apps.deployments.services.reports import take_report
from apps.users.models import AuditEvent
from apps.users.selectors.access import Actor
from aw_deployd import scaler
from aw_deployd import scaling as agent
from tests.factories.content import GenerationFactory
from tests.factories.deployments import SETUP, an_environment
from tests.people import People

pytestmark = pytest.mark.django_db
WORKERS: dict[str, Any] = {"part": "worker", "metric": "queue", "target": 4, "minimum": 1, "maximum": 4}


def a_policy(environment: Environment | None = None, **more: Any) -> ScalePolicy:
    return scaling.create_policy(
        actor=SETUP, environment_id=(environment or an_environment()).pk, **{**WORKERS, **more}
    )


def report(environment: Environment, **more: Any) -> dict[str, Any]:
    """As its agent sends it."""
    said = {
        "version": "1",
        "runtime": "processes",
        "traffic": "haproxy",
        "by_people": True,
        "observed": {"proxy": "answers"},
    }
    told = {"bounds": {"worker": [1, 6]}, "events": [], "samples": [], **more}
    return take_report(actor=SETUP, environment=environment.slug, agent=said, scaling=told)


class TestSetting:
    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"part": "web"}, "metric"),
            ({"metric": "requests"}, "metric"),
            ({"metric": "colour"}, "metric"),
            ({"target": 0}, "target"),
            ({"maximum": 0}, "maximum"),
            ({"minimum": 5}, "maximum"),
            ({"maximum": 33}, "maximum"),
            ({"minimum": 0}, "minimum"),
            ({"zero_after_seconds": 60, "minimum": 0}, "zero_after_seconds"),
            ({"metric": "schedule"}, "windows"),
            ({"windows": "mon 07:00 3"}, "windows"),
            ({"windows": "mon 07:00-24:00 3"}, "windows"),
            ({"windows": "mon 07:00-07:00 3"}, "windows"),
            ({"windows": "mon-foo 07:00-08:00 3"}, "windows"),
            ({"windows": "mon 07:00-08:00 9"}, "windows"),
            ({"colour": 1}, "colour"),
        ],
    )
    def test_what_cannot_be_names_its_field(self, wrong: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            a_policy(**wrong)
        named = {detail.field for detail in caught.value.details} | {caught.value.field}
        assert field in named
        assert not ScalePolicy.objects.exists()

    def test_none_at_all_is_for_workers_of_a_development_environment(self) -> None:
        place = an_environment(kind="development")
        policy = a_policy(place, minimum=0, zero_after_seconds=60)
        assert policy.zero_after_seconds == 60
        with pytest.raises(InvalidInput, match="minimum"):
            scaling.update_policy(actor=SETUP, policy_id=policy.pk, minimum=1)

    def test_one_for_each_part_and_all_in_the_record(self) -> None:
        place = an_environment()
        policy = a_policy(place)
        with pytest.raises(Conflict):
            a_policy(place)
        scaling.update_policy(actor=SETUP, policy_id=policy.pk, acts=True, maximum=6)
        scaling.delete_policy(actor=SETUP, policy_id=policy.pk)
        events = AuditEvent.objects.filter(action__startswith="scale_policy").order_by("id")
        assert [event.action.partition(".")[2] for event in events] == ["created", "updated", "deleted"]
        assert events[1].after == {"acts": True, "maximum": 6}
        with pytest.raises(NotFound):
            selectors.policy_for(SETUP, policy.pk)

    def test_a_fresh_proof_is_asked_for(self, people: People) -> None:
        actor = Actor.for_user(people.alma, proven=False)
        with pytest.raises(ProofRequired):
            scaling.create_policy(actor=actor, environment_id=an_environment().pk, **WORKERS)


def test_times_of_the_week_are_what_the_agent_reads() -> None:
    text = "Mon-Fri 07:00-19:00 3\n\n sat,sun 22:00-02:00 2 \nfri-mon 00:00-01:00 1"
    found = selectors.windows_of(text)
    assert [each["days"] for each in found] == [[0, 1, 2, 3, 4], [5, 6], [0, 4, 5, 6]]
    assert (found[0]["begin"], found[0]["end"], found[1]["end"]) == (420, 1140, 120)
    policy = a_policy(windows="mon-fri 07:00-19:00 3", acts=True)
    (sent,) = selectors.for_agent(policy.environment)
    read = agent.read(sent, {"worker": (0, 9)})
    assert (read.minimum, read.maximum, read.target, read.act) == (1, 4, 4.0, True)
    assert read.windows == (agent.Window((0, 1, 2, 3, 4), 420, 1140, 3),)


def test_the_metrics_of_both_sides_are_the_same() -> None:
    assert scaling._METRICS == agent.PARTS


class TestReports:
    def test_an_agent_gets_policies_and_its_portals_queue_and_tells_what_it_did(self) -> None:
        place = an_environment(own=True)
        a_policy(place)
        GenerationFactory()
        minute = int(timezone.now().timestamp()) // 60
        event = {
            "number": 7,
            "at": minute * 60.5,
            "part": "worker",
            "old": 1,
            "new": 2,
            "why": "9 jobs wait",
            "acted": True,
        }
        sample = {"minute": minute, "part": "worker", "count": 1, "wanted": 2, "load": 9.0}
        answer = report(place, events=[event], samples=[sample])["scaling"]
        assert (answer["policies"][0]["part"], answer["load"], answer["taken"]) == ("worker", {"queue": 1}, 7)
        # The same again, and the minute with a newer number.
        report(place, events=[event], samples=[sample, sample | {"count": 2}])
        assert ScaleEvent.objects.count() == 1
        assert [(row.count, row.wanted, row.load) for row in ScaleSample.objects.all()] == [(2, 2, 9.0)]
        place.refresh_from_db()
        assert selectors.bounds_of(place) == {"worker": (1, 6)}

    def test_another_environments_jobs_are_not_ours_to_count(self) -> None:
        place = an_environment(own=False)
        a_policy(place)
        assert report(place)["scaling"]["load"] == {}

    def test_an_agent_that_does_not_scale_hears_nothing_of_it(self) -> None:
        place = an_environment()
        a_policy(place)
        said = {"version": "1", "runtime": "p", "traffic": "h", "by_people": True, "observed": {}}
        assert "scaling" not in take_report(actor=SETUP, environment=place.slug, agent=said)

    def test_two_weeks_are_kept(self) -> None:
        place = an_environment()
        for days in (1, 15):
            at = timezone.now() - dt.timedelta(days=days)
            ScaleSample.objects.create(environment=place, part="worker", at=at, count=1, wanted=1)
            ScaleEvent.objects.create(
                environment=place, number=days, part="worker", old=1, new=2, why="w", acted=True, at=at
            )
        assert scaling.forget_old() == 2
        assert (ScaleSample.objects.count(), ScaleEvent.objects.get().number) == (1, 1)

    def test_a_minute_without_a_report_breaks_the_line(self) -> None:
        policy, now = a_policy(), timezone.now()
        for minutes in (30, 29, 10, 9):
            at = now - dt.timedelta(minutes=minutes)
            ScaleSample.objects.create(environment=policy.environment, part="worker", at=at, count=2, wanted=3)
        ran, wanted = selectors.curve(policy)
        assert [value for _, value in ran.points] == [2, 2, None, 2, 2]
        assert [value for _, value in wanted.points] == [3, 3, None, 3, 3]


def test_the_agent_does_what_the_console_says(make_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab()
    monkeypatch.setattr(scaler, "LOOK_SECONDS", 0.0)
    lab.environment = lab.engine.environment = lab.console._environment = dataclasses.replace(
        lab.environment, scale={"worker": (1, 3)}
    )
    hands = scaler.Scaler(lab.engine, lab.journal)
    Environment.objects.filter(own=True).update(own=False)
    Environment.objects.filter(pk=lab.place.pk).update(own=True)
    policy = a_policy(lab.place, target=0.5, maximum=6)
    GenerationFactory()
    for _ in range(2):
        lab.talk()
        hands.look()
    lab.talk()
    assert len(lab.runtime.several("worker")) == 1
    assert [(event.new, event.acted) for event in ScaleEvent.objects.all()] == [(2, False)]
    scaling.update_policy(actor=SETUP, policy_id=policy.pk, acts=True, target=0.1)
    for _ in range(4):
        lab.talk()
        hands.look()
    lab.talk()
    # Two, then what the host's own file allows.
    assert len(lab.runtime.several("worker")) == 3
    assert [event.new for event in ScaleEvent.objects.filter(acted=True).order_by("number")] == [2, 3]
    # One sample a minute, and the clock's minute may have ended meanwhile.
    assert ScaleSample.objects.latest("at").count == 3
    assert selectors.bounds_of(selectors.policy_for(SETUP, policy.pk).environment) == {"worker": (1, 3)}
    scaling.delete_policy(actor=SETUP, policy_id=policy.pk)
    lab.talk()
    hands.look()
    assert len(lab.runtime.several("worker")) == 3


def test_over_the_api(api: Any, people: People) -> None:
    alma, place = api("alma"), an_environment()
    base = f"/api/v1/environments/{place.pk}"
    made = alma.post(f"{base}/scale-policies", {**WORKERS, "windows": "mon 07:00-08:00 2\n"}, format="json")
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["part"], row["maximum"], row["acts"], row["bounds"]) == ("worker", 4, False, None)
    refused = alma.post(f"{base}/scale-policies", {**WORKERS, "part": "web", "windows": ""}, format="json")
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "metric"
    one = f"/api/v1/scale-policies/{row['id']}"
    assert alma.patch(one, {"acts": True}, format="json").json()["acts"] is True
    report(place, events=[{"number": 1, "at": 1.8e9, "part": "worker", "old": 1, "new": 2, "why": "w", "acted": True}])
    assert alma.get(one).json()["bounds"] == [1, 6]
    assert alma.get(f"{base}/scale-events").json()["data"][0]["new"] == 2
    assert len(alma.get(f"{base}/scale-policies").json()["data"]) == 1
    assert alma.delete(one).status_code == 204
    assert alma.get(one).status_code == 404


def test_the_pages_set_show_and_remove_it(portal: Any, people: People) -> None:
    alma, place = portal("alma"), an_environment(title="Press")
    page = alma.get(f"/admin/deployments/environment/{place.pk}/change/").content.decode()
    assert f"/admin/deployments/scalepolicy/add/?environment={place.pk}" in page
    form = {
        "environment": str(place.pk),
        **WORKERS,
        "cooldown_seconds": "300",
        "zero_after_seconds": "0",
        "windows": "mon x",
    }
    refused = alma.post("/admin/deployments/scalepolicy/add/", form)
    assert refused.status_code == 200
    assert "is no time of the week" in refused.content.decode()
    assert "mon x" in refused.content.decode()
    assert alma.post("/admin/deployments/scalepolicy/add/", form | {"windows": ""}).status_code == 302
    policy = ScalePolicy.objects.get()
    address = f"/admin/deployments/scalepolicy/{policy.pk}/change/"
    page = alma.get(address).content.decode()
    assert "worker = [1, 4]" in page
    now = timezone.now()
    minute = int(now.timestamp()) // 60
    report(
        place,
        events=[
            {
                "number": 1,
                "at": now.timestamp(),
                "part": "worker",
                "old": 1,
                "new": 2,
                "why": "9 jobs wait",
                "acted": False,
            }
        ],
        samples=[{"minute": minute - n, "part": "worker", "count": 1, "wanted": 2, "load": 9.0} for n in range(3)],
    )
    page = alma.get(address).content.decode()
    assert "<svg" in page
    assert "1 → 2" in page
    assert "only told" in page
    assert "9 jobs wait" in page
    assert "Only tells" in alma.get("/admin/deployments/scalepolicy/").content.decode()
    assert (
        alma.post(
            address, {**WORKERS, "cooldown_seconds": "60", "zero_after_seconds": "0", "windows": "", "acts": "on"}
        ).status_code
        == 302
    )
    policy.refresh_from_db()
    assert policy.acts
    assert policy.cooldown_seconds == 60
    assert "Acts" in alma.get("/admin/deployments/scalepolicy/").content.decode()
    alma.post(f"/admin/deployments/scalepolicy/{policy.pk}/delete/", {"post": "yes"})
    assert not ScalePolicy.objects.exists()
