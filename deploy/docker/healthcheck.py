"""Whether this container's part works: what HEALTHCHECK and `aiwriter health` run. Standard library only.

A part that answers addresses is asked. The others (worker, scheduler) show in the portal's own checks and are judged there:
restarting a worker because the database is away would only lose its work.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 5
SILENT = 30.0
DATA = Path(os.environ.get("AIWRITER_DATA_DIR", "/data"))
PART = Path("/tmp/aiwriter-part")  # noqa: S108 - written by the entry point of this container


def _get(port: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
            return answer.status, answer.read(2000).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(2000).decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def judge(part: str) -> tuple[bool, str]:
    """Whether it works, and a word for the log."""
    web, health = os.environ.get("AIWRITER_PORT", "8000"), os.environ.get("AIWRITER_HEALTH_PORT", "9301")
    if part in ("portal", "healthd"):
        # healthd alone may be well while the portal is not: its own answer of any kind is enough for its container.
        status, said = _get(health, "/readyz" if part == "portal" else "/livez")
    elif part == "web":
        status, said = _get(web, "/readyz")
    elif part == "vectors":
        status, said = _get("8001", "/api/v2/heartbeat")
    elif part == "watch":
        try:
            age = time.time() - float(json.loads((DATA / "run" / "health.json").read_text())["written_at"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            return False, f"the watch has written nothing yet: {error}"
        return age < SILENT, f"the watch wrote {age:.0f} s ago"
    else:
        return True, f"{part}: judged by the portal's checks"
    return status == 200, f"{part}: {status} {said.strip()[:300]}"


def main() -> int:
    """Exit code 0 when it works."""
    part = sys.argv[1] if len(sys.argv) > 1 else PART.read_text().strip() if PART.is_file() else "portal"
    fine, said = judge(part)
    print(said)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
