"""One bit flipped and one object removed in each kind of object, 20 times each: found, never restored wrong, healed.

The cheap check finds every one. A restore gives the right bytes or an error. After the next backup, of a source that still
has everything, all is whole again: the check is clean and every set restores.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from apps.backups.repository import RepositoryError, prune, verify_cheap
from apps.backups.repository.errors import Damaged
from tests.lab.repositories import Contents, Place, contents, flip
from tests.proofs import expect

TIMES = int(os.environ.get("TIMES", "20"))
SEED = int(os.environ.get("SEED", "5"))
KINDS = {
    "pack": ("packs/",),
    "set": ("sets/", "twins/sets/"),
    "keys": ("keys/", "twins/keys/"),
    "format": ("format", "twins/format"),
    "mark": ("marks/", "twins/marks/"),
    "companion": ("README.txt", "restore.py"),
}
RESCUE = Path(__file__).parents[2] / "deploy" / "rescue" / "restore.py"


class _Trial:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pristine = Place.make(folder / "pristine")
        self.source: Contents = {}
        self.sets: dict[str, Contents] = {}
        dropped = self.pristine.back_up({"gone": b"x" * 1000})
        for seed in range(3):
            # The source only grows, so it still has what any set needs.
            self.source |= {f"{seed}/{path}": data for path, data in contents(seed, files=10, dump=200_000).items()}
            self.sets[self.pristine.back_up(self.source).id] = dict(self.source)
        with closing(self.pristine.server()) as repository:
            prune(repository, drop=[dropped.id], grace=timedelta(days=1), repack_below=0.0)
        self.wrong = self.refused = 0

    def place(self, number: int) -> Place:
        """A repository to break."""
        for old in self.folder.glob("broken-*"):
            shutil.rmtree(old)
        folder = self.folder / f"broken-{number}"
        shutil.copytree(self.pristine.folder, folder)
        return Place(folder, self.pristine.identity, self.pristine.recipient, self.pristine.secret)

    def objects(self, place: Place, kind: str) -> list[Path]:
        found = [path for prefix in KINDS[kind] for path in place.objects(prefix)]
        if kind == "pack":
            # A pack that only the dropped set needed is missed by nobody.
            with closing(place.server(cache=False)) as repository:
                needed = {
                    found.name
                    for set_id in self.sets
                    for reader in [repository.reader(set_id)]
                    for chunk in [*reader.chunk_ids(), *reader.list_ids()]
                    for found in repository.index.places(chunk)[:1]
                }
            found = [path for path in found if str(path.relative_to(place.folder)) in needed]
        return found

    def restore(self, place: Place) -> None:
        """Right bytes or an error, whichever set and file."""
        for set_id, what in self.sets.items():
            try:
                with closing(place.owner()) as repository:
                    reader = repository.reader(set_id)
                    for path, data in what.items():
                        try:
                            self.wrong += reader.open(path).read() != data
                        except Damaged:
                            self.refused += 1
            except RepositoryError:
                self.refused += 1

    def rescue(self, place: Place) -> None:
        """The same by the independent script, for the newest set."""
        identity, out = self.folder / "identity.txt", self.folder / "out"
        identity.write_text(place.identity)
        shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable,
            str(RESCUE),
            str(place.folder),
            str(identity),
            str(out),
            "--set",
            list(self.sets)[-1],
        ]
        subprocess.run(command, capture_output=True, check=False)
        for path in out.rglob("*"):
            if path.is_file():
                self.wrong += path.read_bytes() != self.source[str(path.relative_to(out))]


def prove() -> str:
    """Break, check, restore, back up, check, restore."""
    chance = random.Random(SEED)
    found: dict[str, int] = {}
    healed = trials = 0
    with tempfile.TemporaryDirectory() as name:
        trial = _Trial(Path(name))
        for kind in KINDS:
            for fault in ("flipped", "removed"):
                for number in range(TIMES):
                    trials += 1
                    place = trial.place(trials)
                    with closing(place.server()) as repository:
                        expect(verify_cheap(repository).ok, "the unbroken repository does not pass")
                    target = chance.choice(trial.objects(place, kind))
                    if fault == "flipped":
                        flip(target, chance.randrange(1 << 30))
                    else:
                        target.unlink()
                    with closing(place.server()) as repository:
                        report = verify_cheap(repository)
                    expect(not report.ok, f"{target.relative_to(place.folder)} was {fault} and not found")
                    found[f"{kind} {fault}"] = found.get(f"{kind} {fault}", 0) + 1
                    trial.restore(place)
                    if number % 5 == 0:
                        trial.rescue(place)
                    before = trial.refused
                    place.back_up(trial.source)
                    with closing(place.server()) as repository:
                        report = verify_cheap(repository)
                        expect(report.ok, f"{kind} {fault} was not healed: {report.problems}")
                    trial.restore(place)
                    expect(trial.refused == before, f"after the next backup something of {kind} is still lost")
                    healed += 1
                    expect(trial.wrong == 0, f"{kind} {fault}: wrong bytes were restored")
                print(f"  {kind} {fault}: {found[f'{kind} {fault}']} of {TIMES} found, all healed", flush=True)
    return (
        f"{sum(found.values())} of {trials} found by the cheap check, {trial.refused} reads refused, 0 wrong, "
        f"{healed} of {trials} healed by the next backup"
    )
