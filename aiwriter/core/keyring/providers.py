"""Key services that wrap the keys of the keyring: OpenBao or Vault (transit), AWS KMS, or nobody.

Wrapping binds a key to its purpose, so a wrapped key that is put under another purpose does not open. A process asks the
service once for each key and keeps the answer in memory: neither a read nor a write waits for the service afterwards.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from aiwriter.core import egress
from aiwriter.core.keyring.errors import RingProblem
from aiwriter_sdk import BackendError

PROVIDERS = ("file", "vault", "kms")
_TIMEOUT = 10.0


def wrap(provider: str, material: bytes, purpose: str) -> str:
    """A key's bytes as the service seals them; "" when the keyring's file is the only guard.

    Raises:
        RingProblem: the service refuses or does not answer.
    """
    if provider == "file":
        return ""
    plaintext = base64.b64encode(material).decode()
    if provider == "vault":
        answer = _vault("encrypt", {"plaintext": plaintext, "associated_data": _bound(purpose)})
        return str(answer["ciphertext"])
    answer = _kms(
        "Encrypt", {"KeyId": settings.KMS_KEY, "Plaintext": plaintext, "EncryptionContext": _context(purpose)}
    )
    return f"kms:{answer['CiphertextBlob']}"


@lru_cache(maxsize=256)
def unwrap(provider: str, wrapped: str, purpose: str) -> bytes:
    """The bytes of a wrapped key.

    Raises:
        RingProblem: the service refuses or does not answer, or the text was wrapped for something else.
    """
    if provider == "vault":
        answer = _vault("decrypt", {"ciphertext": wrapped, "associated_data": _bound(purpose)})
        found = answer["plaintext"]
    elif provider == "kms":
        body = {"CiphertextBlob": wrapped.removeprefix("kms:"), "EncryptionContext": _context(purpose)}
        found = _kms("Decrypt", body)["Plaintext"]
    else:
        raise RingProblem(f"The keyring holds wrapped keys, but its provider is '{provider}'.")
    try:
        return base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError):
        raise RingProblem("The key service answered with something that is not a key.") from None


def _bound(purpose: str) -> str:
    return base64.b64encode(f"aiwriter:{purpose}".encode()).decode()


def _context(purpose: str) -> dict[str, str]:
    return {"application": "aiwriter", "purpose": purpose}


def _vault(action: str, body: dict[str, str]) -> dict[str, Any]:
    url = f"{settings.VAULT_URL.rstrip('/')}/v1/{settings.VAULT_MOUNT}/{action}/{settings.VAULT_KEY}"
    status, answer = _ask(
        "vault", url, {"X-Vault-Token": settings.VAULT_TOKEN, "X-Vault-Request": "true"}, json.dumps(body).encode()
    )
    if status != 200:
        told = "; ".join(str(each) for each in answer.get("errors") or []) or "no reason given"
        raise RingProblem(
            f"The key service at {settings.VAULT_URL} refused to {action} a key (HTTP {status}: {told[:200]}).",
            remedy=f"Check AIWRITER_VAULT_TOKEN, and that the transit key '{settings.VAULT_KEY}' exists.",
        )
    data: dict[str, Any] = answer["data"]
    return data


def _kms(action: str, body: dict[str, Any]) -> dict[str, Any]:
    url = settings.KMS_URL or f"https://kms.{settings.KMS_REGION}.amazonaws.com"
    content = json.dumps(body).encode()
    status, answer = _ask("kms", f"{url.rstrip('/')}/", _signed(url, f"TrentService.{action}", content), content)
    if status != 200:
        told = str(answer.get("message") or answer.get("Message") or answer.get("__type") or "no reason given")
        raise RingProblem(
            f"KMS refused to {action.lower()} a key (HTTP {status}: {told[:200]}).",
            remedy="Check AIWRITER_KMS_KEY, AIWRITER_KMS_REGION and the access key.",
        )
    return answer


def _ask(service: str, url: str, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, Any]]:
    try:
        status, body = egress.fetch("POST", url, headers=headers, content=content, timeout=_TIMEOUT)
        return status, json.loads(body or b"{}")
    except BackendError as error:
        raise RingProblem(f"The key service cannot be asked: {error.message}", remedy=error.remedy) from error
    except ValueError:
        raise RingProblem(f"What answers at {urlsplit(url).netloc} is not a {service} key service.") from None


def _signed(url: str, target: str, content: bytes) -> dict[str, str]:
    """AWS Signature Version 4 for one request of KMS's JSON protocol."""
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(url).netloc,
        "x-amz-date": stamp,
        "x-amz-target": target,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(content).hexdigest()}"
    scope = f"{day}/{settings.KMS_REGION}/kms/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{settings.KMS_SECRET_KEY}".encode()
    for part in (day, settings.KMS_REGION, "kms", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{settings.KMS_ACCESS_KEY}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": authorization}
