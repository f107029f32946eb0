"""Checks a profile's options against its plugin's form and brings options of an older version of the form up to date."""

from __future__ import annotations

from collections.abc import Mapping

from aiwriter.core.errors import Detail, InvalidInput
from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, Config, ConfigSchema, Descriptor, Secret
from aiwriter_sdk.checks import Problem, descriptor_problems, read_options

__all__ = ["Problem", "descriptor_problems", "migrate_options", "options_problems", "validate_options"]


def options_problems(
    schema: ConfigSchema, options: Mapping[str, object], secrets: Mapping[str, Secret | str]
) -> list[Problem]:
    """Every problem with an operator's answers; empty when the profile can be built."""
    return read_options(schema, options, secrets)[1]


def validate_options(
    schema: ConfigSchema, options: Mapping[str, object], secrets: Mapping[str, Secret | str]
) -> Config:
    """Turn stored options and resolved secrets into what a backend is built with.

    Args:
        schema: the plugin's form.
        options: by field name, no secret among them.
        secrets: by field name, resolved.

    Raises:
        InvalidInput: with one detail for every wrong field, not only for the first.
    """
    config, problems = read_options(schema, options, secrets)
    if problems:
        fields = ", ".join(dict.fromkeys(problem.field for problem in problems))
        raise InvalidInput(
            f"The settings of this backend cannot be used: {fields}.",
            remedy=problems[0].remedy,
            details=[Detail(p.field, p.problem, p.remedy) for p in problems],
        )
    return config


def migrate_options(descriptor: Descriptor, options: Mapping[str, object], *, version: int) -> dict[str, object]:
    """Bring options that were saved under another version of the form to the present one.

    Args:
        descriptor: of the installed plugin.
        options: as stored.
        version: of the form under which they were stored.

    Returns:
        options of the present version, not yet validated; the caller stores them with `descriptor.config.version`.

    Raises:
        InvalidInput: they come from a newer version of the plugin, or its migration failed.
    """
    schema = descriptor.config
    if version == schema.version:
        return dict(options)
    if version > schema.version:
        raise InvalidInput(
            f"The settings were saved by a newer version of the plugin '{descriptor.key}' "
            f"(form {version}, installed {schema.version}).",
            field="options",
            remedy="Update the plugin again, or enter the settings anew.",
        )
    remedy = "Enter the settings anew; the old ones are kept until then. Tell the plugin's author."
    if schema.migrate is None:
        raise InvalidInput(
            f"The plugin '{descriptor.key}' cannot read its older settings.", field="options", remedy=remedy
        )
    try:
        migrated = calls.run(descriptor, schema.migrate, dict(options), version)
    except BackendError as error:
        raise InvalidInput(error.message, field="options", remedy=remedy) from None
    if not isinstance(migrated, Mapping) or not all(isinstance(name, str) for name in migrated):
        raise InvalidInput(
            f"The plugin '{descriptor.key}' turned its older settings into {type(migrated).__name__}.",
            field="options",
            remedy=remedy,
        )
    return dict(migrated)
