"""Voices: make one, let it learn, decide its rules, approve it, try it on a text."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, InvalidInput
from apps.content.markup.linting import Report
from apps.content.markup.measures import FORMULAS, TONES
from apps.content.models import VoiceProfile, VoiceRule
from apps.content.portal.forms import LANGUAGES
from apps.content.portal.requests import actor_of, answers_json, json_body, page_of, signed_in, workspace_of
from apps.content.selectors.documents import documents_for, get_document
from apps.content.selectors.sources import sources_for
from apps.content.selectors.voices import get_voice, voice_of, voices_for
from apps.content.services import voice_rules
from apps.content.services import voices as service
from apps.content.services.voicing import instructions

PAGE_SIZE = 30
_MOST_CHOICES = 200
_LABELS = {
    "words": gettext_lazy("Words"),
    "sentences": gettext_lazy("Sentences"),
    "words_per_sentence": gettext_lazy("Words per sentence"),
    "longest_sentence": gettext_lazy("Longest sentence, words"),
    "flesch": gettext_lazy("Flesch Reading Ease"),
    "flesch_de": gettext_lazy("Flesch Reading Ease, German"),
    "lix": gettext_lazy("LIX"),
    "contractions": gettext_lazy("Contractions per 100 words"),
    "first_person": gettext_lazy("I and we per 100 words"),
    "second_person": gettext_lazy("You per 100 words"),
    "exclamations": gettext_lazy("Exclamation marks per 100 sentences"),
    "questions": gettext_lazy("Questions per 100 sentences"),
    "hedges": gettext_lazy("Hedging words per 100 words"),
    "long_words": gettext_lazy("Words of more than six letters per 100"),
}


class VoiceForm(forms.Form):
    """Name, words and language of a voice."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("In your own words"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Goes into every prompt: who you are, whom you write for, how it should sound."),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES, initial="en")


class RuleForm(forms.Form):
    """A new rule. Which of the fields count depends on the kind."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind of rule"), choices=VoiceRule.Kind.choices, initial="forbid")
    pattern = forms.CharField(
        label=gettext_lazy("Term"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("A * at the end stands for any ending: leverag*"),
    )
    measure = forms.ChoiceField(
        label=gettext_lazy("Measure"),
        required=False,
        choices=(
            ("", "—"),
            (gettext_lazy("Readability"), tuple(FORMULAS.items())),
            (gettext_lazy("Tone"), tuple(TONES.items())),
        ),
    )
    replacement = forms.CharField(label=gettext_lazy("Write instead"), max_length=200, required=False)
    minimum = forms.FloatField(label=gettext_lazy("At least"), required=False)
    maximum = forms.FloatField(label=gettext_lazy("At most"), required=False)
    severity = forms.ChoiceField(
        label=gettext_lazy("Severity"), choices=VoiceRule.Severity.choices, initial="warning", required=False
    )

    def values(self) -> dict[str, Any]:
        """The rule as `services.voices.add_rule` takes it."""
        cleaned = dict(self.cleaned_data)
        measure = cleaned.pop("measure")
        if cleaned["kind"] in ("readability", "tone"):
            cleaned["pattern"] = measure
        return cleaned


class SampleForm(forms.Form):
    """A text to learn from."""

    title = forms.CharField(label=gettext_lazy("Name"), max_length=300, required=False)
    text = forms.CharField(
        label=gettext_lazy("Pasted text"), required=False, widget=forms.Textarea(attrs={"rows": 5}), strip=False
    )
    chosen = forms.ChoiceField(label=gettext_lazy("Or one of your texts"), required=False)

    def __init__(self, *args: Any, choices: list[Any], **kwargs: Any) -> None:
        """Offer sources and documents for choosing."""
        super().__init__(*args, **kwargs)
        self.fields["chosen"].choices = [("", "—"), *choices]  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """The sample as `services.voices.add_sample` takes it."""
        kind, _sign, key = self.cleaned_data["chosen"].partition(":")
        values: dict[str, Any] = {"title": self.cleaned_data["title"], "text": self.cleaned_data["text"]}
        if key:
            values[f"{kind}_id"] = key
        return values


@require_http_methods(["GET", "POST"])
@signed_in
def voice_list(request: HttpRequest) -> HttpResponse:
    """Voices of the workspace, and the form that makes one."""
    actor, workspace = actor_of(request), workspace_of(request)
    form = VoiceForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                voice = service.create_voice(actor=actor, workspace=workspace, **form.cleaned_data)
            except AppError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                messages.success(request, _("The voice is made. Give it samples or rules."))
                return redirect("content:voice", voice_id=voice.pk)
    page = page_of(request, voices_for(actor, workspace), ordering=("-created_at", "-id"), size=PAGE_SIZE)
    return render(request, "content/voices.html", {"page": page, "form": form}, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def voice(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
    """A voice: POST changes name, description and language."""
    found = get_voice(actor=actor_of(request), voice_id=voice_id)
    if request.method == "POST":
        form = VoiceForm(request.POST)
        if not form.is_valid():
            return _page(request, found, form=form, status=422)
        try:
            service.change_voice(actor=actor_of(request), voice_id=voice_id, **form.cleaned_data)
        except AppError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
            return _page(request, found, form=form, status=error.status)
        messages.success(request, _("Saved."))
        return redirect("content:voice", voice_id=voice_id)
    return _page(request, found)


@require_POST
@signed_in
def add_rule(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
    """Add a rule."""
    found = get_voice(actor=actor_of(request), voice_id=voice_id)
    form = RuleForm(request.POST)
    if not form.is_valid():
        return _page(request, found, rule_form=form, status=422)
    try:
        voice_rules.add_rule(actor=actor_of(request), voice_id=voice_id, **form.values())
    except AppError as error:
        field = "measure" if error.field == "pattern" and form.cleaned_data["measure"] else error.field
        form.add_error(field if field in form.fields else None, str(error))
        return _page(request, found, rule_form=form, status=error.status)
    messages.success(request, _("The rule is added."))
    return redirect("content:voice", voice_id=voice_id)


@require_POST
@signed_in
def decide_rule(request: HttpRequest, voice_id: uuid.UUID, rule_id: uuid.UUID) -> HttpResponse:
    """Accept a proposed rule, change a rule's bounds and words, or remove it."""
    actor = actor_of(request)
    if request.POST.get("decision") == "remove":
        voice_rules.delete_rule(actor=actor, voice_id=voice_id, rule_id=rule_id)
        messages.success(request, _("The rule is removed."))
        return redirect("content:voice", voice_id=voice_id)
    changes: dict[str, Any] = {name: request.POST[name] for name in ("replacement", "severity") if name in request.POST}
    try:
        for name in ("minimum", "maximum"):
            if name in request.POST:
                changes[name] = _number(request.POST[name], name)
        voice_rules.change_rule(actor=actor, voice_id=voice_id, rule_id=rule_id, **changes)
    except InvalidInput as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The rule counts."))
    return redirect("content:voice", voice_id=voice_id)


