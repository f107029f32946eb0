"""Flags in the console: what they answer to whom, the kill switch, what is under way; guarded roll-outs on their own page."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import InvalidInput
from apps.deployments.models import Experiment, Flag, FlagRollout
from apps.deployments.models.flags import ROLES
from apps.deployments.selectors import flags as selectors
from apps.deployments.selectors.flag_curves import curves, latest
from apps.deployments.services import experiments, flag_rollouts
from apps.deployments.services import flags as services
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_LOOKS = {"running": "unknown", "paused": "warn", "back": "fail", "stopped": "warn", "done": "ok"}


def rollout_mark(row: FlagRollout) -> str:
    """The state with its colour."""
    return state_mark(_LOOKS[row.state], str(row.get_state_display()))


class FlagForm(forms.ModelForm):
    """What a flag is."""

    class Meta:
        model = Flag
        fields = ("key", *services.FIELDS)
        widgets = {"variants": forms.Textarea(attrs={"rows": 2})}
        labels = {
            "default_variant": gettext_lazy("Variant for everybody"),
            "off_variant": gettext_lazy("Variant of the kill switch"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "off_variant" in self.fields:
            self.fields["off_variant"].required = False
        if "owner" in self.fields:
            owners = cast(forms.ModelChoiceField, self.fields["owner"])
            owners.queryset = User.objects.filter(status=User.Status.ACTIVE).order_by("email")


@admin.register(Flag)
class FlagAdmin(ServiceAdmin):
    """What is given to whom."""

    form = FlagForm
    change_form_template = "admin/deployments/flag.html"
    list_display = ("key", "look", "answers", "under_way", "owner", "until")
    list_filter = ("kind",)
    list_select_related = ("owner",)
    search_fields = ("key", "title")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what the list shows."""
        return super().get_queryset(request).prefetch_related("rules", "rollouts", "experiments")

    def get_readonly_fields(self, request: HttpRequest, obj: Flag | None = None) -> tuple[str, ...]:
        """Its name stays: the code asks for it."""
        return ("key",) if obj else ()

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Asks once which are stale."""
        self._stale = {each.flag.pk for each in selectors.stale_flags(actor_of(request))}
        return super().changelist_view(request, *args, **kwargs)

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: Flag) -> str:
        """Whether it is killed or has outlived its use."""
        if row.killed_at:
            return state_mark("fail", _("Killed"))
        return state_mark("warn", _("Look at it")) if row.pk in self._stale else state_mark("ok", _("In use"))

    @admin.display(description=gettext_lazy("Everybody has"))
    def answers(self, row: Flag) -> str:
        """The variant of those whom nothing else reaches."""
        return row.off_variant if row.killed_at else row.default_variant

    @admin.display(description=gettext_lazy("Under way"))
    def under_way(self, row: Flag) -> str:
        """A roll-out or an experiment."""
        rollout, experiment = selectors.open_rollout(row), selectors.open_experiment(row)
        if rollout:
            return f"{rollout.variant}: {rollout.percent} %"
        return _("Experiment") if experiment else "–"

    @admin.display(description=gettext_lazy("Should be gone"), ordering="expires_at")
    def until(self, row: Flag) -> str:
        """The day."""
        return f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "–"

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:flag_id>/{name}/", wrap(view), name=f"deployments_flag_{name}")
            for name, view in (
                ("kill", self.kill_view),
                ("revive", self.revive_view),
                ("rule", self.rule_view),
                ("unrule", self.unrule_view),
                ("rollout", self.rollout_view),
                ("experiment", self.experiment_view),
            )
        ]
        return own + super().get_urls()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below what it answers and what is under way."""
        more = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            actor = actor_of(request)
            flag = selectors.flag_for(actor, object_id)
            self._stale = set()
            others = [name for name in flag.variants if name != flag.default_variant]
            more |= {
                "flag_row": flag,
                "mark": self.look(flag),
                "reasons": selectors.stale_reasons(flag, timezone.now()),
                "rules": flag.rules.all(),
                "others": others,
                "roles": ROLES,
                "rooms": Workspace.objects.order_by("name"),
                "rollout_rows": [(row, rollout_mark(row)) for row in flag.rollouts.all()[:10]],
                "experiment_rows": flag.experiments.all()[:10],
                "metrics": Experiment.Metric.choices,
                "measured": selectors.is_measured(flag),
                "free": not selectors.open_rollout(flag) and not selectors.open_experiment(flag) and not flag.killed_at,
                "may_run": can(actor, "deployments.run"),
            }
        return super().changeform_view(request, object_id, form_url, more)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Flag:
        """Set one up."""
        return services.create_flag(actor=actor, **{**values, "owner": values.get("owner") or actor.user})

    def change_row(self, actor: Actor, row: Flag, values: dict[str, Any]) -> None:
        """Change it."""
        services.update_flag(actor=actor, flag_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: Flag) -> None:
        """Remove it."""
        services.delete_flag(actor=actor, flag_id=row.pk)

    def kill_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """The kill switch."""
        reason = request.POST.get("reason", "")
        said = _("Everybody gets the variant of the kill switch within five seconds.")
        return _pressed(
            request, flag_id, lambda actor: services.kill(actor=actor, flag_id=flag_id, reason=reason), said
        )

    def revive_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """The way back from it."""
        said = _("What was set before counts again.")
        return _pressed(request, flag_id, lambda actor: services.revive(actor=actor, flag_id=flag_id), said)

    def rule_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """One more rule, behind the others."""

        def work(actor: Actor) -> None:
            post = request.POST
            given: dict[str, Any] = {
                name: post.get(name, "").strip() for name in ("variant", "workspace_id", "role", "email_domain")
            }
            given["percent"] = whole(request, "percent")
            if email := post.get("person", "").strip():
                person = User.objects.filter(email__iexact=email).first()
                if person is None:
                    raise InvalidInput(
                        "Nobody has this address.", field="person", remedy="Write it as in the accounts."
                    )
                given["person_id"] = person.pk
            rules = [*self._rules(flag_id), given]
            services.set_rules(actor=actor, flag_id=flag_id, rules=rules)

        return _pressed(request, flag_id, work, _("The rule is there."))

    def unrule_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """One rule fewer."""

        def work(actor: Actor) -> None:
            gone = whole(request, "number")
            rules = [rule for number, rule in enumerate(self._rules(flag_id), start=1) if number != gone]
            services.set_rules(actor=actor, flag_id=flag_id, rules=rules)

        return _pressed(request, flag_id, work, _("The rule is gone."))

    @staticmethod
    def _rules(flag_id: uuid.UUID) -> list[dict[str, Any]]:
        rows = Flag.objects.prefetch_related("rules").filter(pk=flag_id)
        return [
            {name: getattr(rule, name) for name in services.CONDITIONS} for flag in rows for rule in flag.rules.all()
        ]

    def rollout_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """Begin a guarded roll-out."""

        def work(actor: Actor) -> None:
            stages = [piece.strip() for piece in request.POST.get("stages", "").split(",") if piece.strip()]
            if not all(piece.isascii() and piece.isdigit() and len(piece) < 4 for piece in stages):
                raise InvalidInput("These are no percentages.", field="stages", remedy="Write 5, 25, 50.")
            flag_rollouts.start_rollout(
                actor=actor,
                flag_id=flag_id,
                variant=request.POST.get("variant", ""),
                stages=[int(piece) for piece in stages],
                min_seconds=whole(request, "min_minutes") * 60,
                max_seconds=whole(request, "max_hours") * 3600,
                min_samples=whole(request, "min_samples"),
                latency_times=number(request, "latency_times"),
                cost_times=number(request, "cost_times"),
                guard_errors=request.POST.get("guard_errors") == "on",
                guard_regenerated=request.POST.get("guard_regenerated") == "on",
            )

        return _pressed(request, flag_id, work, _("It has begun with the first stage."))

    def experiment_view(self, request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
        """Begin an experiment."""

        def work(actor: Actor) -> None:
            flag = selectors.flag_for(actor, flag_id)
            experiments.start_experiment(
                actor=actor,
                flag_id=flag_id,
                control=flag.default_variant,
                **{name: request.POST.get(name, "") for name in ("title", "treatment", "metric")},
                baseline=number(request, "baseline") / 100,
                effect=number(request, "effect") / 100,
                share=whole(request, "share"),
                window_hours=whole(request, "window_hours"),
            )

        return _pressed(request, flag_id, work, _("It has begun."))


@admin.register(FlagRollout)
class FlagRolloutAdmin(ServiceAdmin):
    """Variants on their way to everybody."""

    list_display = ("name", "look", "percent", "people", "people_hit", "author", "started_at")
    list_display_links = ("name",)
    list_filter = ("state",)
    list_select_related = ("flag",)
    search_fields = ("flag__key",)
    date_hierarchy = "started_at"

    @admin.display(description=gettext_lazy("Roll-out"))
    def name(self, row: FlagRollout) -> str:
        """What of which."""
        return f"{row.flag.key}: {row.before} → {row.variant}"

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: FlagRollout) -> str:
        """The state with its colour."""
        return rollout_mark(row)

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path("<uuid:rollout_id>/stop/", wrap(self.stop_view), name="deployments_flagrollout_stop"),
            path("<uuid:rollout_id>/resume/", wrap(self.resume_view), name="deployments_flagrollout_resume"),
        ]
        return own + super().get_urls()

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page; a roll-out begins on its flag's page."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        row = selectors.rollout_for(actor, object_id)
        live = {
            "row": row,
            "mark": rollout_mark(row),
            "busy": 1 if row.state == FlagRollout.State.RUNNING else 0,
            "stages": row.stages.all(),
            "curves": curves(row),
            "samples": latest(row),
        }
        if request.headers.get("X-Fragment"):
            return render(request, "admin/deployments/flag_live.html", live)
        context = {
            **self.admin_site.each_context(request),
            **live,
            "opts": self.opts,
            "title": self.name(row),
            "is_open": row.state in FlagRollout.OPEN,
            "may_run": can(actor, "deployments.run"),
        }
        return TemplateResponse(request, "admin/deployments/flag_rollout.html", context)

    def stop_view(self, request: HttpRequest, rollout_id: uuid.UUID) -> HttpResponse:
        """Take everybody back."""

        def work(actor: Actor) -> str:
            reason = request.POST.get("reason", "")
            flag_rollouts.stop_rollout(actor=actor, rollout_id=rollout_id, reason=reason)
            return _("Everybody has what they had before.")

        return button(request, reverse("admin:deployments_flagrollout_change", args=[rollout_id]), work)

    def resume_view(self, request: HttpRequest, rollout_id: uuid.UUID) -> HttpResponse:
        """Judge it anew."""

        def work(actor: Actor) -> str:
            flag_rollouts.resume_rollout(actor=actor, rollout_id=rollout_id)
            return _("The stage is judged anew, from now on.")

        return button(request, reverse("admin:deployments_flagrollout_change", args=[rollout_id]), work)


def whole(request: HttpRequest, name: str) -> int:
    """A whole number that a form sent.

    Raises:
        InvalidInput: it is none.
    """
    text = request.POST.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidInput("This is no whole number.", field=name, remedy="Write digits.")
    return int(text)


def number(request: HttpRequest, name: str) -> float:
    """A number that a form sent.

    Raises:
        InvalidInput: it is none.
    """
    text = request.POST.get(name, "").strip()
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e6:
        raise InvalidInput("This is no number.", field=name, remedy="Write 1.5, for example.")
    return found


def _pressed(request: HttpRequest, flag_id: uuid.UUID, service: Callable[[Actor], Any], said: str) -> HttpResponse:
    def work(actor: Actor) -> str:
        service(actor)
        return said

    return button(request, reverse("admin:deployments_flag_change", args=[flag_id]), work)
