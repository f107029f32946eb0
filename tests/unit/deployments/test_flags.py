"""Flags: who gets what, how soon a change is seen, who may change it; the statistics as pure functions."""

from __future__ import annotations

import datetime as dt
import json
import random
import threading
import time
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from aiwriter.core import flags as read
from aiwriter.core.buckets import bucket_of
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unavailable
from apps.content.services.completions import admit
from apps.content.services.generation import retry_generation, start_generation
from apps.content.services.prompts import build_request
from apps.deployments.models import Flag, FlagStamp
from apps.deployments.selectors import flag_set
from apps.deployments.selectors import statistics as sums
from apps.deployments.selectors.flag_set import Known, Rule, Trial, Who, decide
from apps.deployments.selectors.flags import stale_flags
from apps.deployments.services import flags
from apps.users.models import AuditEvent
from aw_deployd import analysis
from tests.factories.deployments import SETUP
from tests.factories.flags import prompt_flag
from tests.people import People

BOTH = {"on": True, "off": False}


def no_roles(_who: Who) -> frozenset[str]:
    return frozenset()


def _known(**more: Any) -> Known:
    return Known(**{"key": "x", "variants": BOTH, "default": "off", "off": "off", "killed": False, **more})


def _rule(variant: str = "on", **more: Any) -> Rule:
    base = {"workspace_id": "", "user_id": "", "role": "", "email_domain": "", "percent": 100}
    return Rule(**{**base, **more}, variant=variant)


# ---------------------------------------------------------------- who gets what
def test_targeting_is_one_pure_function_of_flag_and_person() -> None:
    who = Who("u1", "w1", "ann@Example.org")

    def editor(_who: Who) -> frozenset[str]:
        return frozenset({"editor"})

    for rule, roles, reached in (
        (_rule(workspace_id="w1"), no_roles, True),
        (_rule(workspace_id="w2"), no_roles, False),
        (_rule(user_id="u1"), no_roles, True),
        (_rule(email_domain="example.org"), no_roles, True),
        (_rule(email_domain="ample.org"), no_roles, False),
        (_rule(role="editor"), editor, True),
        (_rule(role="admin"), editor, False),
        (_rule(user_id="u1", role="editor"), no_roles, False),
        (_rule(percent=0), no_roles, False),
    ):
        assert decide(_known(rules=(rule,)), who, roles).value is reached, rule
    # The first rule that holds decides; the kill switch goes before all of them.
    first = (_rule("off", user_id="u1"), _rule("on"))
    assert decide(_known(rules=first), who, no_roles).variant == "off"
    assert decide(_known(rules=(_rule(),), killed=True), who, no_roles).reason == "DISABLED"
    # Nobody: by the workspace, and by nothing at all the default.
    assert decide(_known(rules=(_rule(workspace_id="w1"),)), Who(workspace_id="w1"), no_roles).value
    assert decide(_known(rollout=("on", 99)), Who(), no_roles).reason == "DEFAULT"
    assert decide(_known(trial=Trial("e", "off", "on", 100, 50)), Who(workspace_id="w1"), no_roles).experiment_id == ""


def test_a_percentage_reaches_the_proxys_bucket_and_experiments_have_numbers_of_their_own() -> None:
    people = [str(uuid.UUID(int=random.Random(7).getrandbits(128) + n)) for n in range(10_000)]
    ten = {who for who in people if decide(_known(rollout=("on", 10)), Who(who), no_roles).value}
    assert ten == {who for who in people if bucket_of(who) < 10}
    assert abs(len(ten) / len(people) - 0.10) < 4 * (0.1 * 0.9 / len(people)) ** 0.5
    # A larger share holds all of the smaller one.
    assert ten < {who for who in people if decide(_known(rules=(_rule(percent=25),)), Who(who), no_roles).value}
    trial = Trial("one", "off", "on", 40, 50)
    arms = {who: flag_set.arm_of(trial, who) for who in people}
    taking = [who for who in people if arms[who]]
    assert abs(len(taking) / len(people) - 0.4) < 0.015
    treated = sum(arms[who] == "on" for who in taking)
    assert abs(treated / len(taking) - 0.5) < 0.02
    # Who is first in roll-outs is not the treated too.
    assert abs(sum(arms[who] == "on" for who in ten) / len(ten) - 0.2) < 0.04


