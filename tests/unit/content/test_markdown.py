"""Markdown in and out: safe, stable, without loss."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.markdown import clean_text, normalise, to_html, to_markdown, word_count

PIECES = st.sampled_from(
    [
        "# ",
        "## ",
        "- ",
        "1. ",
        "> ",
        "```\n",
        "\n",
        "\n\n",
        " ",
        "a",
        "word",
        "*",
        "**",
        "_",
        "~~",
        "`",
        "[1]",
        "[x](http://a.b/c)",
        "![i](http://a/b.png)",
        "¦ a ¦ b ¦\n¦---¦---¦\n",
        "---",
        "===",
        "\\",
        "<b>",
        "&amp;",
        "    ",
        "\t",
        "+",
        "漢字",
        "é",
        ".",
        "!",
        "(",
        ")",
        "]",
        "[",
        ":",
        "~",
        "#",
        "1)",
        "&",
        "<http://a.b>",
        '"x"',
    ]
).map(lambda piece: piece.replace("¦", "|"))
TEXTS = st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=60)


def words_of(markdown: str) -> str:
    return re.sub(r"\s+", "", html.unescape(re.sub(r"<[^>]*>", "", to_html(markdown))))


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_normalising_twice_changes_nothing(text: str):
    once = normalise(text)
    assert normalise(once) == once


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_normalising_keeps_every_character_that_is_shown(text: str):
    assert words_of(normalise(text)) == words_of(clean_text(text))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_html_has_no_script_and_no_handler(text: str):
    page = to_html(text + '<script>alert(1)</script><img src=x onerror="alert(1)">[x](javascript:alert(1))')
    assert "<script" not in page
    assert not re.search(r"<[^>]*\sonerror", page)
    assert not re.search(r'href="\s*javascript', page, re.IGNORECASE)


ARTICLE = """# Title

A paragraph with **bold**, *italic*, ~~struck~~ and `code|pipe`, and a [link](http://a.b/c "t").

1. one
2. two
   - nested
   - again

> quoted
>
> - in a list

```python
def f():
    return "`"
```

| a | b |
| --- | --- |
| x \\| y | `c` |

A fact.[1][2] snake_case and 2 * 3 = 6, not # a heading.

---

![alt](http://a/b.png)
"""


def test_an_article_comes_back_as_it_was():
    assert normalise(ARTICLE) == ARTICLE
    assert to_markdown(to_html(ARTICLE)) == ARTICLE


@pytest.mark.parametrize(
    ("page", "markdown"),
    [
        ("<p># not a heading</p>", "\\# not a heading\n"),
        ("<p>1. not a list</p>", "1\\. not a list\n"),
        ("<p>see [1] and [2](x)</p>", "see [1] and [2\\](x)\n"),
        ("<p><strong>a</strong><strong>b</strong> c</p>", "**ab** c\n"),
        ("<p>x<b> y </b>z</p>", "x **y** z\n"),
        ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n- b\n"),
        ("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n* b\n"),
        ("<p>a<br>b</p>", "a\\\nb\n"),
        ("<pre><code class='language-js'>x</code></pre>", "```js\nx\n```\n"),
        ("<script>alert(1)</script><p>ok</p>", "ok\n"),
        (
            "<table><tr><th>a|b</th></tr><tr><td>c</td><td>d</td></tr></table>",
            "| a\\|b |  |\n| --- | --- |\n| c | d |\n",
        ),
        ("", ""),
    ],
)
def test_what_an_editor_sends_becomes_markdown(page: str, markdown: str):
    assert to_markdown(page) == markdown
    assert normalise(markdown) == markdown


def test_control_characters_are_dropped():
    assert clean_text("a\x00b\r\nc\x1bd\u2028e\ud800f") == "ab\ncdef"


@pytest.mark.parametrize(
    ("text", "words"), [("", 0), ("one two", 2), ("don't stop-gap", 2), ("漢字 ab", 3), ("- *x*", 1)]
)
def test_words(text: str, words: int):
    assert word_count(text) == words
