"""Two real identity providers for tests: npm's `oidc-provider` and `saml-idp`, run by node on the loopback address."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers import free_port
from tests.servers.certificates import certificate

_FOLDER = Path(__file__).parent / "identity"
_SECONDS = 30.0


def missing() -> str:
    """Why the peers cannot run here, or ""."""
    return "" if shutil.which("node") and shutil.which("npm") else "node and npm are not installed"


class PeersMissing(RuntimeError):
    """The peers' packages are not here and cannot be fetched."""


def install() -> None:
    """Fetch the peers' packages once, as the lock file names them.

    Raises:
        PeersMissing: the registry of npm does not answer.
    """
    with (Path(tempfile.gettempdir()) / "aiwriter-identity.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (_FOLDER / "node_modules" / ".package-lock.json").exists():
            return
        words = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(words, cwd=_FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeersMissing(f"The identity providers' packages cannot be fetched: {done.stderr[-800:]}")


class _Peer:
    """A node process for the time of a `with` block."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="aiwriter-idp-"))
        self._process: subprocess.Popen[bytes] | None = None

    def _words(self) -> list[str]:
        raise LookupError("a peer names its program")

    def _probe(self) -> str:
        raise LookupError("a peer names an address that answers when it is ready")

    def __enter__(self) -> Any:
        install()
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(self._words(), cwd=_FOLDER, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(self._probe(), timeout=2):
                    return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.1)
        self.__exit__(None, None, None)
        raise RuntimeError(f"The identity provider did not start: {(self.folder / 'log').read_text()[-800:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)


class OidcProvider(_Peer):
    """`oidc-provider`, with its own sign-in pages: any password is right, the login is the subject.

    Args:
        redirect_uris: of the portal.
    """

    client_id = "aiwriter"
    client_secret = "a secret of the tests, 0123456789"

    def __init__(self, *redirect_uris: str) -> None:
        super().__init__()
        self._redirect_uris = list(redirect_uris)
        self._accounts: dict[str, dict[str, Any]] = {}
        self._write()

    def account(self, login: str, **claims: Any) -> None:
        """What is said of somebody from now on."""
        self._accounts[login] = claims
        self._write()

    def _write(self) -> None:
        (self.folder / "accounts.json").write_text(json.dumps(self._accounts))

    def _words(self) -> list[str]:
        given = {
            "port": self.port,
            "issuer": self.url,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uris": self._redirect_uris,
            "accounts_file": str(self.folder / "accounts.json"),
        }
        return ["node", "oidc.mjs", json.dumps(given)]

    def _probe(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"


class SamlProvider(_Peer):
    """`saml-idp`, whose page lets whoever is there say who they are.

    Args:
        acs_url: of the portal.
        audience: the portal's entity id.
    """

    issuer = "urn:tests:saml-idp"

    def __init__(self, acs_url: str, audience: str) -> None:
        super().__init__()
        self._acs_url, self._audience = acs_url, audience
        self.certificate = make_certificate(self.folder)

    @property
    def sso_url(self) -> str:
        """Where a sign-in begins."""
        return f"{self.url}/saml/sso"

    def _words(self) -> list[str]:
        return [
            "node",
            "node_modules/saml-idp/bin/run.js",
            *("--host", "127.0.0.1", "--port", str(self.port), "--issuer", self.issuer),
            *("--acsUrl", self._acs_url, "--audience", self._audience),
            *("--cert", str(self.folder / "cert.pem"), "--key", str(self.folder / "key.pem")),
        ]

    def _probe(self) -> str:
        return f"{self.url}/metadata"


def make_certificate(folder: Path) -> str:
    """Make a key and a certificate of its own, by RSA as SAML signs; returns the certificate as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return certificate(folder, "tests", key=key)[0].read_text()
