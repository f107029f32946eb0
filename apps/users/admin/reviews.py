"""Access reviews in the console: campaigns, what to decide, the signed file, and the matrix of who holds what."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.models import AccessReview
from apps.users.models.reviews import LONGEST_DAYS
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of
from apps.users.selectors.reviews import get_review, items_of, matrix, reviews, sheet_of
from apps.users.services.reviews import decide_items, start_review


class ReviewForm(forms.ModelForm):
    """A campaign to begin."""

    recurrence_days = forms.IntegerField(
        label=gettext_lazy("Again after days"),
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        help_text=gettext_lazy("90 is usual for system roles, 180 for everything. Empty: once."),
    )

    class Meta:
        model = AccessReview
        fields = ["name", "scope", "workspace", "due_days", "recurrence_days", "on_overdue"]


@admin.register(AccessReview)
class AccessReviewAdmin(ServiceAdmin):
    """Campaigns."""

    form = ReviewForm
    list_display = ["name", "scope", "look", "progress", "due"]
    list_filter = ["state"]
    search_fields = ["name"]
    autocomplete_fields = ["workspace"]
    change_list_template = "admin/access/reviews.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """With how much is decided."""
        return reviews(actor=actor_of(request))

    @admin.display(description=gettext_lazy("State"))
    def look(self, row: AccessReview) -> str:
        """Open, overdue or closed."""
        if row.is_overdue:
            return format_html('<span class="state state-fail">{}</span>', _("overdue"))
        looks = {"open": "warn", "closed": "ok"}
        return format_html('<span class="state state-{}">{}</span>', looks[row.state], row.get_state_display())

    @admin.display(description=gettext_lazy("Decided"))
    def progress(self, row: Any) -> str:
        """How many of how many."""
        return f"{row.item_count - row.open_count} / {row.item_count}"

    @admin.display(description=gettext_lazy("Due (UTC)"), ordering="due_at")
    def due(self, row: AccessReview) -> str:
        """Its day, and after how many days it begins again."""
        again = _(", again after %(n)s days") % {"n": row.recurrence_days} if row.recurrence_days else ""
        return f"{row.due_at:%Y-%m-%d}{again}"

    def get_urls(self) -> list[URLPattern]:
        """With the buttons of a campaign, and the matrix."""
        wrap = self.admin_site.admin_view
        return [
            path("matrix/", wrap(self.matrix_view), name="users_accessreview_matrix"),
            path("<uuid:access_review_id>/decide/", wrap(self.decide_view), name="users_accessreview_decide"),
            path("<uuid:access_review_id>/evidence/", wrap(self.evidence_view), name="users_accessreview_evidence"),
            *super().get_urls(),
        ]

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AccessReview:
        """Begin."""
        return start_review(actor=actor, **values)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What is to be decided, with what was used of it."""
        if object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        actor, review = actor_of(request), self._review(request, object_id)
        rows = sheet_of(actor=actor, review=review)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": review.name,
            "review": review,
            "rows": rows,
            "may": any(mine for _item, mine in rows),
            "action": reverse("admin:users_accessreview_decide", args=[review.pk]),
            "evidence_url": reverse("admin:users_accessreview_evidence", args=[review.pk]),
        }
        return TemplateResponse(request, "admin/access/review.html", context)

    def decide_view(self, request: HttpRequest, access_review_id: uuid.UUID) -> HttpResponse:
        """Decide about those that were ticked."""

        def work(actor: Actor) -> str:
            review = get_review(actor=actor, review_id=access_review_id)
            done = _decide(actor, review, request)
            return _("Decided: %(number)s.") % {"number": done}

        return button(request, reverse("admin:users_accessreview_change", args=[access_review_id]), work)

    def evidence_view(self, request: HttpRequest, access_review_id: uuid.UUID) -> HttpResponse:
        """The signed file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        review = self._review(request, str(access_review_id))
        if not review.evidence:
            raise NotFound("There is no evidence yet.", remedy="Decide about all of its grants first.")
        answer = HttpResponse(review.evidence, content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="access-review-{review.closed_at:%Y-%m-%d}.json"'
        return answer

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """Who holds what."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Who holds what"),
            "matrix": matrix(actor=actor_of(request)),
        }
        return TemplateResponse(request, "admin/access/matrix.html", context)

    @staticmethod
    def _review(request: HttpRequest, review_id: str) -> AccessReview:
        try:
            return get_review(actor=actor_of(request), review_id=uuid.UUID(review_id))
        except ValueError:
            raise NotFound("There is no such review.") from None


def _decide(actor: Actor, review: AccessReview, request: HttpRequest) -> int:
    try:
        chosen = [uuid.UUID(text) for text in request.POST.getlist("items")]
    except ValueError:
        raise InvalidInput("This is not in the review.", field="items") from None
    rows = items_of(actor=actor, review=review).filter(pk__in=chosen)
    decision, comment = request.POST.get("decision", ""), request.POST.get("comment", "")
    return len(decide_items(actor=actor, items=rows, decision=decision, comment=comment))
