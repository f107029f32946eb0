"""Nobody finds what was not reviewed: bandit, our own semgrep rules, detect-secrets, pip-audit, wapiti, and schemathesis per role.

Each of our rules first has to find the fault that is planted for it. Then the tools of `make security` run over the code; a finding
counts unless `tests/security/reviewed.csv` has it with a reason. Last, schemathesis asks a running portal as each role
(SECONDS_A_ROLE, here 20 by default). A tool that is not installed, or whose source of advisories does not answer, is named "not
run" and never counted as good news.
"""

from __future__ import annotations

import os
import subprocess

from tests.proofs import expect
from tests.security import __main__ as security

_MUST = ("bandit", "semgrep", "detect-secrets")


def prove() -> str:
    """Plant, scan, fuzz."""
    subprocess.run(["make", "--silent", ".venv-security/.done", ".venv-wapiti/.done"], cwd=security.ROOT, check=True)
    blind = security.try_rules()
    expect(not blind, f"rules that do not find their fault: {blind}")
    new, said, known = security.scan([])
    for name, text in said.items():
        print(f"  {name}: {text}", flush=True)
    for name in _MUST:
        expect(not said[name].startswith("not run"), f"{name}: {said[name]}")
    expect(
        not new, "not reviewed: " + "; ".join(f"{each.tool} {each.rule} {each.path}: {each.line}" for each in new[:10])
    )
    os.environ.setdefault("SECONDS_A_ROLE", "20")
    from tests.proofs import api_fuzz

    fuzzed = api_fuzz.prove()
    print(f"  schemathesis: {fuzzed}", flush=True)
    absent = [name for name, text in said.items() if text.startswith("not run")]
    rules = sum(line.strip().startswith("- id:") for line in (security.HERE / "rules.yaml").read_text().splitlines())
    return (
        f"0 unreviewed findings ({known} reviewed, each with a reason), {rules} rules of our own that each find their fault; "
        f"{fuzzed}; not run: {', '.join(absent) or 'nothing'}"
    )
