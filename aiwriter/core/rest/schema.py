"""The OpenAPI description: every operation also documents how it fails."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

ERRORS = {
    400: "A value cannot be used.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "Not allowed.",
    404: "It does not exist, or you may not know that it does.",
    405: "The address does not know this method.",
    406: "Only JSON can be sent.",
    409: "The present state does not allow it.",
    413: "It is larger than the limit.",
    415: "This content type cannot be read.",
    429: "Too many requests; Retry-After says when to come back.",
    503: "A part that is needed does not answer.",
}
# Only where a view names them in `error_statuses`.
MORE_ERRORS = {
    402: "The budget does not allow it.",
    412: "It has changed since it was read.",
    507: "No space is left.",
}
_TEXT = {"type": "string"}
_DETAIL = {
    "type": "object",
    "required": ["field", "issue", "remedy"],
    "properties": {"field": _TEXT, "issue": _TEXT, "remedy": _TEXT},
}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {"code": _TEXT, "message": _TEXT, "details": {"type": "array", "items": _DETAIL}},
        },
        "request_id": _TEXT,
    },
}


class Schema(AutoSchema):
    """Adds the error answers centrally and groups operations by the first word of their path."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """One operation, its failures included."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name="Error", type=ResolvedComponent.SCHEMA, schema=ERROR_SCHEMA, object="Error"
        )
        self.registry.register_on_missing(component)
        more = {status: MORE_ERRORS[status] for status in getattr(self.view, "error_statuses", ())}
        for status, description in (ERRORS | more).items():
            answer = {"description": description, "content": {"application/json": {"schema": component.ref}}}
            operation["responses"].setdefault(str(status), answer)
        return operation

    def get_tags(self) -> list[str]:
        """The collection that the path begins with."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]
