"""A server with Ollama's API and nothing behind it, to see the plugin at work without a model.

    python demo_server.py            listens on 127.0.0.1:11434, Ollama's own port
    python demo_server.py 11500      listens on another one

It answers every question with the same three sentences, word by word, four words a second.
"""

from __future__ import annotations

import sys
import threading

from aiwriter_sdk.testing.wire import Pause, WireReply, WireRequest, WireServer

ANSWER = (
    "This text comes from the demonstration server of the plugin template. It is the same for every question. "
    "Put a real server in its place and the words will be its own."
)


def answer(request: WireRequest) -> WireReply:
    """Play the server."""
    if request.path == "/api/tags":
        return WireReply.json({"models": [{"name": "demo:latest"}]})
    if request.path == "/api/ps":
        return WireReply.json({"models": [{"name": "demo:latest", "size": 2**30}]})
    if request.path != "/api/chat":
        return WireReply.json({"error": f"no such path: {request.path}"}, status=404)
    words = [{"message": {"content": f"{word} "}} for word in ANSWER.split()]
    last = {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": len(words)}
    lines = WireReply.lines([*words, last])
    return WireReply(
        steps=tuple(step for line in lines.steps for step in (line, Pause(0.25))),
        content_type=lines.content_type,
        stream=True,
    )


if __name__ == "__main__":
    with WireServer(answer, port=int(sys.argv[1]) if len(sys.argv) > 1 else 11434) as server:
        print(f"Listening on {server.url}; Ctrl-C ends it.", flush=True)  # noqa: T201 - a command for people
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(0)
