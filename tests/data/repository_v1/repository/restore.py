#!/usr/bin/env python3
"""Restore from a backup repository of AI-Writer, without AI-Writer.

    pip install cryptography zstandard
    python restore.py REPOSITORY IDENTITY-FILE                      lists the sets
    python restore.py REPOSITORY IDENTITY-FILE FOLDER               restores the newest set into the folder
    python restore.py REPOSITORY IDENTITY-FILE FOLDER --set ID      restores that set
    python restore.py REPOSITORY IDENTITY-FILE FOLDER --only PREFIX restores what begins with the prefix

REPOSITORY is a folder: fetch a bucket with any tool first. IDENTITY-FILE holds the line AGE-SECRET-KEY-1...
Written from docs/operators/backup-format.md alone; it shares no code with the product, so that each checks the other.
Exit codes: 0 restored, 3 restored in part (the rest is named), 1 error, 10 no repository, 12 wrong key.
"""

import argparse
import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Trouble(Exception):
    """Something is damaged or missing."""


# --- age (https://age-encryption.org/v1): X25519 recipients, enough to open a small file


def bech32_secret(text):
    """The 32 bytes of AGE-SECRET-KEY-1..."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    text = text.strip().lower()
    name, _, data = text.rpartition("1")
    if name != "age-secret-key-" or any(letter not in letters for letter in data):
        raise Trouble("this is no age identity")
    values = [letters.index(letter) for letter in data]
    check = 1
    for value in [ord(c) >> 5 for c in name] + [0] + [ord(c) & 31 for c in name] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    if check != 1:
        raise Trouble("this age identity has a typing error")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    return (number >> (len(values) - 6) * 5 - 256).to_bytes(32, "big")


def hkdf(key, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


def unbase64(text):
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def age_open(data, secret):
    """The content of an age file; None when it is not meant for this identity."""
    head, mark, rest = data.partition(b"\n---")
    tag, _, body = rest.partition(b"\n")
    lines = head.split(b"\n")
    if lines[0] != b"age-encryption.org/v1" or not mark:
        raise Trouble("not an age file")
    private = X25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    for number, line in enumerate(lines):
        words = line.split(b" ")
        if words[:2] != [b"->", b"X25519"]:
            continue
        share = unbase64(words[2])
        wrapped = unbase64(lines[number + 1])
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
        key = hkdf(shared, share + public, b"age-encryption.org/v1/X25519")
        try:
            file_key = ChaCha20Poly1305(key).decrypt(bytes(12), wrapped, None)
        except InvalidTag:
            continue
        mac = hmac.digest(hkdf(file_key, None, b"header"), head + b"\n---", "sha256")
        if not hmac.compare_digest(mac, unbase64(tag.strip())):
            raise Trouble("the head of an age file is damaged")
        stream = ChaCha20Poly1305(hkdf(file_key, body[:16], b"payload"))
        plain, at, count = b"", 16, 0
        while True:
            part = body[at : at + 65552]
            at += 65552
            last = at >= len(body)
            plain += stream.decrypt(count.to_bytes(11, "big") + bytes([last]), part, None)
            count += 1
            if last:
                return plain
    return None


# --- the repository


def unpack(data, size):
    """The flag tells whether the rest is compressed."""
    plain = zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=size or 1) if data[0] == 1 else data[1:]
    if len(plain) != size:
        raise Trouble("a chunk has another size than it should")
    return plain


def unseal(key, data, bound):
    try:
        return AESGCM(key).decrypt(data[:12], data[12:], bound)
    except InvalidTag:
        raise Trouble("sealed bytes are damaged") from None


class Repository:
    """Reads packs, records and sets."""

    def __init__(self, folder, identity):
        self.folder = Path(folder)
        try:
            body = json.loads(self.record("format"))
        except (Trouble, ValueError):
            raise SystemExit(fail(10, f"There is no backup repository in {folder}.")) from None
        if body.get("format") != "aiwriter-backup" or body.get("version") != 1:
            raise SystemExit(fail(10, "This is no repository of AI-Writer, or one of a newer version."))
        self.id = body["repository"]
        content = None
        for name in sorted(self.names("keys/"), reverse=True):
            content = age_open(base64.b64decode(json.loads(self.record(name))["wrapped"]), bech32_secret(identity))
            if content is not None:
                break
        if content is None:
            raise SystemExit(fail(12, "This identity does not open the repository."))
        content = json.loads(content)
        secret = base64.b64decode(content["writer_secret"])
        self.id_key = hmac.digest(secret, f"aiwriter-backup/1 id {self.id}".encode(), "sha256")
        self.index_key = hmac.digest(secret, f"aiwriter-backup/1 index {self.id}".encode(), "sha256")
        self.masters = {int(number): bech32_secret(text) for number, text in content["masters"].items()}
        self.places, self.heads, self.keys = {}, {}, {}
        for path in sorted([*self.folder.glob("packs/??/*"), *self.folder.glob("twins/packs/??/*")]):
            try:
                self.read_trailer(path)
            except (Trouble, struct.error, zstandard.ZstdError) as error:
                print(f"{path.name[:16]}: {error}; going on without this pack", file=sys.stderr)

    def names(self, prefix):
        """Records, of which one of two copies is enough."""
        found = set()
        for place in (self.folder, self.folder / "twins"):
            found.update(str(path.relative_to(place)) for path in place.glob(prefix + "*") if path.is_file())
        return sorted(found)

    def record(self, name):
        for path in (self.folder / name, self.folder / "twins" / name):
            if path.is_file():
                data = path.read_bytes()
                if hashlib.sha256(data[:-32]).digest() == data[-32:]:
                    return data[:-32]
        raise Trouble(f"{name} is lost or damaged")

    def sealed_record(self, name):
        plain = unseal(self.index_key, self.record(name), name.encode())
        return json.loads(unpack(plain[4:], int.from_bytes(plain[:4], "big")))

    def read_trailer(self, path):
        """Where the chunks of a pack lie. The chunks end where the trailer begins."""
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - 12))
            length, listed, end = struct.unpack(">II4s", file.read(12))
            if end not in (b"AWPE", b"AWPL") or length + 12 > size:
                raise Trouble("the pack is cut short")
            file.seek(size - 12 - length)
            trailer = unseal(self.index_key, file.read(length), b"aiwriter-backup/1 trailer " + self.id.encode())
        items = list(struct.iter_unpack(">32sIIB", unpack(trailer, listed)))
        at = size - 12 - length - sum(stored for _, stored, _, _ in items)
        for chunk, stored, raw, key in items:
            self.places.setdefault(chunk, []).append((path, at, stored, raw, key))
            at += stored

    def data_key(self, path, number):
        """Keys lie wrapped in the head of each pack."""
        if path not in self.heads:
            with path.open("rb") as file:
                magic, version, count = struct.unpack(">4sBB", file.read(6))
                if (magic, version) != (b"AWPK", 1):
                    raise Trouble("the head of a pack is damaged")
                self.heads[path] = []
                for _ in range(count):
                    master, length = struct.unpack(">IH", file.read(6))
                    self.heads[path].append((master, file.read(length)))
        master, wrapped = self.heads[path][number - 1]
        if wrapped not in self.keys:
            key = age_open(wrapped, self.masters[master])
            if key is None:
                raise Trouble("a wrapped key is damaged")
            self.keys[wrapped] = key
        return self.keys[wrapped]

    def chunk(self, chunk):
        trouble = "it is in no pack"
        for path, at, stored, raw, number in self.places.get(chunk, ()):
            try:
                with path.open("rb") as file:
                    file.seek(at)
                    data = file.read(stored)
                key = self.data_key(path, number) if number else self.index_key
                plain = unpack(unseal(key, data, chunk), raw)
                if hmac.digest(self.id_key, plain, "sha256") != chunk:
                    raise Trouble("a chunk does not have its name")
                return plain
            except (Trouble, OSError, ValueError, KeyError, IndexError, struct.error, zstandard.ZstdError) as error:
                trouble = f"{path.name[:16]}: {error}"
        raise Trouble(f"chunk {chunk.hex()[:16]} is lost: {trouble}")

    def listing(self, listing):
        """A list that lies in chunks; its level says how often names stand for names."""
        ids = split(base64.b64decode(listing["ids"]))
        for _ in range(listing["level"]):
            ids = [below for chunk in ids for below in split(self.chunk(chunk))]
        return b"".join(self.chunk(chunk) for chunk in ids)

    def sets(self):
        dropped = set()
        for name in self.names("marks/doomed/"):
            try:
                dropped.update(self.sealed_record(name)["sets"])
            except Trouble:
                continue
        found = []
        for name in self.names("sets/"):
            try:
                body = self.sealed_record(name)
            except Trouble as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            found.append((body["created"], body["id"] in dropped, body))
        return [(body, gone) for _, gone, body in sorted(found, key=lambda item: item[0])]

    def restore(self, body, folder, prefix):
        """All entries of a set. Returns how many came back whole, and which did not."""
        refs = split(self.listing(body["lists"]["refs"]))
        at, whole, lost = 0, 0, []
        for line in self.listing(body["lists"]["entries"]).splitlines():
            entry = json.loads(line)
            count = entry.get("n", 1)
            ids, at = refs[at : at + count], at + count
            path = entry["p"]
            if not path.startswith(prefix):
                continue
            target = Path(folder, path)
            if path.startswith("/") or ".." in path.split("/"):
                raise Trouble(f"{path} would lie outside the folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                digest, size = hashlib.sha256(), 0
                with target.open("wb") as file:
                    for chunk in ids:
                        data = self.chunk(chunk)
                        digest.update(data)
                        size += len(data)
                        file.write(data)
                if size != entry["s"] or entry.get("h", digest.hexdigest()) != digest.hexdigest():
                    raise Trouble("put together it is not what was stored")
                whole += 1
            except Trouble as error:
                target.unlink()
                lost.append(f"{path}: {error}")
        return whole, lost


def split(data):
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def fail(code, text):
    print(text, file=sys.stderr)
    return code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("identity", help="a file with the line AGE-SECRET-KEY-1...")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--set", default="", help="the id of a set; the newest one when left out")
    parser.add_argument("--only", default="", help="only what begins with this")
    chosen = parser.parse_args()
    lines = Path(chosen.identity).read_text().splitlines()
    identity = next((line for line in lines if line.strip().upper().startswith("AGE-SECRET-KEY-1")), "")
    try:
        repository = Repository(chosen.repository, identity)
        sets = repository.sets()
        if not chosen.folder:
            for body, gone in sets:
                print(
                    f"{body['id']}  {body['kind']:12} {body['entries']:8} entries {body['bytes_source']:14} bytes"
                    + ("  (dropped, not yet removed)" if gone else "")
                )
            return 0
        wanted = [body for body, gone in sets if (body["id"] == chosen.set if chosen.set else not gone)]
        if not wanted:
            return fail(1, "There is no such set; without a folder all sets are listed.")
        whole, lost = repository.restore(wanted[-1], chosen.folder, chosen.only)
    except Trouble as error:
        code = 12 if "age identity" in str(error) else 1
        return fail(code, f"{error}.")
    for line in lost:
        print(f"LOST {line}", file=sys.stderr)
    print(f"{wanted[-1]['id']}: {whole} entries restored into {chosen.folder}, {len(lost)} lost")
    return 3 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
