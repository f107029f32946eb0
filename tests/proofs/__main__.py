"""`make prove` lists the proofs, `make prove P=name` runs one."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
import traceback

import tests.proofs
from tests.proofs import Failed, NotRun


def _names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(tests.proofs.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


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
        return 1
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        print(f"FAILED {name} after {time.monotonic() - begun:.1f} s: the proof itself broke, see above")
        return 1
    print(f"HOLDS {name} after {time.monotonic() - begun:.1f} s: {figure}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
