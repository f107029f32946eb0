"""The person's own pages: profile and notifications."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError
from apps.users.portal.forms import ProfileForm, add_app_error
from apps.users.selectors.access import require_user
from apps.users.selectors.belongings import memberships_of, notifications_of
from apps.users.selectors.callers import actor_of
from apps.users.services import notifications, people

SHOWN = 100


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """One's own name, time zone, roles and memberships."""
    actor = actor_of(request)
    user = require_user(actor)
    form = ProfileForm(request.POST or None, initial={"full_name": user.full_name, "timezone": user.timezone})
    if request.method == "POST" and form.is_valid():
        try:
            people.update_profile(actor=actor, **form.cleaned_data)
        except AppError as error:
            add_app_error(form, error)
        else:
            messages.success(request, _("Your profile is saved."))
            return redirect("users:profile")
    status = 400 if form.is_bound else 200
    context = {"form": form, "memberships": memberships_of(actor=actor), "system_roles": sorted(user.system_roles)}
    return render(request, "users/profile.html", context, status=status)


@login_required
@require_GET
def notification_list(request: HttpRequest) -> HttpResponse:
    """The newest notifications."""
    rows = notifications_of(actor=actor_of(request))[:SHOWN]
    return render(request, "users/notifications.html", {"notifications": rows})


@login_required
@require_POST
def open_notification(request: HttpRequest, notification_id: uuid.UUID) -> HttpResponse:
    """Mark one as read and go where it leads."""
    row = notifications.mark_read(actor=actor_of(request), notification_id=notification_id)
    return redirect(row.link or "users:notifications")


@login_required
@require_POST
def read_all_notifications(request: HttpRequest) -> HttpResponse:
    """Mark all as read."""
    notifications.mark_all_read(actor=actor_of(request))
    return redirect("users:notifications")
