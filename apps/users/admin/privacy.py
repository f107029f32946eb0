"""The privacy desk: what people ask, what is decided, legal holds."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError, NotFound, ProofRequired
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.models import LegalHold, PrivacyRequest
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.privacy import get_request, holds_for, person_by_email, requests_for
from apps.users.services import legal_holds, privacy

PAGE = 50
LOOKS = {
    "waiting": "warn",
    "queued": "unknown",
    "running": "warn",
    "done": "ok",
    "refused": "unknown",
    "stopped": "unknown",
    "failed": "fail",
}
_DESK = "admin:users_privacyrequest_changelist"


class ReceiveForm(forms.Form):
    """A request that came by letter, by mail or in person."""

    of = forms.EmailField(label=gettext_lazy("E-mail address of the person's account"), max_length=254)
    identity = forms.CharField(
        label=gettext_lazy("How have they shown who they are?"),
        max_length=300,
        help_text=gettext_lazy("For example: passport seen on 3 May, or called back at the number in the staff list."),
    )
    kind = forms.ChoiceField(label=gettext_lazy("What do they ask for?"), choices=PrivacyRequest.Kind.choices)
    full_name = forms.CharField(
        label=gettext_lazy("The right name"),
        max_length=150,
        required=False,
        help_text=gettext_lazy("Only for a correction."),
    )
    email = forms.EmailField(
        label=gettext_lazy("The right e-mail address"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("Only for a correction."),
    )
    wish = forms.CharField(
        label=gettext_lazy("In their words"),
        max_length=5_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(ReadOnlyAdmin):
    """Requests about personal data."""

    def get_urls(self) -> list[URLPattern]:
        """With the form of the desk and the buttons of holds."""
        wrap = self.admin_site.admin_view
        own = [
            path("receive/", wrap(self.receive_view), name="users_privacy_receive"),
            path("hold/", wrap(self.hold_view), name="users_privacy_hold"),
            path("hold/<uuid:hold_id>/lift/", wrap(self.lift_view), name="users_privacy_lift"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What waits, what was done, who is held."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        found = requests_for(actor)
        page = found
        try:
            if before := request.GET.get("before", ""):
                page = page.filter(pk__lt=uuid.UUID(before))
        except ValueError:
            raise NotFound("This page of the list does not exist.") from None
        rows = list(page.order_by("-id")[: PAGE + 1])
        shown = rows[:PAGE]
        open_ones = list(found.filter(state="waiting"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Privacy desk"),
            "rows": [(row, LOOKS[row.state]) for row in shown],
            "older": str(shown[-1].pk) if len(rows) > PAGE else "",
            "waiting": len(open_ones),
            "overdue": sum(row.is_overdue for row in open_ones),
            "holds": holds_for(actor)[:PAGE],
            "may_manage": can(actor, "privacy.manage"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/privacy/desk.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One request, and what is decided about it."""
        if object_id is None or not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        row = get_request(actor=actor, request_id=object_id)
        if request.method == "POST":
            return self._decide(request, row)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": row.get_kind_display(),
            "row": row,
            "look": LOOKS[row.state],
            "held": row.kind == "erase" and LegalHold.objects.filter(user=row.person_id, lifted_at=None).exists(),
            "may_manage": can(actor, "privacy.manage"),
            "may_approve": row.kind != "erase" or actor.user_id not in (row.requested_by_id, row.person_id_kept),
            "may_again": row.state in ("stopped", "failed") and row.decided_at is not None,
        }
        fragment = request.headers.get("X-Fragment")
        return TemplateResponse(request, f"admin/privacy/{'part' if fragment else 'request'}.html", context)

    def _decide(self, request: HttpRequest, row: PrivacyRequest) -> HttpResponse:
        decision, answer = request.POST.get("decision", ""), request.POST.get("answer", "")

        def work(actor: Actor) -> str:
            if decision == "approve":
                privacy.approve(actor=actor, request_id=row.pk, answer=answer)
                return _("It is being carried out.")
            if decision == "refuse":
                privacy.refuse(actor=actor, request_id=row.pk, answer=answer)
                return _("The request is refused, and the person is told.")
            if decision == "again":
                privacy.again(actor=actor, request_id=row.pk)
                return _("It begins again.")
            privacy.stop(actor=actor, request_id=row.pk)
            return _("It is stopped.")

        return button(request, reverse("admin:users_privacyrequest_change", args=[row.pk]), work)

    def receive_view(self, request: HttpRequest) -> HttpResponse:
        """Take in a request for somebody."""
        actor = actor_of(request)
        if not can(actor, "privacy.manage"):
            raise PermissionDenied
        form = ReceiveForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                row = privacy.receive(
                    actor=actor,
                    person=person_by_email(actor=actor, email=given["of"]),
                    kind=given["kind"],
                    identity=given["identity"],
                    wish=given["wish"],
                    changes={name: given[name] for name in ("full_name", "email") if given[name]},
                )
            except ProofRequired:
                raise
            except AppError as error:
                field = "of" if isinstance(error, NotFound) else error.field
                form.add_error(field if field in form.fields else None, str(error))
            else:
                return HttpResponseRedirect(reverse("admin:users_privacyrequest_change", args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Take in a request"),
            "form": form,
        }
        status = 400 if form.is_bound else 200
        return TemplateResponse(request, "admin/privacy/receive.html", context, status=status)

    def hold_view(self, request: HttpRequest) -> HttpResponse:
        """Place a legal hold."""

        def work(actor: Actor) -> str:
            person = person_by_email(actor=actor, email=request.POST.get("email", ""))
            legal_holds.place_hold(actor=actor, user=person, reason=request.POST.get("reason", ""))
            return _("Nothing of this person is erased while the hold stands.")

        return button(request, reverse(_DESK), work)

    def lift_view(self, request: HttpRequest, hold_id: uuid.UUID) -> HttpResponse:
        """Lift one."""

        def work(actor: Actor) -> str:
            legal_holds.lift_hold(actor=actor, hold_id=hold_id)
            return _("The hold is lifted.")

        return button(request, reverse(_DESK), work)
