"""A provider that breaks in mid-text is followed by the second backend, which goes on where the first stopped.

Three ways to break (connection cut, error event, silence until the time limit) after a random number of tokens, on two
wires; the text has no gap and no double, and the writer is told which model wrote which part.
"""

from __future__ import annotations

import random

from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models, writer_token
from tests.lab.portal import Portal, read_events
from tests.proofs import expect

WORDS = 240


def prove() -> str:
    """Break each way, read the stream, compare."""
    expected = "".join(words("numbers", WORDS))
    chance = random.Random()
    shown = []
    with (
        FakeProvider(process=True, words=WORDS, tps=200) as first,
        FakeProvider(process=True, words=WORDS, tps=200) as second,
        Portal() as portal,
    ):
        connect_models(
            portal,
            [
                {"name": "First", "base_url": first.openai_url, "model": "fake-large"},
                {"name": "Second", "plugin": "anthropic", "base_url": second.anthropic_url, "model": "fake-small"},
            ],
        )
        token = writer_token(portal)
        for fault in ("cut", "error", "eof", "garbage"):
            after = chance.randrange(1, WORDS - 1)
            first.behave("fake-large", **{fault: after, "words": WORDS, "tps": 200})
            # Each break opens the first backend's breaker; the next round starts with it closed.
            portal.shell(
                "from apps.backends.models import BackendProfile\n"
                "answer = BackendProfile.objects.update(cooldown_until=None, cooldown_reason='')"
            )
            with portal.api(token) as client:
                start = client.post("/generate/content", json={"topic": fault, "source_ids": []})
                expect(start.status_code == 202, start.text)
                text, parts, started = "", [], []
                for _seq, kind, data in read_events(client, f"/generations/{start.json()['id']}/events"):
                    if kind == "attempt" and data["state"] == "started":
                        started.append(data["model"])
                        parts.append(0)
                    elif kind == "delta":
                        text += data["text"]
                        parts[-1] += len(data["text"].split())
                end = client.get(f"/generations/{start.json()['id']}").json()
            expect(end["state"] == "succeeded", f"{fault}: ended as {end['state']}: {end}")
            expect(text.strip() == expected, f"{fault} after {after}: {len(text.split())} words, the text differs")
            expect(started == ["fake-large", "fake-small"], f"{fault}: the writer was told {started}")
            expect(parts[0] > 0 and parts[1] > 0, f"{fault}: the parts were {parts}")
            shown.append(f"{fault} after {after}: {parts[0]} + {parts[1]} words")
            print(f"  {shown[-1]}", flush=True)
    return f"{len(shown)} breaks, texts of {WORDS} words without a gap or a double; {'; '.join(shown)}"
