"""The template as its documentation says: copied, renamed, installed with pip, tested by its own suite, found and used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.plugins.dists import write_distribution

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "plugins" / "template"
TUTORIAL = ROOT / "docs" / "plugins" / "tutorial.md"
PROBE = """
import asyncio, json, logging, sys
import django.conf
django.conf.settings.configure()
from aiwriter.pluginhost import calls, discovery
from aiwriter.pluginhost.validation import validate_options
from aiwriter_sdk import BackendContext, GenerateRequest, Message, TextDelta
from aiwriter_sdk.testing.http import PlainHttpClient
from aiwriter_sdk.testing.wire import WireReply, WireServer

def script(request):
    assert request.json()["messages"] == [{"role": "user", "content": "Hi"}]
    return WireReply.lines([{"message": {"content": "Hello "}}, {"message": {"content": "there"}}, {"done": True}])

async def write(backend):
    request = GenerateRequest(model="m", messages=(Message(role="user", content="Hi"),))
    return "".join([e.text async for e in calls.stream(backend, request) if isinstance(e, TextDelta)])

plugin = discovery.find("model", "acme-cloud")
with WireServer(script) as server:
    config = validate_options(plugin.descriptor.config, {"base_url": server.url}, {})
    context = BackendContext(http=PlainHttpClient(), logger=logging.getLogger(), data_dir=sys.argv[1])
    text = asyncio.run(write(calls.build_backend(plugin.descriptor, config, context)))
print(json.dumps([plugin.state, plugin.distribution, plugin.version, plugin.descriptor.label, text]))
"""


def _run(*command: str, cwd: Path, path: Path | None = None) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def _install(copy: Path, site: Path, *, cwd: Path) -> None:
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    _run(sys.executable, *pip, "--target", str(site), str(copy), cwd=cwd)


def _test(copy: Path, site: Path) -> str:
    # An author has few plugins of pytest; importing all of ours takes longer than the tests. The suite's own comes by itself.
    names = {entry.name for entry in entry_points(group="pytest11")} - {"aiwriter_conformance"}
    without = [word for name in sorted(names | {"cacheprovider"}) for word in ("-p", f"no:{name}")]
    return _run(sys.executable, "-m", "pytest", *without, cwd=copy, path=site)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(TEMPLATE, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__", ".*", "*.egg-info"))
    )


def test_a_renamed_copy_is_a_working_plugin(copy: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert "aiwriter-acme-cloud" in _run(sys.executable, "rename.py", "acme-cloud", cwd=copy)
    _install(copy, site, cwd=tmp_path)
    report = _test(copy, site)
    assert "model acme-cloud (tests/test_conformance.py::TestAcmeCloud): conforms" in report
    found = json.loads(_run(sys.executable, "-c", PROBE, str(tmp_path), cwd=ROOT, path=site))
    assert found == ["ready", "aiwriter-acme-cloud", "0.1.0", "Acme Cloud", "Hello there"]


def test_the_tutorial_can_be_followed(copy: Path, tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    field, line, test = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    _run(sys.executable, "rename.py", "acme", cwd=copy)
    package = copy / "src" / "aiwriter_acme"
    for path, mark, added in (
        (package / "plugin.py", '            ConfigField(\n                name="api_key"', field),
        (package / "backend.py", '        async with opened(\n            self.context.http, "POST"', line),
    ):
        source = path.read_text(encoding="utf-8")
        assert source.count(mark) == 1, f"the tutorial's place in {path.name} is gone"
        path.write_text(source.replace(mark, added + mark), encoding="utf-8")
    with (copy / "tests" / "test_conformance.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{test}")
    # That pip installs a copy is shown above; the tutorial changes nothing that pip looks at.
    project = tomllib.loads((copy / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules = {f"{package.name}/{path.name}": path.read_text(encoding="utf-8") for path in package.glob("*.py")}
    site = write_distribution(
        tmp_path / "site",
        project["name"],
        entry_points=project["entry-points"],
        modules=modules,
        requires=project["dependencies"],
    )
    report = _test(copy, site)
    assert re.search(r"56 passed, 9 deselected, 1 xfailed", report), report[-3000:]
    assert "56 passed, 9 deselected, 1 xfailed" in text


def test_nothing_of_the_old_name_is_left(copy: Path) -> None:
    _run(sys.executable, "rename.py", "acme", cwd=copy)
    left = [
        f"{path.relative_to(copy)}: {line}"
        for path in copy.rglob("*.[tp][oy]*")
        if path.name != "rename.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if "example" in line.lower() and "for example" not in line
    ]
    assert left == []


@pytest.mark.parametrize("name", ["Acme", "a b", "", "a_b", "-a", "example"])
def test_names_that_cannot_be_keys_are_refused(copy: Path, name: str) -> None:
    done = subprocess.run([sys.executable, "rename.py", name], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (copy / "src" / "aiwriter_example").is_dir()
