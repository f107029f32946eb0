"""Deployments in the console: planned, checked, watched, stopped, taken back on one page."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.deployments.models import Deployment, Environment, GateResult, Release, Strategy
from apps.deployments.models.states import FINAL, State
from apps.deployments.selectors import deployments as selectors
from apps.deployments.selectors.announcements import keeps_from_telling
from apps.deployments.selectors.strategies import offers
from apps.deployments.services import announcements, checking, plans, rollouts
from apps.monitoring.admin.health import state_mark
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_BAD = {State.FAILED, State.ROLLED_BACK, State.ROLLING_BACK, State.ROLLBACK_FAILED}
_WAITS = {State.PLANNED, State.AWAITING, State.PAUSED}
GATE_LOOKS = {"pass": "ok", "signed": "ok", "waived": "warn", "fail": "fail", "unknown": "unknown", "open": "warn"}
_OPTIONS = ("bake_seconds", "probes", "keep_old", "workers", "rehearse", "on_lost", "dry_run")


def look_of(deployment: Deployment) -> str:
    """The state with its colour."""
    state = State(deployment.state)
    if state == State.SUCCEEDED:
        look = "ok"
    elif state in _BAD:
        look = "fail"
    else:
        look = "warn" if state in _WAITS else "unknown"
    label = _("Waits for %s") % deployment.acts if state == State.QUEUED and deployment.delegate else str(state.label)
    return state_mark(look, label)


class DeploymentForm(forms.ModelForm):
    """What goes where, and how."""

    release = forms.ModelChoiceField(Release.objects.filter(withdrawn=""), label=gettext_lazy("Release"))
    environment = forms.ModelChoiceField(Environment.objects.all(), label=gettext_lazy("Environment"))
    strategy = forms.ChoiceField(
        choices=[("", gettext_lazy("As the environment has it"))] + [c for c in Strategy.choices if c[0] != "rollback"],
        required=False,
        label=gettext_lazy("How"),
    )
    shares = forms.CharField(
        initial="5, 25, 50",
        required=False,
        max_length=60,
        label=gettext_lazy("Stages of a canary, per cent of the people"),
    )
    stage_seconds = forms.IntegerField(
        initial=60, min_value=1, max_value=86400, label=gettext_lazy("Seconds that a stage lasts at least")
    )
    min_samples = forms.IntegerField(
        initial=40, min_value=1, max_value=10**6, label=gettext_lazy("Requests that a verdict needs")
    )
    bake_seconds = forms.IntegerField(
        initial=300, min_value=0, max_value=86400, label=gettext_lazy("Seconds that the version before stands by")
    )
    probes = forms.FloatField(
        initial=2, min_value=0, max_value=20, label=gettext_lazy("Probes a second to each version")
    )
    keep_old = forms.BooleanField(
        initial=True,
        required=False,
        label=gettext_lazy("The version before stays running, without requests"),
        help_text=gettext_lazy(
            "Then going back takes a moment. Without: it is stopped, and started again for the way back."
        ),
    )
    workers = forms.BooleanField(
        initial=True, required=False, label=gettext_lazy("Workers and the scheduler are exchanged too")
    )
    rehearse = forms.BooleanField(
        initial=True,
        required=False,
        label=gettext_lazy("Migrations are tried first, on an empty copy with the version before"),
    )
    on_lost = forms.ChoiceField(
        choices=[
            ("resume", gettext_lazy("it goes on")),
            ("rollback", gettext_lazy("everybody goes back")),
            ("hold", gettext_lazy("a canary pauses, the rest goes on")),
        ],
        initial="resume",
        label=gettext_lazy("When the agent was gone for a minute"),
    )
    dry_run = forms.BooleanField(
        required=False,
        label=gettext_lazy("Record verdicts, act on sure failures only"),
        help_text=gettext_lazy("For the first ones."),
    )

    class Meta:
        model = Deployment
        fields = ("release", "environment", "why")
        labels = {"why": gettext_lazy("Why")}

    field_order = (
        "release",
        "environment",
        "strategy",
        "shares",
        "stage_seconds",
        "min_samples",
        "bake_seconds",
        "probes",
        "keep_old",
        "workers",
        "rehearse",
        "on_lost",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = Environment.objects.select_related("target")
        missing = [
            f"{place.title}: {offer.label} – {offer.missing}"
            for place in places
            for offer in offers(place)
            if offer.missing
        ]
        self.fields["strategy"].help_text = format_html_join("", "{}<br>", ((line,) for line in missing))

    def clean_shares(self) -> list[int]:
        """Numbers with commas between them."""
        pieces = [piece.strip() for piece in self.cleaned_data["shares"].split(",") if piece.strip()]
        if not all(piece.isascii() and piece.isdigit() and len(piece) < 4 for piece in pieces):
            raise forms.ValidationError(_("Write numbers with commas between them, such as 5, 25, 50."))
        return [int(piece) for piece in pieces]


@admin.register(Deployment)
class DeploymentAdmin(ServiceAdmin):
    """Versions on their way."""

    form = DeploymentForm
    fields = (*DeploymentForm.field_order, "dry_run", "why")
    list_display = ("name", "look", "strategy", "users_hit", "requester", "created_at")
    list_display_links = ("name",)
    list_filter = ("environment", "strategy")
    list_select_related = ("environment", "release", "from_release")
    search_fields = ("release__version",)
    date_hierarchy = "created_at"

    @admin.display(description=gettext_lazy("Deployment"))
    def name(self, row: Deployment) -> str:
        """From what to what, and where."""
        before = f"{row.from_release.version} → " if row.from_release else ""
        return f"{before}{row.release.version} · {row.environment.title}"

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: Deployment) -> str:
        """The state with its colour."""
        return look_of(row)

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<uuid:deployment_id>/{name}/", wrap(view), name=f"deployments_deployment_{name}")
            for name, view in (
                ("check", self.check_view),
                ("approve", self.approve_view),
                ("start", self.start_view),
                ("abort", self.abort_view),
                ("resume", self.resume_view),
                ("accept", self.accept_view),
                ("rollback", self.rollback_view),
                ("notes", self.notes_view),
                ("sign", self.sign_view),
                ("waive", self.waive_view),
            )
        ]
        return own + super().get_urls()

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Deployment:
        """Plan one; the checklist is looked at at once."""
        stage = {"min_seconds": values["stage_seconds"], "min_samples": values["min_samples"]}
        longest = max(600, 10 * values["stage_seconds"])
        made = plans.plan_deployment(
            actor=actor,
            environment_id=values["environment"].pk,
            release_id=values["release"].pk,
            strategy=values["strategy"],
            stages=[{"share": share, "max_seconds": min(longest, 86400), **stage} for share in values["shares"]],
            why=values["why"],
            **{name: values[name] for name in _OPTIONS},
        )
        checking.check_gates(actor=actor, deployment_id=made.pk, phase="before")
        return made

    def response_add(self, request: HttpRequest, obj: Deployment, post_url_continue: str | None = None) -> HttpResponse:
        """To the page that says what it will do."""
        return HttpResponseRedirect(reverse("admin:deployments_deployment_change", args=[obj.pk]))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page; a new one is a form."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        row = selectors.deployment_for(actor, object_id)
        possible = sorted(selectors.possible(row)) if can(actor, "deployments.run") else []
        live = {
            "row": row,
            "mark": look_of(row),
            "busy": 0 if row.state in FINAL else 1,
            "silent": selectors.is_silent(row),
            "stages": row.stages.all(),
            "counts": selectors.counts(row),
            "curves": selectors.curves(row),
            "steps": row.steps.all(),
            "transitions": row.transitions.all(),
            "commands": row.commands.filter(taken_at=None) if row.state not in FINAL else (),
            # What was agreed to changes what the page offers, also to whom may only agree.
            "actions": " ".join([*possible, str(selectors.agreements_missing(row))]),
        }
        if request.headers.get("X-Fragment"):
            return render(request, "admin/deployments/live.html", live)
        items = selectors.checklist(row)
        phases = [
            (
                label,
                [
                    (item, GATE_LOOKS.get(item.result.status if item.result else "", "unknown"))
                    for item in items
                    if item.gate.phase == phase
                ],
            )
            for phase, label in GateResult.Phase.choices
        ]
        context = {
            **self.admin_site.each_context(request),
            **live,
            "opts": self.opts,
            "title": self.name(row),
            "will": selectors.consequences(row),
            "phases": [(label, rows) for label, rows in phases if rows],
            "notes": selectors.operators_notes(row),
            "approvals": row.approvals.all(),
            "possible": possible,
            "may_run": can(actor, "deployments.run"),
            "may_tell": can(actor, "deployments.run") and row.release.notes_users and not keeps_from_telling(row)[0],
            "may_approve": can(actor, "deployments.approve"),
            "is_mine": row.requester_id == actor.user_id,
            "missing": selectors.agreements_missing(row),
            "has_agreed": any(each.user_id == actor.user_id for each in row.approvals.all()),
        }
        return TemplateResponse(request, "admin/deployments/deployment.html", context)

    def check_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Look at everything now."""
        return _press(request, deployment_id, checking.check_gates, _("Everything was looked at."))

    def approve_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Agree."""
        return _press(request, deployment_id, rollouts.approve, _("You have agreed to this plan."), **_reason(request))

    def start_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Begin."""
        return _press(request, deployment_id, rollouts.start, _("The agent gets the signed plan."))

    def abort_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Stop."""
        return _press(request, deployment_id, rollouts.abort, _("It stops."), **_reason(request))

    def resume_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Judge once more."""
        return _press(request, deployment_id, rollouts.resume, _("It is judged once more."))

    def accept_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Go on without a verdict."""
        return _press(request, deployment_id, rollouts.accept, _("It goes on from this stage."), **_reason(request))

    def rollback_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Take it back."""
        return _press(request, deployment_id, rollouts.roll_back, _("Everybody goes back."), **_reason(request))

    def notes_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Tell everybody what is new."""
        return _press(request, deployment_id, announcements.publish_notes, _("Everybody is told for a week."))

    def sign_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Sign an item."""
        gate = request.POST.get("gate", "")
        return _press(request, deployment_id, checking.sign_gate, _("Signed."), gate_id=gate)

    def waive_view(self, request: HttpRequest, deployment_id: uuid.UUID) -> HttpResponse:
        """Let an item pass."""
        gate, reason = request.POST.get("gate", ""), request.POST.get("reason", "")
        return _press(request, deployment_id, checking.waive_gate, _("Waived for a day."), gate_id=gate, reason=reason)


def _reason(request: HttpRequest) -> dict[str, str]:
    return {"reason": request.POST.get("reason", "")}


def _press(
    request: HttpRequest, deployment_id: uuid.UUID, service: Callable[..., Any], said: str, **more: str
) -> HttpResponse:
    page = "admin:deployments_deployment_change"
    made: list[Any] = []

    def work(actor: Actor) -> str:
        made.append(service(actor=actor, deployment_id=deployment_id, **more))
        return said

    answer = button(request, reverse(page, args=[deployment_id]), work)
    if made and isinstance(made[0], Deployment) and made[0].pk != deployment_id:
        # Taking back what has ended is a deployment of its own.
        return HttpResponseRedirect(reverse(page, args=[made[0].pk]))
    return answer
