"""Forms of the pages about people. They check shapes; whether somebody may is settled by the services."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from aiwriter.core.errors import AppError, ProofRequired
from apps.users.models import Membership, PrivacyRequest
from apps.users.models.capabilities import CAPABILITIES
from apps.users.models.tokens import DEFAULT_DAYS, MAX_DAYS


def add_app_error(form: forms.Form, error: AppError) -> None:
    """Show what a service refused beside the field that it is about.

    Raises:
        ProofRequired: the person has to show first that it is them; the form is kept and sent again after that.
    """
    if isinstance(error, ProofRequired):
        raise error
    for detail in error.details:
        field = detail.field if detail.field in form.fields else None
        form.add_error(field, f"{detail.issue} {detail.remedy}".strip())
    if not error.details:
        form.add_error(None, str(error))


class ProfileForm(forms.Form):
    """One's own name and time zone."""

    full_name = forms.CharField(label=_("Name"), max_length=150, required=False)
    timezone = forms.ChoiceField(
        label=_("Time zone"), choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())]
    )


class TokenForm(forms.Form):
    """A new API token.

    Args:
        scopes: capabilities that the person has; others are not offered and not accepted.
        workspaces: (id, name) of the person's workspaces.
    """

    name = forms.CharField(label=_("What is it for?"), max_length=80)
    scopes = forms.MultipleChoiceField(label=_("What may it do?"), widget=forms.CheckboxSelectMultiple)
    workspace = forms.ChoiceField(label=_("Where?"), required=False)
    days = forms.IntegerField(label=_("Days until it ends"), min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS)
    networks = forms.CharField(
        label=_("From which networks?"),
        required=False,
        max_length=900,
        help_text=_("Like 10.8.0.0/24, separated by commas. Empty: from anywhere."),
    )

    def __init__(self, *args: Any, scopes: frozenset[str], workspaces: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: dict[str, Any] = self.fields
        offered["scopes"].choices = [(name, CAPABILITIES[name]) for name in CAPABILITIES if name in scopes]
        offered["workspace"].choices = [("", _("All my workspaces")), *workspaces]


class MemberForm(forms.Form):
    """Somebody to let into the workspace."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)
    expires_at = forms.DateTimeField(
        label=_("Until"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )


class MemberRoleForm(forms.Form):
    """A member's new role."""

    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)


class AcceptForm(forms.Form):
    """A new account, by invitation."""

    full_name = forms.CharField(
        label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters, for example four words."),
    )


class PrivacyForm(forms.Form):
    """What a person asks about their own data."""

    kind = forms.ChoiceField(
        label=_("What do you ask for?"), choices=PrivacyRequest.Kind.choices, widget=forms.RadioSelect
    )
    full_name = forms.CharField(
        label=_("The right name"), max_length=150, required=False, help_text=_("Only for a correction.")
    )
    email = forms.EmailField(
        label=_("The right e-mail address"), max_length=254, required=False, help_text=_("Only for a correction.")
    )
    wish = forms.CharField(
        label=_("Anything else"),
        max_length=5_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What is wrong, or what the administrators should know."),
    )

    def asked(self) -> dict[str, Any]:
        """As the service takes it."""
        given = self.cleaned_data
        changes = {name: given[name] for name in ("full_name", "email") if given[name]}
        return {"kind": given["kind"], "wish": given["wish"], "changes": changes}
