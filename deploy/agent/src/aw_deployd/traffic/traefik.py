"""Traefik: a static file that it starts with, a dynamic one that it watches, and its API on a port of the loopback."""

from __future__ import annotations

import json
from typing import Any

from aw_deployd import web
from aw_deployd.traffic import PROBE_HEADER, Shares, write
from aw_deployd.traffic.files import FromFiles, cookie_below


class Traefik(FromFiles):
    """The driver; `options.api` of the environment is host:port of Traefik's API."""

    @property
    def _api(self) -> str:
        return str(self.environment.options["api"])

    def render(self, shares: Shares) -> None:
        """Both files; JSON is YAML."""
        static = {
            "entryPoints": {
                "web": {
                    "address": self.environment.listen,
                    "transport": {"respondingTimeouts": {"readTimeout": "0s", "idleTimeout": "75s"}},
                },
                "traefik": {"address": self._api},
            },
            "api": {"insecure": True, "dashboard": False},
            "providers": {
                "file": {"filename": str(self.folder / "traefik.dynamic.yml"), "watch": True},
                "providersThrottleDuration": "200ms",
            },
            "accessLog": {"filePath": str(self.access), "format": "json"},
            "log": {"level": "WARN"},
            "serversTransport": {"maxIdleConnsPerHost": -1},
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        }
        write(self.folder / "traefik.yml", json.dumps(static, indent=1))
        write(self.folder / "traefik.dynamic.yml", json.dumps(self._dynamic(shares), indent=1))

    def _dynamic(self, shares: Shares) -> dict[str, Any]:
        check = {
            "path": "/readyz",
            "interval": "500ms",
            "timeout": "5s",
            "headers": {"Host": self.environment.host_header},
        }
        services: dict[str, Any] = {
            slot.name: {"loadBalancer": {"servers": [{"url": f"http://{slot.address}"}], "healthCheck": check}}
            for slot in self.environment.slots
        }
        # Without a check of its own for each slot: what is pinned must answer as it is.
        services |= {
            f"pin-{slot.name}": {"loadBalancer": {"servers": [{"url": f"http://{slot.address}"}]}}
            for slot in self.environment.slots
        }
        # Without healthCheck a weighted service goes on sending to one that is down.
        services["base"] = {
            "weighted": {
                "healthCheck": {},
                "services": [
                    {"name": name, "weight": weight} for name, weight in sorted(shares.base.items()) if weight
                ],
            }
        }
        # When the checks say that nobody is there: a version that is merely busy, or will be started again in a moment, is
        # worth the wait. Without it Traefik turned everybody away at once.
        services["anyway"] = {
            "weighted": {
                "services": [
                    {"name": f"pin-{name}", "weight": weight} for name, weight in sorted(shares.base.items()) if weight
                ]
            }
        }
        # Whoever serves a part of the people has been found good, and takes all of them while the others are down.
        spare = "anyway"
        if shares.canary:
            spare = "canary-or-anyway"
            services[spare] = {"failover": {"service": shares.canary, "fallback": "anyway"}}
        services["everybody"] = {"failover": {"service": "base", "fallback": spare}}
        routers: dict[str, Any] = {
            f"probe-{slot.name}": {
                "rule": f"Header(`{PROBE_HEADER}`, `{self.secret}:{slot.name}`)",
                "priority": 1000,
                "service": f"pin-{slot.name}",
                "entryPoints": ["web"],
                "middlewares": ["unlabelled"],
            }
            for slot in self.environment.slots
        }
        more = ["unlabelled", "again"]
        routers["everybody"] = {
            "rule": "PathPrefix(`/`)",
            "priority": 1,
            "service": "everybody",
            "entryPoints": ["web"],
            "middlewares": more,
        }
        if shares.canary:
            services["people"] = {"failover": {"service": shares.canary, "fallback": "everybody"}}
            routers["people"] = {
                "rule": f"HeaderRegexp(`Cookie`, `{cookie_below(shares.percent)}`)",
                "priority": 100,
                "service": "people",
                "entryPoints": ["web"],
                "middlewares": more,
            }
        middlewares = {
            # Only what no version has got yet; some 20 s, for a version that is started again.
            "again": {"retry": {"attempts": 140, "initialInterval": "100ms"}},
            # The secret is for the proxy alone.
            "unlabelled": {"headers": {"customRequestHeaders": {PROBE_HEADER: ""}}},
        }
        return {"http": {"routers": routers, "services": services, "middlewares": middlewares}}

    def command(self) -> list[str]:
        """In the foreground."""
        return [self.environment.binary or "traefik", f"--configFile={self.folder / 'traefik.yml'}"]

    def reload(self) -> None:
        """Traefik watches the file."""

    def read_shares(self) -> Shares | None:
        """From the routers and services that Traefik says it runs, all of one moment."""
        answer = web.ask(self._api, "/api/rawdata", timeout=5)
        if answer.status != 200:
            return None
        found = json.loads(answer.body)
        services, routers = found.get("services", {}), found.get("routers", {})
        if "base@file" not in services:
            return None
        weights = {
            each["name"].partition("@")[0]: each["weight"] for each in services["base@file"]["weighted"]["services"]
        }
        if "people@file" not in routers:
            return Shares(weights)
        rule = routers["people@file"]["rule"]
        canary = services["people@file"]["failover"]["service"].partition("@")[0]
        percent = next((each for each in range(1, 100) if cookie_below(each) in rule), 0)
        return Shares(weights, canary, percent)

    def parse(self, line: str) -> tuple[str, int, float] | None:
        """A line of JSON; those of probes have a router of their own."""
        try:
            found = json.loads(line)
            if found["RouterName"].startswith("probe-"):
                return None
            return found["ServiceAddr"], int(found["DownstreamStatus"]), found["Duration"] / 1e6
        except (ValueError, KeyError):
            return None
