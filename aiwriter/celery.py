"""The Celery application; its settings are the CELERY_… names of `aiwriter/settings.py`."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")  # noqa: TID251

TRANSPORT_ALIASES["filesystem"] = "aiwriter.core.broker:Transport"
app = Celery("aiwriter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
