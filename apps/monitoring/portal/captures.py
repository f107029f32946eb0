"""The page on which a person agrees to a debug capture of their own requests, or does not."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from aiwriter.core.errors import Conflict
from apps.monitoring.services import captures as services
from apps.users.selectors.callers import actor_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def capture(request: HttpRequest, capture_id: uuid.UUID) -> HttpResponse:
    """What is asked for, and two buttons."""
    actor = actor_of(request)
    if request.method == "POST":
        try:
            answer = request.POST.get("answer", "")
            if answer == "end":
                services.end_capture(actor=actor, capture_id=capture_id, destroy=True)
                messages.success(request, _("It has ended; what was captured is destroyed."))
            else:
                services.decide_capture(actor=actor, capture_id=capture_id, agree=answer == "yes")
                messages.success(request, _("Your answer is noted."))
        except Conflict as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(request.path)
    row = services.get_capture(actor, capture_id)
    return render(request, "monitoring/capture.html", {"row": row, "is_subject": row.user_id == actor.user_id})
