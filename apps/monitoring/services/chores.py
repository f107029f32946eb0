"""What the watch does beside looking, each in a thread of its own, so that none waits for another."""

from __future__ import annotations

import datetime as dt
import threading

from django.conf import settings
from django.utils import timezone

from apps.monitoring.selectors.errors import newly_open
from apps.monitoring.services import anomalies
from apps.monitoring.services.alerting import ROUND_SECONDS, evaluate
from apps.monitoring.services.captures import drop_strays, tend_captures
from apps.monitoring.services.emergency import Emergency
from apps.monitoring.services.error_intake import prune_errors, take_in
from apps.monitoring.services.heartbeat_out import EVERY, HeartbeatOut
from apps.monitoring.services.incidents import notices
from apps.monitoring.services.keeping import Recorder, prune_points, roll_up
from apps.monitoring.services.logs import prune_logs
from apps.monitoring.services.measuring import Figure
from apps.monitoring.services.report_sending import send_due
from apps.monitoring.services.results import beat
from apps.monitoring.services.telling import deliver_due
from apps.monitoring.services.usage_hours import add_up_hours
from apps.monitoring.services.watching import Chore, Watch


def start_chores(watch: Watch, stop: threading.Event) -> list[Chore]:
    """Start them all.

    Args:
        watch: whose.
        stop: ends them.
    """
    emergency = Emergency(watch)
    recorder = Recorder(settings.DATA_DIR / "run" / "metrics")
    chores = [
        Chore("checks", 30.0, watch.learn, stop),
        Chore("keep", 1.0, watch.keep, stop),
        Chore("beat", 15.0, lambda: beat("watch"), stop),
        Chore("days", 60.0, watch.count_time, stop),
        Chore("alerts", ROUND_SECONDS, evaluate, stop),
        Chore("channels", 30.0, emergency.learn, stop),
        Chore("notices", 15.0, lambda: setattr(watch, "notices", notices()), stop),
        # Two threads: the one that tells must not hang where the other one does.
        Chore("emergency", 1.0, emergency.look, stop),
        Chore("aftermath", 1.0, emergency.write_down, stop),
        Chore("deliveries", 1.0, deliver_due, stop),
        Chore("measure", 60.0, lambda: recorder.measure([*watch.figures(), *error_figures()]), stop, aligned=True),
        Chore("roll-up", 300.0, roll_up, stop, aligned=True),
        Chore("usage-hours", 300.0, add_up_hours, stop),
        Chore("prune", 3600.0, prune_points, stop),
        Chore("heartbeat", EVERY, HeartbeatOut(watch).beat, stop),
        Chore("captures", 2.0, tend_captures, stop),
        Chore("prune-logs", 1800.0, prune_logs, stop),
        Chore("strays", 3600.0, drop_strays, stop),
        Chore("anomalies", anomalies.EVERY, anomalies.find_anomalies, stop),
        Chore("reports", 20.0, send_due, stop),
        Chore("errors", 2.0, take_in, stop),
        Chore("prune-errors", 3600.0, prune_errors, stop),
    ]
    for chore in chores:
        chore.start()
    return chores


def error_figures(now: dt.datetime | None = None) -> list[Figure]:
    """How many kinds of errors came up within the minute that has just passed.

    Args:
        now: the present when left out.
    """
    until = (now or timezone.now()).replace(second=0, microsecond=0)
    return [Figure("errors_new", "all", float(newly_open(until - dt.timedelta(minutes=1), until)))]
