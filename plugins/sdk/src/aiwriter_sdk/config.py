"""What a backend asks to be configured with, and the values it receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from aiwriter_sdk.errors import ConfigInvalid

FieldType = Literal["str", "int", "float", "bool", "choice", "url", "secret"]


class Secret:
    """A value that does not show itself: not in repr, str, format, pickles or the locals of a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value. Call it where the request is built, and keep it in no attribute."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(***)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """One question of the form that the operator fills in.

    `secret` fields never reach the options that the host stores; the host keeps a reference and hands the plugin
    a `Secret`.

    Args:
        name: lower-case letters, digits and underscores; what `Config` is asked for.
        type: "url" is an http or https address without credentials in it.
        label: what the operator reads beside the field.
        help: shown under the field; give an example.
        required: an empty value is refused, unless there is a default.
        default: used when the value is absent or empty; never for a secret.
        choices: the allowed values of type "choice".
        minimum: least number, for "int" and "float".
        maximum: greatest number, for "int" and "float".
        group: gathers fields under a heading of that name.
    """

    name: str
    type: FieldType
    label: str
    help: str = ""
    required: bool = True
    default: object = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSchema:
    """The form, and how to bring options of an older version of it to this one.

    Args:
        fields: in the order in which they are shown.
        version: raised when the meaning of a stored option changes.
        migrate: `(options, from_version) -> options`; required once `version` is above 1.
    """

    fields: tuple[ConfigField, ...] = ()
    version: int = 1
    migrate: Callable[[Mapping[str, object], int], Mapping[str, object]] | None = None

    @property
    def secret_names(self) -> frozenset[str]:
        """Names of the fields that hold secrets."""
        return frozenset(f.name for f in self.fields if f.type == "secret")


@dataclass(frozen=True, slots=True)
class Config(Mapping[str, object]):
    """Validated values by field name, not changeable; secrets arrive as `Secret`."""

    values_: Mapping[str, object] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values_", MappingProxyType(dict(self.values_)))

    def __getitem__(self, name: str) -> object:
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    def text(self, name: str, default: str = "") -> str:
        """The value as text; `default` when absent or empty."""
        value = self.values_.get(name)
        return default if value in (None, "") else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """The value as a whole number; `default` when absent or empty."""
        value = self.values_.get(name)
        return default if value in (None, "") else int(str(value))

    def number(self, name: str, default: float = 0.0) -> float:
        """The value as a number; `default` when absent or empty."""
        value = self.values_.get(name)
        return default if value in (None, "") else float(str(value))

    def flag(self, name: str, default: bool = False) -> bool:
        """The value as true or false; `default` when absent."""
        value = self.values_.get(name)
        return default if value is None else bool(value)

    def secret(self, name: str) -> Secret:
        """The secret of that name; an empty one when it was left out.

        Raises:
            ConfigInvalid: the field is not a secret.
        """
        value = self.values_.get(name)
        if value is None:
            return Secret("")
        if not isinstance(value, Secret):
            raise ConfigInvalid(f"{name} is not a secret field", field=name)
        return value
