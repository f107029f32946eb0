"""Voices: learnt, decided by people, approved, told to models, and checked."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from apps.content.markup.linting import Rule, lint
from apps.content.markup.masking import mask
from apps.content.markup.measures import Measured, expanded, syllables_of
from apps.content.models import VoiceProfile, VoiceRule
from apps.content.selectors.voices import get_voice, voices_for
from apps.content.services import voice_rules, voices
from apps.content.services.generation import start_generation
from apps.content.services.prompts import build_request
from apps.content.services.voicing import voice_for_prompt
from tests.factories.content import DocumentFactory
from tests.people import People

SAMPLE = (
    """The harbour master keeps a book of colour plates. She writes down what she sees and adds no colour of her own.
The colour of the water tells her the depth. When the wind turns, she notes the hour and the direction, and nothing else.
"""
    * 6
)


def voice_of(people: People, **values: str) -> VoiceProfile:
    return voices.create_voice(actor=people.actor("wanda"), workspace=people.press, **{"name": "House", **values})


def rule(kind: str, pattern: str = "", **more: object) -> Rule:
    return Rule(id="r", kind=kind, pattern=pattern, **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- measures
def test_masking_keeps_every_place():
    text = "# Head\n\n- A **bold** [link](http://x.org/utilise) and `utilise`.\n\n```\nutilise\n```\n\n| a | b |\n|---|---|\n"
    masked = mask(text)
    assert len(masked) == len(text)
    assert "utilise" not in masked
    for word in ("Head", "bold", "link", "and"):
        assert masked.index(word) == text.index(word)


def test_readability_is_the_formula():
    measured = Measured("The cat sat on the mat.")
    # Six words, one sentence, six syllables: 206.835 - 1.015 * 6 - 84.6 * 1.
    assert measured.readability("flesch") == pytest.approx(116.145)
    assert Measured("Wonderful elephants wandered home.").readability("lix") == pytest.approx(4 + 75)
    assert Measured("").readability("lix") == 0


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("make", 1), ("elephant", 3), ("readability", 5), ("walked", 1), ("x", 1)],
)
def test_syllables(word: str, count: int):
    assert syllables_of(word) == count


@pytest.mark.parametrize(
    ("short", "long"),
    [("don't", "do not"), ("Can’t", "Cannot"), ("they'll", "they will"), ("I'm", "I am"), ("Ada's", None)],
)
def test_contractions(short: str, long: str | None):
    assert expanded(short) == long


# ---------------------------------------------------------------- checking
def test_terms_are_found_at_their_place_with_a_fix():
    text = "Utilise it. We **utilise** Acme\nCloud and e-mail.\n"
    found = lint(text, [rule("forbid", "utilise", replacement="use"), rule("prefer", "e-mail", replacement="email")])
    assert [(f.quote, f.fix) for f in found.findings] == [("Utilise", "Use"), ("utilise", "use"), ("e-mail", "email")]
    for finding in found.findings:
        assert text[finding.start : finding.end] == finding.quote


def test_a_star_stands_for_any_ending_and_carries_it():
    found = lint("Leveraging and leveraged.", [rule("forbid", "leverag*", replacement="us*")]).findings
    assert [f.fix for f in found] == ["Using", "used"]
    whole = lint("Leveraging.", [rule("forbid", "leverag*", replacement="use")]).findings
    assert whole[0].fix is None


def test_a_required_term_that_is_missing():
    wanted = [rule("require", "Acme Cloud")]
    assert lint("We sell acme\ncloud.", wanted).findings == []
    missing = lint("We sell clouds. Acme. Cloud.", wanted).findings
    assert [(f.start, f.end) for f in missing] == [(0, 0)]


def test_long_sentences_and_tone():
    text = "This sentence has exactly seven words here. Short one! Don't shout!"
    found = lint(
        text,
        [
            rule("sentence_length", maximum=5.0),
            rule("tone", "exclamations", maximum=0.0),
            rule("tone", "contractions", maximum=0.0),
            rule("readability", "flesch", minimum=120.0),
        ],
    ).findings
    by_kind = {(f.kind, f.quote): f.fix for f in found}
    assert ("sentence_length", "This sentence has exactly seven words here.") in by_kind
    assert by_kind["tone", "!"] == "."
    assert by_kind["tone", "Don't"] == "Do not"
    assert ("readability", "") in by_kind


def test_every_fix_applied_leaves_no_finding_that_had_one():
    rules = [
        rule("forbid", "leverag*", replacement="us*"),
        rule("prefer", "e-mail", replacement="email"),
        rule("tone", "contractions", maximum=0.0),
    ]
    text = "Don't leverage e-mail. E-mail isn't leveraged 😀 by us, e-mail users can't say."
    for finding in reversed([f for f in lint(text, rules).findings if f.fix is not None]):
        text = text[: finding.start] + finding.fix + text[finding.end :]
    assert text == "Do not use email. Email is not used 😀 by us, email users cannot say."
    assert [f for f in lint(text, rules).findings if f.fix is not None] == []


# ---------------------------------------------------------------- learning and approving
def test_learning_proposes_and_a_person_decides(people: People, db: None):
    wanda = people.actor("wanda")
    voice = voice_of(people)
    voices.add_sample(actor=wanda, voice_id=voice.pk, text=SAMPLE)
    voices.learn(actor=wanda, voice_id=voice.pk)
    proposed = list(voice.rules.filter(state="proposed"))
    assert {"sentence_length", "readability"} <= {each.kind for each in proposed}
    assert any((each.pattern, each.replacement) == ("color", "colour") for each in proposed)
    # The samples keep what was learnt from them.
    as_rules = [
        rule(each.kind, each.pattern, replacement=each.replacement, minimum=each.minimum, maximum=each.maximum)
        for each in proposed
    ]
    assert lint(SAMPLE, as_rules).findings == []
    # A proposal counts neither in checks nor in prompts, and stands in the way of approval.
    assert voices.lint_text(actor=wanda, voice_id=voice.pk, text="Color " * 80).findings == []
    with pytest.raises(Conflict):
        voices.approve_voice(actor=wanda, voice_id=voice.pk)
    first, *rest = proposed
    voice_rules.change_rule(actor=wanda, voice_id=voice.pk, rule_id=first.pk, severity="error")
    voice_rules.delete_rule(actor=wanda, voice_id=voice.pk, rule_id=rest[0].pk)
    assert voice_rules.accept_proposals(actor=wanda, voice_id=voice.pk) == len(rest) - 1
    assert voices.approve_voice(actor=wanda, voice_id=voice.pk).is_approved


def test_learning_from_documents_and_too_little(people: People, db: None):
    wanda = people.actor("wanda")
    voice = voice_of(people)
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown=SAMPLE)
    with pytest.raises(Conflict):
        voices.learn(actor=wanda, voice_id=voice.pk)
    voices.add_sample(actor=wanda, voice_id=voice.pk, document_id=document.pk)
    voices.learn(actor=wanda, voice_id=voice.pk)
    assert get_voice(actor=wanda, voice_id=voice.pk).figures["words"] > 150
    with pytest.raises(NotFound):
        voices.add_sample(actor=wanda, voice_id=voice.pk, document_id=DocumentFactory(workspace=people.rival).pk)


def test_only_an_approved_voice_is_told_to_a_model(people: People, db: None):
    wanda = people.actor("wanda")
    voice = voice_of(people, description="Plain words for sailors.")
    voice_rules.add_rule(actor=wanda, voice_id=voice.pk, kind="forbid", pattern="utilise", replacement="use")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    voices.choose_voice(actor=wanda, document_id=document.pk, voice_id=voice.pk)

    def told(**brief: str) -> str:
        asked = {"topic": "Tides", **brief}
        made = start_generation(actor=wanda, workspace=people.press, kind="draft", brief=asked, document_id=document.pk)
        request = build_request(
            kind="draft", brief=made.input["brief"], context={}, passages=[], voice=made.input["voice"]
        )
        return request.messages[0].content

    assert "utilise" not in told()
    voices.approve_voice(actor=wanda, voice_id=voice.pk)
    assert "Plain words for sailors." in told()
    assert 'Never use "utilise"; write "use" instead.' in told()
    assert "utilise" not in told(voice="none")
    # What was approved is no longer what stands there.
    voice_rules.add_rule(actor=wanda, voice_id=voice.pk, kind="sentence_length", maximum=20)
    assert "utilise" not in told()
    with pytest.raises(NotFound):
        told(voice=str(voice.pk))


def test_the_default_counts_where_nothing_is_chosen(people: People, db: None):
    wanda = people.actor("wanda")
    voice = voice_of(people, description="Warm.")
    with pytest.raises(Conflict):
        voices.change_voice(actor=wanda, voice_id=voice.pk, is_default=True)
    voices.approve_voice(actor=wanda, voice_id=voice.pk)
    voices.change_voice(actor=wanda, voice_id=voice.pk, is_default=True)
    assert voice_for_prompt(people.press.pk, None, None)["name"] == "House"
    second = voices.create_voice(actor=wanda, workspace=people.press, name="Second", description="Cool.")
    voices.approve_voice(actor=wanda, voice_id=second.pk)
    voices.change_voice(actor=wanda, voice_id=second.pk, is_default=True)
    assert voice_for_prompt(people.press.pk, None, None)["name"] == "Second"
    assert voice_for_prompt(people.rival.pk, None, None) == {}
    assert VoiceProfile.objects.filter(is_default=True).count() == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "shout"}, "kind"),
        ({"kind": "forbid", "pattern": " * "}, "pattern"),
        ({"kind": "forbid", "pattern": "ut*"}, "pattern"),
        ({"kind": "forbid", "pattern": "u*tilise"}, "pattern"),
        ({"kind": "prefer", "pattern": "e-mail"}, "replacement"),
        ({"kind": "sentence_length"}, "maximum"),
        ({"kind": "sentence_length", "maximum": 1}, "maximum"),
        ({"kind": "sentence_length", "maximum": float("nan")}, "maximum"),
        ({"kind": "tone", "pattern": "grumpiness", "maximum": 3}, "pattern"),
        ({"kind": "readability", "pattern": "flesch"}, "maximum"),
        ({"kind": "readability", "pattern": "flesch", "minimum": 60, "maximum": 20}, "minimum"),
        ({"kind": "forbid", "pattern": "x" * 300}, "pattern"),
        ({"kind": "forbid", "pattern": "utilise", "severity": "fatal"}, "severity"),
    ],
)
def test_rules_that_make_no_sense(people: People, db: None, values: dict[str, object], field: str):
    voice = voice_of(people)
    with pytest.raises(InvalidInput) as caught:
        voice_rules.add_rule(actor=people.actor("wanda"), voice_id=voice.pk, **values)
    assert caught.value.field == field
    assert caught.value.remedy


def test_names_and_rules_are_there_once(people: People, db: None):
    voice = voice_of(people)
    with pytest.raises(Conflict):
        voice_of(people)
    voice_rules.add_rule(actor=people.actor("wanda"), voice_id=voice.pk, kind="forbid", pattern="utilise")
    with pytest.raises(Conflict):
        voice_rules.add_rule(actor=people.actor("wanda"), voice_id=voice.pk, kind="forbid", pattern="utilise")
    assert VoiceRule.objects.count() == 1


def test_voices_of_others_do_not_exist(people: People, db: None):
    voice = voice_of(people)
    eve = people.actor("eve")
    assert not voices_for(eve).exists()
    for act in (
        lambda: get_voice(actor=eve, voice_id=voice.pk),
        lambda: voices.lint_text(actor=eve, voice_id=voice.pk, text="x"),
        lambda: voices.approve_voice(actor=eve, voice_id=voice.pk),
        lambda: voices.delete_voice(actor=eve, voice_id=voice.pk),
    ):
        with pytest.raises(AppError) as caught:
            act()
        assert caught.value.status == 404


def test_the_time_grows_with_the_text_not_with_the_rules():
    # Work is counted, not time: a matcher that tried each rule at each word would compare a thousand times as often.
    text = "plain words of a harbour book " * 200
    many = [rule("forbid", f"harbour{n}") for n in range(1000)]
    calls = 0

    class Counting(Rule):
        def __getattribute__(self, name: str) -> object:
            nonlocal calls
            calls += 1
            return super().__getattribute__(name)

    lint(text, [Counting(id="r", kind="forbid", pattern=each.pattern) for each in many])
    assert calls < 20 * len(many)
