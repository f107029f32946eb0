"""Webhooks to a real server on loopback: signed, repeated, gathered, and never to a private address by default."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied
from aiwriter.core.signatures import sign
from apps.content.models import WebhookDelivery, WebhookEndpoint
from apps.content.services import deliveries, webhooks
from apps.content.services.documents import delete_document, save_document
from apps.users.models import Notification
from tests.factories.content import DocumentFactory
from tests.people import People


class Receiver:
    """Notes what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, answer = receiver.answers.pop(0) if receiver.answers else (204, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.OUTGOING_ALLOW_NETWORKS = ["127.0.0.0/8"]
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def hook(people: People, receiver: Receiver) -> tuple[WebhookEndpoint, str]:
    endpoint, secret = webhooks.create_webhook(
        actor=people.actor("eddie"), workspace=people.press, name="Site", url=receiver.url
    )
    return endpoint, secret.reveal()


def guide() -> dict[str, Any]:
    """The receiver's check as the guide shows it."""
    page = (Path(__file__).parents[3] / "docs/operators/webhooks.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(compile(code[1], "webhooks.md", "exec"), names)
    return names


def due(**values: object) -> None:
    WebhookDelivery.objects.filter(state="queued").update(next_try_at=timezone.now(), **values)


def run_due() -> None:
    due()
    for each in WebhookDelivery.objects.filter(state="queued"):
        deliveries.run_delivery(each.pk)


def test_signature_is_that_of_the_specification():
    # The example of the Standard Webhooks specification's libraries.
    made = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_arrives_signed_and_the_guides_check_accepts_it(people: People, receiver, hook, run_jobs):
    _, secret = hook
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides")
    assert "content.deliver_webhook" in run_jobs()
    ((headers, body),) = receiver.got
    message = json.loads(body)
    assert (message["type"], message["data"]["document_id"]) == ("document.created", str(document.pk))
    assert "first sentence" not in body.decode()
    verify = guide()["verify"]
    assert verify(secret, headers, body)["type"] == "document.created"
    for wrong in (body + b" ", b"{}"):
        with pytest.raises(ValueError, match="signature"):
            verify(secret, headers, wrong)
    with pytest.raises(ValueError, match="old"):
        verify(secret, {**headers, "webhook-timestamp": str(int(time.time()) - 3600)}, body)
    row = WebhookDelivery.objects.get()
    assert (row.state, row.response_status, row.attempts) == ("delivered", 204, 1)
    assert headers["webhook-id"] == row.message_id


def test_saves_in_a_row_become_one_message(people: People, receiver, hook, run_jobs):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    for number in range(3):
        save_document(
            actor=people.actor("wanda"),
            document_id=document.pk,
            revision=None,
            body_markdown=f"Text {number}.\n",
            reason="autosave",
        )
    delete_document(actor=people.actor("wanda"), document_id=document.pk)
    run_jobs()
    run_due()
    assert sorted(receiver.events) == ["document.created", "document.deleted", "document.updated"]
    updated = next(json.loads(body) for _, body in receiver.got if b"document.updated" in body)
    assert updated["data"]["revision"] == 4


def test_only_chosen_events_of_the_own_workspace_are_told(people: People, receiver, run_jobs):
    webhooks.create_webhook(
        actor=people.actor("eddie"),
        workspace=people.press,
        name="Deleted",
        url=receiver.url,
        events=["document.deleted"],
    )
    DocumentFactory(actor=people.actor("eve"), workspace=people.rival)
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    delete_document(actor=people.actor("wanda"), document_id=document.pk)
    run_jobs()
    assert receiver.events == ["document.deleted"]


def test_failures_are_repeated_with_pauses_and_then_given_up(people: People, receiver, hook):
    endpoint, secret = hook
    receiver.answers = [(500, f"oops {secret}".encode())] * 8
    row = webhooks.ping(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    seen = []
    for _ in range(8):
        run_due()
        row.refresh_from_db()
        seen.append(round((row.next_try_at - timezone.now()).total_seconds()) if row.state == "queued" else row.state)
    assert seen == [*deliveries.PAUSES, "failed"]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert [one["status"] for one in row.tries] == [500] * 8
    assert secret not in row.response_excerpt
    endpoint.refresh_from_db()
    assert endpoint.failing_since
    assert endpoint.enabled

    again = webhooks.redeliver(actor=people.actor("eddie"), delivery_id=row.pk)
    run_due()
    again.refresh_from_db()
    endpoint.refresh_from_db()
    assert (again.state, again.repeats_id, endpoint.failing_since) == ("delivered", row.pk, None)


@pytest.mark.parametrize("gone", [True, False])
def test_it_is_switched_off_when_nothing_arrives_for_long(people: People, receiver, hook, gone: bool):
    endpoint, _ = hook
    receiver.answers = [(410 if gone else 500, b"")]
    if not gone:
        WebhookEndpoint.objects.update(failing_since=timezone.now() - dt.timedelta(days=4))
    webhooks.ping(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    run_due()
    endpoint.refresh_from_db()
    assert not endpoint.enabled
    assert Notification.objects.get(user=people.eddie).kind == "webhook.disabled"
    assert deliveries.emit(people.press.pk, "document.created", {}) == 0
    on = webhooks.update_webhook(actor=people.actor("eddie"), webhook_id=endpoint.pk, enabled=True)
    assert (on.enabled, on.disabled_reason) == (True, "")


def test_private_addresses_are_refused_unless_an_operator_allows_them(people: People, receiver, hook, settings):
    endpoint, _ = hook
    settings.OUTGOING_ALLOW_NETWORKS = []
    row = webhooks.ping(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    run_due()
    row.refresh_from_db()
    assert "is refused" in row.error
    assert receiver.got == []


def test_a_new_secret_and_the_old_one_overlap(people: People, receiver, hook):
    endpoint, old = hook
    _, new = webhooks.rotate_secret(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    webhooks.ping(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    run_due()
    ((headers, body),) = receiver.got
    verify = guide()["verify"]
    assert verify(old, headers, body) == verify(new.reveal(), headers, body)
    row = WebhookEndpoint.objects.get()
    assert old not in row.sealed_previous
    assert new.reveal() not in row.sealed_secret


def test_wrong_values_and_other_peoples_webhooks(people: People, receiver, hook):
    endpoint, _ = hook
    eddie = people.actor("eddie")
    for url in ("ftp://example.org", "https://user:pw@example.org/", "javascript:alert(1)", "https://"):
        with pytest.raises(InvalidInput):
            webhooks.create_webhook(actor=eddie, workspace=people.press, name="X", url=url)
    with pytest.raises(InvalidInput, match="no event"):
        webhooks.create_webhook(
            actor=eddie, workspace=people.press, name="X", url="https://example.org/", events=["odd"]
        )
    with pytest.raises(PermissionDenied):
        webhooks.ping(actor=people.actor("wanda"), webhook_id=endpoint.pk)
    with pytest.raises(NotFound):
        webhooks.ping(actor=people.actor("eve"), webhook_id=endpoint.pk)


def test_lost_messages_are_woken(people: People, receiver, hook, run_jobs):
    endpoint, _ = hook
    webhooks.ping(actor=people.actor("eddie"), webhook_id=endpoint.pk)
    assert deliveries.sweep_deliveries() == 0
    due(queued_at=timezone.now() - dt.timedelta(minutes=1))
    assert deliveries.sweep_deliveries() == 1
    WebhookDelivery.objects.update(created_at=timezone.now() - dt.timedelta(days=31))
    assert deliveries.prune_deliveries() == 1


def test_pages_and_api(people: People, receiver, portal, api, run_jobs):
    browser = portal("eddie")
    made = browser.post("/webhooks/", {"name": "Site", "url": receiver.url, "events": ["document.created"]})
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.content.decode())
    assert secret
    assert secret[0] not in browser.get("/webhooks/").content.decode()
    endpoint = WebhookEndpoint.objects.get()
    address = f"/webhooks/{endpoint.pk}/"
    assert browser.post(f"{address}ping").status_code == 302
    run_jobs()
    assert "HTTP 204" in browser.get(address).content.decode()
    assert browser.post(address, {"action": "off"}).status_code == 302
    assert browser.post(address, {"name": "", "url": receiver.url}).status_code == 400
    assert portal("wanda").get("/webhooks/").status_code == 403
    caller = api("eddie")
    body = {"name": "Other", "url": receiver.url}
    answer = caller.post("/api/v1/webhooks", body, format="json")
    assert (answer.status_code, answer.json()["secret"][:6]) == (201, "whsec_")
    where = answer.headers["Location"]
    assert "secret" not in caller.get(where).json()
    assert caller.patch(where, {"enabled": False}, format="json").json()["enabled"] is False
    sent = caller.post(f"{where}/ping").json()
    run_jobs()
    (row,) = caller.get(f"{where}/deliveries").json()["data"]
    assert (row["id"], row["state"]) == (sent["id"], "delivered")
    assert caller.post(f"/api/v1/webhooks/deliveries/{row['id']}/redeliver").status_code == 202
    assert caller.delete(where).status_code == 204


def test_digest_of_the_guide_is_the_same_as_ours():
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    ours = sign(secret, message_id="msg_1", timestamp=1, body=b"{}")
    theirs = base64.b64encode(hmac.new(b"k" * 24, b"msg_1.1.{}", hashlib.sha256).digest()).decode()
    assert ours == f"v1,{theirs}"
