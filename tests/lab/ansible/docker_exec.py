"""Ansible's way into a container: `docker exec`, as ssh would be into a machine. ansible-core brings none of its own."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: docker_exec
short_description: docker exec
description: Runs commands and moves files by docker exec.
options:
  remote_addr:
    description: name of the container
    vars: [{name: ansible_host}, {name: inventory_hostname}]
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    """One container."""

    transport = "docker_exec"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def _exec(self, command: str, given: bytes | None = None) -> tuple[int, bytes, bytes]:
        words = ["docker", "exec", "-i", str(self.get_option("remote_addr")), "/bin/sh", "-c", command]
        done = subprocess.run(words, input=given if given is not None else b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._exec(cmd, in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        """A file into the container."""
        with open(in_path, "rb") as file:  # noqa: PTH123 - Ansible gives bytes and text alike
            self._moved(self._exec(f"cat > {shlex.quote(out_path)}", file.read()), out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """A file out of it."""
        found = self._moved(self._exec(f"cat {shlex.quote(in_path)}"), in_path)
        with open(out_path, "wb") as file:  # noqa: PTH123
            file.write(found)

    def _moved(self, done: tuple[int, bytes, bytes], path: str) -> Any:
        if done[0]:
            raise AnsibleConnectionFailure(f"{path}: {done[2].decode(errors='replace')}")
        return done[1]

    def close(self) -> None:
        """Nothing stays open."""
        self._connected = False
