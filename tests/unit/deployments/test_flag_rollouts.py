"""Guarded roll-outs and experiments: taken back, paused, promoted; exposed once, refused, concluded once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from aiwriter.core import flags as read
from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.backends.models import ModelCall
from apps.content.models import Generation
from apps.deployments.models import Experiment, Exposure, FlagRollout, FlagStage
from apps.deployments.selectors import flag_set
from apps.deployments.selectors.experiments import standing
from apps.deployments.selectors.flag_outcomes import arms
from apps.deployments.services import experiments, flag_rollouts, flags
from apps.users.models import AuditEvent, Notification, User
from tests.factories.deployments import SETUP
from tests.factories.flags import prompt_flag, texts
from tests.people import People

pytestmark = pytest.mark.django_db
State = FlagRollout.State


@pytest.fixture(autouse=True)
def flags_live() -> Iterator[None]:
    """Flags are read as in a portal."""
    flag_set.forget()
    yield
    flag_set.forget()


def _rollout(flag: Any, **more: Any) -> FlagRollout:
    given = {"variant": "exact", "stages": [10, 50], "min_seconds": 0, "min_samples": 20, **more}
    return flag_rollouts.start_rollout(actor=SETUP, flag_id=flag.pk, **given)


def _look(row: FlagRollout) -> FlagRollout:
    flag_rollouts.look_after()
    row.refresh_from_db()
    return row


def _age(row: FlagRollout, seconds: int) -> None:
    since = timezone.now() - dt.timedelta(seconds=seconds)
    FlagStage.objects.filter(rollout=row, number=row.number).update(began_at=since)


def test_a_bad_variant_is_taken_back_by_itself_and_says_whom_it_hit(people: People) -> None:
    flag, otto = prompt_flag(), people.otto
    row = _rollout(flag)
    texts(people.press, "standard", 60, failed=1, user=people.eddie)
    texts(people.press, "exact", 25, failed=9, user=people.wanda)
    row = _look(row)
    assert (row.state, row.percent, row.people_hit) == (State.BACK, 0, 1)
    assert "9 of 25 texts failed" in row.why
    flag_set.forget()
    assert read.choice(read.PROMPT, people.wanda, people.press.pk) == "standard"
    told = Notification.objects.get(user=otto, kind="flag.rollout")
    assert "taken back" in told.title
    assert "1 of 1 people" in told.body
    assert AuditEvent.objects.get(action="flag.rollout_ended").actor_id == "system:flag-guard"
    # It has ended, for persons too.
    with pytest.raises(Conflict):
        flag_rollouts.stop_rollout(actor=SETUP, rollout_id=row.pk)


def test_who_stops_it_while_it_is_judged_has_the_last_word(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    row = _rollout(prompt_flag())

    def judged(*_: Any) -> tuple[str, str]:
        flag_rollouts.stop_rollout(actor=SETUP, rollout_id=row.pk, reason="Enough.")
        return "pass", "no worse"

    monkeypatch.setattr(flag_rollouts, "judge", judged)
    row = _look(row)
    assert (row.state, row.percent, row.number, row.why) == (State.STOPPED, 0, 0, "Enough.")
    assert not AuditEvent.objects.filter(action="flag.rollout_advanced").exists()


def test_a_good_one_goes_to_everybody_and_without_texts_it_pauses(people: People) -> None:
    flag = prompt_flag()
    row = _rollout(flag, max_seconds=100)
    assert _look(row).state == State.RUNNING
    _age(row, 101)
    row = _look(row)
    assert (row.state, row.percent) == (State.PAUSED, 10)
    assert "0 texts" in row.why
    # Who has it keeps it while a person thinks; and nothing moves meanwhile.
    texts(people.press, "exact", 30, user=people.wanda)
    assert _look(row).percent == 10
    flag_rollouts.resume_rollout(actor=SETUP, rollout_id=row.pk)
    assert _look(row).percent == 10  # what was asked for before this stage does not count
    texts(people.press, "exact", 20, user=people.wanda)
    assert _look(row).percent == 50
    assert _look(row).percent == 50
    texts(people.press, "exact", 20, user=people.wanda)
    row = _look(row)
    assert (row.state, row.percent) == (State.DONE, 100)
    flag.refresh_from_db()
    assert flag.default_variant == "exact"
    assert list(row.stages.values_list("verdict", flat=True)) == ["pass", "pass"]


def test_time_cost_and_repeated_wishes_are_taken_from_the_attempts(people: People) -> None:
    prompt_flag()
    since = timezone.now() - dt.timedelta(seconds=1)
    texts(people.press, "standard", 4, user=people.wanda)
    texts(people.press, "exact", 4, user=people.wanda)
    for row in Generation.objects.all():
        better = row.input["measured"]["flags"]["generation-prompt"] == "standard"
        for attempt in (1, 2):
            ModelCall.objects.create(
                subject=f"generation:{row.pk}",
                number=attempt,
                purpose="write",
                profile_name="p",
                plugin_key="openai",
                model="m",
                state="succeeded",
                duration_ms=1000 if better else 3000,
                cost="0.01" if attempt == 1 or better else "0.05",
            )
    first = Generation.objects.filter(input__measured__flags={"generation-prompt": "exact"}).earliest("pk")
    Generation.objects.create(
        workspace=people.press, requested_by=people.wanda, kind="draft", state="queued", input=first.input
    )
    new, old = arms("generation-prompt", "exact", "standard", since)
    assert (new.n, old.n, new.regenerated, old.regenerated) == (4, 4, 1, 0)
    assert (new.p95_ms, old.p95_ms) == (6000, 2000)
    assert (new.cost, old.cost) == (pytest.approx(0.06), pytest.approx(0.02))


def test_what_cannot_be_begun(people: People) -> None:
    flag = prompt_flag()
    for change, field in (
        ({"stages": []}, "stages"),
        ({"stages": [50, 10]}, "stages"),
        ({"stages": [100]}, "stages"),
        ({"variant": "moon"}, "variant"),
        ({"variant": "standard"}, "variant"),
        ({"min_samples": 0}, "min_samples"),
        ({"max_seconds": 1, "min_seconds": 9}, "max_seconds"),
        ({"latency_times": 0.5}, "latency_times"),
        ({"alpha": 0.5}, "alpha"),
    ):
        with pytest.raises(InvalidInput) as caught:
            _rollout(flag, **change)
        assert caught.value.details[0].field == field
    with pytest.raises(PermissionDenied):
        flag_rollouts.start_rollout(actor=people.actor("ada"), flag_id=flag.pk, variant="exact", stages=[5])
    flags.ensure_flags()
    endpoint = type(flag).objects.get(key="model-endpoint")
    with pytest.raises(InvalidInput, match="Nothing is measured"):
        _rollout(endpoint, variant="off")
    row = _rollout(flag)
    with pytest.raises(Conflict, match="roll-out"):
        _experiment(flag)
    with pytest.raises(Conflict):
        flags.update_flag(actor=SETUP, flag_id=flag.pk, default_variant="exact")
    # The kill switch pauses it: nobody has the variant, so nothing may be learnt.
    flags.kill(actor=SETUP, flag_id=flag.pk, reason="r")
    row.refresh_from_db()
    assert row.state == State.PAUSED
    with pytest.raises(Conflict, match="kill switch"):
        flag_rollouts.resume_rollout(actor=SETUP, rollout_id=row.pk)


# ---------------------------------------------------------------- experiments
def _experiment(flag: Any, **more: Any) -> Experiment:
    given = {"title": "Is it kept more?", "control": "standard", "treatment": "exact", "metric": "kept"}
    numbers = {"baseline": 0.3, "effect": 0.4, "window_hours": 0}
    return experiments.start_experiment(actor=SETUP, flag_id=flag.pk, **{**given, **numbers, **more})


def _crowd(row: Experiment, people: People, sizes: tuple[int, int], failed: tuple[int, int]) -> None:
    now = timezone.now()
    for variant, size, bad in zip((row.control, row.treatment), sizes, failed, strict=True):
        for number in range(size):
            user = User(email=f"{uuid.uuid4().hex}@example.org", full_name="x")
            user.save()
            Exposure.objects.create(experiment=row, user=user, variant=variant, at=now)
            texts(people.press, variant, 1, failed=int(number < bad), user=user)


def test_a_person_is_exposed_once_when_the_act_is_done(people: People, django_capture_on_commit_callbacks: Any) -> None:
    row = _experiment(prompt_flag())
    flag_set.forget()
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(3):
            found = read.choice(read.PROMPT, people.wanda, people.press.pk)
        read.choice(read.PROMPT, None, people.press.pk)
    exposure = Exposure.objects.get()
    assert (exposure.user, exposure.variant) == (people.wanda, found)
    # What is undone exposed nobody.
    with django_capture_on_commit_callbacks(execute=True):
        try:
            with transaction.atomic():
                read.choice(read.PROMPT, people.eddie, people.press.pk)
                raise RuntimeError
        except RuntimeError:
            pass
    assert Exposure.objects.count() == 1
    assert standing(row).verdict == "collecting"


def test_no_verdict_before_the_size_then_one_for_good(people: People) -> None:
    flag = prompt_flag()
    row = _experiment(flag, metric="failed", effect=0.5, baseline=0.1)
    assert 10 < row.planned < 20
    _crowd(row, people, (row.planned, row.planned - 1), (0, row.planned - 2))
    experiments.look_after()
    row.refresh_from_db()
    assert row.state == Experiment.State.RUNNING
    assert (standing(row).verdict, standing(row).p) == ("collecting", None)
    _crowd(row, people, (0, 1), (0, 0))
    experiments.look_after()
    row.refresh_from_db()
    assert row.state == Experiment.State.CONCLUDED
    assert standing(row).verdict == "worse"
    # What comes later changes nothing of it.
    _crowd(row, people, (30, 30), (30, 0))
    assert standing(row).verdict == "worse"
    experiments.end_experiment(actor=SETUP, experiment_id=row.pk, keep="exact")
    flag.refresh_from_db()
    assert flag.default_variant == "exact"


def test_arms_that_are_not_as_planned_get_no_verdict_and_equal_ones_are_inconclusive(people: People) -> None:
    flag = prompt_flag()
    row = _experiment(flag, metric="failed", effect=0.5, baseline=0.1)
    _crowd(row, people, (row.planned * 4, row.planned), (0, row.planned))
    experiments.look_after()
    row.refresh_from_db()
    assert row.state == Experiment.State.RUNNING
    found = standing(row)
    assert (found.verdict, found.p) == ("refused", None)
    assert found.ratio_p < 0.001
    with pytest.raises(InvalidInput) as caught:
        experiments.end_experiment(actor=SETUP, experiment_id=row.pk)
    assert caught.value.details[0].field == "reason"
    experiments.end_experiment(actor=SETUP, experiment_id=row.pk, reason="Half of an arm is missing.")
    equal = _experiment(flag, metric="failed", effect=0.5, baseline=0.1)
    _crowd(equal, people, (equal.planned, equal.planned), (2, 2))
    experiments.look_after()
    equal.refresh_from_db()
    assert standing(equal).verdict == "inconclusive"
    assert "Inconclusive" in standing(equal).words


def test_a_person_counts_when_their_time_is_over(people: People) -> None:
    row = _experiment(prompt_flag(), metric="failed", window_hours=1)
    texts(people.press, "exact", 1, failed=1, user=people.wanda)
    exposed = Exposure.objects.create(experiment=row, user=people.wanda, variant="exact")
    assert standing(row).treatment.counted == 0
    Exposure.objects.filter(pk=exposed.pk).update(at=timezone.now() - dt.timedelta(minutes=61))
    found = standing(row).treatment
    # The text came after the hour, so it is not the experiment's.
    assert (found.counted, found.hit) == (1, 0)
