"""`aw-deployd`: everything that the agent can do, for a terminal. It works with the portal down, and is the only way then."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aw_deployd import __version__, machine, release
from aw_deployd import plan as plans
from aw_deployd.console import Console
from aw_deployd.engine import Engine
from aw_deployd.environment import Environment, load
from aw_deployd.errors import DeployError, Refused
from aw_deployd.journal import Journal, Row
from aw_deployd.machine import State
from aw_deployd.runtime import open_runtime
from aw_deployd.scaler import Scaler
from aw_deployd.traffic import Kept, Shares, open_traffic

EXIT_REFUSED, EXIT_WENT_BACK, EXIT_PAUSED = 2, 1, 3


def say(text: str) -> None:
    """A line with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked. Returns 0, 1 when a deployment went back or failed, 2 when it was refused, 3 when it is paused."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.work(given)
    except Refused as error:
        sys.stderr.write(f"Refused. {error}\n")
        return EXIT_REFUSED
    except DeployError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_WENT_BACK
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aw-deployd", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--environment", "-e", type=Path, default=Path("/etc/aiwriter/deployd.toml"), help="its file")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, work: Any, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(work=work)
        return made

    verb("init", _init, "write the proxy's first configuration and print how to start it")
    verb("keygen", _keygen, "make a pair of keys for plans")
    asked = verb("plan", _plan, "print a plan for a release, signed with --key")
    asked.add_argument("release")
    asked.add_argument("--strategy", choices=plans.STRATEGIES, default="blue_green")
    asked.add_argument("--stages", default="5,25,50", help="shares of a canary, in percent")
    asked.add_argument("--stage-seconds", type=float, default=60.0)
    asked.add_argument("--max-seconds", type=float, default=600.0)
    asked.add_argument("--min-samples", type=int, default=40)
    asked.add_argument("--bake", type=float, default=30.0, help="seconds")
    asked.add_argument("--probes", type=float, default=2.0, help="a second, for each version")
    asked.add_argument("--dry-run", action="store_true", help="record verdicts, act on sure failures only")
    asked.add_argument("--stop-old", action="store_true", help="do not keep the old version running")
    asked.add_argument("--no-rehearse", action="store_true")
    asked.add_argument("--no-workers", action="store_true")
    asked.add_argument("--on-lost", choices=plans.ON_LOST, default="resume")
    asked.add_argument("--key", type=Path, required=True, help="file with the private key")
    taken = verb("deploy", _deploy, "work a signed plan off")
    taken.add_argument("plan", type=Path, help="its file, or - for the standard input")
    taken.add_argument("--wait", action="store_true", help="when it pauses, wait for a command")
    going = verb("continue", _continue, "go on with the deployment that is under way, also after a crash")
    going.add_argument("--wait", action="store_true")
    back = verb("rollback", _rollback, "go back to the version before, or to the one that is named")
    back.add_argument("release", nargs="?", default="")
    back.add_argument("--key", type=Path, required=True)
    for name, text in (
        ("abort", "stop the deployment that is under way; everybody gets the old version"),
        ("resume", "judge a paused stage once more"),
        ("accept", "go on from a paused stage without a verdict"),
    ):
        verb(name, _command, text).set_defaults(verb=name)
    shown = verb("status", _status, "what serves, and what is under way")
    shown.add_argument("--json", action="store_true")
    verb("history", _history, "the last deployments")
    verb("digest", _digest, "the digest of a release, for its manifest").add_argument("release")
    watched = verb(
        "serve", _serve, "stay: take plans from the inbox, go on with what is under way, start again what falls"
    )
    watched.add_argument("--once", action="store_true", help="look once and end")
    return parser


def _open(given: argparse.Namespace) -> tuple[Environment, Journal]:
    environment = load(given.environment)
    return environment, Journal(environment.state / "journal.sqlite3")


# ---------------------------------------------------------------- verbs
def _init(given: argparse.Namespace) -> int:
    environment = load(given.environment)
    traffic = open_traffic(environment)
    traffic.render((isinstance(traffic, Kept) and traffic.shares()) or Shares.only(environment.slots[0].name))
    sys.stdout.write(json.dumps(traffic.command()) + "\n")
    return 0