# ---------------------------------------------------------------- the numbers
counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
RAILS = sums.Rails(10, 60, 40, 0.002, True, True, 2.0, 1.5)


@settings(max_examples=80, deadline=None)
@given(counts, counts, st.floats(0, 200))
def test_a_stage_never_passes_unseen_and_judges_errors_as_the_canary_does(
    new: tuple[int, int], old: tuple[int, int], seconds: float
) -> None:
    assert sums.fisher(new[1], new[0], old[1], old[0]) == pytest.approx(
        analysis.fisher(new[1], new[0], old[1], old[0]), abs=1e-9
    )
    verdict, _why = sums.judge(sums.Arm(new[0], new[1]), sums.Arm(old[0], old[1]), RAILS, seconds)
    rules = analysis.Rules(min_seconds=10, max_seconds=60, min_samples=40)
    seen = [analysis.Seen(real=analysis.Counts(*each)) for each in (new, old)]
    canary = analysis.judge(seen[0], seen[1], rules, seconds).verdict
    assert {"back": "abort"}.get(verdict, verdict) == canary
    if verdict == "pass":
        assert new[0] >= RAILS.min_samples
        assert seconds >= RAILS.min_seconds
    if seconds >= RAILS.max_seconds:
        assert verdict != "wait"


def test_each_guardrail_takes_back_and_says_why() -> None:
    old = sums.Arm(n=100, p95_ms=900, timed=100, priced=100, cost=0.01, cost_variance=1e-5)
    for worse, word in (
        (sums.Arm(n=40, errors=8), "failed"),
        (sums.Arm(n=40, regenerated=12), "asked for again"),
        (sums.Arm(n=40, p95_ms=2500, timed=40), "2.5 s"),
        (sums.Arm(n=40, priced=40, cost=0.02, cost_variance=1e-5), "costs"),
    ):
        verdict, why = sums.judge(worse, old, RAILS, 1)
        assert (verdict, word in why) == ("back", True), why
        off = sums.Rails(10, 60, 40, 0.002, False, False, 0, 0)
        assert sums.judge(worse, old, off, 1)[0] == "wait"


def test_the_tests_against_values_by_hand() -> None:
    # Of the tables with these margins, 9 of C(16, 10) = 8,008 …: (9 * 21 + 7 + 84) / 8008.
    assert sums.fisher_two_sided(8, 10, 1, 6) == pytest.approx(280 / 8008)
    # Chi-square (20² + 20²) / 500 = 1.6 with one degree: a table says 0.2059.
    assert sums.sample_ratio(520, 480, 50) == pytest.approx(0.2059, abs=1e-4)
    # (1.960 √(2 · 0.125 · 0.875) + 0.842 √(0.09 + 0.1275))² / 0.05² = 685.6.
    assert sums.planned_size(0.10, 0.05) == 686
    # z = 0.03 / √(0.105 · 0.895 · 2 / 1000) = 2.188.
    assert sums.proportions_differ(120, 1000, 90, 1000) == pytest.approx(0.0287, abs=1e-4)


# ---------------------------------------------------------------- in the portal
@pytest.fixture
def flags_live() -> None:
    """Flags are read as in a portal."""
    flag_set.forget()


