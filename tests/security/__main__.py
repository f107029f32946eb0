"""`make security [ONLY=bandit,semgrep,…]`: runs each tool, prints what nobody has reviewed, ends with 1 when there is something.

A finding is known by tool, rule, file and the text of its line. Reviewed ones stand in `reviewed.csv` with the reason; a row that
fits no finding any more is told, so that the list does not outlive the code.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.lab.portal import Portal

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "security"
BIN = ROOT / ".venv-security" / "bin"
REVIEWED = HERE / "reviewed.csv"
BASELINE = HERE / "secrets.baseline"
CODE = [
    "aiwriter",
    "apps",
    "deploy",
    "manage.py",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("plugins/*/src")),
]
LISTS = ("base", "plugins")
# Pictures, letters, lists of digests and of words, stored packs, and what is made of the code: nobody writes them, all of it looks
# random, and looking at it takes a tenth of the time. The list of reviews holds the reviewed lines once more.
_NO_SECRETS = re.compile(
    r"\.(svg|png|woff2|lock)$|vocab\.txt$|package-lock\.json$|secrets\.baseline|security/reviewed\.csv|requirements/.*\.txt"
    r"|tests/data/(openapi|repository_v1)|docs/api/reference\.md"
)


class NotRun(Exception):
    """A tool or what it needs is not there; the text says what."""


class Finding(NamedTuple):
    """What a tool says about a line."""

    tool: str
    rule: str
    path: str
    line: str
    text: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By what it is known."""
        return self.tool, self.rule, self.path, self.line


def _line(path: str, number: int) -> str:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return " ".join(lines[number - 1].split()) if 0 < number <= len(lines) else ""