def _keygen(given: argparse.Namespace) -> int:
    private, public = plans.new_key()
    sys.stdout.write(f"private {private}\npublic  {public}\n")
    return 0


def _serving(environment: Environment, engine: Engine) -> str:
    shares = engine.traffic.observe().shares
    if shares is None:
        return ""
    found = {engine.runtime.observe(slot.name).release for slot in environment.slots if shares.of(slot.name) > 0}
    return next(iter(found - {""}), "")


def _sealed(plan: plans.Plan, key: Path) -> str:
    private = key.read_text(encoding="ascii").strip()
    return json.dumps({"plan": asdict(plan), "signature": plans.sign(plan, private)}, indent=2)


def _plan(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    target = release.load(environment.releases, given.release)
    shares = [int(each) for each in given.stages.split(",")] if given.strategy == "canary" else []
    stages = tuple(plans.Stage(each, given.stage_seconds, given.max_seconds, given.min_samples) for each in shares)
    made = plans.Plan(
        environment=environment.name,
        fence=journal.fence(environment.name) + 1,
        release=given.release,
        strategy=given.strategy,
        from_release=_serving(environment, Engine(environment, journal)),
        digest=target.digest,
        stages=stages,
        bake_seconds=given.bake,
        keep_old=not given.stop_old,
        workers=not given.no_workers,
        rehearse=not given.no_rehearse,
        probes=given.probes,
        dry_run=given.dry_run,
        on_lost=given.on_lost,
        requester=getpass.getuser(),
    )
    sys.stdout.write(_sealed(made, given.key) + "\n")
    return 0


def read_sealed(text: str, trusted: tuple[str, ...]) -> tuple[plans.Plan, str]:
    """A signed plan and the key that signed it.

    Raises:
        Refused: it is none, or nobody that is trusted signed it.
    """
    try:
        values = json.loads(text)
        plan, signature = plans.read(json.dumps(values["plan"])), str(values["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"This is no signed plan: {error}.", "Make one with aw-deployd plan.") from error
    return plan, plans.verify(plan, signature, list(trusted))


def _deploy(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    text = sys.stdin.read() if str(given.plan) == "-" else given.plan.read_text(encoding="utf-8")
    plan, signer = read_sealed(text, environment.trusted_keys)
    engine = Engine(environment, journal, say=say)
    with engine.alone():
        return _end(engine.run(engine.take(plan, signer), wait_paused=given.wait))


def _continue(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    engine = Engine(environment, journal, say=say)
    with engine.alone():
        active = journal.active(environment.name)
        if active is None:
            say("Nothing is under way.")
            return 0
        return _end(engine.run(active, wait_paused=given.wait))


def _rollback(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    engine = Engine(environment, journal, say=say)
    if journal.active(environment.name) is not None:
        given.verb = "abort"
        return _command(given)
    serving = _serving(environment, engine)
    last = next((row for row in journal.history(environment.name) if row.state is State.SUCCEEDED), None)
    target = given.release or (last.plan.from_release if last and last.plan.release == serving else "")
    if not target:
        raise Refused("There is no version before in the journal.", "Name one: aw-deployd rollback VERSION.")
    made = plans.Plan(
        environment=environment.name,
        fence=journal.fence(environment.name) + 1,
        release=target,
        strategy="rollback",
        from_release=serving,
        bake_seconds=0.0,
        requester=getpass.getuser(),
    )
    plan, signer = read_sealed(_sealed(made, given.key), environment.trusted_keys)
    with engine.alone():
        return _end(engine.run(engine.take(plan, signer)))


def _command(given: argparse.Namespace) -> int:
    """Leave a command; when nobody works on the deployment, work on it."""
    environment, journal = _open(given)
    active = journal.active(environment.name)
    if active is None:
        raise Refused("Nothing is under way.")
    journal.command(active.id, given.verb, getpass.getuser())
    engine = Engine(environment, journal, say=say)
    try:
        with engine.alone():
            return _end(engine.run(journal.row(active.id)))
    except Refused:
        say(f"{given.verb} is told to the agent that works on it.")
        return 0


def _end(row: Row) -> int:
    say(f"{row.plan.release} is {row.state}{': ' + row.reason if row.reason else ''}")
    return {State.SUCCEEDED: 0, State.PAUSED: EXIT_PAUSED}.get(row.state, EXIT_WENT_BACK)


def describe(environment: Environment, journal: Journal) -> dict[str, Any]:
    """What is so, and what is under way."""
    engine = Engine(environment, journal)
    observed = engine.traffic.observe()
    shares = observed.shares
    active = journal.active(environment.name)
    return {
        "environment": environment.name,
        "proxy": "answers" if shares is not None else "does not answer",
        "slots": {
            slot.name: {
                "release": engine.runtime.observe(slot.name).release,
                "up": slot.name in observed.up,
                "percent": shares.of(slot.name) if shares else None,
            }
            for slot in environment.slots
        },
        "roles": {role: engine.runtime.observe(role).release for role in environment.roles},
        "deployment": None
        if active is None
        else {
            "id": active.id,
            "release": active.plan.release,
            "strategy": active.plan.strategy,
            "state": active.state,
            "stage": active.stage,
            "reason": active.reason,
            "users_hit": len(active.facts.get("hurt", [])),
            "samples": journal.samples(active.id),
        },
    }


def _status(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    found = describe(environment, journal)
    if given.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    sys.stdout.write(f"{found['environment']}: the proxy {found['proxy']}\n")
    for name, slot in found["slots"].items():
        word = "up" if slot["up"] else "down"
        sys.stdout.write(f"  {name:10} {slot['release'] or '-':16} {word:5} {slot['percent']} %\n")
    for name, version in found["roles"].items():
        sys.stdout.write(f"  {name:10} {version or '-'}\n")
    if found["deployment"]:
        sys.stdout.write(json.dumps(found["deployment"], indent=2) + "\n")
    return 0


def _history(given: argparse.Namespace) -> int:
    environment, journal = _open(given)
    for row in journal.history(environment.name):
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(row.begun_at))
        ended = f"{row.finished_at - row.begun_at:.0f} s" if row.finished_at else "under way"
        sys.stdout.write(
            f"{began}  {row.plan.strategy:10} {row.plan.release:16} {row.state:16} {ended:10} {row.reason}\n"
        )
    return 0


def _digest(given: argparse.Namespace) -> int:
    environment = load(given.environment)
    found = open_runtime(environment).digests(release.load(environment.releases, given.release))
    sys.stdout.write(found[0] + "\n")
    return 0


def _serve(given: argparse.Namespace) -> int:
    """Plans arrive as files in `inbox/`: from the console's poll, from a person, from a pipeline; the signature counts."""
    environment, journal = _open(given)
    inbox = environment.state / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    engine = Engine(environment, journal, say=say)
    scaler = Scaler(engine, journal)
    with engine.alone():
        if environment.console_url:
            Console(environment, describe, say, by_people=engine.traffic.by_people).start()
        while True:
            active = journal.active(environment.name)
            if active is not None:
                engine.run(active)
            elif (first := next(iter(sorted(inbox.glob("*.json"))), None)) is not None:
                _take_file(engine, first, environment)
            engine.keep()
            if journal.active(environment.name) is None:
                scaler.look()
            if given.once and (active is None or active.state in machine.FINAL | {State.PAUSED}):
                return 0
            time.sleep(0.5)


def _take_file(engine: Engine, path: Path, environment: Environment) -> None:
    try:
        plan, signer = read_sealed(path.read_text(encoding="utf-8"), environment.trusted_keys)
        row = engine.take(plan, signer)
    except DeployError as error:
        say(f"{path.name} is refused: {error}")
        path.with_suffix(".reason").write_text(str(error), encoding="utf-8")
        path.rename(path.with_suffix(".refused"))
        return
    path.rename(path.with_suffix(".taken"))
    engine.run(row)
