"""An API server of Kubernetes that keeps objects, versions of them and no more, with the controllers that the agent relies on.

What matters here is what the drivers rest on: a write with an old `resourceVersion` is refused, `generation` grows with the
specification, pods follow Deployments by their strategy, EndpointSlices follow pods, Jobs end. It is no Kubernetes: what it lets
pass a real one may refuse.
"""

from __future__ import annotations

import copy
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.pods import Pod

Object = dict[str, Any]
NAMESPACE, TOKEN = "portal", "the-token-of-the-account"
PATHS = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "podtemplates": "/api/v1",
    "deployments": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
}


class FakeCluster:
    """The server; `with FakeCluster() as cluster`.

    Args:
        allowed: verbs by plural, as a Role has them; None allows all.
    """

    def __init__(self, allowed: dict[str, set[str]] | None = None) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.pods: dict[str, Pod] = {}
        self.requests: list[tuple[str, str]] = []
        self.allowed = allowed
        # What a test does to it.
        self.unpullable: set[str] = set()
        self.never_ready: set[str] = set()
        self.failing: dict[str, int] = {}
        self.linger = 0.0
        self.job_seconds = 0.0
        self.job_results: dict[str, tuple[int, str]] = {}
        self.gateway_deaf = False
        self.endpoints_late: set[str] = set()
        self.away = 0
        self.interfere: list[Any] = []
        self._version = 0
        self._serial = 0
        self._slices: dict[str, list[str]] = {}
        self._ends: dict[str, float] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeCluster:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for pod in self.pods.values():
            pod.close()

    # ------------------------------------------------------------ for tests
    def put(self, plural: str, body: Object) -> Object:
        """An object, as if it had been applied."""
        with self._lock:
            found = copy.deepcopy(body)
            found["metadata"].setdefault("namespace", NAMESPACE)
            self._store(plural, found, new_spec=True)
            self._work()
            return found

    def find(self, plural: str, name: str) -> Object:
        """As it is now."""
        with self._lock:
            self._work()
            return copy.deepcopy(self.objects[plural, name])

    def names(self, plural: str) -> list[str]:
        """Of all of a kind."""
        with self._lock:
            self._work()
            return sorted(name for kind, name in self.objects if kind == plural)

    def endpoints(self, service: str) -> list[str]:
        """Addresses of the pods that a Service sends requests to."""
        with self._lock:
            self._work()
            return [self.pods[name].address for name in self._slices.get(service, []) if name in self.pods]

    def running(self, deployment: str) -> dict[str, Pod]:
        """The pods of a Deployment."""
        with self._lock:
            self._work()
            return {
                n: self.pods[n]
                for k, n in self.objects
                if k == "pods" and n.startswith(f"{deployment}-") and n in self.pods
            }

    # ------------------------------------------------------------ requests
    def answer(self, method: str, target: str, token: str, body: Object | None) -> tuple[int, Any]:
        """What the server says."""
        with self._lock:
            parts = urllib.parse.urlsplit(target)
            query = dict(urllib.parse.parse_qsl(parts.query))
            self.requests.append((method, parts.path))
            if self.away > 0:
                self.away -= 1
                return 503, _status("the server is away")
            if token != f"Bearer {TOKEN}":
                return 401, _status("Unauthorized")
            plural, name, sub = self._parse(parts.path)
            if not plural:
                return 404, _status(f"the server could not find {parts.path}")
            verb = {"GET": "get" if name else "list", "POST": "create", "PUT": "update", "DELETE": "delete"}[method]
            resource = f"{plural}/{sub.partition('/')[0]}" if sub else plural
            if self.allowed is not None and verb not in self.allowed.get(resource, set()):
                return 403, _status(f'cannot {verb} resource "{resource}"')
            self._work()
            return self._do(verb, plural, name, sub, query, body)

    @staticmethod
    def _parse(path: str) -> tuple[str, str, str]:
        for plural, prefix in PATHS.items():
            stem = f"{prefix}/namespaces/{NAMESPACE}/{plural}"
            if path == stem or path.startswith(f"{stem}/"):
                name, _, sub = path[len(stem) + 1 :].partition("/")
                return plural, urllib.parse.unquote(name), sub
        return "", "", ""

    def _do(
        self, verb: str, plural: str, name: str, sub: str, query: dict[str, str], body: Object | None
    ) -> tuple[int, Any]:
        if verb == "list":
            wanted = dict(each.split("=", 1) for each in query["labelSelector"].split(","))
            items = self._listed(plural, wanted)
            return 200, {"kind": "List", "items": copy.deepcopy(items)}
        if sub == "log":
            return 200, self.objects["pods", name]["log"]
        if sub.startswith("proxy"):
            return 200, self.pods[name.partition(":")[0]].metrics()
        if verb == "create":
            assert body is not None
            name = body["metadata"]["name"]
            if (plural, name) in self.objects:
                return 409, _status(f'{plural} "{name}" already exists')
            self._store(plural, body, new_spec=True)
            self._work()
            return 201, copy.deepcopy(body)
        found = self.objects.get((plural, name))
        if found is None:
            return 404, _status(f'{plural} "{name}" not found')
        if verb == "get":
            answer = copy.deepcopy(found)
            if self.interfere:
                self.interfere.pop(0)(found)
            return 200, answer
        if verb == "delete":
            del self.objects[plural, name]
            return 200, _status("Success")
        assert body is not None
        if body["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return 409, _status("the object has been modified; please apply your changes to the latest version")
        body = copy.deepcopy(body)
        body["status"] = found.get("status", {})
        self._store(plural, body, new_spec=body.get("spec") != found.get("spec"))
        self._work()
        return 200, copy.deepcopy(self.objects[plural, name])

    def touch(self, found: Object) -> None:
        """Somebody else writes."""
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)

    def _store(self, plural: str, body: Object, *, new_spec: bool) -> None:
        meta = body["metadata"]
        meta["generation"] = int(meta.get("generation", 0)) + new_spec
        meta.setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.touch(body)
        self.objects[plural, meta["name"]] = body

    def _listed(self, plural: str, wanted: dict[str, str]) -> list[Object]:
        if plural == "endpointslices":
            service = wanted["kubernetes.io/service-name"]
            ends = [
                {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}}
                for name in self._slices.get(service, [])
            ]
            return [{"metadata": {"name": f"{service}-x"}, "endpoints": ends}]
        return [each for (kind, _), each in self.objects.items() if kind == plural and _labelled(each, wanted)]

    # ------------------------------------------------------------ controllers
    def _work(self) -> None:
        now = time.monotonic()
        for name in [name for name, at in self._ends.items() if at <= now]:
            del self._ends[name]
            self.objects.pop(("pods", name), None)
            if pod := self.pods.pop(name, None):
                pod.close()
        for (kind, _), each in list(self.objects.items()):
            if kind == "deployments":
                self._deployment(each)
            elif kind == "jobs":
                self._job(each, now)
            elif kind == "httproutes" and not self.gateway_deaf:
                kinds = ("Accepted", "ResolvedRefs")
                seen = {"status": "True", "observedGeneration": each["metadata"]["generation"]}
                each["status"] = {"parents": [{"conditions": [{"type": name, **seen} for name in kinds]}]}
        for (kind, name), each in list(self.objects.items()):
            if kind == "services" and name not in self.endpoints_late:
                pods = self._listed("pods", each["spec"]["selector"])
                self._slices[name] = [pod["metadata"]["name"] for pod in pods if _sends(pod)]

    def _deployment(self, found: Object) -> None:
        spec, meta = found["spec"], found["metadata"]
        found.setdefault("status", {})["observedGeneration"] = meta["generation"]
        template = spec["template"]
        image = template["spec"]["containers"][0]["image"]
        mine = [
            each
            for each in self._listed("pods", spec["selector"]["matchLabels"])
            if not each["metadata"].get("deletionTimestamp")
        ]
        old = [each for each in mine if each["spec"]["containers"][0]["image"] != image]
        new = [each for each in mine if each not in old]
        recreate = spec.get("strategy", {}).get("type") == "Recreate"
        if old and recreate:
            for each in old:
                self._end(each)
            return
        wanted = spec.setdefault("replicas", 1)
        for _ in range(wanted - len(new)):
            self._start(meta["name"], template)
        for each in new[wanted:]:
            self._end(each)
        there = [
            each for each in self._listed("pods", spec["selector"]["matchLabels"]) if _sends(each) and each not in old
        ]
        if old and (len(there) >= wanted):
            for each in old:
                self._end(each)

    def _start(self, owner: str, template: Object) -> None:
        self._serial += 1
        name = f"{owner}-{self._serial}"
        spec = copy.deepcopy(template["spec"])
        image = spec["containers"][0]["image"]
        status: Object = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        state: Object = {"running": {}}
        if image in self.unpullable:
            status = {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]}
            state = {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}}
        else:
            if image in self.never_ready:
                status["conditions"][0]["status"] = "False"
            self.pods[name] = Pod(image, self.failing.get(image, 0))
            status["podIP"] = "127.0.0.1"
            for container in spec["containers"]:
                for port in container.get("ports") or []:
                    port["containerPort"] = self.pods[name].port
        identifier = image if "@" in image else ""
        status["containerStatuses"] = [
            {"name": each["name"], "state": state, "imageID": identifier} for each in spec["containers"]
        ]
        body = {
            "metadata": {"name": name, "labels": dict(template["metadata"]["labels"])},
            "spec": spec,
            "status": status,
        }
        self._store("pods", body, new_spec=True)

    def _end(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        pod["metadata"]["deletionTimestamp"] = "now"
        self._ends[name] = time.monotonic() + self.linger

    def _job(self, found: Object, now: float) -> None:
        meta, template = found["metadata"], found["spec"]["template"]
        name, pod = meta["name"], ("pods", f"{meta['name']}-p")
        if pod not in self.objects:
            found["due"] = now + self.job_seconds
            image = template["spec"]["containers"][0]["image"]
            states = [{"name": each["name"], "state": {"running": {}}} for each in template["spec"]["containers"]]
            if image in self.unpullable:
                states[0]["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": image}}
                found["due"] = now + 1e9
            labels = {**template["metadata"]["labels"], "job-name": name}
            body = {"metadata": {"name": pod[1], "labels": labels}, "spec": template["spec"], "log": ""}
            self._store("pods", {**body, "status": {"phase": "Running", "containerStatuses": states}}, new_spec=True)
        if now >= found["due"] and not found.get("status", {}).get("conditions"):
            verb = template["spec"]["containers"][0]["args"][1]
            code, said = self.job_results.get(verb, (0, f"{verb} is done"))
            kind = "Failed" if code else "Complete"
            reason = {"reason": "BackoffLimitExceeded", "message": "Job has reached the limit"} if code else {}
            found["status"] = {"conditions": [{"type": kind, "status": "True", **reason}]}
            self.objects[pod]["log"] = said
            self.objects[pod]["status"] = {
                "phase": "Failed" if code else "Succeeded",
                "containerStatuses": [{"name": "migrate", "state": {"terminated": {"exitCode": code}}}],
            }


def _labelled(found: Object, wanted: dict[str, str]) -> bool:
    there = found["metadata"].get("labels", {})
    return all(there.get(name) == value for name, value in wanted.items())


def _sends(pod: Object) -> bool:
    ready = any(each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))
    return ready and not pod["metadata"].get("deletionTimestamp")


def _status(message: str) -> Object:
    return {"kind": "Status", "message": message}


def _handler(cluster: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = cluster.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
