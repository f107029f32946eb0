"""The rescue script shares no code with the product, and gives back the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from apps.backups.repository import make_identity, prune, reencrypt, verify_cheap, verify_deep
from tests.lab.repositories import Contents, Place, contents, flip

SCRIPT = Path(__file__).parents[3] / "deploy" / "rescue" / "restore.py"


@pytest.fixture
def place(tmp_path: Path, small_packs: None) -> Place:
    return Place.make(tmp_path / "repository")


def rescue(place: Place, *arguments: str, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    identity = place.folder.with_name("identity.txt")
    identity.write_text(f"# created: today\n{place.identity}\n")
    # -I: nothing of the product can be imported by accident.
    command = [sys.executable, "-I", str(script), str(place.folder), str(identity), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def found(folder: Path) -> Contents:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_script_restores_what_the_engine_restores(place: Place, tmp_path: Path) -> None:
    first, second = contents(1), contents(2)
    one, two = place.back_up(first), place.back_up(second, kind="other")
    done = rescue(place, str(tmp_path / "newest"))
    assert (done.returncode, done.stderr) == (0, "")
    assert found(tmp_path / "newest") == second == place.restored(two.id)
    assert rescue(place, str(tmp_path / "first"), "--set", one.id).returncode == 0
    assert found(tmp_path / "first") == first == place.restored(one.id)
    assert rescue(place, str(tmp_path / "part"), "--only", "db/").returncode == 0
    assert found(tmp_path / "part") == {path: data for path, data in second.items() if path.startswith("db/")}
    listed = rescue(place)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [one.id, two.id]


def test_a_repository_of_the_first_format_is_restored_for_ever(tmp_path: Path) -> None:
    """`tests/data/repository_v1` is never made anew: what a release wrote, every later one reads, and so does its script."""
    data = Path(__file__).parents[2] / "data" / "repository_v1"
    shutil.copytree(data / "repository", tmp_path / "repository")
    told = json.loads((data / "contents.json").read_text())
    place = Place(tmp_path / "repository", (data / "identity.txt").read_text(), "", b"")
    with closing(place.owner()) as repository:
        assert verify_deep(repository).ok
        assert len(repository.sets()) == 2
    restored = {path: hashlib.sha256(content).hexdigest() for path, content in place.restored(told["set"]).items()}
    assert restored == told["sha256"]
    assert rescue(place, str(tmp_path / "out"), "--set", told["set"]).returncode == 0
    assert {path: hashlib.sha256(content).hexdigest() for path, content in found(tmp_path / "out").items()} == restored


def test_after_rotation_and_prune_and_long_lists(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.backups.repository import writer

    monkeypatch.setattr(writer, "_MANY", 1)
    what = {**contents(dump=100_000), **{f"{n}": b"%d" % n for n in range(1500)}}
    dropped, kept = place.back_up(contents(3)), place.back_up(what)
    with closing(place.owner()) as repository:
        reencrypt(repository)
        prune(repository, drop={dropped.id})
    assert "(dropped" in rescue(place).stdout
    done = rescue(place, str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert found(tmp_path / "out") == what == place.restored(kept.id)


def test_the_script_in_the_repository_is_the_same(place: Place, tmp_path: Path) -> None:
    what = contents()
    place.back_up(what)
    assert (place.folder / "restore.py").read_bytes() == SCRIPT.read_bytes()
    assert rescue(place, str(tmp_path / "out"), script=place.folder / "restore.py").returncode == 0
    assert found(tmp_path / "out") == what


def test_damage_is_named_and_the_rest_comes_back(place: Place, tmp_path: Path) -> None:
    what = contents()
    place.back_up(what)
    flip(max(place.objects("packs/"), key=lambda path: path.stat().st_size), 5)
    (place.folder / "format").unlink()
    for kept in ("keys", "sets"):
        [path] = place.objects(f"{kept}/")
        flip(path, 1)
    done = rescue(place, str(tmp_path / "out"))
    came = found(tmp_path / "out")
    assert done.returncode == (3 if came != what else 0)
    assert came.items() <= what.items(), "wrong bytes were restored"
    assert len(came) >= 1 or "LOST" in done.stderr
    with closing(place.server()) as repository:
        assert not verify_cheap(repository).ok


def test_wrong_key_and_no_repository(place: Place, tmp_path: Path) -> None:
    place.back_up(contents())
    place.identity = make_identity()[0]
    assert rescue(place).returncode == 12
    place.identity = place.identity[:-1] + ("Q" if place.identity[-1] != "Q" else "P")
    done = rescue(place)
    assert (done.returncode, "typing error" in done.stderr) == (12, True)
    place.folder = tmp_path / "nothing"
    place.folder.mkdir()
    assert rescue(place).returncode == 10
