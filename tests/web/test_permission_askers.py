"""Who asks in the permission matrix is the same person at every address."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.users.services import consents
from tests.factories.users import SETUP
from tests.people import People
from tests.web.permissions import Asking, known_at_the_door


@pytest.mark.django_db
def test_what_was_made_for_one_address_stays_with_nobody():
    """A worker that began with a text which everybody is asked to agree to sent its operator there from each page after."""
    asking = Asking(People())
    with known_at_the_door(asking):
        with transaction.atomic():
            consents.publish_text(actor=SETUP, purpose="usage_analysis", title="A question", body="Words.")
            asking.ask("GET", "/admin/", "otto", {})
            transaction.set_rollback(True)
        assert asking.ask("GET", "/admin/", "otto", {}) == 200
