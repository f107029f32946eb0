from __future__ import annotations

from aiwriter.pluginhost.forms import options_form
from aiwriter_sdk import ConfigField, ConfigSchema

SCHEMA = ConfigSchema(
    fields=(
        ConfigField(name="base_url", type="url", label="Address", help="For example https://a.b."),
        ConfigField(name="key", type="secret", label="Key"),
        ConfigField(name="proxy_key", type="secret", label="Proxy key", required=False, group="Proxy"),
        ConfigField(name="size", type="int", label="Size", default=8, minimum=1, maximum=64, group="Limits"),
        ConfigField(name="ratio", type="float", label="Ratio", required=False, group="Limits"),
        ConfigField(name="mode", type="choice", label="Mode", choices=("fast", "good"), required=False),
        ConfigField(name="strict", type="bool", label="Strict", default=True),
        ConfigField(name="schema", type="str", label="A name that the form class uses itself", required=False),
    )
)
GOOD = {"base_url": "https://a.b/v1", "key": "k3y-value", "size": "12", "ratio": "0.5", "mode": "fast", "strict": "on"}


def test_a_good_form_gives_options_and_secrets_apart() -> None:
    form = options_form(SCHEMA)(GOOD)
    assert form.is_valid(), form.errors
    assert form.options() == {"base_url": "https://a.b/v1", "size": 12, "ratio": 0.5, "mode": "fast", "strict": True}
    assert form.new_secrets() == {"key": "k3y-value"}
    assert form.cleared_secrets() == frozenset()


def test_secrets_are_never_rendered() -> None:
    form = options_form(SCHEMA, options={"base_url": "https://a.b"}, present_secrets={"key"})(GOOD | {"size": "1000"})
    assert not form.is_valid()
    page = str(form)
    assert "k3y-value" not in page
    assert 'value="https://a.b/v1"' in page
    assert "leave this empty to keep it" in page


def test_an_empty_secret_keeps_the_present_one() -> None:
    data = GOOD | {"key": ""}
    assert not options_form(SCHEMA)(data).is_valid()
    form = options_form(SCHEMA, present_secrets={"key"})(data)
    assert form.is_valid(), form.errors
    assert form.new_secrets() == {}
    assert form.cleared_secrets() == frozenset()


def test_only_optional_secrets_can_be_forgotten() -> None:
    made = options_form(SCHEMA, present_secrets={"key", "proxy_key"})
    assert "clear_key" not in made.base_fields
    form = made(GOOD | {"clear_proxy_key": "on"})
    assert form.is_valid()
    assert form.cleared_secrets() == {"proxy_key"}
    typed = made(GOOD | {"clear_proxy_key": "on", "proxy_key": "new-one"})
    assert typed.is_valid()
    assert (typed.cleared_secrets(), typed.new_secrets()["proxy_key"]) == (frozenset(), "new-one")


def test_each_wrong_field_says_so_once() -> None:
    form = options_form(SCHEMA)({"base_url": "example", "key": "a\nb", "size": "many", "ratio": "x", "mode": "slow"})
    assert not form.is_valid()
    assert set(form.errors) == {"base_url", "key", "size", "ratio", "mode"}
    assert all(len(errors) == 1 for errors in form.errors.values())
    assert "https://example.com/v1" in form.errors["base_url"][0]


def test_what_is_left_out_takes_the_plugins_default() -> None:
    form = options_form(SCHEMA)({"base_url": "https://a.b", "key": "k"})
    assert form.is_valid(), form.errors
    assert form.options() == {"base_url": "https://a.b", "strict": False}


def test_stored_values_and_defaults_are_shown() -> None:
    form = options_form(SCHEMA, options={"base_url": "https://stored.example"})()
    assert form["base_url"].value() == "https://stored.example"
    assert form["size"].value() == 8
    assert "For example https://a.b." in str(form)


def test_fields_stand_under_their_headings() -> None:
    form = options_form(SCHEMA, present_secrets={"proxy_key"})()
    groups = {heading: [field.name for field in fields] for heading, fields in form.groups()}
    assert list(groups) == ["", "Proxy", "Limits"]
    assert groups["Proxy"] == ["proxy_key", "clear_proxy_key"]
    assert groups[""] == ["base_url", "key", "mode", "strict", "schema"]
