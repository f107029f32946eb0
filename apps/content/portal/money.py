"""What texts cost: an estimate before, the usage after, the models, and the budgets that keep it within limits."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, InvalidInput, NotFound
from aiwriter.core.plots import Bar, bars
from apps.backends.models import Route
from apps.backends.selectors.profiles import price_overrides
from apps.backends.selectors.routes import models_for
from apps.backends.services.counting import pricing_of
from apps.content.portal.requests import actor_of, answers_json, is_fragment, signed_in, workspace_of
from apps.content.selectors.documents import get_document
from apps.content.selectors.spending import DocumentSum, document_spending, usage_by_document
from apps.content.services.estimating import WishEstimate, estimate_wish
from apps.monitoring.models import Budget
from apps.monitoring.selectors.usage import UsageSum, named_usage, states_of, usage_by, visible_budgets
from apps.monitoring.services import budgets as service
from apps.users.models import ApiToken, Membership, User, Workspace
from apps.users.selectors.access import Actor, can, require

DAYS = (7, 30, 90)
_DOCUMENTS = 25
_BRIEF_TEXTS = ("topic", "title", "audience", "tone", "language", "instruction", "text", "action", "heading")


def money(amount: Decimal | None, currency: str) -> str:
    """A sum for people; an unknown one says so and is never zero."""
    if amount is None:
        return _("unknown")
    if amount and amount < Decimal("0.0001"):
        return f"< 0.0001 {currency}".strip()
    return f"{amount:,.4f} {currency}".strip()


def money_span(low: Decimal | None, high: Decimal | None, currency: str) -> str:
    """From the least to the most."""
    if low is None or high is None:
        return _("price unknown")
    if money(low, currency) == money(high, currency):
        return money(high, currency)
    return f"{low:,.4f} – {high:,.4f} {currency}".strip()


def sums(costs: Mapping[str, Decimal], unpriced: int) -> str:
    """Sums by currency, and how many calls have no known price."""
    parts = [money(amount, currency) for currency, amount in sorted(costs.items())]
    if unpriced:
        said = ngettext("%(n)s call of unknown price", "%(n)s calls of unknown price", unpriced)
        parts.append(said % {"n": f"{unpriced:,}"})
    return ", ".join(parts) or "–"


# ---------------------------------------------------------------- before
@require_POST
@signed_in
@answers_json
def estimate(request: HttpRequest) -> HttpResponse:
    """What the form that is being filled in would cost, as a piece of a page."""
    post = request.POST
    brief: dict[str, Any] = {name: post[name] for name in _BRIEF_TEXTS if post.get(name)}
    if (post.get("length") or "").isdigit():
        brief["length"] = int(post["length"])
    if post.get("headings"):
        brief["headings"] = post["headings"]
    kind = post.get("estimate_kind") or "draft"
    if kind in ("draft", "outline"):
        # An estimate stands beside the button before anything is typed.
        brief.setdefault("topic", "…")
    none = post.get("use") == "none" or kind == "rewrite"
    found = estimate_wish(
        actor=actor_of(request),
        workspace=workspace_of(request),
        kind=kind,
        brief=brief,
        document_id=post.get("document") or None,
        source_ids=[] if none else None,
    )
    return render(request, "content/parts/estimate.html", {"estimate": shown_estimate(found)})


def shown_estimate(found: WishEstimate) -> dict[str, Any]:
    """An estimate in words."""
    first = found.model
    return {
        "tokens_in": found.input_tokens,
        "tokens_out": found.output_tokens,
        "model": first,
        "cost": money_span(first.cost_low, first.cost_high, first.currency) if first else "",
        "fallbacks": [(each, money_span(each.cost_low, each.cost_high, each.currency)) for each in found.fallbacks],
        "budgets": [_state(state) for state in found.budgets],
        "refusing": [_state(state) for state in found.refusing],
        "calibration": found.calibration,
        "output_percent": round(found.calibration.output_ratio * 100),
    }


# ---------------------------------------------------------------- after
@require_GET
@signed_in
def usage(request: HttpRequest) -> HttpResponse:
    """Who used what, when, for what, and what it cost."""
    actor = actor_of(request)
    days = _days(request)
    since = timezone.now() - dt.timedelta(days=days)
    per_day = {row.key: row for row in usage_by(actor, "day", since=since)}
    today = timezone.now().astimezone(dt.UTC).date()
    dates = [(today - dt.timedelta(days=n)).isoformat() for n in range(days, -1, -1)]
    columns = [
        Bar(day, per_day[day].input_tokens + per_day[day].output_tokens) if day in per_day else Bar(day, 0)
        for day in dates
    ]
    people = usage_by(actor, "user", since=since)
    names = _names(User, (row.key for row in people))
    groups = [
        (
            _("By person"),
            [(names.get(row.key) or _("not named"), row, sums(row.costs, row.unpriced)) for row in people],
        ),
        (_("By model"), _rows(usage_by(actor, "model", since=since))),
        (_("By purpose"), _rows(usage_by(actor, "purpose", since=since))),
    ]
    documents, others = _by_document(request, since)
    context = {
        "documents": [(row, sums(row.costs, row.unpriced)) for row in documents],
        "others": others,
        "days": days,
        "choices": DAYS,
        "plot": bars(columns, _("Tokens per day")),
        "first": dates[0],
        "last": dates[-1],
        "per_day": [(row.key, row, sums(row.costs, row.unpriced)) for row in per_day.values()],
        "groups": groups,
        "budgets": [_state(state) for state in states_of(list(visible_budgets(actor)[:50]))],
    }
    return render(request, "content/usage.html", context)


def _by_document(request: HttpRequest, since: dt.datetime) -> tuple[list[DocumentSum], int]:
    """Documents of the workspace that the person works in; operators work in none, and documents are not theirs to see."""
    try:
        workspace = workspace_of(request)
    except NotFound:
        return [], 0
    return usage_by_document(actor=actor_of(request), workspace=workspace, since=since, limit=_DOCUMENTS)


@require_GET
@login_required
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Every call of the period as CSV; the cost of an unknown price is the word "unknown"."""
    since = timezone.now() - dt.timedelta(days=_days(request))
    rows = named_usage(actor_of(request)).filter(created_at__gte=since).order_by("-created_at", "-id")
    answer = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return answer


