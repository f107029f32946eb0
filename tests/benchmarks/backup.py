"""The backup repository: files in and out, checks, copies and keys, beside restic, borg and tar with zstd in the same run.

Ours is measured in this process, from opening the repository with its cache to the record that was read again; the peers
are their command lines. All use two cores or what there is. Sizes are small enough for the page cache.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from apps.backups.repository import (
    FolderStore,
    Repository,
    SetInfo,
    copy,
    make_identity,
    recipient_of,
    reencrypt,
    rewrap,
    verify_cheap,
    verify_deep,
)
from tests.benchmarks import Row
from tests.lab.repositories import Place, noise, text

TEXTS, PICTURES = 20_000, 380
ROUNDS = int(os.environ.get("ROUNDS", "3"))


class Sources:
    """About 980 MB as the research behind the design had it: a quarter in small texts, the rest does not compress."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for number in range(256):
            (folder / f"{number:02x}").mkdir(parents=True)
        for number in range(TEXTS):
            (folder / f"{number % 256:02x}" / f"{number}.md").write_bytes(text(number, 11_000))
        for number in range(PICTURES):
            (folder / f"{number % 256:02x}" / f"{number}.jpg").write_bytes(noise(number, 2_000_000))
        self.step = 0
        time.sleep(2.1)  # Files that are younger than two seconds are read again, by us and by borg.

    def change(self) -> None:
        """One in a hundred: texts written anew, and two pictures."""
        self.step += 1
        for number in range(self.step, TEXTS, 100):
            (self.folder / f"{number % 256:02x}" / f"{number}.md").write_bytes(
                text(self.step * 100_000 + number, 11_000)
            )
        for number in range(self.step, PICTURES, 100):
            (self.folder / f"{number % 256:02x}" / f"{number}.jpg").write_bytes(
                noise(self.step * 1000 + number, 2_000_000)
            )


