"""From a repository and a key alone, in an empty folder, a serving portal: same counts and digests, a document in a browser.

A portal is filled and backed up, then its whole data folder is gone but for the repository, which is moved elsewhere, and
the key. `make rebuild REPO=… KEY=…` runs in an empty folder and ends with a portal that serves; the person of before
signs in with the old password and opens a document with its picture. Then the same from a bucket of an S3 server.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from pathlib import Path

from tests.e2e.browser import Visitor, chromium
from tests.fakes.s3 import moto
from tests.lab.portal import Portal
from tests.lab.shelf import counts, fill, stop_schedules
from tests.proofs import expect


def prove() -> str:
    """Fill, back up, lose everything else, rebuild, look."""
    with tempfile.TemporaryDirectory(prefix="aiwriter-rebuild-") as folder:
        kept = Path(folder) / "kept"
        kept.mkdir()
        with Portal(within=300) as portal:
            stop_schedules(portal)
            documents = fill(portal)
            before = counts(portal)
            email, password = portal.email, portal.password
            key = portal.manage("keys", "show").stdout
            made = portal.manage("backup", "--json", check=False)
            expect(made.returncode == 0, f"backup: {made.stdout}{made.stderr}")
            name = json.loads(made.stdout.splitlines()[-1])["result"]["set"]
            portal.stop()
            shutil.move(portal.folder / "backups" / "repository", kept / "repository")
        (kept / "key.txt").write_text(key)
        begun = time.monotonic()
        command = ["make", "--no-print-directory", "rebuild", f"REPO={kept / 'repository'}", f"KEY={kept / 'key.txt'}"]
        with Portal(command=command, within=400) as rebuilt:
            serving = time.monotonic() - begun
            said = "\n".join(rebuilt.output)
            expect("as the manifest says" in said, f"counts and digests were not compared:\n{said}")
            expect(name in said, f"another set was used:\n{said}")
            after = counts(rebuilt)
            expect(after == before, f"before {before}, after {after}")
            rebuilt.email, rebuilt.password = email, password
            _open_document(rebuilt, documents[0])
            again = rebuilt.manage("backup", "--json", check=False)
            expect(again.returncode == 0, f"the rebuilt portal cannot back up: {again.stdout}{again.stderr}")
            restored = re.search(r"Rebuilt in ([\d.]+) s", said)
            expect(restored, f"it did not say how long it took:\n{said}")
        bucket = _from_a_bucket(kept, before)
        return (
            f"serving after {serving:.1f} s, {restored[1]} s of it the restore; {after}; from a bucket {bucket:.1f} s"  # type: ignore[index]
        )


def _from_a_bucket(kept: Path, before: object) -> float:
    """The same from an object store. Returns the seconds until it served."""
    with moto() as server:
        for path in sorted((kept / "repository").rglob("*")):
            if path.is_file():
                name = f"old/{path.relative_to(kept / 'repository')}"
                server.client.put_object(Bucket=server.bucket, Key=name, Body=path.read_bytes())
        access = {
            "AIWRITER_SECRET_S3_KEY_ID": server.access_key_id,
            "AIWRITER_SECRET_S3_KEY": server.secret_access_key,
        }
        place = f"s3://{server.bucket}/old?endpoint={server.url}"
        command = ["make", "--no-print-directory", "rebuild", f"REPO={place}", f"KEY={kept / 'key.txt'}"]
        begun = time.monotonic()
        with Portal(access, command=command, within=400) as rebuilt:
            serving = time.monotonic() - begun
            after = counts(rebuilt)
            expect(after == before, f"from a bucket: before {before}, after {after}")
        return serving


def _open_document(portal: Portal, document: str) -> None:
    with chromium() as browser:
        visitor = Visitor(browser, portal.url)
        visitor.sign_in(portal.email, portal.password)
        page = visitor.go(f"/documents/{document}/")
        page.wait_for_selector("[data-ready]")
        expect("lantern0 sentence 7" in page.inner_text("main"), "the text is not there")
        width = page.evaluate(
            "async () => { const found = document.querySelector('main img[src*=\"/pictures/\"]');"
            " if (!found) return -1; await found.decode(); return found.naturalWidth; }"
        )
        expect(width == 1, f"the picture is not there ({width})")
        visitor.close()
