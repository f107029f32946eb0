"""Of several watches one does what only one may do."""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from aiwriter.core.leases import worker_name
from apps.monitoring.models import Leadership


def leads(name: str, *, seconds: float = 30.0) -> bool:
    """Whether this process has the lead, which it then keeps for a while.

    Args:
        name: of what.
        seconds: for how long without asking again.
    """
    now = timezone.now()
    until = now + dt.timedelta(seconds=seconds)
    me = worker_name()
    if Leadership.objects.filter(Q(holder=me) | Q(until__lt=now), name=name).update(holder=me, until=until):
        return True
    try:
        with transaction.atomic():
            Leadership.objects.create(name=name, holder=me, until=until)
    except IntegrityError:
        return False
    return True
