"""Small parts of the look."""

from __future__ import annotations

import pytest
from django.utils.safestring import mark_safe

from aiwriter.core.templatetags.ui import icon, with_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Run `manage.py migrate`, or `manage.py check`.", "Run <code>manage.py migrate</code>, or <code>manage.py check</code>."),
        ("`<b>` & <script>", "<code>&lt;b&gt;</code> &amp; &lt;script&gt;"),
        ("one ` alone", "one ` alone"),
        (None, "None"),
    ],
)  # fmt: skip
def test_commands_are_shown_as_such_and_nothing_else_is_markup(text: object, shown: str) -> None:
    assert with_code(text) == shown


def test_an_icon_of_a_trusted_name_does_not_come_back_for_the_same_name_typed_by_somebody() -> None:
    name = '"><script>'
    assert name in icon(mark_safe(name))
    assert name not in icon(name)
    assert icon("home", "sm") == icon("home", "sm") != icon("home")
