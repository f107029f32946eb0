"""The conformance suite of health checks."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from aiwriter_sdk.backend import Backend, Health
from aiwriter_sdk.descriptor import Kind
from aiwriter_sdk.errors import BackendError
from aiwriter_sdk.testing.every_backend import BackendConformance
from aiwriter_sdk.testing.rules import rule
from aiwriter_sdk.testing.wire import WireReply, WireRequest, WireServer

__all__ = ["CheckConformance"]
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_MOST_FIGURES = 20


class CheckConformance(BackendConformance):
    """Subclass it, give `descriptor` and `options`; what is looked at must be well while `self.well` says so."""

    kind: ClassVar[Kind] = "check"
    url: str
    well: bool

    def answer(self, request: WireRequest) -> WireReply:
        """What the server at `self.url` says, for checks that ask one; `self.well` is False while it shall be broken."""
        raise AssertionError(f"the test class has to give answer(): {request.path} was asked for")

    def broken_options(self) -> Mapping[str, object]:
        """Options with which a fault is found, beside `self.well`; those of `options()` when left out."""
        return self.options()

    @contextmanager
    def _scenery(self) -> Iterator[None]:
        self.well = True
        with WireServer(self.answer) as server:
            self.url = server.url
            yield
        assert not server.faults, f"answer() raised {server.faults[0]!r}"

    def look(self, backend: Backend) -> Health:
        """Look once, within the descriptor's deadline."""
        found = self.run(
            backend.health(control=self.control(self.descriptor.deadline)), limit=self.descriptor.deadline + 2
        )
        assert isinstance(found, Health), f"health() gave {type(found).__name__}"
        return found

    @rule("C01")
    def test_a_look_ends_in_time(self) -> None:
        """A look ends within the deadline and says what it found in a sentence."""
        begun = time.monotonic()
        found = self.look(self.build())
        assert time.monotonic() - begun < self.descriptor.deadline, "it took longer than its deadline"
        assert found.status == "ok", f"it says {found.status}: {found.detail}"
        assert found.detail.strip(), "detail is empty"

    @rule("C02")
    def test_figures_can_be_kept(self) -> None:
        """Figures have names of lower-case letters, digits, underscores, finite values, and are 20 at most."""
        data = self.look(self.build()).data
        assert len(data) <= _MOST_FIGURES, f"{len(data)} figures"
        for name, value in data.items():
            assert _FIGURE.fullmatch(name), f"{name!r} is no name"
            assert isinstance(value, int | float), f"{name} is {type(value).__name__}"
            assert math.isfinite(value), f"{name} is {value}"

    @rule("C03")
    def test_what_is_broken_is_told(self) -> None:
        """What is broken is told as warn or fail, or raises a BackendError, within the deadline."""
        self.well = False
        backend = self.build(name="broken", options=self.broken_options())
        begun = time.monotonic()
        try:
            found = self.look(backend)
        except BackendError as error:
            status, said = "fail", error.message
        else:
            status, said = found.status, found.detail
        assert status in ("warn", "fail"), f"it says {status}"
        assert said.strip(), "it does not say what is wrong"
        assert time.monotonic() - begun < self.descriptor.deadline + 1, "it took longer than its deadline"

    @rule("C04", grade="recommended")
    def test_looking_changes_nothing(self) -> None:
        """Three looks say the same, one after the other."""
        backend = self.build()
        said = {self.look(backend).status for _ in range(3)}
        assert len(said) == 1, f"it says {' and '.join(sorted(said))}"
