"""The agent asks its console over a real connection: what answers badly ends nothing, and the token goes nowhere else."""

from __future__ import annotations

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aw_deployd.console import Console
from tests.fakes.rollout import environment

ANSWERS = ((302, b""), (200, b"[]"), (200, json.dumps({"plan": None, "commands": [], "acknowledged": {}}).encode()))


def test_a_console_that_answers_badly_is_asked_again_and_not_followed(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []
    thrice = threading.Event()

    class Peer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = ANSWERS[min(len(asked), 2)]
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if len(asked) >= 3:
                thrice.set()

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            pass

    token = tmp_path / "token"
    token.write_text("secret\n")
    said: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Peer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        made = environment(tmp_path, 2)
        made = dataclasses.replace(made, console_url=url, console_token=token, console_seconds=0.01)
        console = Console(made, lambda *_: {}, said.append, by_people=True)
        console.start()
        assert thrice.wait(20), (asked, said)
        console.stop()
        console.join(20)
        server.shutdown()
    assert set(asked) == {("/api/v1/agents/lab/reports", "Bearer secret")}
    assert said == ["The console cannot be asked: HTTPError: HTTP Error 302: Found"]
