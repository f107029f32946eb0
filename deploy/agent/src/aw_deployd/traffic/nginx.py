"""nginx: a configuration file and a signal. It has no table of what it runs, so the shares stand in an answer of their own.

A reload closes connections that wait for their next request; a program that sends one in that instant sees it refused
(one of some 6,000 in a measurement). Browsers ask again by themselves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from aw_deployd import web
from aw_deployd.errors import DeployError
from aw_deployd.traffic import Shares, write
from aw_deployd.traffic.files import FromFiles, numbers_below


class Nginx(FromFiles):
    """The driver."""

    @property
    def _state(self) -> str:
        return str(self.folder / "nginx.sock")

    def render(self, shares: Shares) -> None:
        """The whole configuration."""
        base = [f"{name}={weight}" for name, weight in sorted(shares.base.items()) if weight]
        mark = f"{','.join(base)};{shares.canary}={shares.percent}"
        lines = [
            "worker_processes 1;",
            "daemon off;",
            f"pid {self.folder / 'nginx.pid'};",
            f"error_log {self.folder / 'nginx.error.log'} warn;",
            "worker_shutdown_timeout 120s;",
            "events { worker_connections 2048; }",
            "http {",
            *(
                f"  {kind}_temp_path {self.folder / 'nginx.tmp'};"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ),
            "  log_format versions '$upstream_addr $status $upstream_header_time';",
            f"  map $http_x_aw_probe $pinned {{ default 0; {self._pins('1')} }}",
            "  map $pinned $logged { 0 1; default 0; }",
            f"  access_log {self.access} versions if=$logged;",
            "  map $cookie_aw_bucket $by_cookie { default base;",
            *([f'    "~^{numbers_below(shares.percent)}$" people;'] if shares.canary else []),
            "  }",
            f"  map $http_x_aw_probe $target {{ default $by_cookie; {self._pins('pin_{}')} }}",
        ]
        for slot in self.environment.slots:
            lines.append(f"  upstream pin_{slot.name} {{ server {slot.address} max_fails=0; }}")
        weighted = [(self.environment.slot(name).address, weight) for name, weight in shares.base.items() if weight]
        servers = " ".join(
            f"server {address} weight={weight} max_fails=1 fail_timeout=1s;" for address, weight in weighted
        )
        spare = ""
        if shares.canary:
            # Whoever serves a part of the people has been found good, and takes all of them while the others are down.
            spare = f" server {self.environment.slot(shares.canary).address} backup;"
        lines.append(f"  upstream base {{ {servers}{spare} }}")
        if shares.canary:
            fallback = " ".join(f"server {address} backup;" for address, _ in weighted)
            address = self.environment.slot(shares.canary).address
            lines.append(f"  upstream people {{ server {address} max_fails=1 fail_timeout=1s; {fallback} }}")
        lines += [
            f"  server {{ listen unix:{self._state}; access_log off; location / {{ return 200 '{mark}'; }} }}",
            "  server {",
            f"    listen {self.environment.listen};",
            "    keepalive_timeout 75s;",
            "    client_max_body_size 0;",
            "    location / {",
            "      proxy_pass http://$target;",
            "      proxy_http_version 1.1;",
            "      proxy_buffering off;",
            "      proxy_connect_timeout 2s;",
            "      proxy_read_timeout 120s;",
            # A connection that was refused has done nothing yet, so it may be tried elsewhere.
            "      proxy_next_upstream error timeout;",
            "      proxy_set_header Host $http_host;",
            '      proxy_set_header Connection "";',
            '      proxy_set_header X-AW-Probe "";',
            "      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "      proxy_set_header X-Forwarded-Proto $scheme;",
            "    }",
            "  }",
            "}",
        ]
        write(self.folder / "nginx.conf", "\n".join(lines) + "\n")

    def _pins(self, target: str) -> str:
        return " ".join(f"{self.secret}:{slot.name} {target.format(slot.name)};" for slot in self.environment.slots)

    def command(self) -> list[str]:
        """In the foreground. One that was killed left its socket behind, which would keep the next one from starting."""
        if self.read_shares() is None:
            Path(self._state).unlink(missing_ok=True)
        return [self.environment.binary or "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def reload(self) -> None:
        """HUP to the first process."""
        try:
            os.kill(int((self.folder / "nginx.pid").read_text(encoding="ascii")), signal.SIGHUP)
        except (OSError, ValueError) as error:
            raise DeployError(f"nginx does not run: {error}.", "Start it.") from error

    def read_shares(self) -> Shares | None:
        """The answer that is part of the configuration which the newest processes run."""
        answer = web.ask(self._state, "/", timeout=5)
        if answer.status != 200:
            return None
        base, _, canary = answer.body.decode().partition(";")
        name, _, percent = canary.partition("=")
        weights = {slot: int(weight) for slot, weight in (each.split("=") for each in base.split(","))}
        return Shares(weights, name, int(percent))

    def parse(self, line: str) -> tuple[str, int, float] | None:
        """Address, status, seconds until the answer began; of several attempts the last."""
        words = line.replace(", ", ",").split()
        if len(words) != 3:
            return None
        address, seconds = words[0].split(",")[-1], words[2].split(",")[-1]
        try:
            return address, int(words[1]), float(seconds) * 1000 if seconds != "-" else 0.0
        except ValueError:
            return None
