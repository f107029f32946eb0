"""What one is asked to agree to: on the way in while something is unanswered, and later to change one's mind."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from aiwriter.core.errors import AppError
from apps.users.selectors.callers import actor_of
from apps.users.selectors.consents import Asked, asked_of, own_answers
from apps.users.services import consents

SHOWN = 30


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def consent_page(request: HttpRequest) -> HttpResponse:
    """The texts in force with one's answers, and what one has answered before."""
    actor = actor_of(request)
    asked = asked_of(actor)
    problems: list[str] = []
    if request.method == "POST":
        problems = _take(request, asked)
        if not problems:
            messages.success(request, _("Your answers count from now on."))
            after = request.POST.get("next", "")
            if not url_has_allowed_host_and_scheme(after, {request.get_host()}, require_https=request.is_secure()):
                after = "users:consents"
            return redirect(after)
        asked = asked_of(actor)
    context = {
        "asked": asked,
        "open": [each for each in asked if each.given is None or (each.text.is_duty and not each.given)],
        "answers": own_answers(actor)[:SHOWN],
        "problems": problems,
        "next": request.POST.get("next") or request.GET.get("next", ""),
    }
    return render(request, "users/consents.html", context, status=400 if problems else 200)


def _take(request: HttpRequest, asked: list[Asked]) -> list[str]:
    """Take the answers that a form holds; what is left out stays as it is. Returns what is wrong."""
    problems: list[str] = []
    for each in asked:
        chosen: Any = request.POST.get(each.text.purpose, "")
        if chosen not in ("yes", "no"):
            if each.given is None or (each.text.is_duty and not each.given):
                problems.append(_("“%(title)s” has no answer yet.") % {"title": each.text.title})
            continue
        try:
            consents.answer(
                actor=actor_of(request),
                purpose=each.text.purpose,
                version=_number(request.POST.get(f"{each.text.purpose}_version", "")),
                given=chosen == "yes",
            )
        except AppError as error:
            problems.append(f"{each.text.title}: {error}")
    return problems


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
