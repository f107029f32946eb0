"""Addresses of Redis: one server, or the sentinels that know which of several is master now.

    redis://:password@host:6379/0
    sentinel://:password@host1:26379,host2:26379,host3:26379/0?master=aiwriter&sentinel_password=word

With the second every new connection asks a sentinel first; so after a failover the portal finds the new master by itself.
`aiwriter.env` reads this module, so it imports nothing but the standard library; the client is imported when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

ONE_SERVER = ("redis", "rediss", "unix")
EXAMPLE = "sentinel://:password@host1:26379,host2:26379/0?master=aiwriter"
_PORT = 26379
_KNOWN = {"master", "sentinel_password"}


@dataclass(frozen=True, slots=True)
class Sentinels:
    """What stands in an address of sentinels.

    Args:
        hosts: name or address, and port, of each.
        master: name of the group that they watch.
        password, username: of the servers.
        sentinel_password: of the sentinels themselves; "" for none.
    """

    hosts: tuple[tuple[str, int], ...]
    master: str
    username: str
    password: str
    database: int
    sentinel_password: str

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """How a sentinel is asked: a silent one must not hold up the question to the next."""
        options: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
        return options | ({"password": self.sentinel_password} if self.sentinel_password else {})


def sentinels(url: str) -> Sentinels | None:
    """Read an address; None for one of a single server.

    Raises:
        ValueError: it is one of sentinels and cannot be used; the text completes "REDIS_URL …".
    """
    parts = urlsplit(url)
    if parts.scheme != "sentinel":
        return None
    who, _, where = parts.netloc.rpartition("@")
    username, _, password = who.partition(":")
    hosts = []
    for each in where.split(","):
        host, colon, port = each.partition(":")
        if colon and not (port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"names the port '{port}'. Write for example {EXAMPLE}.")
        if not host:
            raise ValueError(f"names no sentinel. Write for example {EXAMPLE}.")
        hosts.append((host, int(port) if colon else _PORT))
    query = parse_qs(parts.query)
    if strange := set(query) - _KNOWN:
        raise ValueError(f"has '{sorted(strange)[0]}', which is not known. Known: {', '.join(sorted(_KNOWN))}.")
    master = query.get("master", [""])[0]
    if not master:
        raise ValueError(f"does not say which group of servers is meant. Write for example {EXAMPLE}.")
    database = parts.path.strip("/") or "0"
    if not database.isdigit():
        raise ValueError(f"names the database '{database}', which is no number. Write for example {EXAMPLE}.")
    word = query.get("sentinel_password", [""])[0]
    return Sentinels(tuple(hosts), master, unquote(username), unquote(password), int(database), word)


def problem(url: str) -> str:
    """What is wrong with an address, or ""."""
    scheme = url.partition(":")[0]
    if not url or scheme in ONE_SERVER:
        return ""
    if scheme != "sentinel":
        return "is not a Redis address. Use redis://host:6379/0 or leave it empty to run without Redis."
    if "[" in url:
        return f"has brackets. Give sentinels by name or IPv4 address, for example {EXAMPLE}."
    try:
        sentinels(url)
    except ValueError as error:
        return str(error)
    return ""


def is_redis(url: str) -> bool:
    """Whether an address, also in the form that Celery gets, leads to Redis."""
    return url.startswith(("redis", "sentinel"))


def for_celery(url: str) -> tuple[str, dict[str, Any]]:
    """An address as Celery wants it, and what its transport has to know besides."""
    found = sentinels(url)
    if found is None:
        return url, {}
    who = f"{quote(found.username, safe='')}:{quote(found.password, safe='')}@" if found.password else ""
    pieces = [f"sentinel://{who}{host}:{port}" for host, port in found.hosts]
    options = {"master_name": found.master, "sentinel_kwargs": found.sentinel_options}
    return ";".join([f"{pieces[0]}/{found.database}", *pieces[1:]]), options


def client(url: str, *, seconds: float) -> Any:
    """A client that gives up after so many seconds; it connects when it is first used.

    Args:
        url: an address in our form.
    """
    import redis  # here: it takes 9 MB of every process that has no Redis

    found = sentinels(url)
    if found is None:
        return redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds)
    from redis.sentinel import Sentinel

    options: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "db": found.database}
    if found.password:
        options |= {"password": found.password} | ({"username": found.username} if found.username else {})
    watching: Any = Sentinel
    return watching(list(found.hosts), sentinel_kwargs=found.sentinel_options, **options).master_for(found.master)


def of_broker(url: str, options: dict[str, Any], *, seconds: float) -> Any:
    """A client of the server that messages go through.

    Args:
        url, options: Celery's `broker_url` and `broker_transport_options`.
    """
    if not url.startswith("sentinel"):
        return client(url, seconds=seconds)
    first, *others = url.split(";")
    hosts = ",".join(urlsplit(each).netloc.rpartition("@")[2] for each in (first, *others))
    parts = urlsplit(first)
    who, _, _ = parts.netloc.rpartition("@")
    word = options.get("sentinel_kwargs", {}).get("password", "")
    query = f"master={quote(options['master_name'])}" + (f"&sentinel_password={quote(word, safe='')}" if word else "")
    return client(f"sentinel://{who}{'@' if who else ''}{hosts}{parts.path}?{query}", seconds=seconds)
