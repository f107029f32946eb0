"""The OpenAPI description: every operation also documents how it fails."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, is_serializer
from drf_spectacular.utils import Direction

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


_HEADER = {"type": "integer", "minimum": 0}
# Of every answer to somebody who is signed in, unless the operator has switched the limits off.
RATE_HEADERS = {
    "X-RateLimit-Limit": {"description": "Requests a minute.", "schema": _HEADER},
    "X-RateLimit-Remaining": {"description": "Requests that may come at once.", "schema": _HEADER},
    "X-RateLimit-Reset": {"description": "Seconds until all may come at once again.", "schema": _HEADER},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body makes one thing, not two, and gets the same answer for 24 hours.",
    "schema": {"type": "string", "maxLength": 128},
}
_EVENTS = "/api/v1/generations/{generation_id}/events"


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """The last hand on the description: what drf-spectacular cannot see.

    Choices stay where they are used. As components of their own the many fields named `state`, `status` and `kind` would
    get names by chance, which change whenever somebody adds another one.
    """
    _without(result, "x-spec-enum-id")
    like = result["paths"].get(_EVENTS.removesuffix("/events"))
    if like is None:
        return result  # a part of the API only
    codes = ("400", "401", "403", "404", "405")
    failures = {code: answer for code, answer in like["get"]["responses"].items() if code in codes}
    result["paths"][_EVENTS] = {
        "get": {
            "operationId": "generations_events",
            "description": "Follow it as server-sent events. The id of an event is its number; the stream goes on behind "
            "the one that Last-Event-ID or `after` names. docs/api tells each event's data.",
            "tags": ["generations"],
            "parameters": [
                {
                    "name": "generation_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                },
                {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                {"name": "ticket", "in": "query", "schema": {"type": "string"}},
                {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}},
            ],
            "security": [{"token": []}, {"session": []}],
            "responses": {
                "200": {"description": "Events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                **failures,
            },
        }
    }
    _shared_failures(result)
    return result


def _shared_failures(result: dict[str, Any]) -> None:
    """Say once how each status looks; it is the same for every operation."""
    shared = result["components"].setdefault("responses", {})
    for operations in result["paths"].values():
        for operation in operations.values():
            for code, answer in operation["responses"].items():
                name = f"Error{code}"
                if code >= "400" and shared.setdefault(name, answer) == answer:
                    operation["responses"][code] = {"$ref": f"#/components/responses/{name}"}


def _without(value: Any, name: str) -> None:
    if isinstance(value, dict):
        value.pop(name, None)
        for each in value.values():
            _without(each, name)
    elif isinstance(value, list):
        for each in value:
            _without(each, name)


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
        retry = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        operation["responses"]["429"]["headers"] = {"Retry-After": retry, **RATE_HEADERS}
        parameters = operation.setdefault("parameters", [])
        if self._is_idempotent() and all(each["name"] != _KEY["name"] for each in parameters):
            parameters.append(_KEY)
        return operation

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        """A DELETE that tells what has become of the thing answers 200; drf-spectacular describes each as 204."""
        answer = self.get_response_serializers()
        if self.method == "DELETE" and is_serializer(answer):
            return {"200": self._get_response_for_code(answer, "200", direction=direction)}  # type: ignore[no-untyped-call]
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        return bodies

    def _is_idempotent(self) -> bool:
        handler = getattr(self.view, self.method.lower(), None)
        return bool(getattr(handler, "idempotent", False))

    def get_tags(self) -> list[str]:
        """The collection that the path begins with."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]
