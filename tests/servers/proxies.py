"""The proxies that roll-outs are proven with: those of the machine, or Debian's packages unpacked into a folder of the cache.

`python -m tests.servers.proxies` gets those that are missing, for tests, which fetch nothing.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers import installed

PACKAGES = ("haproxy", "nginx")
_CACHE = Path.home() / ".cache" / "aiwriter-tests" / "proxies"


class NotHere(RuntimeError):
    """The program cannot be had on this machine; the text says what to install."""


def binary(name: str, *, fetch: bool = True) -> str:
    """Path of the program.

    Args:
        name: haproxy, caddy, traefik or nginx.
        fetch: get Debian's package when it is not installed.

    Raises:
        NotHere: it is neither installed nor to be had.
    """
    if found := installed(name):
        return found
    if name in PACKAGES and (fetch or (_CACHE / name / name).exists()):
        return _unpacked(name)
    raise NotHere(f"{name} is not installed.")


def _unpacked(name: str) -> str:
    """Debian's package with what it needs, unpacked and not installed: nothing is started, nothing else changes."""
    folder = _CACHE / name
    wrapper = folder / name
    if wrapper.exists():
        return str(wrapper)
    archives = folder / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "-y", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={archives}"]
    try:
        done = subprocess.run([*command, "install", name], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotHere(f"{name} is not installed, and there is no apt-get to fetch it.") from error
    packages = list(archives.glob("*.deb"))
    if done.returncode or not packages:
        raise NotHere(f"{name} is not installed: apt install {name} ({done.stderr.strip()[-200:]})")
    root = folder / "root"
    for package in packages:
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
    program = next(root.glob(f"usr/sbin/{name}"))
    wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {program} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a proxy that was started here."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def clean_environment() -> dict[str, str]:
    """What a proxy gets: no variables of the portal's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AIWRITER_")}


if __name__ == "__main__":
    for each in PACKAGES:
        try:
            print(binary(each))
        except NotHere as error:
            print(error)
