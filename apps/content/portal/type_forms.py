"""Forms of content types: a brief made from its schema, and the form that changes a type."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.content.models import ContentType
from apps.content.portal.forms import LANGUAGES, TONES, USE_ALL, USE_NONE, USE_SOME
from apps.content.services.type_seeds import field_of

FIELD_KINDS = (
    ("text", gettext_lazy("Text")),
    ("long", gettext_lazy("Long text")),
    ("lines", gettext_lazy("List, one a line")),
    ("choices", gettext_lazy("Choice")),
    ("number", gettext_lazy("Number")),
    ("choice", gettext_lazy("Yes or no")),
    ("url", gettext_lazy("Address of the web")),
    ("page", gettext_lazy("Page to be read")),
)
ROWS = 12


class TypeBriefForm(forms.Form):
    """What a writer says before a text of one type is written. The type's own fields come first.

    Only their shape is made here; what they may hold is judged by the service, which names the field and the remedy.
    """

    audience = forms.CharField(label=gettext_lazy("Audience"), max_length=300, required=False)
    tone = forms.ChoiceField(label=gettext_lazy("Tone"), choices=TONES, required=False)
    length = forms.IntegerField(label=gettext_lazy("Length in words"), required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES)
    title = forms.CharField(label=gettext_lazy("Title of the document"), max_length=300, required=False)
    use = forms.ChoiceField(
        label=gettext_lazy("Sources"),
        choices=(
            (USE_ALL, gettext_lazy("All sources of the workspace")),
            (USE_SOME, gettext_lazy("Only these")),
            (USE_NONE, gettext_lazy("No sources")),
        ),
        widget=forms.RadioSelect,
        required=False,
    )
    sources = forms.MultipleChoiceField(label=gettext_lazy("Sources to use"), required=False)
    key = forms.CharField(max_length=60, widget=forms.HiddenInput, required=False)

    def __init__(
        self, *args: Any, content_type: ContentType, sources: Iterable[tuple[uuid.UUID, str]] = (), **kwargs: Any
    ) -> None:
        """Add the fields of the type."""
        super().__init__(*args, **kwargs)
        self.schema = content_type.fields
        properties = self.schema["properties"]
        self.own = list(self.schema["x-order"])
        for name in self.own:
            self.fields[name] = _field(properties[name], required=name in self.schema["required"])
        if "length" not in properties:
            self.fields["length"].initial = content_type.length
        self.fields["sources"].choices = [(str(pk), title) for pk, title in sources]  # type: ignore[attr-defined]
        # A required mark is for people; the service says what is missing in the type's own words.
        for field in self.fields.values():
            field.required = False

    @property
    def type_fields(self) -> list[tuple[forms.BoundField, bool]]:
        """The type's own fields in its order, and whether each must be filled in."""
        return [(self[name], name in self.schema["required"]) for name in self.own]

    @property
    def common_fields(self) -> list[forms.BoundField]:
        """What every brief asks for, as far as the type does not ask itself."""
        return [self[name] for name in ("audience", "tone", "length", "language", "title") if name not in self.own]

    def clean(self) -> dict[str, Any]:
        """Sources must be named when only some are to be used."""
        cleaned = super().clean() or {}
        if cleaned.get("use") == USE_SOME and not cleaned.get("sources"):
            self.add_error("use", _("No source is chosen. Tick at least one, or use all of them."))
        return cleaned

    def values(self) -> dict[str, Any]:
        """The brief as `services.content_types.start_from_type` takes it; what the writer emptied stays empty."""
        names = [*self.own, *(field.name for field in self.common_fields)]
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def source_ids(self) -> list[str] | None:
        """None for the whole workspace, else the chosen ones."""
        use = self.cleaned_data["use"] or USE_ALL
        return None if use == USE_ALL else list(self.cleaned_data["sources"]) if use == USE_SOME else []


