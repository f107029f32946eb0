"""The visiting cards of the wrong backends; like every descriptor module it imports no backend."""

from __future__ import annotations

from dataclasses import replace

from wrong_cases import CHECKS, MODELS, OFFLINE, PUBLISHERS, STORAGES, WIRES

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

_WIRE = ConfigSchema(
    fields=(
        ConfigField(name="base_url", type="url", label="Address"),
        ConfigField(name="key", type="secret", label="Key"),
    )
)
_PLACE = ConfigSchema(fields=(ConfigField(name="location", type="str", label="Folder"),))

_ASKED = ConfigSchema(fields=(ConfigField(name="location", type="url", label="Address"),))


def _card(kind, case, module, config):
    return Descriptor(
        key=case.key,
        kind=kind,
        label=case.name,
        contract="1.0",
        target=f"{module}:{case.name}",
        capabilities=frozenset(case.capabilities),
        config=config,
    )


model = {case.key: _card("model", case, "wrong_models", _WIRE) for case in MODELS}
model |= {case.key: _card("model", case, "wrong_wires", _WIRE) for case in WIRES}
model |= {case.key: _card("model", case, "wrong_offline", ConfigSchema()) for case in OFFLINE}
storage = {case.key: _card("storage", case, "wrong_storages", _PLACE) for case in STORAGES}
publish = {case.key: _card("publish", case, "wrong_publishers", _PLACE) for case in PUBLISHERS}
check = {case.key: _card("check", case, "wrong_checks", _ASKED) for case in CHECKS}
_plain = model["offline-right"]
model |= {
    "card-label": replace(_plain, key="card-label", label=" "),
    "card-contract": replace(_plain, key="card-contract", contract="9.0"),
    "card-name": replace(_plain, key="card-name"),
    "card-requires": replace(_plain, key="card-requires"),
    "card-heavy": replace(_plain, key="card-heavy"),
}
for _kind, _cards in (("model", model), ("storage", storage), ("publish", publish), ("check", check)):
    globals().update({f"{_kind}_{_key.replace('-', '_')}": _descriptor for _key, _descriptor in _cards.items()})
