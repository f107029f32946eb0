"""Caddy: one JSON configuration, loaded through its admin socket, read back from it, and kept in a file for its next start."""

from __future__ import annotations

import json
from typing import Any

from aw_deployd import web
from aw_deployd.errors import DeployError
from aw_deployd.traffic import PROBE_HEADER, Shares, write
from aw_deployd.traffic.files import FromFiles, cookie_below

# Shows in the log which version answered.
_ANSWERED = "X-Aw-Slot"


class Caddy(FromFiles):
    """The driver."""

    @property
    def _admin(self) -> str:
        return str(self.folder / "caddy.sock")

    def render(self, shares: Shares) -> None:
        """Routes: probes by their header, the canary's people by their cookie, then everybody."""
        routes = [
            self._route([slot.name], [{"header": {PROBE_HEADER: [f"{self.secret}:{slot.name}"]}}], log=False)
            for slot in self.environment.slots
        ]
        base = [name for name, weight in shares.base.items() if weight]
        if shares.canary:
            people = {"header_regexp": {"Cookie": {"pattern": cookie_below(shares.percent)}}}
            # The second address is for when the first is down.
            routes.append(self._route([shares.canary, *base], [people], first=True))
        if shares.canary and len(base) == 1:
            # Whoever serves a part of the people has been found good, and takes all of them while the other is down.
            routes.append(self._route([*base, shares.canary], [], first=True))
        else:
            routes.append(self._route(base, [], weights=[shares.base[name] for name in base]))
        host, _, port = self.environment.listen.rpartition(":")
        found = {
            # Of the shares that these routes were made from; Caddy gives its whole configuration back.
            "admin": {"listen": f"unix/{self._admin}|0600", "config": {"persist": False}},
            "logging": {
                "logs": {
                    "access": {
                        "writer": {"output": "file", "filename": str(self.access), "roll": False, "mode": "0600"},
                        "include": ["http.log.access"],
                    }
                }
            },
            "apps": {
                "http": {
                    "grace_period": "60s",
                    "servers": {
                        self._mark(shares): {
                            "listen": [f"{host}:{port}"],
                            "automatic_https": {"disable": True},
                            "idle_timeout": "75s",
                            "logs": {},
                            "routes": routes,
                        }
                    },
                }
            },
        }
        write(self.folder / "caddy.json", json.dumps(found, indent=1))

    def _route(
        self,
        names: list[str],
        match: list[dict[str, Any]],
        *,
        first: bool = False,
        weights: list[int] | None = None,
        log: bool = True,
    ) -> dict[str, Any]:
        policy: dict[str, Any] = {"policy": "first"}
        if not first and weights and len(weights) > 1:
            # It sends as many requests as the weight says to one, then to the next: with 50 and 50 a burst meets one only.
            even = max(weights) - min(weights) <= 1
            policy = {"policy": "round_robin"} if even else {"policy": "weighted_round_robin", "weights": weights}
        addresses = [self.environment.slot(name).address for name in names]
        proxy: dict[str, Any] = {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": address} for address in addresses],
            "flush_interval": -1,
            # A configuration that is replaced would cut its streams off.
            "stream_close_delay": "60s",
            "transport": {"protocol": "http", "keep_alive": {"enabled": False}, "dial_timeout": "2s"},
            "load_balancing": {"selection_policy": policy, "try_duration": "30s", "try_interval": "100ms"},
            "headers": {
                "request": {"delete": [PROBE_HEADER]},
                "response": {"set": {_ANSWERED: ["{http.reverse_proxy.upstream.hostport}"]}},
            },
        }
        if len(names) > 1:
            proxy["health_checks"] = {
                "active": {
                    "uri": "/readyz",
                    "interval": "500ms",
                    "timeout": "5s",
                    "headers": {"Host": [self.environment.host_header]},
                }
            }
        if not log:
            # A probe asks what is so now: of a slot that is empty it would wait for nothing.
            del proxy["load_balancing"]["try_duration"]
        route: dict[str, Any] = {"handle": [proxy], "terminal": True}
        if match:
            route["match"] = match
        if not log:
            route["handle"].insert(0, {"handler": "vars", "log_skip": True})
        return route

    @staticmethod
    def _mark(shares: Shares) -> str:
        base = ",".join(f"{name}={weight}" for name, weight in sorted(shares.base.items()) if weight)
        return f"{base};{shares.canary}={shares.percent}"

    def command(self) -> list[str]:
        """In the foreground."""
        return [self.environment.binary or "caddy", "run", "--config", str(self.folder / "caddy.json")]

    def reload(self) -> None:
        """Through the admin socket."""
        body = (self.folder / "caddy.json").read_bytes()
        headers = {"Content-Type": "application/json"}
        answer = web.ask(self._admin, "/load", method="POST", body=body, headers=headers, timeout=30)
        if answer.status != 200:
            raise DeployError(f"Caddy did not take the configuration: {answer.status} {answer.body.decode()[:300]}")

    def read_shares(self) -> Shares | None:
        """From the name of the server that Caddy says it runs."""
        answer = web.ask(self._admin, "/config/apps/http/servers/", timeout=5)
        if answer.status != 200:
            return None
        [mark] = json.loads(answer.body)
        base, _, canary = mark.partition(";")
        name, _, percent = canary.partition("=")
        weights = {slot: int(weight) for slot, weight in (each.split("=") for each in base.split(","))}
        return Shares(weights, name, int(percent))

    def parse(self, line: str) -> tuple[str, int, float] | None:
        """A line of JSON."""
        try:
            found = json.loads(line)
            address = found["resp_headers"][_ANSWERED][0]
            return address, int(found["status"]), float(found["duration"]) * 1000
        except (ValueError, KeyError, IndexError):
            return None
