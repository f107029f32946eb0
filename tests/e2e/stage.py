"""What stands ready before the curtain rises: people, sources, documents, made by the product's own services."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.portal import Portal

PASSWORD = "four plain words here"

SOURCES = {
    "Sequence numbers and windows": """# Sequence numbers and windows

## Sequence numbers

Every octet of data that is sent over a connection has a sequence number. An acknowledgement of sequence number X says
that all octets up to but not including X have been received. This mechanism lets a receiver detect duplicates in a
straightforward way, even when segments are sent again.

## The window

The receiver reports a window with every acknowledgement. The window says how many octets the sender may transmit before
it has to wait for further permission. A receiver without free buffer space reports a window of zero, and the sender
stops until it hears of a larger one.

## Probing a closed window

The sender must be prepared to send at least one octet of new data even if the window is zero. The interval between
probes should grow exponentially. Without probes the loss of a single window update would stop a connection for ever.
""",
    "Retransmission": """# Retransmission

## The timer

A sender starts a timer when it transmits a segment. When the timer runs out before the acknowledgement arrives, the
segment is sent again and the timer is doubled. The time-out is computed from measured round trips, smoothed so that one
slow answer does not change it much.

## Fast retransmit

Three duplicate acknowledgements in a row are taken as a sign that a segment was lost. The sender then repeats the
missing segment without waiting for the timer. This recovers most single losses within one round trip.
""",
    "Closing a connection": """# Closing a connection

Each side closes its own direction. The side that closes first waits twice the longest life of a segment before it
forgets the connection, so that late segments cannot be taken for those of a new connection between the same ports.
""",
}

ARTICLE = """## What the numbers cover

Every octet has a sequence number, and the receiver acknowledges the next one that it expects. The window says how many
octets the sender may put on the wire before it has to wait.

## Why a window of zero is not the end

A sender that is told *zero* must not fall silent: it **probes**. The receiver answers each probe with its present
window, so the connection goes on as soon as there is room.

- Probes start after one time-out.
- The interval grows with every probe.
- Nobody counts the probes.

> The sender must be prepared to send at least one octet of new data even if the window is zero.

| State | Meaning |
| --- | --- |
| LISTEN | Waiting for a request |
| ESTABLISHED | Data can flow |
"""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what is on the stage.

    Args:
        document: id of a document with three versions, the last one by somebody else.
    """

    writer: str
    editor: str
    operator: str
    newcomer: str
    document: str
    password: str = PASSWORD
    admin: str = "alma@example.org"


def set_stage(portal: Portal, *, sources: bool = True) -> Cast:
    """Make people, a workspace with documents and, unless told otherwise, sources."""
    program = f"""
from apps.content.services import documents, histories
from apps.content.services.sources import add_text_source
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member, create_workspace
portal = Actor.system_actor("stage")
people = {{
    name: create_user(actor=portal, email=f"{{name.lower()}}@example.org", full_name=f"{{name}} {{rest}}", password={PASSWORD!r})
    for name, rest in (("Wanda", "Brandt"), ("Eddie", "Okafor"), ("Otto", "Lindqvist"), ("Nora", "Vance"), ("Alma", "Reyes"))
}}
room = create_workspace(actor=portal, name="Field notes", slug="field-notes")
empty = create_workspace(actor=portal, name="New room", slug="new-room")
add_member(actor=portal, workspace=room, user=people["Wanda"], role="writer")
add_member(actor=portal, workspace=room, user=people["Eddie"], role="editor")
add_member(actor=portal, workspace=empty, user=people["Nora"], role="writer")
grant_role(actor=portal, user=people["Otto"], role="operator", reason="runs the portal")
grant_role(actor=portal, user=people["Alma"], role="admin", reason="administers the portal")
wanda, eddie = Actor.for_user(people["Wanda"]), Actor.for_user(people["Eddie"])
text = {ARTICLE!r}
for title, words in (("Interview with the lighthouse keeper", 240), ("Tide tables, explained", 1500), ("Release notes for spring", 120)):
    documents.create_document(actor=wanda, workspace=room, title=title, body_markdown="The water came slowly at first. " * (words // 6))
made = documents.create_document(actor=wanda, workspace=room, title="How TCP keeps a connection reliable", body_markdown=text)
changed = text.replace("Nobody counts the probes.", "The interval has an upper limit, and nobody counts the probes.")
made = documents.save_document(actor=wanda, document_id=made.pk, revision=made.revision, body_markdown=changed)
histories.label_version(actor=wanda, document_id=made.pk, number=2, label="Sent to Eddie")
again = changed.replace("must not fall silent", "must not simply fall silent")
made = documents.save_document(actor=eddie, document_id=made.pk, revision=made.revision, body_markdown=again)
from apps.content.models import Document
from apps.content.services.bulk import bin_documents, move_documents, tag_documents
from apps.content.services.collections import create_collection
sea = create_collection(actor=wanda, workspace=room, name="The sea")
create_collection(actor=wanda, workspace=room, name="Tides and currents", parent_id=sea.pk)
create_collection(actor=wanda, workspace=room, name="Networks")
coast = list(Document.objects.filter(workspace=room, title__in=("Interview with the lighthouse keeper", "Tide tables, explained")).values_list("pk", flat=True))
move_documents(actor=wanda, document_ids=coast, collection_id=sea.pk)
tag_documents(actor=wanda, document_ids=coast, add=["coast", "spring issue"])
old = documents.create_document(actor=wanda, workspace=room, title="Notes from the harbour, first attempt", body_markdown="Old words. " * 80)
bin_documents(actor=wanda, document_ids=[old.pk])
for title, body in {SOURCES!r}.items() if {sources!r} else ():
    add_text_source(actor=wanda, workspace=room, title=title, text=body)
answer = str(made.pk)
"""
    document = portal.shell(program)
    return Cast("wanda@example.org", "eddie@example.org", "otto@example.org", "nora@example.org", document)


def wait_for_sources(portal: Portal) -> None:
    """Wait until every source has been read in, at most 60 s."""
    portal.shell(
        """
import time
from apps.content.models import Source
for _ in range(300):
    if not Source.objects.exclude(state__in=("ready", "failed")).exists():
        break
    time.sleep(0.2)
answer = Source.objects.filter(state="ready").count()
"""
    )
