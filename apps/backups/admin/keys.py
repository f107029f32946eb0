"""Keys of a place in the console: who can open it, whether a key does, and new ones."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError, ProofRequired
from apps.backups.selectors.destinations import get_destination
from apps.backups.services import destinations, rekeying
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of

_KEY: dict[str, Any] = {
    "required": False,
    "max_length": 2_000,
    "widget": forms.PasswordInput(attrs={"autocomplete": "off"}),
    "help_text": gettext_lazy(
        "Begins with AGE-SECRET-KEY-1. Only when it is not on this machine; it is forgotten afterwards."
    ),
}


class RecipientsForm(forms.Form):
    """Public keys, one a line."""

    recipients = forms.CharField(
        label=gettext_lazy("Public keys, one a line"),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "All who can open the backups from now on (age1…). Who is not listed finds no key any more."
        ),
    )
    identity = forms.CharField(label=gettext_lazy("A present key"), **_KEY)


class KeyForm(forms.Form):
    """A key."""

    identity = forms.CharField(label=gettext_lazy("Key"), **_KEY)


def keys_view(request: HttpRequest, destination_id: uuid.UUID, context: dict[str, Any]) -> HttpResponse:
    """Show the keys of a place, and do what one of the page's forms asks for.

    Args:
        request: of the console.
        destination_id: which place.
        context: of the site.
    """
    actor = actor_of(request)
    row = get_destination(actor=actor, destination_id=destination_id)
    asked = request.POST.get("do", "")
    given = request.POST if request.method == "POST" else None
    wanted = RecipientsForm(
        given if asked == "recipients" else None, initial={"recipients": "\n".join(row.recipients)}, prefix="new"
    )
    test = KeyForm(given if asked == "test" else None, prefix="test")
    anew = KeyForm(given if asked == "reencrypt" else None, prefix="anew")
    form = {"recipients": wanted, "test": test, "reencrypt": anew}.get(asked)
    if form is not None and form.is_valid():
        try:
            return HttpResponseRedirect(_do(request, actor, row.pk, asked, form.cleaned_data))
        except ProofRequired:
            raise
        except AppError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
    found = {
        **context,
        "title": _("Keys of %(name)s") % {"name": row.name},
        "row": row,
        "keys": rekeying.keys_of(actor=actor, destination_id=row.pk),
        "forms": {"recipients": wanted, "test": test, "reencrypt": anew},
        "may_change": can(actor, "backups.restore"),
    }
    return TemplateResponse(request, "admin/backups/keys.html", found)


def _do(request: HttpRequest, actor: Actor, place: uuid.UUID, asked: str, values: dict[str, Any]) -> str:
    """One of them. Returns where to go then."""
    if asked == "reencrypt":
        run = rekeying.start_reencrypt(actor=actor, destination_id=place, identity=values["identity"])
        return reverse("admin:backups_backuprun_change", args=[run.pk])
    if asked == "test":
        rekeying.try_key(actor=actor, destination_id=place, identity=values["identity"])
        messages.success(request, _("The key opens the newest set."))
    else:
        destinations.change_recipients(
            actor=actor, destination_id=place, recipients=values["recipients"].split(), identity=values["identity"]
        )
        messages.success(request, _("From now on these keys open the backups, and no others."))
    return reverse("admin:backups_destination_keys", args=[place])
