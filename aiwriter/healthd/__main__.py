"""`python -m aiwriter.healthd`: serves the probes of this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sys
from pathlib import Path

from aiwriter import env
from aiwriter.core import healthstate
from aiwriter.healthd.metrics import exposition
from aiwriter.healthd.server import Server


def main() -> int:
    """Serve until SIGTERM."""
    values = env.load()
    data = Path(values["AIWRITER_DATA_DIR"])
    state_file = healthstate.path_in(data)
    state_file.parent.mkdir(parents=True, exist_ok=True)
    server = Server(
        state_file=state_file,
        networks=[ipaddress.ip_network(n, strict=False) for n in values["AIWRITER_METRICS_NETWORKS"]],
        public=values["AIWRITER_STATUS_PAGE"],
        metrics=lambda: exposition(data / "run" / "metrics", state_file),
    )
    port_file = data / "run" / "healthd.port"

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside a coroutine there always is one
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await server.serve(
            values["AIWRITER_HEALTH_HOST"],
            values["AIWRITER_HEALTH_PORT"],
            lambda port: _note(port_file, port),
        )

    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        port_file.unlink(missing_ok=True)
    except OSError as error:
        sys.stderr.write(
            f"healthd cannot listen on {values['AIWRITER_HEALTH_HOST']}:{values['AIWRITER_HEALTH_PORT']}: "
            f"{error.strerror}. Choose another AIWRITER_HEALTH_PORT.\n"
        )
        return 1
    return 0


def _note(path: Path, port: int) -> None:
    path.write_text(f"{port}\n", encoding="ascii")


if __name__ == "__main__":
    raise SystemExit(main())
