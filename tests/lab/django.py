"""Django within a benchmark or proof process: settings of the test run, an empty database of its own."""

from __future__ import annotations

import os
from typing import Any


def set_up() -> Any:
    """Set Django up with `tests.settings` and migrate; returns the settings. Call once per process, first of all."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    return settings
