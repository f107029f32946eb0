"""What a conformance test is: a rule with an id and a grade that an author can neither change nor take away."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from aiwriter_sdk.descriptor import Descriptor

Grade = Literal["required", "recommended"]
_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the contract.

    Args:
        id: "M04", as in the documentation.
        grade: whether a plugin may be listed without it.
        needs: what a backend must have for the rule to apply, see `Conformance.lacks`.
        title: the first line of the test's docstring.
    """

    id: str
    grade: Grade
    needs: tuple[str, ...]
    title: str


def rule(id: str, *needs: str, grade: Grade = "required") -> Callable[[_F], _F]:
    """Make a test method a rule of the suite."""

    def mark(test: _F) -> _F:
        title = (inspect.getdoc(test) or "").partition("\n")[0]
        test.__aiwriter_rule__ = Rule(id, grade, needs, title)  # type: ignore[attr-defined]
        return test

    return mark


class Conformance:
    """Base of the three suites. An author subclasses one of them in a test file and gives what it asks for.

    Attributes:
        descriptor: the plugin's descriptor.
        expected_failures: test name to reason, for what a provider really cannot do. Such a test must fail; once it
            passes, the suite asks for its entry to be removed.
    """

    descriptor: ClassVar[Descriptor]
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        suite = dict(rules(cls))
        for name in vars(cls):
            if name in suite and not hasattr(vars(cls)[name], "__aiwriter_rule__"):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a test of the conformance suite. If the provider cannot do it, "
                    f'write expected_failures = {{"{name}": "why"}}.'
                )
        for name, reason in cls.expected_failures.items():
            if name not in suite or not str(reason).strip():
                raise TypeError(
                    f"{cls.__name__}.expected_failures: {name!r} needs to be a test of the suite, with a reason."
                )

    @classmethod
    def lacks(cls, need: str) -> str:
        """Why a rule with this need does not apply to the backend; "" when it does.

        A need is a capability ("embed"), a capability that must be missing ("no embed") or a word of a subclass.
        """
        declared = cls.descriptor.capabilities
        if need.startswith("no "):
            return "" if need[3:] not in declared else f"it declares {need[3:]}"
        return "" if need in declared else f"it does not declare {need}"

    def run(self, work: Coroutine[Any, Any, _T], *, limit: float = 10.0) -> _T:
        """Run a coroutine on a loop of its own.

        Args:
            work: what to run.
            limit: seconds until the test fails. The loop runs in a thread, so that also plugin code that blocks it is
                found instead of hanging the suite.
        """
        return run_in_thread(lambda: asyncio.run(work), limit)


def run_in_thread(work: Callable[[], _T], limit: float) -> _T:
    """Call `work` in a daemon thread and give its result or raise what it raised.

    Raises:
        AssertionError: it did not end within `limit` seconds.
    """
    results: list[_T] = []
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    thread = threading.Thread(target=guarded, name="aiwriter-conformance", daemon=True)
    thread.start()
    thread.join(limit)
    if errors:
        if isinstance(errors[0], SystemExit | KeyboardInterrupt):
            raise AssertionError(f"the backend raised {errors[0]!r}")
        raise errors[0]
    assert results, f"it did not come back within {limit:g} seconds: something blocks, or ignores the deadline"
    return results[0]


def rules(cls: type) -> Iterator[tuple[str, Rule]]:
    """The suite's tests of a class by name, as the suite defines them."""
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(found := getattr(value, "__aiwriter_rule__", None), Rule):
                yield name, found


def reading_order(rule_id: str) -> tuple[int, str]:
    """Sorts ids of rules as they are read: the descriptor first, then the backend, then its kind."""
    return "DBMWESPCL".index(rule_id[0]), rule_id


def exempt(cls: type[Conformance]) -> dict[str, str]:
    """Tests that do not apply to a backend, with the reason."""
    found = {}
    for name, one in rules(cls):
        if reason := next((why for need in one.needs if (why := cls.lacks(need))), ""):
            found[name] = reason
    return found
