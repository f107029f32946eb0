"""What every template may name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, Any]:
    """The product's version and the kind of installation."""
    return {"product_version": settings.VERSION, "environment": settings.ENVIRONMENT}
