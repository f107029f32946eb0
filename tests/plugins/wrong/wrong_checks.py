"""Health checks that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

from aiwriter_sdk import Health, HealthCheck
from aiwriter_sdk.calls import opened, read_json, status_error


class Right(HealthCheck):
    async def health(self, *, control):
        url = self.config.text("location")
        async with opened(self.context.http, "GET", url, control=control) as response:
            if response.status_code != 200:
                raise status_error(response.status_code, headers=response.headers)
            free = (await read_json(response, control=control))["free"]
        return Health(status="ok", detail=f"{free} are free.", data={"free": float(free)})


class SaysNothing(Right):
    async def health(self, *, control):
        return Health(status=(await super().health(control=control)).status)


class OddFigures(Right):
    async def health(self, *, control):
        await super().health(control=control)
        return Health(status="ok", detail="Well.", data={"Free %": float("nan")})


class SeesNothing(HealthCheck):
    async def health(self, *, control):
        return Health(status="ok", detail="Well.")


class Wavers(Right):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.turns = 0

    async def health(self, *, control):
        found = await super().health(control=control)
        self.turns += 1
        return Health(status="warn", detail="Perhaps.") if self.turns == 2 else found
