"""The Gateway API: an HTTPRoute whose rules say who gets which slot. Works with whatever gateway the cluster has.

People are told apart by the number in their cookie, with a pattern on the Cookie header; patterns are an optional part of the
standard, so a gateway without them is told by `[options] cookies = false` and gets weights instead: requests, not people.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aw_deployd import web
from aw_deployd.cluster import HTTP_ROUTES, Object
from aw_deployd.environment import Environment
from aw_deployd.traffic import PROBE_HEADER, Shares
from aw_deployd.traffic.files import numbers_below
from aw_deployd.traffic.kubernetes import InCluster

_EVERYWHERE = {"type": "PathPrefix", "value": "/"}
_ANSWER_SECONDS = 5.0
# Weights of a canary by requests add up to this; without one they add up to 100. So the two are told apart.
_OF_TEN_THOUSAND = 10_000


class Gateway(InCluster):
    """The driver.

    Args:
        environment: `listen` is the gateway's address, HOST:PORT or https://HOST:PORT, and `host_header` a name of the route.
    """

    kind = HTTP_ROUTES

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.by_people = bool(environment.options.get("cookies", True))

    # ------------------------------------------------------------ rules
    def rules(self, shares: Shares) -> list[Object]:
        """All of them. Of two that match with one header each the earlier counts, so the probes' are first."""
        found = [
            self._rule([self._ref(slot.name)], PROBE_HEADER, f"{self.secret}:{slot.name}") for slot in self._slots()
        ]
        base = [self._ref(slot, weight) for slot, weight in shares.base.items() if weight]
        if shares.canary and self.by_people:
            found.append(self._rule([self._ref(shares.canary)], "Cookie", cookie_pattern(shares.percent)))
        elif shares.canary:
            base = [self._ref(shares.canary, shares.percent * 100)]
            base += [self._ref(slot, weight * (100 - shares.percent)) for slot, weight in shares.base.items() if weight]
        found.append(self._rule(base))
        return found

    def _slots(self) -> tuple[Any, ...]:
        return self.environment.slots

    def _ref(self, slot: str, weight: int = 100) -> Object:
        return {
            "group": "",
            "kind": "Service",
            "name": self.service_of(slot),
            "port": int(self.environment.options.get("service_port", 80)),
            "weight": weight,
        }

    @staticmethod
    def _rule(refs: list[Object], header: str = "", value: str = "") -> Object:
        match: Object = {"path": _EVERYWHERE}
        if header:
            kind = "RegularExpression" if header == "Cookie" else "Exact"
            match["headers"] = [{"type": kind, "name": header, "value": value}]
        rule: Object = {"matches": [match], "backendRefs": refs}
        if header != PROBE_HEADER:
            # Nobody but the agent marks a request as a probe.
            rule["filters"] = [
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [PROBE_HEADER]}},
            ]
        return rule

    def put(self, found: Object, shares: Shares) -> None:
        """The rules; hosts and parents stay as the chart wrote them."""
        found["spec"]["rules"] = self.rules(shares)

    def render(self, shares: Shares) -> None:
        """The rules of what is so, with the secret of the probes, which the chart does not know."""

        def edit(found: Object) -> bool:
            self._write(found, self._written(found) or shares)
            return True

        self.cluster.change(self.kind, self.name, edit)

    # ------------------------------------------------------------ observing
    def shares(self) -> Shares | None:
        """As written, also while no gateway has taken it yet."""
        return self._written(self.cluster.get(self.kind, self.name))

    def read(self, found: Object) -> Shares | None:
        """The rules, once every gateway says that it works by them; None before."""
        meta, parents = found["metadata"], (found.get("status") or {}).get("parents") or []
        if not parents or not all(_taken(parent, int(meta.get("generation", 0))) for parent in parents):
            return None
        return self._written(found)

    def _written(self, found: Object) -> Shares | None:
        names = {self.service_of(slot.name): slot.name for slot in self.environment.slots}
        base: dict[str, int] = {}
        canary, percent = "", 0
        for rule in found["spec"].get("rules") or []:
            weights = {names.get(ref["name"], ""): int(ref.get("weight", 1)) for ref in rule.get("backendRefs") or []}
            headers = rule["matches"][0].get("headers") or []
            if not headers:
                base = {slot: weight for slot, weight in weights.items() if weight}
            elif headers[0]["name"] == "Cookie":
                canary, percent = next(iter(weights), ""), _patterns().get(headers[0]["value"], 0)
        if "" in base or (canary and not percent):
            return None
        if sum(base.values()) == _OF_TEN_THOUSAND and not canary:
            canary, weight = next(iter(base.items()))
            percent = weight // 100
            base = {slot: each // (100 - percent) for slot, each in base.items() if slot != canary}
        total = sum(base.values())
        if not total:
            return None
        if total != 100:
            # As the chart may have written it.
            base = {slot: weight * 100 // total for slot, weight in base.items()}
            base[next(iter(base))] += 100 - sum(base.values())
        return Shares(base, canary, percent)

    def _is_up(self, slot: str) -> bool:
        """As the cluster sees it, and then through the gateway: it hears of new pods a little later."""
        if not super()._is_up(slot):
            return False
        headers = {"Host": self.environment.host_header, **self.probe_headers(slot)}
        return web.ask(self.environment.listen, "/readyz", headers=headers, timeout=_ANSWER_SECONDS).status == 200


def cookie_pattern(percent: int) -> str:
    """For the whole Cookie header: some gateways want a pattern of all of it, some of a part."""
    return rf"^(.*;\s*)?aw_bucket={numbers_below(percent)}(;.*)?$"


@cache
def _patterns() -> dict[str, int]:
    return {cookie_pattern(percent): percent for percent in range(1, 100)}


def _taken(parent: Object, generation: int) -> bool:
    found = {each["type"]: each for each in parent.get("conditions") or []}
    return all(
        name in found
        and found[name]["status"] == "True"
        and int(found[name].get("observedGeneration", 0)) >= generation
        for name in ("Accepted", "ResolvedRefs")
    )