_CSV = ("created_at", "purpose", "profile", "model", "input_tokens", "output_tokens", "cached_tokens")


def _lines(rows: QuerySet[Any]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*_CSV, "cost", "currency", "duration_ms", "workspace_id", "user_id", "token_id"])
    for row in rows.iterator(chunk_size=2_000):
        cost = "unknown" if row.cost is None else f"{row.cost:f}"
        whose = [row.workspace_id or "", row.shown_user or "", row.shown_token or ""]
        rest = [cost, row.currency, row.duration_ms, *whose]
        writer.writerow([_cell(getattr(row, name)) for name in _CSV] + rest)
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet takes a text that begins like this for a formula; names come from providers and operators."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@require_GET
@signed_in
def document_usage(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Which model wrote what in a document, in which attempts, and what that cost."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    found = document_spending(actor=actor, document_id=document_id)
    context = {
        "document": document,
        "found": found,
        "total": sums(found.total.costs, found.total.unpriced),
        "generations": [
            (row, [(each, money(each.cost, each.currency)) for each in row.attempts]) for row in found.generations
        ],
    }
    template = "content/parts/spending.html" if is_fragment(request) else "content/document_usage.html"
    return render(request, template, context)


# ---------------------------------------------------------------- models
@require_GET
@signed_in
def models(request: HttpRequest) -> HttpResponse:
    """Which models answer which purpose in this workspace, how they are, and what they cost."""
    offered = models_for(actor_of(request), workspace_of(request).pk)
    overrides = price_overrides([offer.step.profile.id for offer in offered])
    purposes: dict[str, list[dict[str, Any]]] = {}
    for offer in offered:
        step, info = offer.step, offer.step.info
        chosen = overrides.get((step.profile.id, step.model)) or overrides.get((step.profile.id, "*"))
        purposes.setdefault(str(Route.Purpose(offer.purpose).label), []).append(
            {
                "step": step,
                "healthy": offer.healthy,
                "reason": step.profile.cooldown_reason,
                "refusal": offer.refusal,
                "context_window": info.context_window if info else None,
                "price": pricing_of(chosen, info.pricing if info else None),
            }
        )
    return render(request, "content/models.html", {"purposes": purposes.items()})


# ---------------------------------------------------------------- budgets
class BudgetForm(forms.Form):
    """Limits."""

    limit_cost = forms.DecimalField(
        label=gettext_lazy("Cost at most"), min_value=0, max_digits=12, decimal_places=4, required=False
    )
    currency = forms.RegexField(r"^[A-Za-z]{3}$", label=gettext_lazy("Currency"), initial="USD")
    limit_tokens = forms.IntegerField(
        label=gettext_lazy("Tokens at most"), min_value=0, max_value=2**60, required=False
    )
    warn_at = forms.IntegerField(label=gettext_lazy("Warn at (%)"), min_value=1, max_value=100, initial=80)
    hard = forms.BooleanField(label=gettext_lazy("Refuse calls beyond the limit"), required=False, initial=True)
    refuse_unpriced = forms.BooleanField(
        label=gettext_lazy("Also refuse models whose price is unknown"), required=False
    )
    enabled = forms.BooleanField(label=gettext_lazy("In force"), required=False, initial=True)


class NewBudgetForm(BudgetForm):
    """A new budget."""

    target = forms.ChoiceField(label=gettext_lazy("Whom it limits"))
    period = forms.ChoiceField(label=gettext_lazy("Per"), choices=Budget.Period.choices, initial="month")
    field_order = ("target", "period")

    def __init__(self, *args: Any, targets: Iterable[tuple[str, Any]] = (), **kwargs: Any) -> None:
        """Offer the workspace, its members and its keys."""
        super().__init__(*args, **kwargs)
        self.fields["target"].choices = list(targets)  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@signed_in
def budget_list(request: HttpRequest) -> HttpResponse:
    """The budgets that bind here; editors set new ones."""
    actor, workspace = actor_of(request), workspace_of(request)
    rows = list(visible_budgets(actor).filter(_here(workspace)))
    manages = can(actor, "budgets.manage", workspace=workspace)
    form = NewBudgetForm(request.POST or None, targets=_targets(workspace)) if manages else None
    status = 200
    if request.method == "POST":
        require(actor, "budgets.manage", workspace=workspace)
        status = 422
        if form is not None and form.is_valid():
            values = dict(form.cleaned_data)
            scope, _colon, scope_id = values.pop("target").partition(":")
            try:
                service.create_budget(
                    actor=actor,
                    scope=scope,
                    scope_id=scope_id,
                    workspace_id=None if scope == "workspace" else workspace.pk,
                    **values,
                )
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                messages.success(request, _("The budget is set."))
                return redirect("content:budgets")
    names = _names(User, (str(row.scope_id) for row in rows if row.scope == "user"))
    names |= _names(ApiToken, (str(row.scope_id) for row in rows if row.scope == "token"))
    names[str(workspace.pk)] = workspace.name
    context = {
        "states": [_state(state, actor=actor, names=names) for state in states_of(rows)],
        "form": form,
        "workspace": workspace,
    }
    return render(request, "content/budgets.html", context, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def budget(request: HttpRequest, budget_id: uuid.UUID) -> HttpResponse:
    """One budget: what is used of it, and its limits for those who may change them."""
    actor = actor_of(request)
    row = visible_budgets(actor).filter(pk=budget_id).first()
    if row is None:
        raise NotFound("There is no such budget.")
    initial = {name: getattr(row, name) for name in BudgetForm.base_fields}
    form = BudgetForm(request.POST or None, initial=initial)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                service.update_budget(actor=actor, budget_id=budget_id, **form.cleaned_data)
            except InvalidInput as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                messages.success(request, _("The budget is changed."))
                return redirect("content:budgets")
    (state,) = states_of([row])
    names = _names(User, [str(row.scope_id)]) | _names(ApiToken, [str(row.scope_id)])
    names |= _names(Workspace, [str(row.scope_id)])
    context = {"state": _state(state, actor=actor, names=names), "budget": row, "form": form}
    return render(request, "content/budget.html", context, status=status)


@require_POST
@signed_in
def delete_budget(request: HttpRequest, budget_id: uuid.UUID) -> HttpResponse:
    """Remove one."""
    service.delete_budget(actor=actor_of(request), budget_id=budget_id)
    messages.success(request, _("The budget is removed."))
    return redirect("content:budgets")


def _state(state: Any, *, actor: Actor | None = None, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    row = state.budget
    left = []
    if state.remaining_cost is not None:
        left.append(
            _("%(left)s of %(limit)s left")
            % {"left": money(state.remaining_cost, ""), "limit": money(row.limit_cost, row.currency)}
        )
    if state.remaining_tokens is not None:
        left.append(
            _("%(left)s of %(limit)s tokens left")
            % {"left": f"{state.remaining_tokens:,}", "limit": f"{row.limit_tokens:,}"}
        )
    return {
        "budget": row,
        "name": (names or {}).get(str(row.scope_id), ""),
        "scope": row.get_scope_display(),
        "period": row.get_period_display(),
        "percent": state.percent,
        "left": left,
        "resets_on": state.resets_on,
        "may_change": actor is not None and service.may_change(actor, row),
    }


def _here(workspace: Workspace) -> Q:
    return (
        Q(scope="workspace", scope_id=workspace.pk)
        | Q(workspace_id=workspace.pk)
        | Q(scope__in=("user", "token"), workspace_id=None)
    )


def _targets(workspace: Workspace) -> list[tuple[str, Any]]:
    members = Membership.objects.live().filter(workspace=workspace).select_related("user").order_by("user__full_name")
    keys = ApiToken.objects.filter(workspace=workspace).select_related("user").order_by("name")
    return [
        (f"workspace:{workspace.pk}", _("The whole workspace")),
        (_("Members"), list({f"user:{each.user_id}": str(each.user) for each in members}.items())),
        (_("API keys of this workspace"), [(f"token:{each.pk}", f"{each.name} ({each.user})") for each in keys]),
    ]


def _names(table: Any, keys: Iterable[str]) -> dict[str, str]:
    wanted = {key for key in keys if key}
    return {str(row.pk): str(row) for row in table._default_manager.filter(pk__in=wanted)} if wanted else {}


def _rows(rows: list[UsageSum]) -> list[tuple[str, UsageSum, str]]:
    return [(row.key or "–", row, sums(row.costs, row.unpriced)) for row in rows]


def _days(request: HttpRequest) -> int:
    given = request.GET.get("days") or str(DAYS[1])
    if not given.isdigit() or int(given) not in DAYS:
        raise InvalidInput(
            f"'{given[:20]}' is no period.", field="days", remedy=f"Use {', '.join(map(str, DAYS))} days."
        )
    return int(given)
