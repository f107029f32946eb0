"""The API keys of an account: those of people to see and to end, those of service accounts also to make."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import AppError, ProofRequired
from apps.users.admin.service_admin import button
from apps.users.models import User
from apps.users.models.capabilities import CAPABILITIES
from apps.users.models.tokens import DEFAULT_DAYS, MAX_DAYS
from apps.users.selectors.access import Actor, can, capabilities_of, require, workspaces_of
from apps.users.selectors.callers import actor_of
from apps.users.selectors.people import get_person, get_token_of_account, tokens_of_account
from apps.users.services import tokens


class KeyForm(forms.Form):
    """A new key of a service account.

    Args:
        account: whose; what it may not do is not offered.
    """

    name = forms.CharField(label=gettext_lazy("What is it for?"), max_length=80)
    scopes = forms.MultipleChoiceField(label=gettext_lazy("What may it do?"), widget=forms.CheckboxSelectMultiple)
    workspace = forms.ChoiceField(label=gettext_lazy("Where?"), required=False)
    days = forms.IntegerField(
        label=gettext_lazy("Days until it ends"), min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS
    )
    networks = forms.CharField(
        label=gettext_lazy("From which networks?"),
        required=False,
        max_length=900,
        help_text=gettext_lazy("Like 10.8.0.0/24, separated by commas. Empty: from anywhere."),
    )

    def __init__(self, *args: Any, account: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        actor, offered = Actor.for_user(account), self.fields
        held = capabilities_of(actor)
        choices: dict[str, Any] = {
            "scopes": [(name, CAPABILITIES[name]) for name in CAPABILITIES if name in held],
            "workspace": [("", _("All its workspaces")), *((str(w.pk), w.name) for w in workspaces_of(actor))],
        }
        for name, values in choices.items():
            offered[name].choices = values  # type: ignore[attr-defined]

    def wanted(self) -> dict[str, Any]:
        """As the service takes it."""
        given = self.cleaned_data
        places = given["networks"].replace(",", " ").split()
        return {**given, "workspace": given["workspace"] or None, "networks": places}


class KeyPages:
    """Pages of the console about the keys of one account; mixed into the list of people."""

    admin_site: Any
    opts: Any

    def keys_view(self, request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
        """List them; make one for a service account, whose text is on the answering page and nowhere else."""
        if not request.user.has_perm("users.view_apitoken"):
            raise PermissionDenied
        actor = actor_of(request)
        user = get_person(actor=actor, user_id=user_id)
        makes = user.kind == User.Kind.SERVICE and can(actor, "users.manage")
        form = KeyForm(request.POST or None, account=user) if makes else None
        shown = ""
        if request.method == "POST":
            require(actor, "users.manage")
            if form is None:
                raise PermissionDenied(_("Only a person can make keys for themselves."))
            shown = _make(actor, user, form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("API keys of %(person)s") % {"person": user},
            "account": user,
            "tokens": tokens_of_account(actor=actor, user=user),
            "may_end": can(actor, "users.manage"),
            "form": form if form is not None and form.fields["scopes"].choices else None,  # type: ignore[attr-defined]
            "lacks_rights": form is not None and not form.fields["scopes"].choices,  # type: ignore[attr-defined]
            "secret": shown,
        }
        status = 400 if request.method == "POST" and not shown else 200
        return TemplateResponse(request, "admin/access/keys.html", context, status=status)

    def revoke_key_view(self, request: HttpRequest, user_id: uuid.UUID, token_id: uuid.UUID) -> HttpResponse:
        """End one of them."""

        def work(actor: Actor) -> str:
            user = get_person(actor=actor, user_id=user_id)
            token = get_token_of_account(actor=actor, user=user, token_id=token_id)
            tokens.revoke_token(actor=actor, token=token)
            return _("The API key “%(name)s” no longer works.") % {"name": token.name}

        return button(request, reverse("admin:users_user_keys", args=[user_id]), work)


def _make(actor: Actor, user: User, form: KeyForm) -> str:
    """The text of a new key; "" when the form says what is wrong."""
    if not form.is_valid():
        return ""
    try:
        _row, secret = tokens.create_token(actor=actor, user=user, **form.wanted())
    except ProofRequired:
        raise
    except AppError as error:
        for detail in error.details:
            field = detail.field if detail.field in form.fields else None
            form.add_error(field, f"{detail.issue} {detail.remedy}".strip())
        if not error.details:
            form.add_error(None, str(error))
        return ""
    return secret.reveal()
