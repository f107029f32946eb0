"""The API server of Kubernetes, asked with the standard library: read an object, write it back, and be told when it was not the newest.

Every write carries the `resourceVersion` that was read; the server refuses it when somebody else wrote in between, and then it
is looked at again. So nothing here needs a lock, and a request whose answer was lost may be sent once more.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused

Object = dict[str, Any]

# Where Kubernetes puts them into a pod.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
INSIDE = "https://kubernetes.default.svc"
TIMEOUT = 15.0
# An API server that is exchanged is away for some seconds.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.5
CONFLICTS = 20
_LONGEST = 32 << 20
_AGAIN = frozenset({429, 500, 502, 503, 504})


class Unreachable(DeployError):
    """The API server does not answer."""


class Conflict(DeployError):
    """Somebody else wrote in between, or it is there already."""


class Missing(DeployError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, and where the server has it."""

    prefix: str
    plural: str


PODS = Kind("/api/v1", "pods")
SERVICES = Kind("/api/v1", "services")
POD_TEMPLATES = Kind("/api/v1", "podtemplates")
DEPLOYMENTS = Kind("/apis/apps/v1", "deployments")
JOBS = Kind("/apis/batch/v1", "jobs")
ENDPOINT_SLICES = Kind("/apis/discovery.k8s.io/v1", "endpointslices")
HTTP_ROUTES = Kind("/apis/gateway.networking.k8s.io/v1", "httproutes")


class Cluster:
    """One namespace of a cluster.

    Args:
        environment: `[options]` may have `api`, `token` and `ca` (files), `namespace` and `release`, the name that Helm
            installed the portal under; in a pod the first four are those of its service account.
    """

    def __init__(self, environment: Environment) -> None:
        options = environment.options
        self.api = str(options.get("api", INSIDE)).rstrip("/")
        self._token = Path(str(options.get("token", ACCOUNT / "token")))
        ca = options.get("ca", str(ACCOUNT / "ca.crt") if self.api == INSIDE else None)
        self.release = str(options.get("release", "aiwriter"))
        self.namespace = str(options.get("namespace") or _own_namespace())
        parts = urllib.parse.urlsplit(self.api)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise Refused(f"[options] api is '{self.api}'.", "Write https://HOST:PORT.")
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise Refused(
                f"[options] api is '{self.api}': the token would travel unprotected.", "Use https, or kubectl proxy."
            )
        self._host, self._port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context(cafile=str(ca) if ca else None) if parts.scheme == "https" else None

    # ------------------------------------------------------------ requests
    def ask(self, method: str, path: str, body: Object | None = None, query: dict[str, str] | None = None) -> bytes:
        """One request, sent again while the server is away.

        Raises:
            Missing, Conflict, Refused: 404, 409, 401 or 403.
            DeployError: any other refusal.
            Unreachable: no answer for `PATIENCE_SECONDS`.
        """
        target = path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, data, why = self._send(method, target, body)
            if 200 <= status < 300:
                return data
            if status and status not in _AGAIN:
                raise _error(status, f"{method} {path}", data)
            if time.monotonic() > until:
                raise Unreachable(
                    f"The API server at {self.api} does not answer {method} {path}: {why or status}.",
                    "Nothing is changed while it is away.",
                )
            time.sleep(PAUSE_SECONDS)

    def _send(self, method: str, target: str, body: Object | None) -> tuple[int, bytes, str]:
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT, context=self._tls)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        headers = {"Accept": "application/json", "User-Agent": "aw-deployd", "Connection": "close"}
        # Read for each request: the kubelet exchanges the token about every hour.
        if self._token.is_file():
            headers["Authorization"] = f"Bearer {self._token.read_text(encoding='ascii').strip()}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, body=data, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_LONGEST), ""
        except (OSError, http.client.HTTPException) as error:
            return 0, b"", f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def _path(self, kind: Kind, name: str = "") -> str:
        tail = f"/{urllib.parse.quote(name, safe=':')}" if name else ""
        return f"{kind.prefix}/namespaces/{self.namespace}/{kind.plural}{tail}"

    # ------------------------------------------------------------ objects
    def get(self, kind: Kind, name: str) -> Object:
        """One object.

        Raises:
            Missing: there is none of that name.
        """
        found: Object = json.loads(self.ask("GET", self._path(kind, name)))
        return found

    def list(self, kind: Kind, labels: dict[str, str]) -> list[Object]:
        """All with these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found: Object = json.loads(self.ask("GET", self._path(kind), query={"labelSelector": selector}))
        items: list[Object] = found.get("items") or []
        return items

    def create(self, kind: Kind, body: Object) -> Object:
        """Make one.

        Raises:
            Conflict: it is there already.
        """
        found: Object = json.loads(self.ask("POST", self._path(kind), body))
        return found

    def change(self, kind: Kind, name: str, edit: Callable[[Object], bool]) -> Object:
        """Read, change, write; when somebody else wrote in between, look again.

        Args:
            edit: changes the object in place, and returns whether there is anything to write; what it raises ends it.

        Raises:
            Conflict: others wrote in between each time.
        """
        for _ in range(CONFLICTS):
            found = self.get(kind, name)
            if not edit(found):
                return found
            try:
                written: Object = json.loads(self.ask("PUT", self._path(kind, name), found))
            except Conflict:
                continue
            return written
        raise Conflict(f"{kind.plural} {name}: others wrote in between, {CONFLICTS} times.", "See who changes it.")

    def delete(self, kind: Kind, name: str) -> None:
        """Remove one with what it made; nothing when it is gone already."""
        try:
            self.ask("DELETE", self._path(kind, name), query={"propagationPolicy": "Background"})
        except Missing:
            return

    def log(self, pod: str, container: str, lines: int = 200) -> str:
        """The end of what a container said; "" when the cluster does not have it."""
        query = {"container": container, "tailLines": str(lines)}
        try:
            return self.ask("GET", f"{self._path(PODS, pod)}/log", query=query).decode("utf-8", "replace")
        except DeployError:
            return ""

    def through_pod(self, pod: str, port: int, path: str) -> str | None:
        """An answer of a pod, fetched by the API server; None when there is none."""
        status, data, _ = self._send("GET", f"{self._path(PODS, f'{pod}:{port}')}/proxy{path}", None)
        return data.decode("utf-8", "replace") if status == 200 else None


def labels(release: str, part: str, slot: str = "") -> dict[str, str]:
    """What the chart's pods of a part are found by."""
    found = {
        "app.kubernetes.io/name": "aiwriter",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": part,
    }
    return {**found, "aiwriter/slot": slot} if slot else found


def annotations_of(found: Object) -> dict[str, str]:
    """Those of an object, to be changed in place."""
    made: dict[str, str] = found["metadata"].setdefault("annotations", {})
    return made


def _own_namespace() -> str:
    try:
        return (ACCOUNT / "namespace").read_text(encoding="ascii").strip()
    except OSError as error:
        raise Refused("[options] has no namespace, and this is no pod.", "Write namespace = 'NAME'.") from error


def _error(status: int, what: str, data: bytes) -> DeployError:
    try:
        said = str(json.loads(data).get("message", ""))[:400]
    except (ValueError, AttributeError):
        said = data[:200].decode("utf-8", "replace")
    if status == 404:
        return Missing(f"{what}: there is none. {said}".strip())
    if status == 409:
        return Conflict(f"{what}: {said}")
    if status in (401, 403):
        return Refused(
            f"{what}: the API server refuses it ({status}). {said}".strip(),
            "The chart's Role (agent.enabled) has the verbs that are needed.",
        )
    return DeployError(f"{what}: {status}. {said}")
