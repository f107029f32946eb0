"""A proof pack as one file: parts of text, a manifest of their digests, one signature; written and judged without the database.

The file is a ZIP whose entries are stored as they are, with fixed dates, so that the same parts make the same bytes: whoever
opens it sees ordinary files, and whoever verifies it can account for every byte of it. `manifest.json` is
`{"document": …, "signature": …}` in one canonical form, signed as every other document of the audit record's checkpoint key.
`deploy/rescue/verify_proof.py` does the same as `judge` and shares no code with it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from aiwriter.core import ledger

KIND = "aiwriter-proof-pack"
FORM = 1
MANIFEST = "manifest.json"
# A pack of a year's reviews is below a megabyte; what is far larger is no pack.
LARGEST = 64 * 2**20
# The first moment that a ZIP can name: the true one stands in the manifest.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(slots=True)
class Verdict:
    """What a verification found.

    Args:
        problems: in words, each with the name of what is wrong; none when the file is as it was signed.
        document: what the manifest says, as far as it could be read.
        signer: the key that signed.
    """

    problems: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    signer: str = ""


def canonical(value: Any) -> bytes:
    """The one form of a JSON text: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def write(document: Mapping[str, Any], parts: Mapping[str, bytes], seed: bytes) -> bytes:
    """The file.

    Args:
        document: what the manifest says; `kind`, `form` and the digests are added.
        parts: contents by name.
        seed: of the checkpoint key.
    """
    listed = [
        {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in sorted(parts.items())
    ]
    whole = {**document, "kind": KIND, "form": FORM, "files": listed}
    manifest = canonical({"document": whole, "signature": ledger.sign_document(seed, whole)})
    return _zip({MANIFEST: manifest, **parts})


def _zip(entries: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in sorted(entries.items(), key=lambda each: (each[0] != MANIFEST, each[0])):
            entry = zipfile.ZipInfo(name, _DATE)
            # Said outright: the system that writes it must not show in the bytes.
            entry.create_system, entry.create_version, entry.extract_version = 3, 20, 20
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return made.getvalue()


def judge(content: bytes, trusted: Mapping[str, str]) -> Verdict:
    """Whether a file is as it was signed, by a key that is trusted.

    Args:
        content: the file.
        trusted: public keys, base64, by their ids.
    """
    verdict = Verdict()
    entries = _entries(content, verdict)
    if MANIFEST not in entries:
        verdict.problems.append(
            f"{MANIFEST} is missing or cannot be read: this is no proof pack, or not the whole of it."
        )
        return verdict
    if not _manifest(entries[MANIFEST], trusted, verdict):
        return verdict
    _files(entries, verdict)
    for name, text in entries.items():
        if name.startswith(("record/checkpoint", "reviews/")):
            _inner(name, text, {**verdict.document.get("signers", {}), **trusted}, verdict)
    if not verdict.problems and content != _zip(entries):
        verdict.problems.append("The archive around the parts was changed; the parts themselves were not.")
    return verdict


def _entries(content: bytes, verdict: Verdict) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > LARGEST or any(info.compress_type for info in infos):
                verdict.problems.append("The archive is larger than a proof pack can be, or compressed: it is none.")
                return {}
            for info in infos:
                if info.filename in found:
                    verdict.problems.append(f"{info.filename} is there twice.")
                try:
                    found[info.filename] = archive.read(info)
                except (zipfile.BadZipFile, RuntimeError, OSError, EOFError):
                    verdict.problems.append(f"{info.filename} was changed: it is not what was stored.")
                    found[info.filename] = b""
    except (zipfile.BadZipFile, ValueError, RuntimeError, OSError) as error:
        verdict.problems.append(f"The file is not an archive, or was cut off: {error}.")
    return found


def _manifest(text: bytes, trusted: Mapping[str, str], verdict: Verdict) -> bool:
    try:
        whole = orjson.loads(text)
        document, signature = whole["document"], str(whole["signature"])
        verdict.document, verdict.signer = dict(document), str(document["key_id"])
        listed = {str(each["name"]): (str(each["sha256"]), int(each["size"])) for each in document["files"]}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        verdict.problems.append(f"{MANIFEST} was changed: it cannot be read.")
        return False
    if document.get("kind") != KIND or document.get("form") != FORM or len(listed) != len(document["files"]):
        verdict.problems.append(f"{MANIFEST} is that of another kind of file, or of a later version.")
        return False
    public = trusted.get(verdict.signer)
    if public is None:
        verdict.problems.append(
            f"Signed by the key {verdict.signer}, which is none of the trusted ones ({', '.join(trusted) or 'none given'})."
        )
    elif canonical(whole) != text or not ledger.is_document_signed(document, signature, public):
        verdict.problems.append(f"{MANIFEST} was changed, or the key {verdict.signer} did not sign it.")
    return True


def _files(entries: Mapping[str, bytes], verdict: Verdict) -> None:
    listed = {each["name"]: each for each in verdict.document["files"]}
    for name, facts in listed.items():
        if name not in entries:
            verdict.problems.append(f"{name} was removed.")
        elif hashlib.sha256(entries[name]).hexdigest() != facts["sha256"] and not any(
            text.startswith(f"{name} ") for text in verdict.problems
        ):
            verdict.problems.append(f"{name} was changed.")
    for name in entries:
        if name != MANIFEST and name not in listed:
            verdict.problems.append(f"{name} was added: the manifest does not know it.")


def _inner(name: str, text: bytes, keys: Mapping[str, str], verdict: Verdict) -> None:
    """What is signed by itself: the checkpoint and the evidence of reviews."""
    try:
        whole = orjson.loads(text)
        if name.startswith("record/"):
            point = ledger.checkpoint_from(whole)
            signer, signed = point.key_id, ledger.is_signed(point, keys.get(point.key_id, ""))
        else:
            signer = whole["document"]["key_id"]
            signed = ledger.is_document_signed(whole["document"], whole["signature"], keys.get(signer, ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        signer, signed = "?", False
    if not signed and not any(problem.startswith(f"{name} ") for problem in verdict.problems):
        verdict.problems.append(f"{name} has no valid signature of the key {signer}.")
