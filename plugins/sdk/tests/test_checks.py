"""What the host and the suite call valid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor, Finish, Start, TextDelta, Usage
from aiwriter_sdk.checks import contract_problem, descriptor_problems, read_options, schema_problems
from aiwriter_sdk.grammar import EventGrammar, GrammarError

CARD = Descriptor(key="my-model", kind="model", label="My model", contract="1.0", target="a.b:C")
FIELD = ConfigField(name="size", type="int", label="Size")


@pytest.mark.parametrize(
    ("contract", "fine"),
    [("1.0", True), ("1.1", True), ("1.2", True), ("1.3", False), ("0.9", False), ("2.0", False), ("1", False), ("1.0.0", False), (1.0, False), ("", False)],
)  # fmt: skip
def test_the_contract_is_ours_or_refused_with_a_remedy(contract: object, fine: bool) -> None:
    problem = contract_problem(contract)
    assert (problem is None) is fine
    assert problem is None or problem.remedy


def test_a_good_descriptor_has_no_problem() -> None:
    assert descriptor_problems(CARD, entry_name="my-model", kind="model") == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "My-Model"}, "key"),
        ({"key": "a--b"}, "key"),
        ({"key": "x" * 41}, "key"),
        ({"key": 7}, "key"),
        ({"label": "  "}, "label"),
        ({"kind": "toaster"}, "kind"),
        ({"target": "a.b.C"}, "target"),
        ({"target": "a.b:C()"}, "target"),
        ({"docs_url": "javascript:alert(1)"}, "docs_url"),
        ({"capabilities": frozenset({"fly"})}, "capabilities"),
        ({"capabilities": {"generate"}}, "capabilities"),
        ({"config": {"fields": ()}}, "config"),
    ],
)
def test_each_mistake_in_a_descriptor_is_named(change: dict[str, Any], field: str) -> None:
    problems = descriptor_problems(replace(CARD, **change))
    assert [problem.field for problem in problems] == [field]
    assert problems[0].remedy


def test_the_entry_point_must_agree() -> None:
    assert [p.field for p in descriptor_problems(CARD, entry_name="other", kind="storage")] == ["key", "kind"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Base-URL"}, "lower-case"),
        ({"name": "_size"}, "lower-case"),
        ({"type": "date"}, "no field type"),
        ({"label": ""}, "label is empty"),
        ({"choices": ("a",)}, "Choices belong"),
        ({"type": "choice"}, "Choices belong"),
        ({"type": "str", "minimum": 1}, "Only numbers"),
        ({"minimum": 5, "maximum": 1}, "greater than the greatest"),
        ({"default": "many"}, "default does not fit"),
        ({"default": 99, "maximum": 10}, "default does not fit"),
        ({"type": "choice", "choices": ("a", "b"), "default": "c"}, "default does not fit"),
        ({"type": "secret", "default": "changeme"}, "secret has a default"),
    ],
)
def test_each_mistake_in_a_field_is_named(change: dict[str, Any], said: str) -> None:
    problems = list(schema_problems(ConfigSchema(fields=(replace(FIELD, **change),))))
    assert len(problems) == 1
    assert said in problems[0].problem


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (ConfigSchema(fields=(FIELD, FIELD)), "Two fields"),
        (ConfigSchema(fields=[FIELD]), "not a tuple"),  # type: ignore[arg-type]
        (ConfigSchema(fields=("size",)), "not a ConfigField"),  # type: ignore[arg-type]
        (ConfigSchema(version=2), "nothing that brings older options"),
        (ConfigSchema(version=0), "whole number from 1"),
    ],
)
def test_each_mistake_in_a_form_is_named(schema: ConfigSchema, said: str) -> None:
    assert [said in problem.problem for problem in schema_problems(schema)] == [True]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("int", "12", 12),
        ("int", -3, -3),
        ("float", "0.5", 0.5),
        ("float", 2, 2.0),
        ("bool", "off", False),
        ("bool", True, True),
        ("str", "  text ", "text"),
        ("url", "http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("url", "https://[::1]/v1?x=1", "https://[::1]/v1?x=1"),
    ],
)
def test_values_are_read(kind: Any, given: object, value: object) -> None:
    schema = ConfigSchema(fields=(ConfigField(name="x", type=kind, label="X"),))
    config, problems = read_options(schema, {"x": given}, {})
    assert (config["x"], problems) == (value, [])


@pytest.mark.parametrize(
    ("kind", "given"),
    [("int", 1.5), ("int", True), ("int", "9" * 30), ("float", "nan"), ("float", "inf"), ("float", False), ("bool", "maybe"),
     ("bool", 1), ("str", 5), ("str", "x" * 10_001), ("str", "a\x00"), ("url", "https://a.b\n"[:-1] + " x"), ("url", ["x"])],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(kind: Any, given: object) -> None:
    schema = ConfigSchema(fields=(ConfigField(name="x", type=kind, label="X"),))
    assert [problem.field for problem in read_options(schema, {"x": given}, {})[1]] == ["x"]


def test_a_field_with_a_default_may_be_left_out_and_a_required_one_not() -> None:
    fields = (replace(FIELD, default=3), ConfigField(name="b", type="str", label="B", help="Such as x."))
    config, problems = read_options(ConfigSchema(fields=fields), {"size": ""}, {})
    assert config["size"] == 3
    assert [(p.field, p.remedy) for p in problems] == [("b", "Such as x.")]


def test_the_grammar_counts_what_it_saw() -> None:
    grammar = EventGrammar()
    for event in (Start(model="m"), TextDelta(text="häuser"), Usage(input_tokens=1, output_tokens=2), Finish()):
        grammar.accept(event)
    grammar.end()
    assert (grammar.events, grammar.characters, grammar.usage, grammar.finished) == (
        4,
        6,
        Usage(input_tokens=1, output_tokens=2),
        Finish(),
    )


def test_a_stream_without_an_end_is_none() -> None:
    grammar = EventGrammar()
    grammar.accept(TextDelta(text="a"))
    with pytest.raises(GrammarError, match="without Finish"):
        grammar.end()
