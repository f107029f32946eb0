"""What programs could send."""

from __future__ import annotations

from tests.web.permissions import Json

BODIES = {"POST mcp": lambda people: Json({"jsonrpc": "2.0", "id": 1, "method": "ping"})}