@pytest.mark.django_db
@pytest.mark.usefixtures("flags_live")
def test_the_hot_path_asks_nothing_and_a_change_is_seen_soon(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = prompt_flag()
    wanda, press = people.wanda, people.press
    assert read.choice(read.PROMPT, wanda, press.pk) == "standard"
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for _ in range(200):
            read.choice(read.PROMPT, wanda, press.pk)
    assert len(asked) <= 1
    # Another process, which is told nothing, asks for the stamp by itself.
    monkeypatch.setattr(flag_set, "forget", lambda: None)
    flags.set_rules(actor=SETUP, flag_id=flag.pk, rules=[{"role": "writer", "variant": "exact"}])
    begun = time.monotonic()
    while read.choice(read.PROMPT, wanda, press.pk) != "exact":
        assert time.monotonic() - begun < flag_set.LOOK_SECONDS + 1
        time.sleep(0.05)
    assert read.choice(read.PROMPT, people.otto, press.pk) == "standard"
    assert FlagStamp.objects.get().number == 2


def test_who_asks_second_after_a_pause_gets_no_old_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, asking, answered = flag_set._Kept(2, {"x": _known()}), threading.Event(), threading.Event()

    def slow(_before: object) -> object:
        asking.set()
        assert answered.wait(5)
        return fresh

    monkeypatch.setattr(flag_set, "_fresh", slow)
    found: list[object] = []
    for age, old_is_enough in ((3600.0, False), (flag_set.LOOK_SECONDS * 1.5, True)):
        monkeypatch.setattr(flag_set, "_kept", flag_set._Kept(1, {}))
        monkeypatch.setattr(flag_set, "_asked_at", time.monotonic() - age)
        asking.clear()
        answered.clear()
        found.clear()
        askers = [threading.Thread(target=lambda: found.append(flag_set.present())) for _ in range(2)]
        askers[0].start()
        assert asking.wait(5)
        askers[1].start()
        askers[1].join(0.3)
        assert found == ([{}] if old_is_enough else [])
        answered.set()
        for asker in askers:
            asker.join(5)
        assert fresh.flags in found


@pytest.mark.django_db
@pytest.mark.usefixtures("flags_live")
def test_a_text_keeps_what_the_flag_said_and_the_model_gets_its_rules(people: People) -> None:
    flag = prompt_flag()
    flags.set_rules(actor=SETUP, flag_id=flag.pk, rules=[{"person_id": people.wanda.pk, "variant": "exact"}])
    flag_set.forget()
    wanda = people.actor("wanda")
    made = start_generation(actor=wanda, workspace=people.press, kind="draft", brief={"topic": "Rivers"})
    assert made.input["measured"]["flags"] == {"generation-prompt": "exact"}
    # It is as it was asked for, whatever is switched since; asked for again it is a new question.
    flags.kill(actor=people.actor("otto"), flag_id=flag.pk, reason="Writers complain.")
    flag_set.forget()
    made.refresh_from_db()
    assert made.input["measured"]["flags"] == {"generation-prompt": "exact"}
    type(made).objects.filter(pk=made.pk).update(state="succeeded")
    again = retry_generation(actor=wanda, generation_id=made.pk)
    assert again.input["measured"] == {**made.input["measured"], "flags": {"generation-prompt": "standard"}}
    system = [
        str(build_request(kind="draft", brief={"topic": "x"}, context={}, passages=[], rules=said).messages[0].content)
        for said in ("", "standard", "exact", "unheard of")
    ]
    assert system[0] == system[1] == system[3] != system[2]


@pytest.mark.django_db
@pytest.mark.usefixtures("flags_live")
def test_the_kill_switch_closes_the_endpoint_for_programs(people: People) -> None:
    flags.ensure_flags()
    flags.ensure_flags()
    flag_set.forget()
    wanda = people.actor("wanda")
    with pytest.raises(NotFound):  # there is no model, and it was looked for
        admit(actor=wanda, model="write")
    flags.kill(actor=SETUP, flag_id=Flag.objects.get(key="model-endpoint").pk, reason="Abuse.")
    flag_set.forget()
    with pytest.raises(Unavailable, match="switched this endpoint off"):
        admit(actor=wanda, model="write")


@pytest.mark.django_db
def test_who_may_and_what_cannot_be(people: People) -> None:
    otto = people.actor("otto")
    soon = timezone.now() + dt.timedelta(days=9)
    made = flags.create_flag(
        actor=otto,
        key="new-editor",
        title="Editor",
        kind="release",
        variants=BOTH,
        default_variant="off",
        expires_at=soon,
    )
    assert made.owner == people.otto
    for change, field in (
        ({"variants": {"on": True}}, "variants"),
        ({"variants": {"on": True, "off": "no"}}, "variants"),
        ({"default_variant": "maybe"}, "default_variant"),
        ({"expires_at": None}, "expires_at"),
        ({"kind": "moon"}, "kind"),
        ({"key": "other"}, "key"),
    ):
        with pytest.raises(InvalidInput) as caught:
            flags.update_flag(actor=otto, flag_id=made.pk, **change)
        assert caught.value.details[0].field == field
    for rule, field in (
        ({"variant": "maybe"}, "variant"),
        ({"variant": "on", "percent": 101}, "percent"),
        ({"variant": "on", "role": "king"}, "role"),
        ({"variant": "on", "email_domain": "a@b.c"}, "email_domain"),
        ({"variant": "on", "moon": 1}, "rules"),
    ):
        with pytest.raises(InvalidInput) as caught:
            flags.set_rules(actor=otto, flag_id=made.pk, rules=[rule])
        assert caught.value.details[0].field == field
    with pytest.raises(NotFound):
        flags.set_rules(actor=otto, flag_id=made.pk, rules=[{"variant": "on", "person_id": uuid.uuid4()}])
    with pytest.raises(Conflict, match="this name"):
        flags.create_flag(actor=otto, key="new-editor", title="E", kind="ops", variants=BOTH, default_variant="on")
    for work in (
        lambda actor: flags.kill(actor=actor, flag_id=made.pk, reason="r"),
        lambda actor: flags.set_rules(actor=actor, flag_id=made.pk, rules=[]),
        lambda actor: flags.delete_flag(actor=actor, flag_id=made.pk),
    ):
        for name in ("wanda", "ada"):
            with pytest.raises(PermissionDenied):
                work(people.actor(name))
    flags.kill(actor=otto, flag_id=made.pk, reason="r")
    with pytest.raises(Conflict):
        flags.kill(actor=otto, flag_id=made.pk, reason="r")
    flags.revive(actor=otto, flag_id=made.pk)
    flags.delete_flag(actor=otto, flag_id=made.pk)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert actions >= {"flag.created", "flag.killed", "flag.revived", "flag.deleted"}
    assert "flag.updated" not in actions


@pytest.mark.django_db
def test_stale_flags_are_told_by_report_check_and_command(people: People, capsys: pytest.CaptureFixture[str]) -> None:
    from apps.deployments.health import flags as look

    flags.ensure_flags()
    assert look.run().status == "ok"
    soon = timezone.now() + dt.timedelta(days=9)
    more = {"title": "t", "kind": "release", "variants": BOTH, "default_variant": "off", "expires_at": soon}
    made = flags.create_flag(actor=people.actor("otto"), key="old-feature", **more)
    Flag.objects.filter(pk=made.pk).update(
        expires_at=soon - dt.timedelta(days=20), owner=None, changed_at=soon - dt.timedelta(days=60)
    )
    (found,) = stale_flags(SETUP)
    said = " ".join(found.reasons)
    assert all(word in said for word in ("gone since", "Nobody owns", "does not read", "Everybody has 'off'"))
    assert look.run().status == "warn"
    with pytest.raises(SystemExit) as ended:
        call_command("flags", "stale", "--json")
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)[0]["key"] == "old-feature"
    call_command("flags", "kill", "old-feature", "--reason", "No.")
    call_command("flags", "set", "old-feature", "on")
    capsys.readouterr()
    call_command("flags", "list", "--json")
    row = next(row for row in json.loads(capsys.readouterr().out) if row["key"] == "old-feature")
    assert (row["killed"], row["default"]) == (True, "on")
    with pytest.raises(CommandError, match="no flag") as refused:
        call_command("flags", "kill", "moon", "--reason", "No.")
    assert refused.value.returncode == 5
