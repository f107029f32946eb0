"""Counts on a disk without room: a limit on the size of files stands for it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

_COUNT = """
import json, resource, sys
from aiwriter.core.metric_files import ReservedDict
path, before, after = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
room(before)
counts = ReservedDict(path)
for number in range(400):
    counts.write_value(f"first {number}", float(number), 0.0)
room(after)
for number in range(4000):
    counts.write_value(f"then {number}", float(number), 0.0)
print(json.dumps({key: value for key, value, _ in counts.read_all_values()}))
"""


@pytest.mark.parametrize(
    ("before", "after", "in_the_file"),
    [(1 << 24, 1 << 24, 4400), (1 << 24, 70_000, 400), (4096, 4096, 0)],
    ids=["room", "full later", "full from the first"],
)
def test_a_full_disk_ends_no_process_and_loses_no_count(tmp_path: Path, before: int, after: int, in_the_file: int):
    path = tmp_path / "counter_1.db"
    command = [sys.executable, "-c", _COUNT, str(path), str(before), str(after)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    counts = json.loads(done.stdout)
    assert counts["first 399"] == 399.0
    assert counts["then 3999"] == 3999.0
    assert len(counts) == 4400
    assert ("no room" in done.stderr) == (in_the_file < 4400)
    # What others read is whole as far as it goes, and the file has no holes.
    if in_the_file:
        assert len(list(MmapedDict.read_all_values_from_file(str(path)))) >= in_the_file
    assert path.stat().st_blocks * 512 >= path.stat().st_size
