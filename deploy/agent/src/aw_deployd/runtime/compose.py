"""Versions as images under Compose, in the installation of deploy/compose; the engine starts them again, also after a boot.

The slots are the services `web-SLOT`, the parts are called as they are. The proxy, the database and Redis are never touched.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from aw_deployd.compose import KILLED, Container, Project, image_variable, whole_name
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused
from aw_deployd.release import MANIFEST, Release
from aw_deployd.runtime import JOBS, OVERLAPPING, JobResult, Running

# A part whose image asks for no health has settled when it lives so long.
SETTLED_SECONDS = 4.0
# What a look at the health adds to the start.
HEALTH_SECONDS = 30.0
STOP_MORE_SECONDS = 30.0
ATTEMPTS = 3
# Where an image has its code and its packages, and where a job finds those of the version before.
INSIDE, PREVIOUS = "/opt/aiwriter", "/previous"
# In an image `prepare` is the word `migrate`: folders and rows; static files are the web's own at its start.
WORDS: dict[str, tuple[str, ...]] = {
    **{job: ("manage", *words[1:]) for job, words in JOBS.items()},
    "prepare": ("migrate", "--phase", "expand"),
    "contract": ("migrate", "--phase", "contract"),
}


class Compose:
    """The driver.

    Args:
        environment: whose containers.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._project = Project(environment)
        self._slots = tuple(slot.name for slot in environment.slots)
        self._ending: list[subprocess.Popen[bytes]] = []

    def _service(self, name: str) -> str:
        return f"web-{name}" if name in self._slots else name

    # ------------------------------------------------------------ observing
    def observe(self, name: str) -> Running:
        """What the engine says; of two workers the younger one."""
        running = sorted(self._running(name), key=lambda each: each.created)
        return self._told(running[-1]) if running else Running()

    def _running(self, name: str) -> list[Container]:
        return [each for each in self._project.containers(self._service(name)) if each.runs]

    def _told(self, container: Container) -> Running:
        return Running(self._version(container), container.pid)

    def _version(self, container: Container) -> str:
        """By the image that it was made of, not by its name, which may be another image's by now; else that name."""
        image = self._project.image(container.image)
        digests = {container.image, *(image.digests if image else ())}
        names = image.names if image else frozenset()
        found = {
            version: name
            for version, (name, digest) in self._known().items()
            if (digest in digests if digest else whole_name(name) in names)
        }
        exact = [version for version, name in found.items() if whole_name(name) == whole_name(container.name)]
        return next(iter(exact or sorted(found)), container.name)

    def _known(self) -> dict[str, tuple[str, str]]:
        """Image and digest of each release."""
        found = {}
        for path in self._environment.releases.glob(f"*/{MANIFEST}"):
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if values.get("image"):
                found[path.parent.name] = (str(values["image"]), str(values.get("digest", "")))
        return found

    # ------------------------------------------------------------ releases
    def digests(self, release: Release) -> tuple[str, ...]:
        """The image's id, and those by which registries know it; and whether the installation is one for an agent.

        Raises:
            Refused: it is no image, or the engine has none, or the installation lacks something.
        """
        image = self._project.image(_image(release))
        if image is None:
            raise Refused(f"The image {release.image} is not on this machine.", f"docker pull {release.image}")
        self._project.profiles()
        services = self._project.described()["services"]
        for name in (*self._slots, *self._environment.roles):
            if self._service(name) not in services:
                raise Refused(f"Compose has no service '{self._service(name)}'.", "Correct the slots or roles.")
        for slot in self._environment.slots:
            ports = services[f"web-{slot.name}"].get("ports") or []
            if str(slot.port) not in [str(each.get("published")) for each in ports]:
                raise Refused(
                    f"web-{slot.name} is not published on {slot.address}.",
                    f"Write COMPOSE_FILE=compose.yml:compose.agent.yml into {self._project.folder}/.env.",
                )
        return (image.id, *image.digests)

    def previous(self, release: Release) -> tuple[str, ...]:
        """Its code and packages, copied out of its image; the next job has them at a place of its own.

        Raises:
            Refused: they are for another Python than the machine's other images have.
        """
        image = self._project.image(_image(release))
        if image is None:
            raise Refused(f"The image {release.image} is not on this machine.", f"docker pull {release.image}")
        key = image.id.rpartition(":")[2][:20]
        folder = self._environment.state / "previous"
        folder.mkdir(parents=True, exist_ok=True)
        # The image's user reads there, whatever the agent's umask is.
        folder.chmod(0o755)
        if not (folder / key).is_dir():
            # One is enough; each has some hundred megabytes.
            for old in folder.iterdir():
                shutil.rmtree(old, ignore_errors=True)
            made = self._project.docker("create", "--network", "none", release.image).strip()
            try:
                self._project.docker("cp", f"{made}:{INSIDE}", str(folder / f"{key}.new"), timeout=600)
            finally:
                self._project.docker("rm", "-f", made, check=False)
            (folder / f"{key}.new").rename(folder / key)
        return "--previous", f"{PREVIOUS}/{key}/app", "--python", f"{PREVIOUS}/{key}/venv/bin/python"

    def _same_python(self, release: Release, arguments: tuple[str, ...]) -> None:
        """The packages of the version before run on this image's Python: it must be one of the same number.

        Raises:
            Refused: it is not.
        """
        key = Path(arguments[arguments.index("--previous") + 1]).parent.name
        had = [path.name for path in (self._environment.state / "previous" / key / "venv" / "lib").glob("python3.*")]
        python = f"{INSIDE}/venv/bin/python"
        asked = "import sys; print(f'python{sys.version_info[0]}.{sys.version_info[1]}')"
        words = ("run", "--rm", "--network", "none", "--entrypoint", python, release.image, "-c", asked)
        has = self._project.docker(*words).strip()
        if has not in had:
            raise Refused(
                f"{release.version} has {has}, the version before {', '.join(had) or 'none'}: it cannot be tried there.",
                "Plan with --no-rehearse, after a try elsewhere.",
            )

    # ------------------------------------------------------------ acting
    def start_web(self, slot: str, release: Release) -> None:
        """Start it. Of a slot that later starts bring anyway, `.env` tells the image at once."""
        if slot in self._project.profiles() and self.observe(slot).release in ("", release.version):
            self._project.put(**{image_variable(slot): _image(release)})
        self._start_once(slot, release)

    def start_role(self, role: str, release: Release) -> None:
        """Start another part."""
        if role in OVERLAPPING:
            self.swap_role(role, release, 0.0)
        else:
            self._project.put(AIWRITER_IMAGE=_image(release))
            self._start_once(role, release)

    def _start_once(self, name: str, release: Release) -> None:
        running = self.observe(name)
        if running.release == release.version:
            return
        if running.release:
            raise DeployError(f"{name} runs {running.release}.", "Stop it first.")
        with self._project.alone():
            self._project.up(self._service(name), more=self._images(name, release))

    def _images(self, name: str, release: Release) -> dict[str, str]:
        return {image_variable(name) if name in self._slots else "AIWRITER_IMAGE": _image(release)}

    def several(self, role: str) -> list[Running]:
        """All that stay."""
        return [self._told(each) for each in self._running(role) if not each.leaving]

    def set_several(self, role: str, count: int, release: Release) -> None:
        """One that is asked to end is marked as such in the engine itself: it starts it no more, and any agent sees it."""
        staying = [each for each in self._running(role) if not each.leaving]
        for each in staying[count:]:
            self._project.docker("update", "--restart", "no", each.id)
        for each in [*staying[count:], *(each for each in self._running(role) if each.leaving)]:
            self._end(each)
        # The file that starts it anew says how many, too.
        self._project.put(AIWRITER_WORKERS=str(count))
        if len(staying) < count:
            self._project.put(AIWRITER_IMAGE=_image(release))
            self._add(role, release, count - len(staying))

    def _end(self, container: Container) -> None:
        """Ask, and wait for nothing."""
        self._ending = [each for each in self._ending if each.poll() is None]
        grace = str(int(self._environment.drain_seconds))
        null = subprocess.DEVNULL
        self._ending.append(
            subprocess.Popen(
                ["docker", "stop", "-t", grace, container.id],
                env=self._project.variables(), stdin=null, stdout=null, stderr=null, start_new_session=True,
            )
        )  # fmt: skip

    def _add(self, role: str, release: Release, more: int) -> None:
        """So many more beside those that run, which are left as they are."""
        containers = self._project.containers(role)
        # Compose counts what has ended, and would start that.
        if ended := [each.id for each in containers if not each.may_run]:
            self._project.docker("rm", "-v", *ended, check=False)
        count = sum(each.may_run for each in containers) + more
        with self._project.alone():
            self._project.up(role, "--no-recreate", "--scale", f"{role}={count}", more=self._images(role, release))

    def stop(self, name: str, grace: float) -> bool:
        """The engine asks, waits and kills; what it has stopped it does not start again, after a boot neither."""
        return self._stop([each for each in self._project.containers(self._service(name)) if each.may_run], grace)

    def _stop(self, containers: list[Container], grace: float) -> bool:
        if not containers:
            return True
        ids = [each.id for each in containers]
        words = ("stop", "-t", str(max(0, round(grace))), *ids)
        self._project.docker(*words, timeout=grace + STOP_MORE_SECONDS, check=False)
        service = containers[0].service
        after = [each for each in self._project.containers(service) if each.id in ids]
        if left := [each.id[:12] for each in after if each.may_run]:
            raise DeployError(f"{service} does not end: {', '.join(left)}.", "docker ps; systemctl status docker")
        return all(each.code != KILLED for each in after)

    def fallen(self) -> list[tuple[str, str]]:
        """None: the engine starts them again."""
        return []

    # ------------------------------------------------------------ jobs
    def run_job(
        self, release: Release, job: str, timeout: float, arguments: tuple[str, ...] = (), database: str = ""
    ) -> JobResult:
        """In a container of the service `migrate`. One of an agent that died in the middle is waited for first."""
        begun = time.monotonic()
        name = f"{self._project.name}-job-{job}"
        words = ["run", "--rm", "-T", "--no-deps", "--name", name]
        if job == "rehearse":
            self._same_python(release, arguments)
            words += ["-v", f"{self._environment.state / 'previous'}:{PREVIOUS}:ro"]
        more = {"AIWRITER_IMAGE": _image(release)}
        if database:
            # By name only: the value would stand in the list of processes.
            words += ["-e", "DATABASE_URL", "-e", "DATABASE_URL_FILE="]
            more["DATABASE_URL"] = database
        late = JobResult(124, timeout, f"It did not end within {timeout:.0f} s.")
        try:
            self._project.call("docker", "wait", name, timeout=timeout, check=False)
            self._project.docker("rm", "-f", name, check=False)
            done = self._project.compose(
                *words, "migrate", *WORDS[job], *arguments, timeout=timeout, check=False, more=more
            )
        except DeployError as error:
            self._project.docker("rm", "-f", name, check=False)
            if isinstance(error.__cause__, subprocess.TimeoutExpired):
                return late
            raise
        return JobResult(done.returncode, time.monotonic() - begun, (done.stdout + done.stderr)[-2000:].strip())

    def swap_role(self, role: str, release: Release, grace: float) -> bool:
        """A worker begins beside the one before, which then ends; other parts one after the other."""
        self._project.put(AIWRITER_IMAGE=_image(release))
        if role not in OVERLAPPING:
            ended = True
            if self.observe(role).release != release.version:
                ended = self.stop(role, grace)
                self._start_once(role, release)
            self._settle(role, release)
            return ended
        for _ in range(ATTEMPTS):
            # Compose may have begun again one that ended in this moment, instead of a new one.
            if self._mine(role, release):
                break
            self._add(role, release, 1)
        self._settle(role, release)
        mine = {each.id for each in self._mine(role, release)}
        others = [each for each in self._project.containers(role) if each.id not in mine]
        ended = self._stop([each for each in others if each.may_run], grace)
        if others:
            self._project.docker("rm", "-v", *(each.id for each in others), check=False)
        return ended

    def _mine(self, role: str, release: Release) -> list[Container]:
        running = [each for each in self._running(role) if not each.leaving]
        return [each for each in running if self._version(each) == release.version]

    def _settle(self, role: str, release: Release) -> None:
        """Until the engine calls it healthy.

        Raises:
            DeployError: it ended, or is not well in time.
        """
        begun, before = time.monotonic(), {each.id: each.restarts for each in self._mine(role, release)}
        within = self._environment.start_seconds + HEALTH_SECONDS
        while True:
            mine = self._mine(role, release)
            if not mine or any(each.restarts > before.get(each.id, 0) for each in mine):
                raise DeployError(f"The {role} of {release.version} ended at once.", f"docker compose logs {role}")
            lived = time.monotonic() - begun
            if all(each.health == "healthy" or (not each.health and lived > SETTLED_SECONDS) for each in mine):
                return
            if lived > within:
                raise DeployError(f"The {role} of {release.version} is not well.", f"docker compose logs {role}")
            time.sleep(0.2)


def _image(release: Release) -> str:
    if not release.image:
        raise Refused(f"Release {release.version} is a folder of code.", "Under Compose a release names an 'image'.")
    return release.image
