"""A health check: is a model loaded on the server, and how much memory do the loaded ones take?"""

from __future__ import annotations

from aiwriter_sdk import CallControl, Health, HealthCheck
from aiwriter_sdk.calls import count, items, mapping, opened, read_json, status_error


class ExampleCheck(HealthCheck):
    """Looks at one server. What it raises counts as failing, so there is nothing to catch here."""

    async def health(self, *, control: CallControl) -> Health:
        """One look; it asks the server for what is loaded, which costs nothing."""
        url = self.config.text("base_url").rstrip("/") + "/api/ps"
        async with opened(self.context.http, "GET", url, control=control) as response:
            if response.status_code != 200:
                raise status_error(response.status_code, headers=response.headers)
            loaded = items(mapping(await read_json(response, control=control)).get("models"))
        used = float(sum(count(model.get("size")) for model in loaded))
        data = {"models": float(len(loaded)), "memory_bytes": used}
        most = self.config.number("most_gib") * 2**30
        if used > most:
            return Health(
                status="warn",
                detail=f"The loaded models take {used / 2**30:.1f} GiB.",
                remedy="Unload one, or raise the limit of this check.",
                data=data,
            )
        return Health(status="ok", detail=f"{len(loaded)} models are loaded.", data=data)
