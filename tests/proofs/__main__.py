"""`make prove` lists the proofs, `make prove P=name` runs one."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import pkgutil
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

import tests.proofs
from tests.proofs import Failed, NotRun


def _names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(tests.proofs.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def _note(name: str, *, holds: bool, figure: str) -> None:
    """Add the result to the file that PROOFS_JSON names, for a release's proof packs."""
    if not (path := os.environ.get("PROOFS_JSON")):
        return
    file = Path(path)
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    found[name] = {"holds": holds, "figure": figure, "at": at}
    file.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """List or run. Returns 0 only when the promise holds, 2 for an unknown name, 3 when it cannot be tried here."""
    if not arguments:
        for name in _names():
            module = importlib.import_module(f"tests.proofs.{name.replace('-', '_')}")
            print(f"  {name:24} {(module.__doc__ or '').strip().splitlines()[0]}")
        return 0
    name = arguments[0]
    if name not in _names():
        print(f"There is no proof '{name}'. `make prove` lists them.")
        return 2
    module = importlib.import_module(f"tests.proofs.{name.replace('-', '_')}")
    print(f"== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
    begun = time.monotonic()
    try:
        figure = module.prove()
    except NotRun as missing:
        print(f"NOT RUN {name}: {missing}")
        return 3
    except Failed as failed:
        print(f"FAILED {name} after {time.monotonic() - begun:.1f} s: {failed}")
        _note(name, holds=False, figure=str(failed))
        return 1
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        print(f"FAILED {name} after {time.monotonic() - begun:.1f} s: the proof itself broke, see above")
        _note(name, holds=False, figure="the proof itself broke")
        return 1
    _note(name, holds=True, figure=figure)
    print(f"HOLDS {name} after {time.monotonic() - begun:.1f} s: {figure}")
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    # What a proof has started is stopped also when it is ended from outside.
    signal.signal(signal.SIGTERM, _end)
    raise SystemExit(main(sys.argv[1:]))