class TypeForm(forms.Form):
    """A content type: what it is called, what the model is told, and up to twelve fields of its brief."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    category = forms.ChoiceField(
        label=gettext_lazy("Category"), choices=ContentType.Category.choices, initial=ContentType.Category.OTHER
    )
    description = forms.CharField(label=gettext_lazy("Description"), max_length=400, required=False)
    instructions = forms.CharField(
        label=gettext_lazy("Instructions"),
        widget=forms.Textarea(attrs={"rows": 9, "spellcheck": "true"}),
        help_text=gettext_lazy(
            "What the model is told. {name} stands for a field below; a line whose field was left empty is left out."
        ),
    )
    writes = forms.ChoiceField(label=gettext_lazy("What it writes"), choices=ContentType.Writes.choices)
    length = forms.IntegerField(label=gettext_lazy("Usual length in words"), initial=700)
    is_active = forms.BooleanField(label=gettext_lazy("Offered in the gallery"), required=False, initial=True)
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)


class FieldForm(forms.Form):
    """One field of a brief; without a name it is an empty row."""

    key = forms.CharField(label=gettext_lazy("Name in the instructions"), max_length=40, required=False)
    title = forms.CharField(label=gettext_lazy("Question"), max_length=120, required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=FIELD_KINDS, required=False)
    choices = forms.CharField(label=gettext_lazy("Choices, separated by commas"), max_length=2000, required=False)
    default = forms.CharField(label=gettext_lazy("Filled in beforehand"), max_length=300, required=False)
    required = forms.BooleanField(label=gettext_lazy("Must be filled in"), required=False)


FieldFormSet = forms.formset_factory(FieldForm, extra=3, max_num=ROWS)


def schema_of(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The JSON Schema that the rows of a `FieldFormSet` describe; judged by the service."""
    properties, required = {}, []
    for row in rows:
        key = (row.get("key") or "").strip()
        if not key:
            continue
        kind = row.get("kind") or "text"
        short: dict[str, Any] = {"title": row.get("title") or "", "kind": kind, "default": row.get("default", "")}
        if kind in ("long", "choices"):
            short["kind"] = "text"
        if kind == "long":
            short |= {"lines": 4, "max": 20_000}
        if kind == "choices":
            short["choices"] = [each.strip() for each in row.get("choices", "").split(",") if each.strip()] or [""]
        if kind == "choice":
            short["default"] = row.get("default", "").strip().lower() in ("yes", "true", "1") or ""
        properties[key] = field_of(short)
        if row.get("required"):
            required.append(key)
    return {"properties": properties, "required": required, "x-order": list(properties)}


def rows_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema as the rows of a `FieldFormSet`."""
    rows = []
    for name in schema.get("x-order", ()):
        field = schema["properties"][name]
        default = field.get("default", "")
        rows.append(
            {
                "key": name,
                "title": field["title"],
                "kind": _kind(field),
                "choices": ", ".join(field.get("enum", ())),
                "default": "; ".join(default) if isinstance(default, list) else str(default),
                "required": name in schema["required"],
            }
        )
    return rows


def _kind(field: dict[str, Any]) -> str:
    if field["type"] != "string":
        return {"array": "lines", "integer": "number", "boolean": "choice"}[field["type"]]
    if field.get("format"):
        return "page" if field.get("x-page") else "url"
    return "choices" if "enum" in field else "long" if field["x-lines"] > 1 else "text"


def _field(given: dict[str, Any], *, required: bool) -> forms.Field:
    common: dict[str, Any] = {
        "label": given["title"],
        "help_text": given.get("description", ""),
        "initial": given.get("default"),
    }
    attrs: dict[str, Any] = {"placeholder": given["examples"][0]} if given.get("examples") else {}
    if required:
        attrs["aria-required"] = "true"
    if given["type"] == "boolean":
        return forms.BooleanField(**common, widget=forms.CheckboxInput(attrs=attrs))
    if "enum" in given:
        choices = [(each, each) for each in given["enum"]]
        return forms.ChoiceField(**common, choices=[("", "—"), *choices], widget=forms.Select(attrs=attrs))
    if given["type"] == "integer":
        limits = {new: given[old] for old, new in (("minimum", "min"), ("maximum", "max")) if old in given}
        return forms.CharField(**common, widget=forms.NumberInput(attrs=attrs | limits))
    if given["type"] == "array":
        if isinstance(common["initial"], list):
            common["initial"] = "\n".join(common["initial"])
        return forms.CharField(**common, widget=forms.Textarea(attrs={"rows": 4, **attrs}))
    if given["x-lines"] > 1:
        return forms.CharField(
            **common,
            strip=False,
            widget=forms.Textarea(attrs={"rows": given["x-lines"], "spellcheck": "true", **attrs}),
        )
    if given.get("format") == "uri":
        return forms.CharField(**common, widget=forms.URLInput(attrs=attrs))
    return forms.CharField(**common, widget=forms.TextInput(attrs=attrs))
