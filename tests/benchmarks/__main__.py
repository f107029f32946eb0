"""`make bench` runs all benchmarks, `make bench P=name` one; the table is printed at the end."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import time

import tests.benchmarks
from tests.benchmarks import Row, table


def main(arguments: list[str]) -> int:
    """Run and print. Returns 1 when a bound does not hold, 2 for an unknown name."""
    names = sorted(m.name for m in pkgutil.iter_modules(tests.benchmarks.__path__) if not m.name.startswith("_"))
    chosen = [a.replace("-", "_") for a in arguments] or names
    if unknown := set(chosen) - set(names):
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(names)}")
        return 2
    rows: list[Row] = []
    for name in chosen:
        begun = time.monotonic()
        print(f"== {name}", flush=True)
        rows += importlib.import_module(f"tests.benchmarks.{name}").measure()
        print(f"   {time.monotonic() - begun:.0f} s", flush=True)
    print(f"\n{os.cpu_count()} cores; read ratios, not absolutes.\n\n{table(rows)}")
    over = [row.what for row in rows if not row.holds]
    print(
        f"\n{len(rows) - len(over)} rows hold, {len(over)} over their bound" + (f": {'; '.join(over)}" if over else "")
    )
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
