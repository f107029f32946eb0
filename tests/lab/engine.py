"""A Docker engine for the time of a `with` block: in a network namespace of its own, with images made on this machine.

No registry is asked: base images come from debootstrap and are kept in a folder between runs, so are the wheels of the product.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.lab.deploytools import program, ran
from tests.lab.portal import ROOT
from tests.proofs import NotRun

# Kept between runs: half a minute to minutes each.
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aiwriter-lab"
SUITE = "bookworm"
BASE = ("python3", "python3-venv", "ca-certificates", "postgresql-client")
SERVICES = (
    *BASE, "postgresql", "redis-server", "haproxy", "openssl", "socat", "procps", "systemd", "systemd-sysv", "dbus",
    "nftables", "python3-apt", "sudo", "iproute2", "util-linux",
)  # fmt: skip
PARTS = (
    "aiwriter", "apps", "deploy", "plugins", "requirements", "static", "templates", "manage.py", "LICENSE", ".dockerignore",
)  # fmt: skip
INSTALL = "apt-get install --no-install-recommends docker.io debootstrap"


class Engine:
    """`dockerd` with a folder and a namespace of its own. Published ports are reached with `web()`."""

    def __init__(self) -> None:
        if os.geteuid():
            raise NotRun("a Docker engine needs root")
        self._dockerd, self._nsenter = program("dockerd", INSTALL), program("nsenter", "util-linux")
        self.docker = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else program("docker", INSTALL)
        program("debootstrap", INSTALL)
        program("containerd", INSTALL)
        self.folder = Path(tempfile.mkdtemp(prefix="aiwriter-engine-"))
        self.namespace = f"aiwriter-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """The engine's address."""
        return f"unix://{self.folder}/docker.sock"

    def inside(self, *command: str) -> list[str]:
        """A command that sees the engine's network."""
        return [self._nsenter, f"--net=/run/netns/{self.namespace}", *command]

    def __enter__(self) -> Engine:
        try:
            ran(["ip", "netns", "add", self.namespace])
            # `ip netns exec` would mount /sys anew, and then the engine finds no control groups.
            ran(self.inside("ip", "link", "set", "lo", "up"))
        except RuntimeError as error:
            self._away()
            raise NotRun(f"no network namespace can be made here: {error}") from error
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.inside(
                    self._dockerd, "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
                    "--pidfile", f"{self.folder}/pid", "-H", self.host,
                ),
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        for _ in range(120):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(RuntimeError):
                self.run("version")
                return self
            time.sleep(0.5)
        said = (self.folder / "log").read_text(errors="replace")[-1500:]
        self._away()
        raise NotRun(f"the Docker engine does not start here: {said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):
            if names := self.run("ps", "-aq").split():
                self.run("rm", "-f", "-v", *names)
        self._away()

    def _away(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        subprocess.run(["ip", "netns", "delete", self.namespace], capture_output=True, check=False)
        for mount in Path("/proc/mounts").read_text().splitlines():
            if str(self.folder) in mount:
                subprocess.run(["umount", "-l", mount.split()[1]], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ work
    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """This thread and all that it starts are in the engine's network meanwhile: published ports are on its loopback."""
        system = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as before, Path(f"/run/netns/{self.namespace}").open() as there:
            if system.setns(there.fileno(), 0):
                raise NotRun(f"the engine's network cannot be entered: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                system.setns(before.fileno(), 0)

    def run(self, *words: str, within: float = 1800.0, **variables: str) -> str:
        """`docker …`."""
        return ran([self.docker, *words], within=within, variables={"DOCKER_HOST": self.host, **variables})

    def web(self, url: str, *words: str) -> tuple[int, str]:
        """Ask an address that a container publishes. Returns status and text."""
        said = ran(self.inside("curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}", *words, url))
        text, _, status = said.rpartition("\n")
        return int(status or 0), text

    def base(self, name: str, packages: tuple[str, ...]) -> None:
        """An image of Debian with packages, from debootstrap; kept as an archive."""
        KEPT.mkdir(parents=True, exist_ok=True)
        archive = KEPT / f"{name}-{SUITE}.tar"
        stamp = archive.with_suffix(".json")
        wanted = json.dumps(sorted(packages))
        if not archive.is_file() or not stamp.is_file() or stamp.read_text() != wanted:
            with tempfile.TemporaryDirectory(prefix="aiwriter-base-") as scratch:
                tree = Path(scratch)
                # In memory: dpkg writes through to the disk after each of some hundred packages.
                ran(["mount", "-t", "tmpfs", "-o", "size=4g,mode=0755", "aiwriter-base", scratch])
                try:
                    (KEPT / "debs").mkdir(exist_ok=True)
                    words = ["--variant=minbase", f"--cache-dir={KEPT / 'debs'}", f"--include={','.join(packages)}"]
                    ran(["debootstrap", *words, SUITE, scratch], within=1800)
                    for old in (tree / "var/cache/apt/archives").glob("*.deb"):
                        old.unlink()
                    shutil.rmtree(tree / "var/lib/apt/lists", ignore_errors=True)
                    ran(["tar", "-C", scratch, "-cf", str(archive), "."])
                finally:
                    ran(["umount", "-R", "-l", scratch])
            stamp.write_text(wanted)
        self.run("import", str(archive), f"aiwriter/{name}:{SUITE}")

    def build(self, tag: str, folder: Path, *words: str) -> None:
        """An image, by the classic builder and without a network."""
        self.run("build", "--network", "none", "-q", *words, "-t", tag, str(folder), DOCKER_BUILDKIT="0")

    def size(self, image: str) -> float:
        """Of an image, in MB, with its base."""
        return int(self.run("image", "inspect", "-f", "{{.Size}}", image)) / 1e6


def wheels(name: str, requirements: Path) -> Path:
    """The wheels of a list with hashes, kept in a folder for builds that have no network."""
    folder = KEPT / f"wheels-{name}"
    stamp = folder / ".list"
    # Debian's 3.11 is 3.11.2: what older patch levels need is left out of a download by a newer one, so it is asked for plainly.
    text = re.sub(r" ; python_full_version < '3\.11\.\d+'", "", requirements.read_text())
    wanted = hashlib.sha256(text.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        plain = folder / "list.txt"
        plain.write_text(text)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--require-hashes"]
        ran([*command, "--find-links", str(folder), "-r", str(plain), "-d", str(folder)], within=1800)
        stamp.write_text(wanted)
    return folder


def context(target: Path) -> None:
    """The tracked files of this checkout, and new ones that are not ignored: what a build of an image gets."""
    listed = ran(["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    for name in listed.splitlines():
        source = ROOT / name
        if source.is_file() and name.split("/")[0] in PARTS:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
