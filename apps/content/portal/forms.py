"""Forms of the writers' pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.content.portal.widgets import ProseWidget

# Text types of the brief; the words go into the instruction.
KINDS = (
    ("article", _("Article")),
    ("blog", _("Blog post")),
    ("guide", _("How-to guide")),
    ("report", _("Report")),
    ("summary", _("Summary")),
    ("faq", _("FAQ")),
    ("product", _("Product description")),
    ("email", _("E-mail")),
    ("press", _("Press release")),
)
LENGTHS = (
    ("300", _("Short · about 300 words")),
    ("700", _("Medium · about 700 words")),
    ("1500", _("Long · about 1,500 words")),
    ("3000", _("Very long · about 3,000 words")),
)
TONES = (
    ("", _("Neutral")),
    ("clear and matter-of-fact", _("Matter-of-fact")),
    ("warm and friendly", _("Friendly")),
    ("formal", _("Formal")),
    ("lively", _("Lively")),
    ("persuasive", _("Persuasive")),
)
LANGUAGES = (
    ("en", _("English")),
    ("de", _("German")),
    ("fr", _("French")),
    ("es", _("Spanish")),
    ("it", _("Italian")),
    ("pt", _("Portuguese")),
    ("nl", _("Dutch")),
    ("pl", _("Polish")),
)
USE_ALL, USE_SOME, USE_NONE = "all", "some", "none"


class BriefForm(forms.Form):
    """What a writer says before a text is written."""

    topic = forms.CharField(
        label=_("What should the text be about?"),
        max_length=1000,
        widget=forms.Textarea(
            attrs={"rows": 3, "placeholder": _("How TCP keeps a connection reliable, for people new to networking")}
        ),
    )
    kind = forms.ChoiceField(label=_("Kind of text"), choices=KINDS, initial="article", widget=forms.RadioSelect)
    audience = forms.CharField(label=_("Audience"), max_length=300, required=False)
    tone = forms.ChoiceField(label=_("Tone"), choices=TONES, required=False)
    length = forms.ChoiceField(label=_("Length"), choices=LENGTHS, initial="700")
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES, initial="en")
    title = forms.CharField(label=_("Title"), max_length=300, required=False)
    headings = forms.CharField(
        label=_("Sections"),
        required=False,
        max_length=4000,
        help_text=_("One heading a line. Empty: the outline is found from topic and sources."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    keywords = forms.CharField(label=_("Keywords"), max_length=500, required=False, help_text=_("Separated by commas."))
    use = forms.ChoiceField(
        label=_("Sources"),
        initial=USE_ALL,
        choices=(
            (USE_ALL, _("All sources of the workspace")),
            (USE_SOME, _("Only these")),
            (USE_NONE, _("No sources")),
        ),
        widget=forms.RadioSelect,
    )
    sources = forms.MultipleChoiceField(label=_("Sources to use"), required=False)
    key = forms.CharField(max_length=60, widget=forms.HiddenInput)

    def __init__(self, *args: Any, sources: Iterable[tuple[uuid.UUID, str]] = (), **kwargs: Any) -> None:
        """Offer the given sources (id, title) for choosing."""
        super().__init__(*args, **kwargs)
        self.fields["sources"].choices = [(str(pk), title) for pk, title in sources]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Sources must be named when only some are to be used."""
        cleaned = super().clean() or {}
        if cleaned.get("use") == USE_SOME and not cleaned.get("sources"):
            self.add_error("use", _("No source is chosen. Tick at least one, or use all of them."))
        return cleaned

    def brief(self) -> dict[str, Any]:
        """The brief as `services.generation.start_generation` takes it."""
        cleaned = self.cleaned_data
        wishes = [
            f"Write a text of the kind '{dict(KINDS)[cleaned['kind']]}' about: {cleaned['topic'].strip()}",
            f"Use these keywords where they fit: {cleaned['keywords']}." if cleaned["keywords"] else "",
        ]
        return {
            "topic": cleaned["topic"].strip(),
            "instruction": "\n".join(wish for wish in wishes if wish),
            "audience": cleaned["audience"],
            "tone": cleaned["tone"],
            "length": int(cleaned["length"]),
            "language": cleaned["language"],
            "title": cleaned["title"],
            "headings": [line.strip() for line in cleaned["headings"].splitlines() if line.strip()],
        }

    def source_ids(self) -> list[str] | None:
        """None for the whole workspace, else the chosen ones."""
        if self.cleaned_data["use"] == USE_ALL:
            return None
        return list(self.cleaned_data["sources"]) if self.cleaned_data["use"] == USE_SOME else []


class DocumentForm(forms.Form):
    """The editor."""

    title = forms.CharField(label=_("Title"), max_length=300, required=False)
    body = forms.CharField(label=_("Text"), required=False, widget=ProseWidget)


class MarkdownForm(forms.Form):
    """The text as Markdown: for people who prefer it, and for browsers without JavaScript."""

    title = forms.CharField(label=_("Title"), max_length=300, required=False)
    body = forms.CharField(
        label=_("Text"), required=False, strip=False, widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "true"})
    )
    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    # What the text was when the page was opened: by it a save that comes too late can be merged.
    base_title = forms.CharField(required=False, widget=forms.HiddenInput)
    base_body = forms.CharField(required=False, strip=False, widget=forms.Textarea(attrs={"hidden": True}))


class TextSourceForm(forms.Form):
    """Pasted text as a source."""

    title = forms.CharField(label=_("Name"), max_length=300)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))


SCHEDULES = (
    ("", _("Only when asked")),
    ("24", _("Every day")),
    ("168", _("Every week")),
    ("720", _("Every 30 days")),
)


class OriginalForm(forms.Form):
    """A web page or a document as a source."""

    url = forms.CharField(
        label=_("Address of a web page"),
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "url", "placeholder": "https://", "autocomplete": "url"}),
    )
    document = forms.ChoiceField(label=_("Or one of your documents"), required=False)
    refresh_hours = forms.ChoiceField(
        label=_("Look at it again"),
        choices=SCHEDULES,
        required=False,
        help_text=_("It is read anew only when it has changed."),
    )

    def __init__(self, *args: Any, documents: Iterable[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the given documents (id, title) for choosing."""
        super().__init__(*args, **kwargs)
        self.fields["document"].choices = [("", "—"), *documents]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """One of the two must be given."""
        cleaned = super().clean() or {}
        if bool(cleaned.get("url")) == bool(cleaned.get("document")):
            self.add_error("url", _("Give the address of a page, or choose a document; one of the two."))
        return cleaned
