"""The editor's one form widget: Markdown in the database and in Python, HTML between the browser and this widget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django_prose_editor.widgets import importmap
from js_asset import Media, Script

from apps.content.markup import markdown


class ProseWidget(forms.Textarea):
    """A textarea that our module `js/editor/main.js` turns into a prose editor.

    The editor library comes from django-prose-editor; toolbar, dialogs and extensions are ours, so neither its menu nor
    its icon font is loaded. Whatever arrives is cleaned on the server: a request may skip the editor.
    """

    @property
    def media(self) -> Media:
        """The import map by which our modules find the library, and the module that starts it."""
        return Media(
            importmap=importmap,
            css={"all": ["css/prose.css", "css/editor.css"]},
            js=[Script("js/editor/main.js", type="module")],
        )

    def format_value(self, value: Any) -> str:
        """HTML of the stored Markdown."""
        return markdown.to_html(value or "")

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> str:
        """Markdown of what the editor sent."""
        return markdown.to_markdown(data.get(name) or "")
