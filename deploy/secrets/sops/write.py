#!/usr/bin/env python3
"""Write the entries of a decrypted SOPS file as files, one for each name, without the clear text ever lying in one file.

    sops decrypt --output-type json production.enc.yaml | write.py FOLDER

All entries are looked at first: a wrong one, or an empty input because sops refused, writes nothing. Each file has mode 0440,
belongs to root:aiwriter where there is such a group and root writes, and takes the place of the one before in one step.
Exit codes: 0 written, 2 nothing was written, and why.
"""

import grp
import json
import os
import re
import sys
from pathlib import Path


def entries_of(text):
    """Values by name, or what is wrong with them."""
    if not text.strip():
        raise ValueError("nothing came in: sops has refused, see what it said")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the input is no JSON ({error}): call sops with --output-type json") from None
    if not isinstance(found, dict) or not found:
        raise ValueError("the file has no entries")
    entries = {}
    for name, value in found.items():
        if name == "sops":
            raise ValueError("the file is still encrypted: decrypt it with sops first")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            raise ValueError(f"'{name[:64]}' is no name of a file: use small letters, digits and _")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"'{name}' is neither a text nor a whole number")
        entries[name] = str(value)
    return entries


def write(folder, name, value):
    """One file, whole or not at all."""
    new = folder / f".{name}.new"
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(value if value.endswith("\n") else f"{value}\n")
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o440)
        if os.geteuid() == 0:
            try:
                os.fchown(file.fileno(), 0, grp.getgrnam("aiwriter").gr_gid)
            except KeyError:
                pass  # no such group here: root alone reads it
    new.replace(folder / name)


def main(words):
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(words[0])
    try:
        entries = entries_of(sys.stdin.read())
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder: make it first, mode 0750")
        for name, value in entries.items():
            write(folder, name, value)
            print(f"wrote {folder / name}")
    except (ValueError, OSError) as error:
        print(f"Nothing was written: {error}." if isinstance(error, ValueError) else f"{error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
