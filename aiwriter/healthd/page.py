"""The public page: one word for each part, and what the operators say. No names of machines, no messages of checks."""

from __future__ import annotations

import html
import time

from aiwriter.core.healthstate import State

_WORDS = {"ok": "Working", "warn": "Working, slower than usual", "fail": "Not working", "unknown": "Not known"}
_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Status</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;
background:light-dark(#faf8f3,#151716);color:light-dark(#1b1e1d,#edebe4)}h1{font-size:1.5rem}ul{list-style:none;padding:0}
li{display:flex;justify-content:space-between;gap:1rem;padding:.5rem 0;border-bottom:1px solid light-dark(#e4e0d4,#2d3230)}
.ok{color:light-dark(#1c6a3d,#86d3a1)}.warn,.unknown{color:light-dark(#825100,#f0c067)}.fail{color:light-dark(#a12d1b,#f5a08f)}
article{padding:.5rem 0}time{color:light-dark(#62675f,#989e97)}</style></head><body>"""


def status_page(state: State | None, now: float) -> str:
    """The page.

    Args:
        state: what is known; None when nothing is.
        now: seconds since 1970.
    """
    parts = [_HEAD]
    if state is None:
        parts.append("<h1>Nothing is known right now</h1><p>The portal may be starting.</p>")
        return "".join([*parts, "</body></html>"])
    statuses = state.statuses(now)
    failing = state.failing(now)
    title = "Something does not work" if failing else "Everything works"
    if not failing and set(statuses.values()) & {"fail", "warn", "unknown"}:
        title = "Working, with limits"
    parts.append(f"<h1>{title}</h1>")
    for at, headline, text in state.notices:
        parts.append(
            f"<article><h2>{html.escape(headline)}</h2><p>{html.escape(text)}</p><time>{_moment(at)}</time></article>"
        )
    parts.append("<ul>")
    for key, seen in state.checks.items():
        if seen.required:
            status = statuses[key]
            parts.append(
                f'<li><span>{html.escape(seen.title)}</span><span class="{status}">{_WORDS[status]}</span></li>'
            )
    parts.append(f"</ul><p><time>As of {_moment(state.written_at)}</time></p></body></html>")
    return "".join(parts)


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
