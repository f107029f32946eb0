"""What parameters of the deployments app name."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from apps.deployments.models import Flag, FreezeWindow
from apps.deployments.services.announcements import announce
from apps.deployments.services.experiments import start_experiment
from apps.deployments.services.flag_rollouts import start_rollout
from apps.deployments.services.flags import create_flag
from apps.deployments.services.plans import plan_deployment
from apps.deployments.services.scaling import create_policy
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.factories.flags import prompt_flag


def _environment(people):
    return an_environment().pk


def _freeze(people):
    times = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z"}
    return FreezeWindow.objects.create(environment=an_environment(), reason="r", **times).pk


def _release(people):
    return a_release().pk


def _deployment(people):
    return plan_deployment(actor=SETUP, environment_id=_environment(people), release_id=_release(people)).pk


def _announcement(people):
    return announce(actor=SETUP, text="t", ends_at=timezone.now() + dt.timedelta(days=1)).pk


_SCALE = {"part": "worker", "metric": "queue", "target": 4, "minimum": 1, "maximum": 2}
_SCALE_FORM = {**_SCALE, "cooldown_seconds": 300, "zero_after_seconds": 0}


def _scale_policy(people):
    return create_policy(actor=SETUP, environment_id=an_environment().pk, **_SCALE).pk


def _flag(people):
    variants = {"on": True, "off": False}
    return create_flag(actor=SETUP, key="mine", title="t", kind="ops", variants=variants, default_variant="off").pk


def _prompt_flag(people):
    return (Flag.objects.filter(key="generation-prompt").first() or prompt_flag()).pk


def _flag_rollout(people):
    return start_rollout(actor=SETUP, flag_id=_prompt_flag(people), variant="exact", stages=[5]).pk


def _experiment(people):
    return start_experiment(actor=SETUP, flag_id=_prompt_flag(people), **_ASKED).pk


def _tomorrow():
    return (timezone.now() + dt.timedelta(days=1)).isoformat()


def _report(people):
    agent = {"version": "1", "runtime": "processes", "traffic": "haproxy", "by_people": True, "observed": {}}
    return {"agent": agent, "fence": 0, "deployments": [], "refused": [], "taken": []}


_TIMES = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z", "reason": "r"}
_FORM = {
    "slug": "mine",
    "title": "Mine",
    "kind": "staging",
    "data_policy": "synthetic",
    "approvals_required": "0",
    "default_strategy": "canary",
    "soak_hours": "0",
}
_ASKED = {
    "title": "t",
    "control": "standard",
    "treatment": "exact",
    "metric": "kept",
    "baseline": 0.2,
    "effect": 0.1,
}
_FLAG = {"title": "t", "kind": "ops", "variants": {"on": True, "off": False}, "default_variant": "off"}
_FLAG_FORM = {**_FLAG, "variants": '{"on": true, "off": false}'}
BODIES = {
    "POST api/v1/flags": lambda people: {"key": "new-one", **_FLAG},
    "PATCH api/v1/flags/<uuid:flag_id>": lambda people: {"title": "other"},
    "PUT api/v1/flags/<uuid:flag_id>/rules": lambda people: {"rules": [{"variant": "on", "percent": 10}]},
    "POST api/v1/flags/<uuid:flag_id>/kill": lambda people: {"reason": "r"},
    "POST api/v1/flag-rollouts": lambda people: {
        "flag_id": str(_prompt_flag(people)),
        "variant": "exact",
        "stages": [5],
    },
    "POST api/v1/experiments": lambda people: {"flag_id": str(_prompt_flag(people)), **_ASKED},
    "POST api/v1/experiments/<uuid:experiment_id>/end": lambda people: {"reason": "r"},
    "POST admin/deployments/flag/add/": lambda people: {"key": "new-one", **_FLAG_FORM},
    "POST admin/deployments/flag/<path:object_id>/change/": lambda people: _FLAG_FORM,
    "POST admin/deployments/flag/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/deployments/flag/<uuid:flag_id>/kill/": lambda people: {"reason": "r"},
    "POST admin/deployments/flag/<uuid:flag_id>/unrule/": lambda people: {"number": "1"},
    "POST admin/deployments/flag/<uuid:flag_id>/rollout/": lambda people: {
        "variant": "on",
        "stages": "5",
        "min_minutes": "1",
        "max_hours": "1",
        "min_samples": "40",
        "latency_times": "2",
        "cost_times": "0",
        "guard_errors": "on",
    },
    "POST admin/deployments/flag/<uuid:flag_id>/experiment/": lambda people: {
        "title": "t",
        "treatment": "on",
        "metric": "kept",
        "baseline": "20",
        "effect": "5",
        "share": "100",
        "window_hours": "0",
    },
    "POST admin/deployments/flag/<uuid:flag_id>/rule/": lambda people: {"variant": "on", "percent": "10"},
    "POST api/v1/agents/<str:environment_slug>/reports": _report,
    "POST api/v1/deployments/<uuid:deployment_id>/outcome": lambda people: {"outcome": "succeeded"},
    "POST api/v1/environments/<uuid:environment_id>/flagger/<str:hook>": lambda people: {"name": "n", "namespace": "p"},
    "POST api/v1/announcements": lambda people: {"text": "t", "ends_at": _tomorrow()},
    "POST api/v1/deployments": lambda people: {
        "environment_id": str(_environment(people)),
        "release_id": str(_release(people)),
    },
    "POST api/v1/deployments/<uuid:deployment_id>/gates/<str:gate_id>/waive": lambda people: {"reason": "r"},
    "POST admin/deployments/deployment/add/": lambda people: {
        "environment": str(_environment(people)),
        "release": str(_release(people)),
        "shares": "5",
        "stage_seconds": "60",
        "on_lost": "resume",
        "min_samples": "40",
        "bake_seconds": "0",
        "probes": "0",
    },
    "POST admin/deployments/deployment/<uuid:deployment_id>/sign/": lambda people: {"gate": "support.told"},
    "POST admin/deployments/deployment/<uuid:deployment_id>/waive/": lambda people: {
        "gate": "support.told",
        "reason": "r",
    },
    "POST admin/deployments/announcement/add/": lambda people: {
        "audience": "users",
        "text": "t",
        "starts_at_0": f"{timezone.now():%Y-%m-%d}",
        "starts_at_1": "00:00:00",
        "ends_at_0": f"{timezone.now() + dt.timedelta(days=1):%Y-%m-%d}",
        "ends_at_1": "12:00:00",
    },
    "POST admin/deployments/announcement/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/environments": lambda people: {"slug": "mine", "title": "Mine", "kind": "staging"},
    "PATCH api/v1/environments/<uuid:environment_id>": lambda people: {"title": "Mine"},
    "POST api/v1/environments/<uuid:environment_id>/open": lambda people: {"reason": "r"},
    "POST api/v1/environments/<uuid:environment_id>/freezes": lambda people: _TIMES,
    "POST api/v1/environments/<uuid:environment_id>/scale-policies": lambda people: _SCALE,
    "PATCH api/v1/scale-policies/<uuid:scale_policy_id>": lambda people: {"maximum": 3},
    "POST admin/deployments/scalepolicy/add/": lambda people: {**_SCALE_FORM, "environment": str(_environment(people))},
    "POST admin/deployments/scalepolicy/<path:object_id>/change/": lambda people: _SCALE_FORM,
    "POST admin/deployments/scalepolicy/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/releases": lambda people: {"version": "9.0.0"},
    "PATCH api/v1/releases/<uuid:release_id>": lambda people: {"notes_users": "n"},
    "POST api/v1/releases/<uuid:release_id>/withdraw": lambda people: {"reason": "r"},
    "POST admin/deployments/environment/add/": lambda people: _FORM,
    "POST admin/deployments/environment/<uuid:environment_id>/freeze/": lambda people: _TIMES,
    "POST admin/deployments/environment/<path:object_id>/change/": lambda people: _FORM,
    "POST admin/deployments/environment/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/deployments/release/add/": lambda people: {"version": "9.0.0"},
    "POST admin/deployments/release/<path:object_id>/change/": lambda people: {"notes_users": "n"},
    "POST admin/deployments/release/<uuid:release_id>/withdraw/": lambda people: {"reason": "r"},
}
THINGS = {
    "flag_id": _flag,
    "deployments.flag": _flag,
    "rollout_id": _flag_rollout,
    "deployments.flagrollout": _flag_rollout,
    "experiment_id": _experiment,
    "deployments.experiment": _experiment,
    "environment_id": _environment,
    "freeze_id": _freeze,
    "deployments.scalepolicy": _scale_policy,
    "scale_policy_id": _scale_policy,
    "deployments.environment": _environment,
    "release_id": _release,
    "deployments.release": _release,
    "deployment_id": _deployment,
    "deployments.deployment": _deployment,
    "announcement_id": _announcement,
    "deployments.announcement": _announcement,
    "gate_id": lambda people: "support.told",
    "hook": lambda people: "event",
    "environment_slug": lambda people: an_environment().slug,
}