def _run(*command: str, fine: tuple[int, ...] = (0, 1), **more: object) -> subprocess.CompletedProcess[str]:
    if not Path(command[0]).exists():
        raise NotRun(f"{Path(command[0]).name} is not installed")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode not in fine:
        raise NotRun(f"{Path(command[0]).name} ended with {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done


def bandit() -> list[Finding]:
    """Dangerous calls in the code. Left out: assertions, and that a program is started somewhere; how it is started counts."""
    done = _run(str(BIN / "bandit"), "-r", *CODE, "-f", "json", "-q", "-x", "plugins/template", "-s", "B101,B404")
    return [
        Finding(
            "bandit",
            each["test_id"],
            each["filename"].removeprefix("./"),
            _line(each["filename"], each["line_number"]),
            each["issue_text"],
        )
        for each in json.loads(done.stdout)["results"]
    ]


def semgrep(folder: Path = ROOT) -> list[Finding]:
    """Our own rules."""
    if not (BIN / "semgrep").exists():
        raise NotRun("semgrep is not installed")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "SEMGREP_SEND_METRICS": "off"}
    command = [
        str(BIN / "semgrep"),
        "scan",
        "--config",
        str(HERE / "rules.yaml"),
        "--metrics",
        "off",
        "--json",
        "--quiet",
    ]
    command += [
        "--disable-version-check",
        "--no-git-ignore",
        "--jobs",
        "1",
        "--exclude",
        ".venv*",
        "--exclude",
        "samples",
    ]
    targets = [*CODE, "static/js"] if folder == ROOT else ["."]
    done = subprocess.run(
        [*command, *targets], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise NotRun(f"semgrep ended with {done.returncode}: {done.stderr[-400:]}")
    answer = json.loads(done.stdout)
    broken = [each["message"] for each in answer["errors"] if each.get("level") == "error"]
    if broken:
        raise NotRun(f"semgrep could not read something: {broken[0][:300]}")
    return [
        Finding(
            "semgrep",
            each["check_id"].rpartition(".")[2],
            each["path"],
            _line_of(folder, each),
            each["extra"]["message"],
        )
        for each in answer["results"]
    ]


def _line_of(folder: Path, found: dict[str, dict[str, int] | str]) -> str:
    lines = (folder / str(found["path"])).read_text(encoding="utf-8").splitlines()
    start = found["start"]
    return " ".join(lines[start["line"] - 1].split()) if isinstance(start, dict) else ""


def secrets() -> list[Finding]:
    """Texts that look like a secret, beside those of the baseline."""
    if not (BIN / "detect-secrets").exists():
        raise NotRun("detect-secrets is not installed")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [name for name in listed if (ROOT / name).is_file() and not _NO_SECRETS.search(name)]
    with tempfile.TemporaryDirectory() as scratch:
        # The tool writes new line numbers into the baseline that it is given.
        copy = Path(scratch) / "baseline"
        shutil.copy(BASELINE, copy)
        hook = str(BIN / "detect-secrets-hook")
        done = subprocess.run(
            [hook, "--no-verify", "--baseline", str(copy), "--json", *files],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode in (0, 3):
        return []
    found = json.loads(done.stdout or "{}").get("results", {})
    return [
        Finding("detect-secrets", each["type"], path, _line(path, each["line_number"]), each["type"])
        for path, rows in found.items()
        for each in rows
    ]


def components() -> list[Finding]:
    """Advisories about the product's components. An advisory source that does not answer is no good news."""
    found = []
    for name in LISTS:
        done = _run(
            str(BIN / "pip-audit"), "--strict", "--require-hashes", "--disable-pip", "-r", f"requirements/{name}.txt",
            "--format", "json", "--progress-spinner", "off", "--timeout", "10", timeout=300,
        )  # fmt: skip
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        if answer is None or not answer.get("dependencies"):
            raise NotRun(f"no advisory source answered: {done.stderr.strip()[-200:]}")
        if skipped := [each["name"] for each in answer["dependencies"] if "skip_reason" in each]:
            raise NotRun(f"{len(skipped)} packages were skipped, {skipped[0]} among them")
        found += [
            Finding("pip-audit", fault["id"], f"requirements/{name}.txt", each["name"], fault["description"][:200])
            for each in answer["dependencies"]
            for fault in each["vulns"]
        ]
    return found


def pages() -> list[Finding]:
    """Wapiti against a portal that runs for it as in production: over TLS, with the cookies and headers that go with it."""
    own = ROOT / ".venv-wapiti" / "bin" / "wapiti"
    program = str(own) if own.exists() else shutil.which("wapiti")
    if program is None:
        raise NotRun("wapiti is not installed; `make security` does it")
    from tests.lab.portal import Portal

    with (
        tempfile.TemporaryDirectory() as scratch,
        Portal({"AIWRITER_HTTPS": "true"}, within=300) as portal,
        _over_tls(portal, Path(scratch)) as url,
    ):
        report = Path(scratch) / "report.json"
        _run(
            program, "-u", f"{url}/", "--scope", "folder", "-f", "json", "-o", str(report), "--flush-session",
            "--store-session", scratch, "--max-scan-time", "300", "--no-bugreport", "-d", "3",
            timeout=900, fine=(0,),
        )  # fmt: skip
        answer = json.loads(report.read_text(encoding="utf-8"))
    looked = answer["infos"]["crawled_pages_nbr"]
    if looked < 3:
        raise NotRun(f"wapiti saw {looked} pages only")
    rows = {**answer["vulnerabilities"], **answer["anomalies"]}
    return [
        Finding("wapiti", name, each["path"], each.get("parameter") or "", each["info"])
        for name, each_rows in rows.items()
        for each in each_rows
    ]


@contextlib.contextmanager
def _over_tls(portal: Portal, folder: Path) -> Iterator[str]:
    """A web process of the portal that speaks TLS."""
    import httpx2

    from tests.servers import free_port
    from tests.servers.identity_providers import make_certificate

    make_certificate(folder)
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "aiwriter.asgi:application",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    command += ["--ssl-certfile", str(folder / "cert.pem"), "--ssl-keyfile", str(folder / "key.pem")]
    environment = {**portal.environment, **portal._chroma(), "AIWRITER_PUBLIC_URL": url}
    # It warns of each of a scanner's thousands of wrong requests.
    web = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{url}/livez", trust_env=False, verify=False).status_code == 200:
                    break
            time.sleep(0.2)
        else:
            raise NotRun("the web process that speaks TLS does not answer")
        yield url
    finally:
        web.terminate()
        web.wait(30)


TOOLS: dict[str, Callable[[], list[Finding]]] = {
    "bandit": bandit,
    "semgrep": semgrep,
    "detect-secrets": secrets,
    "pip-audit": components,
    "wapiti": pages,
}


def reviewed() -> dict[tuple[str, str, str, str], str]:
    """The reasons of reviewed findings."""
    with REVIEWED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    unexplained = [row for row in rows if len(row["reason"]) < 10]
    if unexplained:
        raise SystemExit(f"{REVIEWED.name}: a row has no reason: {unexplained[0]}")
    return {(row["tool"], row["rule"], row["path"], row["line"]): row["reason"] for row in rows}


def scan(only: list[str]) -> tuple[list[Finding], dict[str, str], int]:
    """Findings that nobody has reviewed, a word on each tool, and how many were reviewed."""
    known = reviewed()
    said, new, used = {}, [], set()
    for name, tool in TOOLS.items():
        if only and name not in only:
            continue
        try:
            found = tool()
        except (NotRun, subprocess.TimeoutExpired) as reason:
            said[name] = f"not run: {reason}"
            continue
        fresh = [each for each in found if each.key not in known]
        used |= {each.key for each in found}
        new += fresh
        said[name] = f"{len(found)} findings, {len(fresh)} not reviewed"
        for key in known:
            if key[0] == name and key not in used:
                new.append(Finding(*key, "This review fits no finding any more: take it out of reviewed.csv."))
    return new, said, len(known)


def try_rules() -> list[str]:
    """Which of our rules do not find the fault that is planted for them."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "planted"
        place.mkdir()
        shutil.copy(HERE / "samples" / "faults.txt", place / "faults.py")
        (place / "faults.js").write_text('window.addEventListener("message", read);\n', encoding="utf-8")
        rules = (HERE / "rules.yaml").read_text(encoding="utf-8")
        found = {each.rule for each in semgrep(Path(scratch))}
    wanted = {line.split("id:")[1].strip() for line in rules.splitlines() if line.strip().startswith("- id:")}
    return sorted(wanted - found)


def main(arguments: list[str]) -> int:
    """Run and print."""
    if "--try-rules" in arguments:
        blind = try_rules()
        print(f"rules that find nothing: {blind}" if blind else "every rule finds its fault")
        return bool(blind)
    new, said, known = scan([name for each in arguments for name in each.split(",")])
    for name, text in said.items():
        print(f"{name:16} {text}")
    for each in new:
        print(f"{each.tool} {each.rule} {each.path}: {each.line}\n    {each.text}")
    print(f"{len(new)} findings are not reviewed; {known} are, each with its reason in tests/security/reviewed.csv")
    return bool(new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