@require_POST
@signed_in
def add_sample(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
    """Add a text to learn from."""
    found = get_voice(actor=actor_of(request), voice_id=voice_id)
    form = SampleForm(request.POST, choices=_choices(request, found))
    if not form.is_valid():
        return _page(request, found, sample_form=form, status=422)
    try:
        service.add_sample(actor=actor_of(request), voice_id=voice_id, **form.values())
    except AppError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, found, sample_form=form, status=error.status)
    messages.success(request, _("The sample is added. Let the voice learn when all are there."))
    return redirect("content:voice", voice_id=voice_id)


@require_POST
@signed_in
def delete_sample(request: HttpRequest, voice_id: uuid.UUID, sample_id: uuid.UUID) -> HttpResponse:
    """Remove a sample."""
    service.delete_sample(actor=actor_of(request), voice_id=voice_id, sample_id=sample_id)
    messages.success(request, _("The sample is removed."))
    return redirect("content:voice", voice_id=voice_id)


def _act(act: Callable[[HttpRequest, uuid.UUID], object], done: Any) -> Callable[..., HttpResponse]:
    """A button of the page: one service call, then the page again, with what went wrong or how it went."""

    @require_POST
    @signed_in
    def view(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
        try:
            act(request, voice_id)
        except AppError as error:
            if error.status in (403, 404):
                raise
            messages.error(request, str(error))
        else:
            messages.success(request, str(done))
        return redirect("content:voice", voice_id=voice_id)

    return view


learn = _act(
    lambda request, key: service.learn(actor=actor_of(request), voice_id=key),
    gettext_lazy("The samples are measured. Look at the proposed rules."),
)
accept = _act(
    lambda request, key: voice_rules.accept_proposals(actor=actor_of(request), voice_id=key),
    gettext_lazy("All proposed rules count."),
)
approve = _act(
    lambda request, key: service.approve_voice(actor=actor_of(request), voice_id=key),
    gettext_lazy("The voice is approved; generations may use it."),
)
default = _act(
    lambda request, key: service.change_voice(
        actor=actor_of(request), voice_id=key, is_default=request.POST.get("is_default") == "1"
    ),
    gettext_lazy("Saved."),
)


@require_POST
@signed_in
def delete(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
    """Remove a voice."""
    service.delete_voice(actor=actor_of(request), voice_id=voice_id)
    messages.success(request, _("The voice is removed."))
    return redirect("content:voices")


@require_POST
@signed_in
def check(request: HttpRequest, voice_id: uuid.UUID) -> HttpResponse:
    """Try the rules on a pasted text."""
    found = get_voice(actor=actor_of(request), voice_id=voice_id)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    result = service.lint_text(actor=actor_of(request), voice_id=voice_id, text=text)
    return _page(request, found, tried=text, result=result)


@require_POST
@signed_in
def choose(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The voice of a document."""
    service.choose_voice(actor=actor_of(request), document_id=document_id, voice_id=request.POST.get("voice") or None)
    messages.success(request, _("The voice is chosen."))
    return redirect("content:document", document_id=document_id)


@require_POST
@signed_in
@answers_json
def lint(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Check what the editor holds. JSON in: `text`, and `voice` to check against another than the document's."""
    actor, body = actor_of(request), json_body(request)
    document = get_document(actor=actor, document_id=document_id)
    key = body.get("voice") or getattr(voice_of(document), "pk", None)
    if not key:
        raise InvalidInput("No voice is chosen.", field="voice", remedy="Choose one, or make one on the page Voices.")
    found = service.lint_text(actor=actor, voice_id=str(key), text=str(body.get("text") or ""))
    return JsonResponse(found.as_json())


@require_GET
@signed_in
def panel(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The inside of the editor's panel: which voice, and where the findings go."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    effective = voice_of(document)
    workspace = document.workspace
    context = {"document": document, "voices": voices_for(actor, workspace).order_by("name")[:_MOST_CHOICES]}
    return render(request, "content/parts/voice_choice.html", {**context, "effective": effective})


def _page(request: HttpRequest, found: VoiceProfile, *, status: int = 200, **more: Any) -> HttpResponse:
    rules = list(found.rules.all())
    context = {
        "voice": found,
        "form": more.get("form")
        or VoiceForm(initial={"name": found.name, "description": found.description, "language": found.language}),
        "rule_form": more.get("rule_form") or RuleForm(),
        "sample_form": more.get("sample_form") or SampleForm(choices=_choices(request, found)),
        "proposed": [_shown(rule) for rule in rules if rule.state == VoiceRule.State.PROPOSED],
        "active": [_shown(rule) for rule in rules if rule.state == VoiceRule.State.ACTIVE],
        "samples": found.samples.defer("text"),
        "figures": [(label, found.figures[name]) for name, label in _LABELS.items() if name in found.figures],
        "prompt": instructions(found),
        "tried": more.get("tried", ""),
        "result": _result(more.get("result")),
        "severities": VoiceRule.Severity.choices,
    }
    return render(request, "content/voice.html", context, status=status)


def _shown(rule: VoiceRule) -> dict[str, Any]:
    measure = FORMULAS.get(rule.pattern) or TONES.get(rule.pattern)
    subject = {"sentence_length": _("Words in a sentence")}.get(rule.kind) or (
        measure if rule.kind in ("readability", "tone") and measure else f"“{rule.pattern}”"
    )
    return {
        "rule": rule,
        "subject": subject,
        "is_term": rule.kind in ("require", "forbid", "prefer"),
        "takes_words": rule.kind in ("forbid", "prefer"),
        "takes_minimum": rule.kind in ("readability", "tone"),
    }


def _result(found: Report | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "findings": found.findings[:200],
        "count": len(found.findings),
        "cut": found.cut,
        "figures": [(label, found.figures[name]) for name, label in _LABELS.items() if name in found.figures],
    }


def _choices(request: HttpRequest, found: VoiceProfile) -> list[Any]:
    actor = actor_of(request)
    documents = documents_for(actor, found.workspace).filter(word_count__gt=0).order_by("-updated_at")
    sources = sources_for(actor, found.workspace).filter(state="ready").order_by("-created_at")
    return [
        (
            _("Documents"),
            [(f"document:{key}", title) for key, title in documents.values_list("pk", "title")[:_MOST_CHOICES]],
        ),
        (_("Sources"), [(f"source:{key}", title) for key, title in sources.values_list("pk", "title")[:_MOST_CHOICES]]),
    ]


def _number(text: str, name: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InvalidInput(f"“{text[:20]}” is not a number.", field=name, remedy="Give a number.") from error
