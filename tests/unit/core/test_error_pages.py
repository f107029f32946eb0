"""Error pages stand when the database does not."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client


@pytest.mark.parametrize("where", ["/", "/documents/"])
def test_the_page_of_a_fault_needs_no_database(where: str):
    # This test may not use the database: every query raises, as when it is down.
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = "somebody"
    answer = client.get(where)
    assert answer.status_code == 500
    assert "Something went wrong on the server." in answer.content.decode()
    assert answer.headers["X-Request-ID"] in answer.content.decode()
