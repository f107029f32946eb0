"""The keys of the editor, as its dialog lists them. The script `static/js/editor/shortcuts.js` and Tiptap act on them."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SHORTCUTS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (_("Save"), ("Ctrl", "S")),
    (_("Improve the selection, or the whole text"), ("Ctrl", "J")),
    (_("Insert something, or ask for something"), ("/",)),
    (_("Find"), ("Ctrl", "F")),
    (_("Find and replace"), ("Ctrl", "H")),
    (_("Focus mode"), ("Ctrl", "Shift", "F")),
    (_("Undo"), ("Ctrl", "Z")),
    (_("Redo"), ("Ctrl", "Shift", "Z")),
    (_("Bold"), ("Ctrl", "B")),
    (_("Italic"), ("Ctrl", "I")),
    (_("Strike through"), ("Ctrl", "Shift", "S")),
    (_("Link"), ("Ctrl", "K")),
    (_("Heading 1 to 4"), ("Ctrl", "Alt", "1…4")),
    (_("Text"), ("Ctrl", "Alt", "0")),
    (_("Numbered list"), ("Ctrl", "Shift", "7")),
    (_("List"), ("Ctrl", "Shift", "8")),
    (_("Quotation"), ("Ctrl", "Shift", "B")),
    (_("Code"), ("Ctrl", "Alt", "C")),
    (_("New line in the paragraph"), ("Shift", "Enter")),
    (_("To the toolbar"), ("Alt", "F10")),
    (_("These keys"), ("Ctrl", "/")),
)
