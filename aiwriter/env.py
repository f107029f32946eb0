"""Every environment variable that the product reads: name, type, default, help.

Nothing else reads `os.environ` (ruff's banned-api keeps it so). `NAME_FILE` may name a file that holds the value, for
Docker and Kubernetes secrets; a trailing newline of such a file is dropped, because editors and `kubectl` add one.
A wrong value stops the start with the variable's name, the problem and the remedy; all wrong values are told at once.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ

from aiwriter.core import redis_addresses
from aiwriter.security_variables import SECURITY
from aiwriter.store_variables import STORES, is_postgres
from aiwriter.variables import Variable, parse
from aiwriter.watch_variables import WATCHING

BASE_DIR = Path(__file__).resolve().parent.parent


class EnvError(SystemExit):
    """A variable cannot be used. It ends the process with exit code 2 and a readable message, without a traceback."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(2)

    def __str__(self) -> str:
        return "The configuration cannot be used:\n" + "\n".join(f"  * {p}" for p in self.problems)


def _networks_problem(values: list[str]) -> str:
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            return f"contains '{value}', which is not an address or network. Write for example 10.0.0.0/8."
    return ""


V = Variable
VARIABLES: tuple[Variable, ...] = (
    V(
        name="AIWRITER_ENVIRONMENT",
        type="choice",
        default="development",
        choices=("development", "staging", "production"),
        help="Which kind of installation this is. Production refuses debug mode and unsafe settings.",
    ),
    V(name="AIWRITER_DEBUG", type="bool", default=False, help="Django's debug pages. Refused in production."),
    V(name="AIWRITER_HOST", type="str", default="127.0.0.1", help="Address that the web server binds."),
    V(
        name="AIWRITER_PORT",
        type="int",
        default=8000,
        minimum=1,
        maximum=65535,
        help="Port that the web server binds.",
    ),
    V(
        name="AIWRITER_DATA_DIR",
        type="path",
        default=str(BASE_DIR / ".data"),
        help="The one folder that holds everything the portal writes: database, files, vectors, keys, logs.",
    ),
    V(
        name="AIWRITER_PUBLIC_URL",
        type="url",
        default="",
        help="Address under which people reach the portal, for links in mails. Empty: http://HOST:PORT.",
    ),
    V(
        name="AIWRITER_SECRET_KEY",
        type="str",
        default="",
        secret=True,
        help="Signs sessions and links. Empty: made once and kept in DATA_DIR/keys/secret_key. At least 50 characters.",
        check=lambda v: "" if not v or len(v) >= 50 else f"has {len(v)} characters. Use 50 or more random characters.",
    ),
    V(
        name="AIWRITER_ALLOWED_HOSTS",
        type="list",
        default=[],
        help="Host names that the portal answers to, comma separated. Empty: the bound address and localhost.",
    ),
    V(
        name="AIWRITER_TRUSTED_PROXIES",
        type="int",
        default=0,
        minimum=0,
        maximum=10,
        help="How many proxies in front add to X-Forwarded-For. 0: the header is ignored.",
    ),
    *STORES,
    V(
        name="AIWRITER_FLAG_PROVIDER",
        type="str",
        default="apps.deployments.services.flag_provider.PortalProvider",
        help="Who answers flags: the dotted path of an OpenFeature provider's class that is made without arguments.",
        check=lambda v: "" if "." in v else "is no dotted path",
    ),
    V(
        name="AIWRITER_PG_BIN",
        type="path",
        default="",
        help="Folder with pg_dump and psql, which backups of PostgreSQL need. Empty: the newest that is installed.",
    ),
    V(
        name="AIWRITER_BACKUP_HOOK",
        type="path",
        default="",
        help="A program that is called around each backup with before, after or failed, and JSON on its input. Empty: none.",
    ),
    V(
        name="AIWRITER_RESTORE_APPROVAL",
        type="choice",
        default="auto",
        choices=("auto", "always", "never"),
        help="Whether a second person agrees to a restore of everything: auto asks when more than one could restore.",
    ),
    V(
        name="REDIS_URL",
        type="str",
        default="",
        secret=True,
        help="Redis for the task queue and limits: redis://:password@host:6379/0, or by its sentinels "
        "sentinel://:password@host1:26379,host2:26379/0?master=NAME. Empty: the portal works without Redis on one machine.",
        check=redis_addresses.problem,
    ),
    V(
        name="CELERY_BROKER_URL",
        type="str",
        default="",
        secret=True,
        help="A broker of its own for Celery; sentinels as for REDIS_URL. Empty: REDIS_URL, and without it a folder in DATA_DIR.",
        check=lambda v: redis_addresses.problem(v) if v.startswith("sentinel") else "",
    ),
    V(
        name="AIWRITER_CHROMA_URL",
        type="url",
        default="",
        help="Address of the vector store's server. Empty: the supervisor starts one on a free loopback port.",
    ),
    V(
        name="AIWRITER_VECTOR_CACHE_MB",
        type="int",
        default=128,
        minimum=8,
        maximum=65536,
        help="Memory that exact search may use per process while Chroma is missing, broken or rebuilding, in MiB.",
    ),
    V(
        name="AIWRITER_WORKER_CONCURRENCY",
        type="int",
        default=8,
        minimum=1,
        maximum=64,
        help="Threads of the worker for short tasks. Generations do not need a thread each.",
    ),
    V(
        name="AIWRITER_DRAIN_SECONDS",
        type="int",
        default=5,
        minimum=1,
        maximum=3600,
        help="How long a web process that is asked to end goes on with open streams. Behind a proxy with two slots: 60.",
    ),
    V(
        name="AIWRITER_MAX_GENERATIONS",
        type="int",
        default=200,
        minimum=1,
        maximum=5000,
        help="Generations that one worker runs at the same time.",
    ),
    V(
        name="AIWRITER_MAX_UPLOAD_MB",
        type="int",
        default=64,
        minimum=1,
        maximum=4096,
        help="Largest file that a writer may upload, in MiB.",
    ),
    V(
        name="AIWRITER_MAX_REQUEST_MB",
        type="int",
        default=512,
        minimum=1,
        maximum=65536,
        help="Largest request with all its files, in MiB. A larger one is refused before its body is read.",
    ),
    V(
        name="AIWRITER_WEB_THREADS",
        type="int",
        default=8,
        minimum=1,
        maximum=64,
        help="Requests that one web process works on at the same time. Streams and slow transfers do not count.",
    ),
    V(
        name="AIWRITER_API_TOKEN_RATE",
        type="int",
        default=1200,
        minimum=0,
        maximum=10_000_000,
        help="Requests a minute that one API token may make. 0: no limit.",
    ),
    V(
        name="AIWRITER_API_USER_RATE",
        type="int",
        default=2400,
        minimum=0,
        maximum=10_000_000,
        help="Requests a minute that one person may make, with all tokens and pages together. 0: no limit.",
    ),
    V(
        name="AIWRITER_PROOF_MINUTES",
        type="int",
        default=15,
        minimum=1,
        maximum=120,
        help="Minutes after signing in, or after the last proof, in which a person may make keys, give roles and the like "
        "without showing again that it is them.",
    ),
    V(
        name="AIWRITER_EXPORT_DAYS",
        type="int",
        default=7,
        minimum=1,
        maximum=365,
        help="Days that exported files are kept for download.",
    ),
    V(
        name="AIWRITER_EGRESS_ALLOW_NETWORKS",
        type="list",
        default=["127.0.0.0/8", "::1/128"],
        help="Private networks that model and storage backends may be reached in, such as a local Ollama. "
        "Addresses of cloud metadata services are always refused.",
        check=_networks_problem,
    ),
    V(
        name="AIWRITER_OUTGOING_ALLOW_NETWORKS",
        type="list",
        default=[],
        help="Private networks that addresses entered by writers and editors may lead to: webhooks, imported pages and pages that are sources. "
        "Empty: none, loopback included.",
        check=_networks_problem,
    ),
    V(
        name="AIWRITER_PLUGINS_ALLOW",
        type="list",
        default=[],
        help="Names of the distributions whose plugins may load, comma separated. Empty: all that are installed.",
    ),
    V(
        name="AIWRITER_PLUGINS_SAFE_MODE",
        type="bool",
        default=False,
        help="Loads first-party plugins only, to get back in when a plugin does harm.",
    ),
    V(
        name="AIWRITER_SECRETS_DIR",
        type="path",
        default="",
        help="Folder whose files may be named as secrets of backends (file:NAME). Empty: DATA_DIR/secrets.",
    ),
    *WATCHING,
    V(
        name="AIWRITER_HTTPS",
        type="bool",
        default=False,
        help="The portal is reached over HTTPS only: secure cookies, HSTS and the redirect are on.",
    ),
    V(
        name="EMAIL_URL",
        type="str",
        default="",
        secret=True,
        help="Mail server, smtp://user:password@host:587/?tls=true. Empty: mails are written to DATA_DIR/mail.",
    ),
    V(
        name="AIWRITER_METRICS_NETWORKS",
        type="list",
        default=["127.0.0.0/8", "::1/128"],
        help="Networks from which the health probes may be read in detail, and healthd may be asked at all.",
        check=_networks_problem,
    ),
    V(
        name="AIWRITER_HEALTH_HOST",
        type="str",
        default="127.0.0.1",
        help="Address that healthd binds: probes and metrics, apart from the portal.",
    ),
    V(
        name="AIWRITER_HEALTH_PORT",
        type="int",
        default=0,
        minimum=0,
        maximum=65535,
        help="Port of healthd. 0: a free one, which then stands in DATA_DIR/run/healthd.port.",
    ),
    V(
        name="AIWRITER_STATUS_PAGE",
        type="bool",
        default=False,
        help="healthd shows /status to everybody: which parts work, and what the operators say.",
    ),
    V(
        name="AIWRITER_CERTIFICATES",
        type="list",
        default=[],
        help="PEM files of certificates whose end is watched, comma separated.",
    ),
    *SECURITY,
)


