"""Input of endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


class Input(serializers.Serializer):
    """A body whose unknown fields are refused: a misspelt field must not look like success."""

    def to_internal_value(self, data: Any) -> Any:
        """Check names first, then values."""
        if isinstance(data, Mapping):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({str(name)[:60]: ["This field is not known."] for name in unknown})
        return super().to_internal_value(data)


def read(serializer: type[Input], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The checked body of a request.

    Args:
        serializer: the body's description.
        request: has the body.
        partial: fields may be left out.

    Raises:
        rest_framework.exceptions.ValidationError: with every field that is wrong.
    """
    checked = serializer(data=request.data, partial=partial)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values
