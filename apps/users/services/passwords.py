"""A password rule of our own: no words that everybody would guess here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.users.models import User

_SHORTEST = 4
_LEFT = 6


class ContextWordsValidator:
    """Refuses a password that is little more than the portal's, its address's or the person's own name.

    Asked is what remains when those words are taken out: fewer than six characters protect nothing.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse or pass.

        Raises:
            ValidationError: with the rule, not with the word: a shoulder may be looking.
        """
        rest = password.lower()
        for word in sorted(self._words(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if rest != password.lower() and len(re.sub(r"[\W\d_]+", "", rest)) < _LEFT:
            raise ValidationError(
                _("Apart from the name of the portal or your own, hardly anything is left of it. Add other words."),
                code="password_context",
            )

    def get_help_text(self) -> str:
        """For forms."""
        return _("It is not made of the portal's name or your own.")

    @staticmethod
    def _words(user: Any) -> set[str]:
        text = f"aiwriter ai-writer writer portal password passwort {urlsplit(settings.PUBLIC_URL).hostname or ''}"
        if isinstance(user, User):
            text += f" {user.email} {user.email.partition('@')[0]} {user.full_name}"
        words = set(text.lower().split())
        words |= {part for word in words for part in re.split(r"[\W\d_]+", word)}
        return {word for word in words if len(word) >= _SHORTEST}
