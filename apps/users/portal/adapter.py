"""How allauth behaves in this portal."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by administrators, not by visitors."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """No."""
        return False
