#!/usr/bin/env python3
"""Verify a proof pack of AI-Writer, without AI-Writer.

    pip install cryptography
    python verify_proof.py PACK.zip --key ID=PUBLIC-KEY        --key may stand several times

PUBLIC-KEY is base64, as `manage.py audit public-keys` and the page of proof packs show it. Get it by another way than the pack:
a file that brings its own key proves only that it was not damaged.
Written from docs/operators/proof-packs.md alone; it shares no code with the product, so that each checks the other.
Exit codes: 0 as signed by a key that you gave; 14 changed or signed by another key, each with its name; 3 nothing was changed, but
no key was given, so nobody knows who signed; 2 it cannot be read.
"""

import argparse
import base64
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LARGEST = 64 * 2**20
CHECKPOINT = ("form", "hash", "key_id", "ledger", "made_at", "previous", "root", "seq")


def canonical(value):
    """Sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def confirms(public, signature, message):
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def document_signed(whole, public):
    document = whole["document"]
    return confirms(public, whole["signature"], document["kind"].encode() + b"\n" + canonical(document))


def checkpoint_signed(point, public):
    facts = {name: point[name] for name in CHECKPOINT}
    return confirms(public, point["signature"], b"aiwriter-ledger-checkpoint\n" + canonical(facts))


def entries_of(content, problems):
    """The parts by name. An entry whose stored checksum does not fit is named and counts as changed."""
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > LARGEST or any(info.compress_type for info in infos):
                problems.append("the archive is too large or compressed: this is no proof pack")
                return {}
            for info in infos:
                if info.filename in found:
                    problems.append(f"{info.filename}: is there twice")
                try:
                    found[info.filename] = archive.read(info)
                except (zipfile.BadZipFile, RuntimeError, OSError, EOFError):
                    found[info.filename] = None
    except (zipfile.BadZipFile, ValueError, RuntimeError, OSError) as error:
        problems.append(f"the file is no archive, or was cut off ({error})")
    return found


def same_archive(entries):
    """The bytes that these parts must make: stored, in their order, dates and rights fixed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in sorted(entries.items(), key=lambda each: (each[0] != "manifest.json", each[0])):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.create_version, info.extract_version = 3, 20, 20
            info.external_attr = 0o644 << 16
            archive.writestr(info, text)
    return made.getvalue()


def verify(content, keys):
    """What is wrong, in words; what the manifest says; whether a given key signed."""
    problems = []
    entries = entries_of(content, problems)
    raw = entries.get("manifest.json")
    if raw is None:
        return [*problems, "manifest.json: was changed, or is missing"], {}, False
    try:
        whole = json.loads(raw)
        document = whole["document"]
        listed = {each["name"]: each["sha256"] for each in document["files"]}
        signer, carried = document["key_id"], document["public_key"]
        if document["kind"] != "aiwriter-proof-pack" or document["form"] != 1:
            return [*problems, "manifest.json: another kind of file, or a later version"], {}, False
    except (ValueError, KeyError, TypeError):
        return [*problems, "manifest.json: was changed, it cannot be read"], {}, False
    known = signer in keys
    if keys and not known:
        problems.append(f"signed by the key {signer}, which you did not give (given: {', '.join(keys)})")
    elif canonical(whole) != raw or not document_signed(whole, keys.get(signer, carried)):
        problems.append(f"manifest.json: was changed, or the key {signer} did not sign it")
    for name, digest in listed.items():
        if name not in entries:
            problems.append(f"{name}: was removed")
        elif entries[name] is None or hashlib.sha256(entries[name]).hexdigest() != digest:
            problems.append(f"{name}: was changed")
    problems += [f"{name}: was added" for name in entries if name != "manifest.json" and name not in listed]
    # What is signed by itself too: by a key that you gave, or by one that the signed manifest answers for.
    signers = {**document.get("signers", {}), **keys}
    for name, text in entries.items():
        if text is None or not name.startswith(("record/checkpoint", "reviews/")):
            continue
        try:
            inner = json.loads(text)
            if name.startswith("record/"):
                good = checkpoint_signed(inner, signers.get(inner["key_id"], ""))
            else:
                good = document_signed(inner, signers.get(inner["document"]["key_id"], ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good and f"{name}: was changed" not in problems:
            problems.append(f"{name}: has no valid signature of its own")
    if not problems and same_archive(entries) != content:
        problems.append("the archive around the parts was changed; the parts were not")
    return problems, document, known


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--key", action="append", default=[], metavar="ID=PUBLIC-KEY")
    options = parser.parse_args()
    keys = dict(each.partition("=")[::2] for each in options.key)
    try:
        content = options.pack.read_bytes()
    except OSError as error:
        print(f"{options.pack} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    problems, document, known = verify(content, keys)
    if problems:
        print("\n".join(f"CHANGED  {each}" for each in problems))
        return 14
    for part in document["parts"]:
        print(f"{'has   ' if part['present'] else 'ABSENT'}  {part['name']:10} {part['says']}")
    until = "the whole month" if document["whole"] else f"until {document['until']} only"
    print(f"{document['month']}, {until}; made {document['made_at']} by version {document['version']}")
    if not known:
        print(
            f"Nothing was changed since the key {document['key_id']} signed, and WHOSE key that is was not looked at: give --key."
        )
        return 3
    print(f"As signed by the key {document['key_id']}: {len(document['files'])} files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
