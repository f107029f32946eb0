"""Every file of deploy/ is judged by the program that it is for.

Those that cannot be had here are told as not run.
"""

from __future__ import annotations

from tests.lab import deploylint
from tests.lab.deploytools import tools
from tests.proofs import expect


def prove() -> str:
    """Each judge on the real files."""
    folder = tools()
    judged, not_run = [], []
    for name, judge in deploylint.LINTS.items():
        program = deploylint.program(name, folder)
        if not program:
            not_run.append(name)
            print(f"  not run: {name} is not installed", flush=True)
            continue
        problem = judge(program)
        expect(not problem, f"{name}: {problem}")
        judged.append(name)
        print(f"  {name}: content", flush=True)
    expect(len(judged) >= 6, f"too few judges are here: {judged}")
    return f"{len(judged)} judges content: {', '.join(judged)}; not run: {', '.join(not_run) or 'none'}"
