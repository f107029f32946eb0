"""A plugin made from the template is installed with pip, found, configured in the console and used; bad plugins do no harm.

The portal runs in an environment of its own that sees the product's packages, so that nothing is left behind in the
checkout's. The template is copied to a temporary folder, renamed, tested with the conformance suite, and installed by pip.
Then every plugin of the zoo is installed beside it.
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.lab.forms import submit
from tests.lab.models import writer_token
from tests.lab.ollama import OllamaLike
from tests.lab.portal import ROOT, Portal, read_events
from tests.proofs import expect


def _environment(scratch: Path) -> Path:
    """A virtual environment that also sees this one's packages; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], check=True)
    python = scratch / "venv" / "bin" / "python"
    asked = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    # addsitedir also reads the .pth files there, so that plugins installed as editable are seen.
    line = f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n"
    (Path(asked.stdout.strip()) / "product.pth").write_text(line)
    return python


def _pip(python: Path, *paths: Path | str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"pip install {paths}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _author(scratch: Path, python: Path) -> int:
    """Walk an author's way; returns the number of conformance tests that passed."""
    folder = scratch / "acme"
    shutil.copytree(
        ROOT / "plugins" / "template", folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache")
    )
    subprocess.run([python, "rename.py", "acme"], cwd=folder, check=True, capture_output=True)
    _pip(python, folder)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    expect(done.returncode == 0, f"the renamed template fails its tests:\n{done.stdout[-3000:]}{done.stderr[-500:]}")
    words = done.stdout.split()
    return int(words[words.index("passed,") - 1] if "passed," in words else words[words.index("passed") - 1])


def _use(portal: Portal, address: str) -> str:
    """Configure the plugin through the console's pages and write with it; returns the text."""
    admin = portal.sign_in()
    page = admin.get("/admin/backends/backendprofile/plugins/")
    expect("acme" in page.text, "the console does not list the plugin")
    page = admin.get("/admin/backends/backendprofile/add/", params={"plugin": "model:acme"})
    page = submit(admin, page, name="Acme", base_url=address)
    expect("was saved" in page.text, f"saving: {_text(page.text)}")
    page = submit(admin, page, action="/test/")
    expect("The test passed" in page.text, f"testing: {_text(page.text)}")
    page = submit(admin, page, action="/enable/")
    expect("is enabled" in page.text, f"enabling: {_text(page.text)}")
    profiles = admin.get("/api/v1/backends/profiles").json()["data"]
    profile = next(row["id"] for row in profiles if row["name"] == "Acme")
    answer = admin.put("/api/v1/routes/write", json={"steps": [{"profile": profile, "model": "demo:latest"}]})
    expect(answer.status_code in (200, 201), f"route: {answer.status_code} {answer.text}")
    with portal.api(writer_token(portal)) as client:
        start = client.post("/generate/content", json={"topic": "Anything", "source_ids": []})
        expect(start.status_code == 202, start.text)
        events = list(read_events(client, f"/generations/{start.json()['id']}/events"))
    expect(events[-1][2]["state"] == "succeeded", f"the generation ended as {events[-1]}")
    return "".join(data["text"] for _, kind, data in events if kind == "delta")


def _text(page: str) -> str:
    from bs4 import BeautifulSoup

    return BeautifulSoup(page, "html.parser").get_text(" ", strip=True)[:1500]


def prove() -> str:
    """Author, operator, writer; then the zoo."""
    with tempfile.TemporaryDirectory(prefix="aiwriter-proof-") as name, OllamaLike() as server:
        scratch = Path(name)
        python = _environment(scratch)
        passed = _author(scratch, python)
        print(f"  the renamed template passes {passed} tests", flush=True)
        supervisor = [str(python), "-m", "aiwriter.supervisor"]
        data = scratch / "data"
        data.mkdir()
        with Portal(folder=data, command=supervisor) as portal:
            email, password = portal.email, portal.password
            text = _use(portal, server.url)
            expect(text.strip() == server.text, f"the text differs: {text!r}")
        print("  found, configured, tested, enabled, used", flush=True)

        animals = sorted(
            path for path in (ROOT / "tests" / "plugins" / "zoo").iterdir() if (path / "pyproject.toml").is_file()
        )
        for animal in animals:
            copy = scratch / "zoo" / animal.name
            shutil.copytree(animal, copy)
            _pip(python, copy)
        with Portal(folder=data, command=supervisor) as portal:
            portal.email, portal.password = email, password
            admin = portal.sign_in()
            page = html.unescape(admin.get("/admin/backends/backendprofile/plugins/").text)
            rows = {row["distribution"]: row for row in admin.get("/api/v1/plugins").json()["data"]}
            found = [a for a in animals if any(a.name.replace("_", "-") in name for name in rows)]
            expect(
                len(found) == len(animals), f"not named: {sorted({a.name for a in animals} - {a.name for a in found})}"
            )
            broken = {name: row for name, row in rows.items() if row["state"] in ("broken", "incompatible", "conflict")}
            for distribution, row in broken.items():
                expect(distribution in page, f"{distribution} is not named in the console")
                expect(row["remedy"], f"{distribution} has no remedy: {row}")
            tracebacks = page.count("Traceback (most recent call last)")
            expect(tracebacks >= 3, f"the console shows {tracebacks} tracebacks only")
            for address in ("/", "/livez", "/readyz", "/admin/"):
                expect(admin.get(address).status_code == 200, f"{address} does not answer with the zoo installed")
            with portal.api(writer_token(portal)) as client:
                start = client.post("/generate/content", json={"topic": "Still here", "source_ids": []})
                last = list(read_events(client, f"/generations/{start.json()['id']}/events"))[-1]
            expect(last[2]["state"] == "succeeded", f"writing with the zoo installed ended as {last}")
    return (
        f"template → pip → console → text; {passed} conformance tests; {len(animals)} bad plugins installed at once, "
        f"{len(broken)} refused with a remedy, {tracebacks} with a traceback, the portal serves and writes"
    )
