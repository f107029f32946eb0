"""A Django form out of a plugin's schema. Secrets go in and never come out again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from django import forms

from aiwriter_sdk import ConfigField, ConfigSchema
from aiwriter_sdk.checks import MAX_TEXT, read_options

_CLEAR = "clear_"


class OptionsForm(forms.Form):
    """Base of the forms that `options_form` makes.

    After `is_valid()`: `options()` are the values to store, `new_secrets()` the secrets that were typed, by name, and
    `cleared_secrets()` the names of stored secrets to forget. A secret in none of the two stays as it is.
    """

    schema: ClassVar[ConfigSchema] = ConfigSchema()
    present: ClassVar[frozenset[str]] = frozenset()

    def clean(self) -> dict[str, Any]:
        """Hold the values to the rules that the host holds stored options to, so that both always agree."""
        cleaned = super().clean() or {}
        secrets = {
            name: cleaned.get(name) or ("kept" if name in self.present else "") for name in self.schema.secret_names
        }
        given = {name: value for name, value in self._values(cleaned).items() if name not in self.errors}
        for problem in read_options(self.schema, given, secrets)[1]:
            if problem.field in self.fields and problem.field not in self.errors:
                self.add_error(problem.field, f"{problem.problem} {problem.remedy}".strip())
        return cleaned

    def _values(self, cleaned: Mapping[str, Any]) -> dict[str, object]:
        plain = (field.name for field in self.schema.fields if field.type != "secret")
        return {name: cleaned[name] for name in plain if cleaned.get(name) not in (None, "")}

    def options(self) -> dict[str, object]:
        """Values by name as JSON can hold them; empty ones are left out, so that later defaults of the plugin apply."""
        return self._values(self.cleaned_data)

    def new_secrets(self) -> dict[str, str]:
        """Secrets that were typed now."""
        return {name: self.cleaned_data[name] for name in self.schema.secret_names if self.cleaned_data.get(name)}

    def cleared_secrets(self) -> frozenset[str]:
        """Stored secrets that the operator asked to forget."""
        typed = self.new_secrets()
        return frozenset(n for n in self.present if self.cleaned_data.get(f"{_CLEAR}{n}") and n not in typed)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings, in the order of the schema; the first heading may be empty."""
        found: dict[str, list[forms.BoundField]] = {}
        for field in self.schema.fields:
            rows = found.setdefault(field.group, [])
            rows.append(self[field.name])
            if f"{_CLEAR}{field.name}" in self.fields:
                rows.append(self[f"{_CLEAR}{field.name}"])
        return list(found.items())


def options_form(
    schema: ConfigSchema, *, options: Mapping[str, object] | None = None, present_secrets: Collection[str] = ()
) -> type[OptionsForm]:
    """A form class for a profile.

    Args:
        schema: the plugin's form.
        options: stored values to show; the plugin's defaults where there are none.
        present_secrets: names of the secrets that are stored; their fields may stay empty, which keeps them.
    """
    present = frozenset(present_secrets) & schema.secret_names
    fields: dict[str, forms.Field] = {}
    for field in schema.fields:
        stored = (options or {}).get(field.name, field.default)
        fields[field.name] = _form_field(field, stored, present=field.name in present)
        if field.name in present and not field.required:
            fields[f"{_CLEAR}{field.name}"] = forms.BooleanField(label=f"Forget: {field.label}", required=False)
    # Django takes the fields out of the class body, so a plugin may name one "clean" or "schema" without harm.
    made: type[OptionsForm] = type("PluginOptionsForm", (OptionsForm,), dict(fields))
    made.schema, made.present = schema, present
    return made


def _form_field(field: ConfigField, stored: object, *, present: bool) -> forms.Field:
    # A field with a default may be left empty: the default then applies.
    common: dict[str, Any] = {
        "label": field.label,
        "help_text": field.help,
        "required": field.required and field.default is None and not present,
    }
    if field.type == "secret":
        if present:
            common["help_text"] = f"{field.help} One is stored; leave this empty to keep it.".strip()
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"})
        return forms.CharField(widget=widget, max_length=MAX_TEXT, **common)
    common["initial"] = stored
    if field.type == "bool":
        return forms.BooleanField(**{**common, "required": False})
    if field.type == "choice":
        empty = [] if common["required"] else [("", "—")]
        return forms.ChoiceField(choices=[*empty, *((c, c) for c in field.choices)], **common)
    if field.type == "int":
        least, most = _whole(field.minimum), _whole(field.maximum)
        return forms.IntegerField(min_value=least, max_value=most, **common)
    if field.type == "float":
        return forms.FloatField(min_value=field.minimum, max_value=field.maximum, **common)
    if field.type == "url":
        attributes = {"inputmode": "url", "spellcheck": "false", "placeholder": "https://"}
        return forms.CharField(widget=forms.TextInput(attrs=attributes), max_length=MAX_TEXT, **common)
    return forms.CharField(max_length=MAX_TEXT, **common)


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
