"""The OpenAPI description as it is served: made once and written once, since it is 1 MB and the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request


class KeptGenerator(SchemaGenerator):
    """Describes the API once a process and language: routes do not change while it runs, and it takes most of a second."""

    kept: ClassVar[dict[str, dict[str, Any]]] = {}

    def get_schema(self, request: Request | None = None, public: bool = False) -> dict[str, Any]:
        """The description, which does not depend on who asks."""
        language = get_language() or ""
        if language not in self.kept:
            self.kept[language] = super().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return self.kept[language]


class KeptYamlRenderer(OpenApiYamlRenderer):
    """Writes each kept description once: half a second of processor time."""

    _texts: ClassVar[dict[int, bytes]] = {}

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The text of a description, or of an error."""
        if text := self._texts.get(id(data)):
            return text
        made: bytes = super().render(data, accepted_media_type, renderer_context)  # type: ignore[no-untyped-call]
        if any(data is kept for kept in KeptGenerator.kept.values()):  # which lives as long as its number is used here
            self._texts[id(data)] = made
        return made


class KeptYamlRenderer2(KeptYamlRenderer):
    """The same by YAML's own name."""

    media_type = OpenApiYamlRenderer2.media_type


class SchemaView(SpectacularAPIView):
    """The description, as YAML or JSON."""

    renderer_classes = [KeptYamlRenderer, KeptYamlRenderer2, OpenApiJsonRenderer, OpenApiJsonRenderer2]
    generator_class = KeptGenerator
