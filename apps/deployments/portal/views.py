"""What is new: the notes of the versions that this portal has had."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.utils.safestring import mark_safe
from django.views.generic import TemplateView

from apps.content.markup import markdown
from apps.deployments.selectors.announcements import served_releases


class WhatsNewView(LoginRequiredMixin, TemplateView):
    """For everybody who is signed in."""

    template_name = "deployments/whats_new.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Versions and their notes, newest first."""
        notes = [
            (release.version, mark_safe(markdown.to_html(release.notes_users)))  # noqa: S308
            for release in served_releases()
        ]
        return super().get_context_data(notes=notes, **kwargs)
