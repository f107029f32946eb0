"""The Terraform modules are formatted, valid for the real provider's schema, and pass their tests with a mocked provider.

Where terraform or the provider is missing, the files are read with an HCL parser, and the rest is told as not run.
TF_PLUGINS names a folder with a mirror of the provider. Nothing is applied to a cloud.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.deploytools import ran, tools
from tests.lab.portal import ROOT
from tests.proofs import NotRun, expect

FOLDER = ROOT / "deploy/terraform"
MIRRORS = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")


def prove() -> str:
    """Format, init, validate, test."""
    files = sorted(FOLDER.rglob("*.tf")) + sorted(FOLDER.rglob("*.hcl"))
    said = ran([str(tools() / "python"), "-c", _PARSE, *map(str, files)])
    expect(f"{len(files)} read" in said, said)
    print(f"  {said.strip()}", flush=True)
    terraform = shutil.which("terraform")
    if terraform is None:
        raise NotRun(f"{said.strip()}, but terraform is not installed: fmt, validate and test were not run")
    with tempfile.TemporaryDirectory(prefix="aiwriter-terraform-") as scratch:
        tree = Path(scratch) / "terraform"
        shutil.copytree(FOLDER, tree, ignore=shutil.ignore_patterns(".terraform*"))
        ran([terraform, "fmt", "-recursive", "-check", str(tree)])
        production = tree / "envs/production"
        _init(terraform, production, said.strip())
        ran([terraform, "validate", "-no-color"], cwd=production, within=900)
        print("  valid for the provider's schema", flush=True)
        tested = ran([terraform, "test", "-no-color"], cwd=production, within=1800)
        found = re.search(r"Success! (\d+) passed, 0 failed", tested)
        expect(found and int(found[1]) >= 8, f"terraform test: {tested[-2000:]}")
        assert found
        _can_fail(terraform, tree)
    return f"{len(files)} files read, formatted and valid; {found[1]} tests pass with a mocked provider, one fails on an open database"


_PARSE = """
import sys, hcl2
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        hcl2.load(file)
print(len(sys.argv) - 1, "read")
"""


def _init(terraform: str, folder: Path, read: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TF_CLI_CONFIG_FILE"}
    mirrors = [os.environ.get("TF_PLUGINS", ""), *(str(Path(each).expanduser()) for each in MIRRORS)]
    words = [[f"-plugin-dir={each}"] for each in mirrors if each and Path(each).is_dir()] or [[]]
    said = ""
    for more in words:
        done = subprocess.run(
            [terraform, "init", "-no-color", "-input=false", *more],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if done.returncode == 0:
            return
        said = done.stderr.strip()[-300:]
    raise NotRun(
        f"{read} and formatted, but the provider cannot be had here, so validate and test were not run: {said}"
    )


def _can_fail(terraform: str, tree: Path) -> None:
    """The tests judge: a database that anybody can reach is found."""
    module = tree / "modules/database/main.tf"
    module.write_text(re.sub(r"(publicly_accessible\s+= )false", r"\1true", module.read_text()))
    done = subprocess.run(
        [terraform, "test", "-no-color"],
        cwd=tree / "envs/production", capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    expect(
        done.returncode and "must be encrypted, doubled, protected, private" in done.stdout + done.stderr,
        f"an open database passes: {done.stdout[-500:]}",
    )
