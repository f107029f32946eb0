"""The provider behind the OpenFeature API: answers from the set that this process keeps, and notes exposures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from apps.deployments.selectors.flag_set import Answer, Who, decide, present, roles_of
from apps.deployments.services.exposures import expose

T = TypeVar("T")


def who_asks(context: EvaluationContext | None) -> Who:
    """The asker of an evaluation; attributes that are no text count as missing."""
    if context is None:
        return Who()
    given = {name: value if isinstance(value, str) else "" for name, value in context.attributes.items()}
    return Who(context.targeting_key or "", given.get("workspace", ""), given.get("email", ""), given.get("role", ""))


def answer_for(key: str, who: Who) -> Answer:
    """What a flag answers, with the exposure noted.

    Raises:
        FlagNotFoundError: there is no such flag.
    """
    flag = present().get(key)
    if flag is None:
        raise FlagNotFoundError(f"There is no flag '{key[:60]}'.")
    found = decide(flag, who, roles_of)
    if found.experiment_id:
        expose(found.experiment_id, who.user_id, found.variant)
    return found


class PortalProvider(AbstractProvider):
    """Flags of the portal's own tables."""

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="aiwriter")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """On or off."""
        return _resolve(flag_key, bool, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A word."""
        return _resolve(flag_key, str, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A whole number."""
        return _resolve(flag_key, int, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A number."""
        return _resolve(flag_key, float, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """A list or a mapping."""
        found: FlagResolutionDetails[Any] = _resolve(flag_key, (list, dict), evaluation_context)
        return found


def _resolve(key: str, kind: Any, context: EvaluationContext | None) -> FlagResolutionDetails[Any]:
    found = answer_for(key, who_asks(context))
    value = float(found.value) if kind is float and type(found.value) is int else found.value
    # A truth value is a whole number to Python, and not to whoever asks for one.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeMismatchError(f"'{key[:60]}' answers with {type(value).__name__}.")
    return FlagResolutionDetails(value=value, reason=Reason(found.reason), variant=found.variant)
