"""The panels beside the editor. A part of the portal that brings one adds a line, a template and a module.

The template is `templates/content/panels/<key>.html`. The module, `static/js/editor/<module>.js`, exports
`start(context, section)`: `context` has `editor`, `page` (the element), `saver`, `passages`, `words` and `open(key)`;
`section` is the panel's element.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Panel:
    """One tab of the rail.

    Args:
        key: names the template; part of the element's id.
        label: words on the tab.
        icon: symbol of the sprite.
        module: name of the script; "" when the panel needs none.
    """

    key: str
    label: str | Promise
    icon: str
    module: str = ""

    @property
    def template(self) -> str:
        """The panel's inside."""
        return f"content/panels/{self.key}.html"

    @property
    def script(self) -> str:
        """Path of the module among the static files."""
        return f"js/editor/{self.module}.js"


# In the order of the tabs; the first one is open.
PANELS = (
    Panel("outline", _("Outline"), "list", "outline"),
    Panel("suggestions", _("Changes"), "spark", "suggestions"),
    Panel("comments", _("Comments"), "comment", "comments"),
    Panel("citations", _("Citations"), "quote"),
    Panel("origins", _("Origins"), "user", "origins"),
    Panel("money", _("Cost"), "pulse", "money"),
)