class Times:
    """Seconds by name; the median counts."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.processor: dict[str, list[float]] = {}

    def measure(self, name: str, work: Callable[[], object]) -> None:
        """Once more."""
        begun, used = time.perf_counter(), _processor()
        work()
        self.wall.setdefault(name, []).append(time.perf_counter() - begun)
        self.processor.setdefault(name, []).append(_processor() - used)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.wall[name]) if name in self.wall else 0.0

    def cpu(self, name: str) -> float:
        """Processor seconds."""
        return statistics.median(self.processor[name])


def _processor() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


class Peer:
    """restic or borg, each with a repository of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.installed = shutil.which(name) is not None
        self.count = 0

    def _run(self, *arguments: str, cwd: Path | None = None) -> None:
        environment = {
            **os.environ,
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
            "BORG_PASSPHRASE": "bench",
            "BORG_BASE_DIR": str(self.folder / "base"),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        command = [self.name, *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment, cwd=cwd)

    @property
    def _repository(self) -> str:
        return str(self.folder / "repository")

    def make(self) -> None:
        """An empty repository."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if self.name == "restic":
            self._run("-r", self._repository, "init")
        else:
            self._run("init", "-e", "repokey", self._repository)

    def back_up(self, sources: Path) -> None:
        """A snapshot."""
        self.count += 1
        if self.name == "restic":
            self._run("-r", self._repository, "backup", "--quiet", ".", cwd=sources)
        else:
            self._run("create", "-C", "zstd,3", f"{self._repository}::{self.count}", ".", cwd=sources)

    def restore(self, target: Path) -> None:
        """The newest snapshot."""
        if self.name == "restic":
            self._run("-r", self._repository, "restore", "latest", "--target", str(target))
        else:
            self._run("extract", f"{self._repository}::{self.count}", cwd=target)


def _back_up(place: Place, sources: Sources) -> SetInfo:
    with closing(place.server()) as repository, repository.begin(kind="files") as writer:
        writer.add_folder("files", sources.folder)
        return writer.commit()


def _restore(place: Place, set_id: str, target: Path) -> None:
    # As a restore on an empty machine: no cache, so that the index is made from the packs.
    with closing(place.owner()) as repository:
        repository.reader(set_id).extract_all(target)


def _shell(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


def _fresh(folder: Path, what: str) -> Path:
    """A new folder to restore into, for each measure its own.

    What was restored before is not deleted but cut to nothing: ext4 does not take up inodes that were deleted within the
    last minutes and steps over them one by one, so whoever restores after 20,000 files were deleted pays for that, whoever
    writes fastest most, and as much as for the whole restore.
    """
    for path in folder.glob("out-*/**/*"):
        if path.is_file() and path.stat().st_size:
            os.truncate(path, 0)
    return Path(tempfile.mkdtemp(prefix=f"out-{what}-", dir=folder))


def _raw_put(packs: list[Path], target: Path) -> None:
    """Each pack written and flushed, and nothing else."""
    for number, pack in enumerate(packs):
        with (target / str(number)).open("wb", buffering=0) as file:
            file.write(pack.read_bytes())
            os.fsync(file.fileno())


def _size(place: Place) -> int:
    return sum(path.stat().st_size for path in place.objects())


def _rows_of_a_table(count: int, versions: dict[int, int]) -> bytes:
    """A dump of texts, as COPY writes them; a row with another version has other words."""
    return b"".join(
        b"%d\t%d\t%s\n" % (number, versions.get(number, 0), text(number * 100 + versions.get(number, 0), 2800))
        for number in range(count)
    )


def _dump_rows(folder: Path) -> list[Row]:
    """Bytes that a changed dump adds: chunks of 16 KiB are there for this."""
    count = 10_000
    place = Place.make(folder / "dumps")
    scattered = random.Random(1).sample(range(count), count // 100)
    sizes = []
    for rows, versions in ((count, {}), (count + count // 100, {}), (count, dict.fromkeys(scattered, 1))):
        with closing(place.server()) as repository, repository.begin(kind="dump") as writer:
            writer.add_stream("dump.sql", io.BytesIO(_rows_of_a_table(rows, versions)))
            sizes.append(writer.commit().bytes_added)
    return [
        Row("dump with 1 % of rows more", sizes[1], sizes[0], "B", "the first", 0.03),
        Row("dump with 1 % of rows changed here and there", sizes[2], sizes[0], "B", "the first", 0.15),
    ]


def measure() -> list[Row]:
    """All rows: those of files, then those of keeping."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = Sources(folder / "sources")
        times = Times()
        peers = [Peer(peer, folder / peer) for peer in ("restic", "borg")]
        for peer in peers:
            if not peer.installed:
                print(
                    f"   {peer.name} is not installed (apt install restic borgbackup): its rows are left out",
                    flush=True,
                )
        place, still = _files(folder, sources, times, peers)
        rows = _file_rows(times, peers, still, _size(place))
        rows += _dump_rows(folder)
        rows.append(_one_document(place, times))
        rows += _keeping(folder, place, times)
        return rows


def _one_document(place: Place, times: Times) -> Row:
    """A text out of the whole set, on a machine that has nothing but repository and key."""
    with closing(place.owner()) as repository:
        set_id = repository.sets()[0].id

    def opened() -> None:
        with closing(place.owner()) as repository:
            repository.sync()
            repository.reader(set_id)

    def read() -> None:
        with closing(place.owner()) as repository:
            repository.reader(set_id).open("files/77/10103.md").read()

    for _ in range(ROUNDS):
        times.measure("opened", opened)
        times.measure("one", read)
    return Row("one document out of a set of 1 GB", times["one"], times["opened"], "s", "opening the repository", 2.0)


def _files(folder: Path, sources: Sources, times: Times, peers: list[Peer]) -> tuple[Place, int]:
    """So many rounds. Returns our last repository, and by how many bytes a set of nothing new made it grow."""
    place, still = Place(folder, "", "", b""), 0
    for turn in range(ROUNDS):
        shutil.rmtree(folder / f"ours-{turn - 1}", ignore_errors=True)
        place = Place.make(folder / f"ours-{turn}")
        still = _round(folder, place, sources, times, [peer for peer in peers if peer.installed])
    return place, still


def _round(folder: Path, place: Place, sources: Sources, times: Times, peers: list[Peer]) -> int:
    archive = folder / "files.tar.zst"
    times.measure("tar", lambda: _shell(f"tar c -C {sources.folder} . | zstd -3 -T2 -q -f -o {archive}"))
    times.measure("full", lambda: _back_up(place, sources))
    for peer in peers:
        peer.make()
        times.measure(f"full {peer.name}", partial(peer.back_up, sources.folder))
    before = _size(place)
    times.measure("same", lambda: _back_up(place, sources))
    still = _size(place) - before
    for peer in peers:
        times.measure(f"same {peer.name}", partial(peer.back_up, sources.folder))
    sources.change()
    time.sleep(2.1)
    infos: list[SetInfo] = []
    times.measure("changed", lambda: infos.append(_back_up(place, sources)))
    for peer in peers:
        times.measure(f"changed {peer.name}", partial(peer.back_up, sources.folder))
    out = _fresh(folder, "untar")
    times.measure("untar", partial(_shell, f"zstd -dcq {archive} | tar x -C {out}"))
    times.measure("restore", partial(_restore, place, infos[0].id, _fresh(folder, "ours")))
    for peer in peers:
        times.measure(f"restore {peer.name}", partial(peer.restore, _fresh(folder, peer.name)))
    return still


def _file_rows(times: Times, peers: list[Peer], still: int, size: int) -> list[Row]:
    rows = [
        Row("files, first backup", times["full"], times["tar"], "s", "tar | zstd -3", 3.5),
        Row("files, first backup, processor", times.cpu("full"), times.cpu("tar"), "s", "tar | zstd -3", 2.4),
        Row("files, nothing changed", times["same"], times["tar"], "s", "tar | zstd -3", 0.25),
        Row("files, 1 % changed", times["changed"], times["tar"], "s", "tar | zstd -3", 0.30),
        Row("files, bytes when nothing changed", still, size * 0.0002, "B", "0.02 % of the repository", 1.0),
        Row("files, restore without a cache", times["restore"], times["untar"], "s", "zstd -dc | tar x", 2.0),
    ]
    words = {
        "full": "files, first backup",
        "same": "files, nothing changed",
        "changed": "files, 1 % changed",
        "restore": "files, restore",
    }
    for peer in peers:
        if peer.installed:
            rows += [
                Row(what, times[step], times[f"{step} {peer.name}"], "s", peer.name, 1.0)
                for step, what in words.items()
            ]
    return rows


def _copies(folder: Path, place: Place, times: Times, turn: int) -> None:
    """A first copy and a second one, beside the packs written raw.

    Both go to folders that are new, and they take turns at being first: memory that was freed just before costs the
    system less to hand out than memory that it has to get.
    """
    packs, second = place.objects("packs/"), folder / f"second-{turn}"

    def raw() -> None:
        (target := folder / f"raw-{turn}").mkdir()
        times.measure("raw put", partial(_raw_put, packs, target))

    def ours() -> None:
        with closing(place.server()) as repository:
            times.measure("copy", partial(copy, repository, FolderStore(second)))
            times.measure("copy again", partial(copy, repository, FolderStore(second)))

    for each in (ours, raw) if turn % 2 else (raw, ours):
        each()
    shutil.rmtree(second)
    shutil.rmtree(folder / f"raw-{turn}")


def _keeping(folder: Path, place: Place, times: Times) -> list[Row]:
    packs = place.objects("packs/")
    bytes_packed = sum(path.stat().st_size for path in packs)
    block = noise(1, 16 * 1024 * 1024)
    for turn in range(ROUNDS):
        times.measure("sha256", lambda: [hashlib.sha256(block).digest() for _ in range(8)])
        with closing(place.server()) as repository:
            times.measure("cheap", partial(verify_cheap, repository))
        with closing(place.owner()) as repository:
            times.measure("deep", partial(verify_deep, repository))
        _copies(folder, place, times, turn)
    identity, recipient = make_identity()
    with closing(place.owner()) as repository:
        times.measure("rewrap", lambda: rewrap(repository, recipients=[place.recipient, recipient]))
        times.measure("reencrypt", lambda: reencrypt(repository))
    with closing(Repository.open(FolderStore(place.folder), identity=identity)) as repository:
        if recipient_of(identity) not in repository.recipients or not verify_cheap(repository).ok:
            raise AssertionError("the repository is not whole after its keys were changed")
    megabyte = 1_000_000
    hashing = 8 * len(block) / times["sha256"] / megabyte
    return [
        Row(
            "cheap check without a key",
            bytes_packed / times["cheap"] / megabyte,
            hashing,
            "MB/s",
            "SHA-256",
            1 / 0.7,
            True,
        ),
        Row("deep check", times["deep"], times["tar"], "s", "tar | zstd -3", 0.5),
        Row("first copy to a second place", times["copy"], times["raw put"], "s", "write and flush each pack", 1.2),
        Row("copy when nothing changed", times["copy again"], times["copy"], "s", "the first copy", 0.02),
        Row("new recipients", times["rewrap"], 0.1, "s", "limit", 1.0),
        Row("encrypt everything anew", bytes_packed / times["reencrypt"] / megabyte, 150, "MB/s", "limit", 1.0, True),
    ]
