"""A configuration that is encrypted by SOPS for age keys starts the portal, as files and as variables, and for nobody else.

With the real `sops` of `requirements/deploy.txt` and keys made by the age library: the shipped examples are filled in and
encrypted, written as files by `deploy/secrets/sops/write.py` and read by the portal's own reader; a foreign key, a byte that was
changed and an entry that cannot be written leave the files of before as they were.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyrage

from tests.lab.deploytools import tools
from tests.lab.portal import ROOT
from tests.proofs import NotRun, expect

FOLDER = ROOT / "deploy" / "secrets" / "sops"
WORDS = {
    "database_url": "postgres://aiwriter:p%40ss'\"$w: #1@db.example.org:5432/portal?sslmode=verify-full",
    "redis_url": "rediss://:hunter2-canary@redis.example.org:6379/0",
    "secret_key": "x9" * 32,
    "db_pem": "-----BEGIN CERTIFICATE-----\nMIIB\n  spaces kept\n-----END CERTIFICATE-----\n",
}
_READ = (
    "import json, os, sys; from aiwriter import env; v = env.read(os.environ); "
    "json.dump({n: v[n] for n in ('DATABASE_URL', 'REDIS_URL', 'AIWRITER_SECRET_KEY')}, sys.stdout)"
)
_VARIABLES = {"DATABASE_URL": "database_url", "REDIS_URL": "redis_url", "AIWRITER_SECRET_KEY": "secret_key"}


def prove() -> str:
    """Encrypt, open, refuse."""
    program = tools() / "sops"
    if not program.exists():
        raise NotRun("requirements/deploy.txt brings no sops for this system")
    with tempfile.TemporaryDirectory(prefix="aiwriter-sops-") as scratch:
        return _prove(str(program), Path(scratch))


def _prove(sops: str, place: Path) -> str:
    machine, safe, stranger = (pyrage.x25519.Identity.generate() for _ in range(3))
    keys = {"machine": machine, "safe": safe, "stranger": stranger}
    for name, identity in keys.items():
        (place / f"{name}.txt").write_text(f"{identity}\n")
        (place / f"{name}.txt").chmod(0o600)

    def run(*command: str, key: str = "", given: str = "", more: dict[str, str] | None = None) -> tuple[int, str, str]:
        names = {name: value for name, value in os.environ.items() if not name.startswith(("SOPS_", "AIWRITER_"))}
        if key:
            names["SOPS_AGE_KEY_FILE"] = str(place / f"{key}.txt")
        names = {**names, "HOME": str(place), "XDG_CONFIG_HOME": str(place), **(more or {})}
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=names, cwd=ROOT)
        return done.returncode, done.stdout, done.stderr

    said = run(sops, "--version", "--disable-version-check")[1].split("\n")[0]
    recipients = f"{machine.to_public()},{safe.to_public()}"
    # ---- files
    clear = place / "production.yaml"
    example = (FOLDER / "production.example.yaml").read_text()
    named = set(re.findall(r"(?m)^(\w+):", example))
    expect(named <= WORDS.keys(), f"the example has entries that are not tried: {named}")
    clear.write_text(json.dumps(WORDS))
    code, encrypted, error = run(sops, "encrypt", "--age", recipients, "--output-type", "yaml", str(clear))
    expect(code == 0, f"encrypting ended with {code}: {error}")
    for value in WORDS.values():
        expect(
            value not in encrypted and json.dumps(value)[1:-1] not in encrypted, "a value stands in the encrypted file"
        )
    expect("hunter2" not in encrypted and "database_url" in encrypted, "names are to stay readable, values are not")
    sealed = place / "production.enc.yaml"
    sealed.write_text(encrypted)
    folder = place / "secrets"
    folder.mkdir(mode=0o750)

    def deploy(key: str, file: Path = sealed) -> tuple[int, str]:
        code, plain, problem = run(sops, "decrypt", "--output-type", "json", str(file), key=key)
        wrote = run(sys.executable, str(FOLDER / "write.py"), str(folder), given=plain if code == 0 else "")
        return wrote[0], problem + wrote[2]

    for key in ("machine", "safe"):
        code, problem = deploy(key)
        expect(code == 0, f"with the key of the {key}: {problem}")
    for name, value in WORDS.items():
        there = folder / name
        expect(there.read_text().rstrip("\n") == value.rstrip("\n"), f"{name} was written otherwise")
        expect(there.stat().st_mode & 0o777 == 0o440, f"{name} has the mode {there.stat().st_mode & 0o777:o}")
    files = {f"{name}_FILE": str(folder / entry) for name, entry in _VARIABLES.items()}
    code, read, error = run(sys.executable, "-c", _READ, more=files)
    expect(code == 0, f"the portal's reader refused the files: {error}")
    wanted = {name: WORDS[entry] for name, entry in _VARIABLES.items()}
    expect(json.loads(read) == wanted, "the portal reads other values than were encrypted")
    # ---- who has no key, and what was changed
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    refused = 0
    changed = place / "changed.enc.yaml"
    value = re.search(r"redis_url: ENC\[AES256_GCM,data:(\w{4})", encrypted)
    expect(value is not None, "the encrypted file has another form than was expected")
    assert value is not None
    at = value.start(1)
    swapped = encrypted[:at] + ("B" if encrypted[at] == "A" else "A") + encrypted[at + 1 :]
    without = "\n".join(line for line in encrypted.split("\n") if not line.startswith("redis_url:"))
    for what, text, key in (
        ("a stranger's key", encrypted, "stranger"),
        ("no key", encrypted, ""),
        ("a value that was changed", swapped, "machine"),
        ("an entry that was taken out", without, "machine"),
    ):
        changed.write_text(text)
        code, _problem = deploy(key, changed)
        expect(code == 2, f"{what}: it ended with {code}")
        refused += 1
    for what, text in (
        ("a name that leads out of the folder", '{"redis_url": "other", "../x": "y"}'),
        ("a value that is no text", '{"redis_url": "other", "secret_key": {"a": 1}}'),
        ("a file that is still encrypted", json.dumps({"redis_url": "other", "sops": {}})),
        ("no JSON", "redis_url: other"),
    ):
        expect(run(sys.executable, str(FOLDER / "write.py"), str(folder), given=text)[0] == 2, f"{what} was taken")
        refused += 1
    expect({each.name: each.read_bytes() for each in folder.iterdir()} == before, "a refusal has changed the files")
    # ---- variables
    names = set(re.findall(r"(?m)^(\w+)=", (FOLDER / "production.example.env").read_text()))
    expect(names == _VARIABLES.keys(), f"the example of variables has others: {names}")
    (place / "production.env").write_text("".join(f"{name}={wanted[name]}\n" for name in sorted(names)))
    code, encrypted, error = run(sops, "encrypt", "--age", recipients, str(place / "production.env"))
    expect(code == 0 and "hunter2" not in encrypted, f"encrypting variables: {error}")
    (place / "production.enc.env").write_text(encrypted)
    command = f"'{sys.executable}' -c \"{_READ}\""
    code, read, error = run(sops, "exec-env", str(place / "production.enc.env"), command, key="machine")
    expect(code == 0, f"exec-env ended with {code}: {error}")
    expect(json.loads(read) == wanted, "the portal reads other variables than were encrypted")
    expect(
        run(sops, "exec-env", str(place / "production.enc.env"), command, key="stranger")[0] != 0, "a stranger started"
    )
    # ---- one recipient less
    code, _out, error = run(sops, "rotate", "--in-place", "--rm-age", str(safe.to_public()), str(sealed), key="machine")
    expect(code == 0, f"taking a recipient out: {error}")
    expect(deploy("safe")[0] == 2 and deploy("machine")[0] == 0, "the recipient that was taken out still opens it")
    return (
        f"{len(WORDS)} entries, one of several lines, and {len(names)} variables opened for 2 keys of 3 with {said}; "
        f"{refused} wrong inputs wrote nothing; a recipient that was taken out opens nothing"
    )
