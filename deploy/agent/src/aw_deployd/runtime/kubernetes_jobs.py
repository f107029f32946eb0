"""Jobs of a roll-out as Jobs of Kubernetes, made from the pod template that the Helm chart leaves for them.

The name says what is done, by whom and how often: an agent that died in the middle finds its Job under way and waits for it,
instead of starting it a second time. What has ended is not taken for an answer about now; it is run again, under the next
number. The cluster removes them a day later.
"""

from __future__ import annotations

import hashlib
import time

from aw_deployd.cluster import JOBS as JOBS_KIND
from aw_deployd.cluster import POD_TEMPLATES, PODS, Cluster, Conflict, Missing, Object
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError
from aw_deployd.runtime import JOBS, JobResult

WORK, NUMBER = "aiwriter/work", "aiwriter/number"
KEPT_SECONDS = 86400
POLL_SECONDS = 1.0
# Until the cluster has said that the time is over.
LATER_SECONDS = 60.0
KEPT_OUTPUT = 2000
PREVIOUS = "/previous"
_CANNOT_START = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")


class Jobs:
    """Runs them.

    Args:
        cluster: where.
        environment: whose.
    """

    def __init__(self, cluster: Cluster, environment: Environment) -> None:
        self._cluster, self._environment = cluster, environment

    def run(
        self, version: str, image: str, job: str, timeout: float, *, arguments: tuple[str, ...] = (), previous: str = ""
    ) -> JobResult:
        """Run one to its end.

        Args:
            previous: image of the version before, for a job that tries that one's code.
        """
        begun = time.monotonic()
        if previous:
            arguments = ("--previous", f"{PREVIOUS}/app", "--python", f"{PREVIOUS}/venv/bin/python")
        body = self._body(version, image, job, timeout, arguments, previous)
        name = self._begin(body)
        while time.monotonic() - begun < timeout + LATER_SECONDS:
            found = self._cluster.get(JOBS_KIND, name)
            ended = _ended(found)
            if ended is not None:
                kind, reason = ended
                return self._result(name, kind, reason, time.monotonic() - begun)
            if stuck := self._stuck(name):
                # Else it would begin whenever the image comes, long after the deployment was given up.
                self._cluster.delete(JOBS_KIND, name)
                return JobResult(125, time.monotonic() - begun, stuck)
            time.sleep(POLL_SECONDS)
        return JobResult(124, time.monotonic() - begun, f"The Job {name} did not end within {timeout:.0f} s.")

    def _body(
        self, version: str, image: str, job: str, timeout: float, arguments: tuple[str, ...], previous: str
    ) -> Object:
        source = f"{self._cluster.release}-job"
        try:
            template = self._cluster.get(POD_TEMPLATES, source)["template"]
        except Missing as error:
            raise DeployError(
                f"There is no PodTemplate {source} to make jobs from.", "The chart makes it: agent.enabled = true."
            ) from error
        spec = template["spec"]
        container = spec["containers"][0]
        container["image"] = image
        container["args"] = ["manage", *JOBS[job][1:], *arguments]
        spec["restartPolicy"] = "Never"
        if previous:
            _add_previous(spec, previous)
        words = "\0".join((job, version, image, previous, *arguments))
        work = hashlib.sha256(words.encode()).hexdigest()[:10]
        labels = {**template.get("metadata", {}).get("labels", {}), WORK: work}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": f"{self._cluster.release}-{job}-{work}",
                "labels": labels,
                "annotations": {"aiwriter/job": job, "aiwriter/version": version},
            },
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": max(1, int(timeout)),
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }

    def _begin(self, body: Object) -> str:
        """The name of the Job that does this: one that is under way, or a new one."""
        stem, work = body["metadata"]["name"], body["metadata"]["labels"][WORK]
        while True:
            found = self._cluster.list(JOBS_KIND, {WORK: work})
            for each in found:
                if _ended(each) is None and not each["metadata"].get("deletionTimestamp"):
                    return str(each["metadata"]["name"])
            number = 1 + max((int(each["metadata"]["labels"].get(NUMBER, 0)) for each in found), default=0)
            body["metadata"]["name"] = f"{stem}-{number}"
            body["metadata"]["labels"] = {**body["metadata"]["labels"], NUMBER: str(number)}
            try:
                return str(self._cluster.create(JOBS_KIND, body)["metadata"]["name"])
            except Conflict:
                time.sleep(POLL_SECONDS)

    def _pods(self, name: str) -> list[Object]:
        return self._cluster.list(PODS, {"job-name": name})

    def _stuck(self, name: str) -> str:
        for pod in self._pods(name):
            status = pod.get("status", {})
            for each in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
                waiting = each.get("state", {}).get("waiting") or {}
                if waiting.get("reason") in _CANNOT_START:
                    return f"{waiting['reason']}: {waiting.get('message', '')}"[:KEPT_OUTPUT]
        return ""

    def _result(self, name: str, kind: str, reason: str, seconds: float) -> JobResult:
        said, code = "", 0 if kind == "Complete" else 1
        for pod in self._pods(name):
            status = pod.get("status", {})
            for each in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
                left = int((each.get("state", {}).get("terminated") or {}).get("exitCode", 0))
                if left and kind != "Complete":
                    code = left
                said += self._cluster.log(pod["metadata"]["name"], each["name"])
        if "DeadlineExceeded" in reason:
            code = 124
        tail = said.strip()[-KEPT_OUTPUT:]
        return JobResult(code, seconds, tail if kind == "Complete" else f"{tail}\n{reason}".strip())


def _ended(job: Object) -> tuple[str, str] | None:
    """Complete or Failed, and the reason; None while it is under way."""
    for each in job.get("status", {}).get("conditions") or []:
        if each["type"] in ("Complete", "Failed") and each["status"] == "True":
            return str(each["type"]), f"{each.get('reason', '')}: {each.get('message', '')}".strip(": ")
    return None


def _add_previous(spec: Object, image: str) -> None:
    """The code and the packages of the version before, out of its image, in a folder that the job can read."""
    container = spec["containers"][0]
    mount = {"name": "previous", "mountPath": PREVIOUS}
    spec.setdefault("volumes", []).append({"name": "previous", "emptyDir": {"sizeLimit": "4Gi"}})
    spec.setdefault("initContainers", []).append(
        {
            "name": "previous",
            "image": image,
            "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
            "command": ["cp", "-a", "/opt/aiwriter/.", f"{PREVIOUS}/"],
            **{key: container[key] for key in ("securityContext", "resources") if key in container},
            "volumeMounts": [mount],
        }
    )
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]
