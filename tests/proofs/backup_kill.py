"""kill -9 at 40 random points of backup, prune, copy and key rotation loses nothing that could be restored.

After each kill: every set that counted is restored and compared byte for byte, the cheap check is clean, and the same
work started again ends well without anybody clearing anything; at most one pack is stored a second time.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from apps.backups.repository import (
    Control,
    FolderStore,
    Repository,
    compare,
    copy,
    make_identity,
    prune,
    recipient_of,
    reencrypt,
    rewrap,
    verify_cheap,
)
from apps.backups.repository.packs import PACK_SIZE
from tests.lab.repositories import Place, chunk_copies, noise, text
from tests.proofs import Failed, expect

KILLS = int(os.environ.get("KILLS", "40"))
SEED = int(os.environ.get("SEED", "4"))
WORK = ("backup", "prune", "copy", "rotation")
KEPT = 3


def _sources(folder: Path) -> None:
    """About 66 MB: pictures that do not compress, and texts."""
    for number in range(30):
        (folder / f"picture-{number}").write_bytes(noise(number, 2_000_000))
    for number in range(1200):
        (folder / f"text-{number}.md").write_bytes(text(number, 5000))


def _change(folder: Path, step: int) -> None:
    for number in range(step % 5, 30, 5):
        (folder / f"picture-{number}").write_bytes(noise(step * 1000 + number, 2_000_000))
    for number in range(step % 7, 1200, 50):
        (folder / f"text-{number}.md").write_bytes(text(step * 10_000 + number, 5000))


def _work(what: str, place: Place, sources: Path, second: Path, other: str) -> None:
    """What the child does, and what is done again after the kill."""
    begun = Control(check=lambda: None)
    if what == "backup":
        with closing(place.server()) as repository:
            print("begun", flush=True)
            with repository.begin(kind="files", labels={}, control=begun) as writer:
                for path in sorted(sources.iterdir()):
                    writer.add_file(f"files/{path.name}", path)
                print(writer.commit().id, flush=True)
    elif what == "prune":
        with closing(place.server()) as repository:
            sets = [info.id for info in repository.sets()]
            print("begun", flush=True)
            prune(repository, drop=sets[:-KEPT], grace=timedelta(0), repack_below=0.5)
            prune(repository, grace=timedelta(0), repack_below=0.5)
    elif what == "copy":
        with closing(place.server()) as repository:
            print("begun", flush=True)
            copy(repository, FolderStore(second))
    else:
        with closing(place.owner()) as repository:
            print("begun", flush=True)
            # The first identity stays one of the recipients, so that it opens whatever generation the kill leaves.
            rewrap(repository, recipients=[place.recipient, recipient_of(other)])
            reencrypt(repository)


def _child(place: Place, what: str, *arguments: str) -> subprocess.Popen[str]:
    keys = [str(place.folder), place.identity, place.recipient, place.secret.hex()]
    command = [sys.executable, "-m", "tests.proofs.backup_kill", what, *keys, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _begun(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    expect(child.stdout.readline() == "begun\n", "the child did not begin")


class _Trial:
    def __init__(self, folder: Path) -> None:
        self.sources, self.second, self.scratch = folder / "sources", folder / "second", folder / "out"
        self.sources.mkdir()
        self.other = make_identity()[0]
        self.place = Place.make(folder / "repository")
        self.expected: dict[str, Path] = {}
        self.snapshots = folder / "snapshots"
        self.chance = random.Random(SEED)
        self.seconds: dict[str, float] = {}
        self.repeated = 0
        self.left = 0
        self.step = 0

    def arguments(self) -> list[str]:
        return [str(self.sources), str(self.second), self.other]

    def run(self, what: str) -> None:
        """To the end, without a kill."""
        child = _child(self.place, what, *self.arguments())
        _begun(child)
        begun = time.monotonic()
        assert child.stdout is not None
        said = child.stdout.read().split()
        expect(child.wait() == 0, f"{what} started again ended with {child.returncode}")
        self.seconds[what] = max(0.05, time.monotonic() - begun)
        if what == "backup":
            self.remember(said[-1])

    def remember(self, set_id: str) -> None:
        kept = self.snapshots / set_id
        shutil.copytree(self.sources, kept)
        self.expected[set_id] = kept

    def prepare(self, what: str) -> None:
        """Something to do for the work that is to be killed."""
        self.step += 1
        _change(self.sources, self.step)
        if what != "backup":
            self.run("backup")
        if what == "prune":
            while len(self.expected) <= KEPT:
                self.step += 1
                _change(self.sources, self.step)
                self.run("backup")
        if what == "copy":
            shutil.rmtree(self.second, ignore_errors=True)

    def kill(self, what: str) -> bool:
        """Start, kill at a random time, tell whether it landed in the middle."""
        child = _child(self.place, what, *self.arguments())
        _begun(child)
        time.sleep(self.chance.uniform(0.0, 0.95) * self.seconds[what])
        landed = child.poll() is None
        child.kill()
        child.wait()
        return landed

    def check(self, what: str, when: str) -> None:
        """All sets that counted are there, whole; nothing else is wrong."""
        with closing(self.place.server()) as repository:
            report = verify_cheap(repository)
            expect(report.broken_sets == set(), f"{when} of {what}: {report.problems[:3]}")
            present = [info.id for info in repository.sets()]
        must = list(self.expected)[-KEPT:] if what == "prune" else list(self.expected)
        lacking = set(must) - set(present)
        expect(not lacking, f"{when} of {what}: sets are gone: {lacking}")
        for set_id in {must[-1], self.chance.choice(must)}:
            shutil.rmtree(self.scratch, ignore_errors=True)
            with closing(self.place.owner()) as repository:
                repository.reader(set_id).extract_all(self.scratch)
            _same(self.expected[set_id], self.scratch / "files", f"{when} of {what}: set {set_id}")

    def settle(self, what: str) -> None:
        """After the work has run to its end."""
        with closing(self.place.server()) as repository:
            report = verify_cheap(repository)
            expect(report.ok, f"after {what}: {report.problems[:3]}")
            present = {info.id for info in repository.sets()}
            for set_id in list(self.expected):
                if set_id not in present:
                    expect(what == "prune", f"{set_id} is gone after {what}")
                    shutil.rmtree(self.expected.pop(set_id))
            if what == "copy":
                expect(compare(repository, FolderStore(self.second)).same, "the copy is not whole")
        scratch = list((self.place.folder / ".scratch").iterdir())
        expect(not scratch, f"scratch files were left: {scratch}")
        if what == "copy":
            with closing(Repository.open(FolderStore(self.second), writer_secret=self.place.secret)) as repository:
                expect(verify_cheap(repository).ok, "the copy fails its own check")


def _same(one: Path, two: Path, what: str) -> None:
    done = subprocess.run(["diff", "-rq", str(one), str(two)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{what} differs: {done.stdout[:500]}")


def prove() -> str:
    """Kill, look, go on, look again."""
    landed = dict.fromkeys(WORK, 0)
    with tempfile.TemporaryDirectory() as name:
        trial = _Trial(Path(name))
        _sources(trial.sources)
        for what in ("backup", "copy", "rotation", "prune"):
            trial.prepare(what)
            trial.run(what)
            trial.settle(what)
        while sum(landed.values()) < KILLS:
            what = WORK[sum(landed.values()) % len(WORK)]
            trial.prepare(what)
            stored, once = chunk_copies(trial.place)
            if not trial.kill(what):
                if what == "backup":
                    # It had ended already, so there is one more set, of the same sources.
                    with closing(trial.place.server()) as repository:
                        newest = repository.sets()[-1].id
                    if newest not in trial.expected:
                        trial.remember(newest)
                continue
            landed[what] += 1
            if what == "backup":
                with closing(trial.place.server()) as repository:
                    for info in repository.sets():
                        if info.id not in trial.expected:
                            trial.remember(info.id)
            trial.check(what, "after the kill")
            trial.run(what)
            trial.check(what, "after it ran again")
            trial.settle(what)
            if what == "backup":
                now, now_once = chunk_copies(trial.place)
                repeated = (now - now_once) - (stored - once)
                trial.repeated = max(trial.repeated, repeated)
                expect(repeated <= PACK_SIZE, f"{repeated} bytes were stored a second time")
            if what != "prune" and len(trial.expected) > KEPT + 2:
                trial.run("prune")
                trial.settle("prune")
            print(f"  {sum(landed.values())} of {KILLS}: {what}, {len(trial.expected)} sets", flush=True)
    return f"{landed} kills landed in mid-work; every set restored identically each time; at most {trial.repeated:,} bytes stored twice (a pack is {PACK_SIZE:,})"


if __name__ == "__main__":
    _what, _folder, _identity, _recipient, _secret, _sources_at, _second, _other = sys.argv[1:]
    _place = Place(Path(_folder), _identity, _recipient, bytes.fromhex(_secret))
    _work(_what, _place, Path(_sources_at), Path(_second), _other)
