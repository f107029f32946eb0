"""Routes of the users app below /api/v1/."""

from __future__ import annotations

urlpatterns: list = []
