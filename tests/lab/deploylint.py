"""What judges the files of deploy/: a program each, used where it is installed. A function returns what is wrong, or ""."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.lab.portal import ROOT
from tests.servers import installed, proxies

DEPLOY = ROOT / "deploy"


def tracked() -> list[Path]:
    """The files that are in the repository."""
    said = subprocess.run(["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in said.splitlines() if (ROOT / name).is_file()]


def scripts() -> list[Path]:
    """Shell scripts."""
    return [path for path in tracked() if path.read_bytes().startswith(b"#!/bin/sh")]


def said_by(*command: str, cwd: Path = ROOT, variables: dict[str, str] | None = None) -> str:
    """What a program says when it is not content."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
    )
    return f"{done.stdout}{done.stderr}".strip()[-2000:] or f"exit code {done.returncode}" if done.returncode else ""


def _shellcheck(program: str) -> str:
    return said_by(program, *map(str, scripts()))


def _hadolint(program: str) -> str:
    return said_by(program, str(DEPLOY / "docker/Dockerfile"))


def _yamllint(program: str) -> str:
    rules = "{extends: relaxed, rules: {line-length: disable}}"
    files = [str(p) for p in tracked() if p.suffix in (".yml", ".yaml") and "templates" not in p.parts]
    return said_by(program, "-s", "-d", rules, *files)


def _actionlint(program: str) -> str:
    return said_by(program, "-no-color", "-shellcheck=", str(DEPLOY / "ci/github/aiwriter.yml"))


def _zizmor(program: str) -> str:
    return said_by(program, "--offline", "--no-progress", "--quiet", str(DEPLOY / "ci/github/aiwriter.yml"))


def _ansible(program: str) -> str:
    ansible = DEPLOY / "ansible"
    found = ""
    for inventory in sorted((ansible / "inventories").glob("*.yml")):
        found = found or said_by(
            program,
            "-i",
            str(inventory),
            str(ansible / "site.yml"),
            "--syntax-check",
            cwd=ansible,
            variables={"ANSIBLE_HOME": "/tmp/aiwriter-ansible"},
        )
    return found


def _certificate(folder: Path) -> str:
    """portal.key, portal.crt, and both in portal.pem."""
    key, certificate = folder / "portal.key", folder / "portal.crt"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=x"]
    problem = said_by("openssl", "req", "-x509", *kind, "-keyout", str(key), "-out", str(certificate))
    if not problem:
        (folder / "portal.pem").write_text(certificate.read_text() + key.read_text())
    return problem


AGENT = "compose/haproxy/agent.cfg"


