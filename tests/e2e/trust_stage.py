"""A voice with samples, rules and proposals, for pages that show them."""

from __future__ import annotations

from tests.e2e.stage import SOURCES
from tests.lab.portal import Portal


def add_voice(portal: Portal, document: str) -> str:
    """Give the workspace of a document an approved voice, chosen for the document, and a draft with proposals.

    Returns:
        the id of the draft.
    """
    return portal.shell(
        f"""
from apps.content.models import Document
from apps.content.services import voice_rules, voices
from apps.users.selectors.access import Actor
document = Document.objects.select_related("workspace", "owner").get(pk={document!r})
wanda, room = Actor.for_user(document.owner), document.workspace
house = voices.create_voice(actor=wanda, workspace=room, name="House style", description="For people who meet the subject for the first time. Short sentences, no jargon.")
for rule in (
    dict(kind="prefer", pattern="octet", replacement="byte"),
    dict(kind="prefer", pattern="octets", replacement="bytes"),
    dict(kind="forbid", pattern="leverag*", replacement="us*", severity="error"),
    dict(kind="sentence_length", maximum=22),
    dict(kind="readability", pattern="flesch", minimum=75),
):
    voice_rules.add_rule(actor=wanda, voice_id=house.pk, **rule)
voices.approve_voice(actor=wanda, voice_id=house.pk)
voices.change_voice(actor=wanda, voice_id=house.pk, is_default=True)
voices.choose_voice(actor=wanda, document_id=document.pk, voice_id=house.pk)
learnt = voices.create_voice(actor=wanda, workspace=room, name="Field notes", description="Calm and exact.")
for title, text in {SOURCES!r}.items():
    voices.add_sample(actor=wanda, voice_id=learnt.pk, title=title, text=text)
voices.learn(actor=wanda, voice_id=learnt.pk)
voice_rules.add_rule(actor=wanda, voice_id=learnt.pk, kind="forbid", pattern="very")
answer = str(learnt.pk)
"""
    )
