"""The description of the API: complete, without a warning, and the one that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.house import api

# Answers hold a secret that is shown once and must not be kept; or asking twice does what asking once does.
WITHOUT_A_KEY = {
    "tokens_create",
    "users_tokens_create",
    "api_keys_create",
    "webhooks_create",
    "files_link",
    "content_share_links_create",
    "backup_destinations_create",
    "invitations_send",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """As it is served."""
    return api.schema()


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_what_is_kept_is_what_is_served():
    for path, text in api.current().items():
        assert path.read_text(encoding="utf-8") == text, api.HINT


def test_every_operation_says_what_it_does(schema: dict[str, Any]):
    assert schema["openapi"].startswith("3.1")
    silent = [f"{method} {path}" for path, method, operation in _operations(schema) if not operation.get("description")]
    assert silent == []


def test_every_operation_tells_how_it_is_refused(schema: dict[str, Any]):
    for path, method, operation in _operations(schema):
        missing = {"400", "401", "403", "404", "405"} - set(operation["responses"])
        assert not missing or path == "/api/v1/schema", f"{method} {path}: {missing}"


def test_what_makes_something_takes_an_idempotency_key(schema: dict[str, Any]):
    without = [
        operation["operationId"]
        for _, method, operation in _operations(schema)
        if method == "post"
        and "201" in operation["responses"]
        and all(each["name"] != "Idempotency-Key" for each in operation.get("parameters", []))
    ]
    assert set(without) <= WITHOUT_A_KEY, "wrap their methods in @idempotent"


def test_a_delete_that_answers_with_a_body_is_described_with_it(schema: dict[str, Any]):
    answers = schema["paths"]["/api/v1/share-links/{link_id}"]["delete"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/ShareLinkOutput")
    assert "204" not in answers
