"""What parameters of voices, checks and origins name."""

from __future__ import annotations

from apps.content.models import ClaimCheck, Source, VoiceProfile, VoiceRule, VoiceSample
from apps.content.services.documents import create_document
from apps.content.services.factchecks import start_check
from apps.content.services.voice_rules import add_rule
from apps.content.services.voices import add_sample, create_voice
from tests.web.matrix.content import THINGS as CONTENT
from tests.web.permissions import Json


def _voice(people):
    found = VoiceProfile.objects.filter(workspace=people.press).first()
    if found is None:
        wanda = people.actor("wanda")
        found = create_voice(actor=wanda, workspace=people.press, name="House", description="Plain words.")
    return found.pk


def _rule(people):
    voice = _voice(people)
    found = VoiceRule.objects.filter(voice_id=voice).first()
    made = found or add_rule(actor=people.actor("wanda"), voice_id=voice, kind="forbid", pattern="utilise")
    return made.pk


def _sample(people):
    voice = _voice(people)
    found = VoiceSample.objects.filter(voice_id=voice).first()
    return (found or add_sample(actor=people.actor("wanda"), voice_id=voice, text="The water rose. " * 80)).pk


def _changing(people):
    """The source is a web page, which can be looked at again."""
    Source.objects.filter(pk=CONTENT["source_id"](people)).update(kind="url", uri="https://example.org/a")


def _check(people):
    found = ClaimCheck.objects.filter(document__workspace=people.press).first()
    CONTENT["source_id"](people)
    Source.objects.filter(workspace=people.press).update(state="ready")
    wanda = people.actor("wanda")
    text = "The harbour of Brest was opened in 1865."
    made = found or start_check(
        actor=wanda,
        document_id=create_document(actor=wanda, workspace=people.press, title="Port", body_markdown=text).pk,
    )
    return made.pk


THINGS = {"check_id": _check, "voice_id": _voice, "rule_id": _rule, "sample_id": _sample}
BODIES = {
    "POST api/v1/voices": lambda people: {"name": "New"},
    "PATCH api/v1/voices/<uuid:voice_id>": lambda people: {"name": "New"},
    "POST api/v1/voices/<uuid:voice_id>/learn": lambda people: (_sample(people), {})[1],
    "POST api/v1/voices/<uuid:voice_id>/lint": lambda people: {"text": "A text."},
    "POST api/v1/voices/<uuid:voice_id>/samples": lambda people: {"text": "A text."},
    "POST api/v1/voices/<uuid:voice_id>/rules": lambda people: {"kind": "forbid", "pattern": "leverage"},
    "PATCH api/v1/voices/<uuid:voice_id>/rules/<uuid:rule_id>": lambda people: {"severity": "hint"},
    "PUT api/v1/content/<uuid:document_id>/voice": lambda people: {"voice_id": str(_voice(people))},
    "POST documents/<uuid:document_id>/lint": lambda people: Json(text="A text.", voice=str(_voice(people))),
    "POST api/v1/sources/url": lambda people: {"url": "https://example.org/"},
    "POST api/v1/sources/document": lambda people: {"document_id": str(CONTENT["document_id"](people))},
    "PATCH api/v1/sources/<uuid:source_id>": lambda people: {"title": "New"},
    "POST api/v1/sources/<uuid:source_id>/refresh": lambda people: (_changing(people), {})[1],
    "POST sources/<uuid:source_id>/refresh": lambda people: (_changing(people), {})[1],
    "POST sources/page": lambda people: {"url": "https://example.org/"},
    "POST voices/": lambda people: {"name": "New", "language": "en"},
    "POST voices/<uuid:voice_id>/": lambda people: {"name": "New", "language": "en"},
    "POST voices/<uuid:voice_id>/rules": lambda people: {"kind": "forbid", "pattern": "leverage"},
    "POST voices/<uuid:voice_id>/samples": lambda people: {"text": "A text."},
}