def _haproxy(program: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        if problem := _certificate(Path(scratch)):
            return problem
        pem = Path(scratch) / "portal.pem"
        variables = {"AW_TLS_PEM": str(pem), "AW_RATE": "600", "AW_REDIS_PASSWORD": "word"}
        variables |= {f"AW_{each}": "127.0.0.1" for each in ("DB_1", "DB_2", "REDIS_1", "REDIS_2", "REDIS_3")}
        for name in ("host/haproxy/haproxy.cfg", "compose/haproxy/haproxy.cfg", AGENT, "compose/haproxy/route.cfg"):
            text = (DEPLOY / name).read_text()
            if name == AGENT:
                # Never alone.
                text += (DEPLOY / "compose/haproxy/haproxy.cfg").read_text()
            for old, new in (
                ("/etc/haproxy/tls/portal.pem", str(pem)), ("/usr/local/etc/haproxy", str(DEPLOY / "compose/haproxy")),
                ("/etc/haproxy", str(DEPLOY / "host/haproxy")), ("/var/run/haproxy", scratch),
                ("/run/haproxy", scratch), ("    user haproxy\n    group haproxy\n", ""),
            ):  # fmt: skip
                text = text.replace(old, new)
            copy = Path(scratch) / "haproxy.cfg"
            copy.write_text(text)
            if problem := said_by(program, "-c", "-q", "-f", str(copy), variables=variables):
                return f"{name}: {problem}"
    return ""


def _caddy(program: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        variables = {"AW_SITE": "portal.example.org", "HOME": scratch, "XDG_DATA_HOME": scratch}
        for name in ("host/caddy/Caddyfile", "compose/caddy/Caddyfile"):
            words = ["validate", "--adapter", "caddyfile", "--config", str(DEPLOY / name)]
            if problem := said_by(program, *words, variables=variables):
                return f"{name}: {problem}"
    return ""


def _nginx(program: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if problem := _certificate(folder):
            return problem
        text = (DEPLOY / "host/nginx/aiwriter.conf").read_text()
        # A name is looked up by its folder and not bound: ports are others than 80 and 443, which may be in use here.
        text = re.sub(r"listen (\[::\]:)?(80|443)", r"listen \g<1>1\2", text)
        text = text.replace("/etc/nginx/tls", scratch).replace("/etc/nginx", str(DEPLOY / "host/nginx"))
        (folder / "site.conf").write_text(text)
        # Where it is unpacked and not installed, the folders that it was built for are not there.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        inside = "".join(f"{kind}_temp_path {scratch}/{kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"pid {scratch}/pid;\nerror_log {scratch}/log;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{inside}include {scratch}/site.conf;\n}}\n"
        )
        return said_by(program, "-t", "-q", "-c", f"{scratch}/nginx.conf", "-p", scratch)


def _nft(program: str) -> str:
    if os.geteuid():
        return ""
    text = (DEPLOY / "host/nft/aiwriter.nft").read_text().replace('skuid "aiwriter"', "skuid 0")
    with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
        file.write(text)
        file.flush()
        problem = said_by(program, "-c", "-f", file.name)
    # A kernel without the module cannot judge; the file's own mistakes are told with their place.
    return problem if "syntax error" in problem or "Error: Could not resolve" in problem else ""


def _systemd(program: str) -> str:
    """Units without their programs and user, which are not on this machine."""
    with tempfile.TemporaryDirectory() as scratch:
        for unit in (*(DEPLOY / "host/systemd").iterdir(), *(DEPLOY / "agent/systemd").iterdir()):
            text = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text())
            text = re.sub(r"(?m)^(WorkingDirectory|User|Group|EnvironmentFile)=.*\n", "", text)
            (Path(scratch) / unit.name).write_text(text)
        names = [each.name.replace("@.", "@blue.") for each in sorted(Path(scratch).iterdir())]
        for name in [each for each in names if "@blue." in each]:
            (Path(scratch) / name).symlink_to(name.replace("@blue.", "@."))
        said = subprocess.run(
            [program, "verify", "--man=no", *(f"{scratch}/{name}" for name in names)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        ours = [line for line in said.stderr.splitlines() if "aiwriter" in line or "aw-deployd" in line]
        if ours:
            return "\n".join(ours)
        for name in names:
            # The agent is root and starts units; it is not measured by what they may not do.
            if name.endswith(".service") and name.startswith("aiwriter"):
                problem = said_by(program, "security", "--offline=true", "--threshold=30", f"{scratch}/{name}")
                if problem:
                    return f"{name}: {problem[-200:]}"
    return ""


LINTS: dict[str, Callable[[str], str]] = {
    "shellcheck": _shellcheck,
    "hadolint": _hadolint,
    "yamllint": _yamllint,
    "actionlint": _actionlint,
    "zizmor": _zizmor,
    "ansible-playbook": _ansible,
    "haproxy": _haproxy,
    "caddy": _caddy,
    "nginx": _nginx,
    "nft": _nft,
    "systemd-analyze": _systemd,
}


def program(name: str, *more: Path) -> str:
    """Where a judge is, or ""."""
    try:
        return installed(name, *more) or proxies.binary(name, fetch=False)
    except proxies.NotHere:
        return ""
