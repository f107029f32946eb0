"""Versions as Deployments of the Helm chart: one for the web of each slot, one for each other part.

The agent sets images and numbers of replicas, and waits; starting, restarting and ending is the cluster's. What runs is told
by the pods: their images, matched with the releases that the agent knows. There are no process numbers, and no scaling: an
HPA or KEDA has that, and leaves a Deployment alone that has been set to none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from aw_deployd import release as releases
from aw_deployd.cluster import DEPLOYMENTS, PODS, Cluster, Missing, Object, annotations_of
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused
from aw_deployd.release import Release
from aw_deployd.runtime import JobResult, Running
from aw_deployd.runtime.kubernetes_jobs import Jobs

# How many there were, for when they come back.
REPLICAS = "aiwriter/replicas"
# Parts that are a container of another part's pod.
WITHIN = {"healthd": "watch"}
# Beside the part itself: the one that answers for its counts.
SIDECAR = "healthd"
SETTLED_SECONDS = 4.0
KILLED_SECONDS = 15.0
POLL_SECONDS = 0.5
# What a container waits for that does not come by waiting.
TROUBLES = frozenset(
    {
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A Deployment with its pods; those that are ending are apart."""

    deployment: Object
    pods: list[Object]
    ending: list[Object]

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def grace(self) -> float:
        return float(self.deployment["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30))


class Kubernetes:
    """The driver.

    Args:
        environment: whose namespace; `[options]` as for `Cluster`, and `replicas`, how many pods a slot starts with.
    """

    def __init__(self, environment: Environment) -> None:
        if environment.scale:
            raise Refused(
                "[scale] is for hosts, and runtime is kubernetes.",
                "Remove it: on Kubernetes web.autoscaling, worker.autoscaling or worker.keda of the chart scale.",
            )
        self._environment = environment
        self.cluster = Cluster(environment)
        self._slots = tuple(slot.name for slot in environment.slots)
        self._jobs = Jobs(self.cluster, environment)

    def deployment(self, name: str) -> tuple[str, str]:
        """The Deployment of a slot or a role, and its container."""
        if name in self._slots:
            return f"{self.cluster.release}-web-{name}", "web"
        return f"{self.cluster.release}-{WITHIN.get(name, name)}", name

    # ------------------------------------------------------------ observing
    def observe(self, name: str) -> Running:
        """What the pods say; while a version replaces another one, the newer."""
        seen, (_, container) = self._seen(name), self.deployment(name)
        if seen is None:
            return Running()
        template = _image(seen.deployment["spec"]["template"]["spec"], container)
        pods = sorted(
            [*seen.pods, *seen.ending],
            key=lambda pod: (_image(pod["spec"], container) == template, pod["metadata"].get("creationTimestamp", "")),
        )
        if not pods:
            return Running(self._version(template, ""), whole=False) if seen.replicas else Running()
        image, identifier = _image(pods[-1]["spec"], container), _image_id(pods[-1], container)
        return Running(
            self._version(image, identifier),
            whole=_whole(seen, container, template),
            trouble=_trouble(seen, container, template),
        )

    def _seen(self, name: str) -> _Seen | None:
        try:
            deployment = self.cluster.get(DEPLOYMENTS, self.deployment(name)[0])
        except Missing:
            return None
        found = self.cluster.list(PODS, deployment["spec"]["selector"]["matchLabels"])
        live = [pod for pod in found if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")]
        ending = [pod for pod in live if pod["metadata"].get("deletionTimestamp")]
        return _Seen(deployment, [pod for pod in live if pod not in ending], ending)

    def _version(self, image: str, identifier: str) -> str:
        """By the folder of releases; the tag of an image that is not in there, as long as it is no version that is."""
        known = {}
        for path in sorted(self._environment.releases.glob(f"*/{releases.MANIFEST}")):
            try:
                known[path.parent.name] = releases.load(self._environment.releases, path.parent.name)
            except DeployError:
                continue
        for version, each in known.items():
            if not each.image:
                continue
            if each.digest and identifier:
                if identifier.endswith(each.digest):
                    return version
            elif image in (each.image, reference(each)):
                return version
        _, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
        return tag if tag and tag not in known else "unknown"

    def several(self, role: str) -> list[Running]:
        """One: however many pods it has, they are one Deployment and change together."""
        running = self.observe(role)
        return [running] if running.release else []

    def digests(self, release: Release) -> tuple[str, ...]:
        """The one of its manifest: an image is fetched by it, so that the registry and the cluster have checked it.

        Raises:
            Refused: the release is no image.
        """
        reference(release)
        return (release.digest,)

    def previous(self, release: Release) -> tuple[str, ...]:
        """By the folder of its manifest: the Job takes the code from the image.

        Raises:
            Refused: the release is no image.
        """
        reference(release)
        return "--previous", f"{release.folder}/app", "--python", release.python

    def fallen(self) -> list[tuple[str, str]]:
        """None: the cluster starts them again."""
        return []

    # ------------------------------------------------------------ acting
    def start_web(self, slot: str, release: Release) -> None:
        """Set image and number; the engine waits."""
        self._start(slot, release)

    def start_role(self, role: str, release: Release) -> None:
        """Set image and number."""
        self._start(role, release)

    def _start(self, name: str, release: Release) -> None:
        wanted = reference(release)
        running = self.observe(name)
        if running.release not in ("", release.version):
            raise DeployError(f"{name} runs {running.release}.", "Stop it first.")
        count = self._replicas() if name in self._slots else 1
        self._change(name, lambda found: self._set_image(found, name, wanted) | _set_count(found, count))

    def _replicas(self) -> int:
        """As many as the slot has that has most: the new version will get everybody."""
        if wanted := int(self._environment.options.get("replicas", 0)):
            return wanted
        found = [1]
        for slot in self._slots:
            try:
                deployment = self.cluster.get(DEPLOYMENTS, self.deployment(slot)[0])
            except Missing:
                continue
            found += [int(deployment["spec"].get("replicas", 1)), int(annotations_of(deployment).get(REPLICAS, 0))]
        return max(found)

    def _change(self, name: str, edit: Any) -> Object:
        deployment, _ = self.deployment(name)
        try:
            return self.cluster.change(DEPLOYMENTS, deployment, edit)
        except Missing as error:
            raise DeployError(
                f"There is no Deployment {deployment}.", f"The chart makes it: web.slots.{name}.enabled = true."
            ) from error

    def _set_image(self, found: Object, name: str, image: str) -> bool:
        part = self.deployment(WITHIN.get(name, name))[1]
        changed = False
        for container in found["spec"]["template"]["spec"]["containers"]:
            # What a mesh or an operator has put beside them is not ours.
            if container["name"] in (part, SIDECAR) and container["image"] != image:
                container["image"], changed = image, True
        return changed

    def stop(self, name: str, grace: float) -> bool:
        """Set to none. Each pod ends within its own terminationGracePeriodSeconds; then the kubelet kills it."""
        seen = self._seen(name)
        if seen is None:
            return True
        self._change(name, _set_none)
        begun = time.monotonic()
        while (seen := self._seen(name)) is not None and (seen.pods or seen.ending):
            if time.monotonic() - begun > max(grace, seen.grace) + KILLED_SECONDS:
                return False
            time.sleep(POLL_SECONDS)
        return seen is None or time.monotonic() - begun < seen.grace

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """Set the image; the Deployment's own strategy says whether the new one begins before the old one has ended.

        Raises:
            DeployError: the new one does not stay.
        """
        wanted = reference(release)
        self._change(role, lambda found: self._set_image(found, role, wanted) | _set_again(found))
        begun = time.monotonic()
        settled = 0.0
        while True:
            seen, running, now = self._seen(role), self.observe(role), time.monotonic()
            if seen is None or (not seen.replicas and not seen.pods):
                # KEDA has it at none, or it is switched off: the next one that starts is of this version.
                return True
            if running.trouble:
                raise DeployError(f"The {role} of {release.version} does not start: {running.trouble}.")
            there = running.release == release.version and running.whole
            settled = (settled or now) if there else 0.0
            if settled and now - settled >= SETTLED_SECONDS:
                if not seen.ending:
                    return now - begun < seen.grace + SETTLED_SECONDS
                if now - settled > max(grace, seen.grace) + KILLED_SECONDS:
                    return False
            if not there and now - begun > self._environment.start_seconds + seen.grace:
                raise DeployError(
                    f"The {role} of {release.version} was not there within {now - begun:.0f} s.",
                    f"kubectl -n {self.cluster.namespace} describe deployment {self.deployment(role)[0]}",
                )
            time.sleep(POLL_SECONDS)

    def set_several(self, role: str, count: int, release: Release) -> None:
        """Never: two would change one number.

        Raises:
            Refused: always.
        """
        raise Refused(f"The number of {role}s is not the agent's on Kubernetes.", "An HPA or KEDA changes it.")

    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """As a Job; what it says is the evidence.

        Raises:
            Refused: for a database of its own: its password would stand in the Job.
        """
        if database:
            raise Refused("On Kubernetes a job works on the portal's own database.", "Leave the database out.")
        previous = None
        if "--previous" in arguments:
            # The code of an image is in the image: the Job takes it from there.
            place = arguments[arguments.index("--previous") + 1].rstrip("/").split("/")
            previous = releases.load(self._environment.releases, place[-2])
        return self._jobs.run(
            release.version,
            reference(release),
            job,
            timeout,
            arguments=arguments,
            previous=reference(previous) if previous else "",
        )


def reference(release: Release) -> str:
    """How a pod names the image: by its digest where there is one, which no registry can exchange.

    Raises:
        Refused: the release is no image.
    """
    if not release.image:
        raise Refused(
            f"Release {release.version} names no image.",
            "Write image (and digest) into its release.json, or agent.releases.",
        )
    if not release.digest:
        return release.image
    head, slash, tail = release.image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}@{release.digest}"


def _image(spec: Object, container: str) -> str:
    return next((str(each["image"]) for each in spec["containers"] if each["name"] == container), "")


def _statuses(pod: Object) -> list[Object]:
    found: list[Object] = pod.get("status", {}).get("containerStatuses") or []
    return found


def _image_id(pod: Object, container: str) -> str:
    return next((str(each.get("imageID", "")) for each in _statuses(pod) if each["name"] == container), "")


def is_ready(pod: Object) -> bool:
    """Whether the kubelet calls it ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _whole(seen: _Seen, container: str, template: str) -> bool:
    """All that should be there is, and nothing else but what is ending."""
    meta, status = seen.deployment["metadata"], seen.deployment.get("status", {})
    current = [pod for pod in seen.pods if _image(pod["spec"], container) == template]
    return (
        int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0))
        and len(current) == len(seen.pods)
        and len(current) >= max(1, seen.replicas)
        and all(is_ready(pod) for pod in current)
    )


def _trouble(seen: _Seen, container: str, template: str) -> str:
    """What keeps a pod of the newest image from working."""
    for pod in (each for each in seen.pods if _image(each["spec"], container) == template):
        for status in _statuses(pod):
            waiting = status.get("state", {}).get("waiting") or {}
            if waiting.get("reason") in TROUBLES and not is_ready(pod):
                said = str(waiting.get("message", ""))[:300]
                return f"{pod['metadata']['name']}, {status['name']}: {waiting['reason']} {said}".strip().rstrip(".")
    return ""


def _set_count(found: Object, count: int) -> bool:
    if int(found["spec"].get("replicas", 1)) > 0:
        return False
    found["spec"]["replicas"] = count
    return True


def _set_none(found: Object) -> bool:
    count = int(found["spec"].get("replicas", 1))
    if not count:
        return False
    annotations_of(found)[REPLICAS] = str(count)
    found["spec"]["replicas"] = 0
    return True


def _set_again(found: Object) -> bool:
    """What the agent has set to none gets the number that it had; what somebody else has is left."""
    if int(found["spec"].get("replicas", 1)) or not (count := annotations_of(found).pop(REPLICAS, "")):
        return False
    found["spec"]["replicas"] = int(count)
    return True