def read(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read all variables of `VARIABLES` from a mapping.

    Returns:
        values by name, defaults filled in.

    Raises:
        EnvError: one or more cannot be used; it lists every problem.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable in VARIABLES:
        text = environment.get(variable.name, "")
        path = environment.get(f"{variable.name}_FILE", "")
        if path and not text:
            try:
                text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                problems.append(f"{variable.name}_FILE names {path}, which cannot be read: {error.strerror}.")
                continue
        text = text.strip()
        if not text:
            values[variable.name] = variable.default
            continue
        try:
            value = parse(variable, text)
        except ValueError as error:
            shown = "cannot be read." if variable.secret else str(error)
            problems.append(f"{variable.name} {shown}")
            continue
        problem = variable.check(value) if variable.check else ""
        if problem:
            problems.append(f"{variable.name} {problem}")
        values[variable.name] = value
    known = {v.name for v in VARIABLES} | {f"{v.name}_FILE" for v in VARIABLES}
    for name in environment:
        if name.startswith("AIWRITER_") and name not in known and not name.startswith("AIWRITER_SECRET_"):
            near = next((k for k in sorted(known) if k.replace("_", "") == name.replace("_", "")), "")
            problems.append(f"{name} is not a variable of AI-Writer." + (f" Did you mean {near}?" if near else ""))
    if values.get("AIWRITER_ENVIRONMENT") == "production" and values.get("AIWRITER_DEBUG"):
        problems.append("AIWRITER_DEBUG is true, which production refuses. Remove it or change AIWRITER_ENVIRONMENT.")
    for name in ("AIWRITER_DATABASE_DIRECT_URL", "AIWRITER_REPLICA_URL"):
        if values.get(name) and not is_postgres(values.get("DATABASE_URL", "")):
            problems.append(f"{name} is set, and DATABASE_URL is no address of PostgreSQL. Set both or none.")
    if problems:
        raise EnvError(problems)
    return values


def load() -> dict[str, Any]:
    """Read the process environment, after `.env` in the project folder has filled what it leaves open."""
    dotenv = BASE_DIR / ".env"
    if dotenv.is_file():
        environ.Env.read_env(dotenv, overwrite=False)
    try:
        values = read(os.environ)
    except EnvError as error:
        # Written here because a SystemExit prints its argument only when it is a string, and then exits with 1.
        os.write(2, f"{error}\n".encode())
        raise
    if not values["AIWRITER_KEYRING"]:
        values["AIWRITER_KEYRING"] = str(Path(values["AIWRITER_DATA_DIR"]) / "keys" / "keyring.json")
    if not values["AIWRITER_SECRETS_DIR"]:
        values["AIWRITER_SECRETS_DIR"] = str(Path(values["AIWRITER_DATA_DIR"]) / "secrets")
    return values


def process_variable(name: str) -> str:
    """A variable outside `VARIABLES`: AIWRITER_SECRET_… of a backend. Returns "" when absent."""
    return os.environ.get(name, "")


def process_environment() -> dict[str, str]:
    """A copy of the whole process environment, for the supervisor's children."""
    return dict(os.environ)


def secret_key(values: Mapping[str, Any]) -> str:
    """The signing key: from the environment, else made once and kept in a file that only the owner can read."""
    if values["AIWRITER_SECRET_KEY"]:
        return str(values["AIWRITER_SECRET_KEY"])
    path = Path(values["AIWRITER_DATA_DIR"]) / "keys" / "secret_key"
    try:
        if path.is_file():
            return path.read_text(encoding="ascii").strip()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_urlsafe(64)
        # O_EXCL: of two processes that start at once, one makes the key and the other reads it.
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key)
        return key
    except OSError as error:
        problem = EnvError(
            [
                f"AIWRITER_DATA_DIR is {values['AIWRITER_DATA_DIR']}, which cannot be written: {error.strerror}. "
                "Name a folder that this user may write to."
            ]
        )
        os.write(2, f"{problem}\n".encode())
        raise problem from error
