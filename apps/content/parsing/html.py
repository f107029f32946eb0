"""HTML as plain text with its structure: the main part of a page, without menus, scripts and hidden things."""

from __future__ import annotations

import re

from lxml import etree
from lxml import html as lxml_html

from apps.content.parsing.builder import TextBuilder, squeeze
from apps.content.parsing.plaintext import read_text
from apps.content.parsing.problems import Problem

_SKIPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "nav",
        "aside",
        "form",
        "button",
        "select",
        "option",
        "textarea",
        "iframe",
        "object",
        "embed",
        "canvas",
        "audio",
        "video",
        "head",
        "footer",
        "dialog",
        "menu",
    ]
)
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "body",
        "html",
        "header",
        "ul",
        "ol",
        "dl",
        "table",
        "tr",
        "thead",
        "tbody",
        "tfoot",
        "figure",
        "figcaption",
        "address",
        "center",
        "fieldset",
        "details",
        "summary",
        "hgroup",
        "td",
        "th",
        "li",
        "dt",
        "dd",
        "blockquote",
        "pre",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "caption",
    ]
)
_FURNITURE = re.compile(
    r"(^|[\s_-])(nav(bar|header|footer|igation)?|breadcrumbs?|toc|sidebar|cookie\S*|menu|pagination|skip-link|"
    r"headerlink|advert\S*|social|share)([\s_-]|$)",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LOOSE_MARK = re.compile(r"(?<=\w) (?=[.,;:!?)](?:\s|$))")
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([\w-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(r"^\s*<\?xml[^>]*\?>")


def read_html(data: bytes, builder: TextBuilder) -> None:
    """Add the blocks of a page to `builder`.

    Args:
        data: the page; the encoding is its byte order mark's, UTF-8 if it is valid, else what the page says.

    Raises:
        Problem: "broken" when no element can be found.
    """
    # Element trees nest; a depth that no author writes would end in the C library's own limit or in recursion.
    parser = lxml_html.HTMLParser(huge_tree=False, remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(_decode(data, builder), parser=parser)
    except (etree.LxmlError, ValueError) as error:
        raise Problem("broken", "it holds no page") from error
    title = root.find(".//title")
    if title is not None:
        builder.title = squeeze(title.text_content())
    body = root.find("body")
    body = body if body is not None else root
    if _is_set_text(body):
        read_text("".join(body.itertext()), builder)
        return
    _Walker(builder).walk(_main_part(body))


def _decode(data: bytes, builder: TextBuilder) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            named = _CHARSET.search(data[:4096])
            encoding = named[1].decode("ascii") if named else "cp1252"
            try:
                text = data.decode(encoding, "replace")
            except LookupError:
                text = data.decode("cp1252", "replace")
            builder.warn("The page is not UTF-8; some letters may be wrong.")
    return _XML_ENCODING.sub("", text.replace("\0", ""))


def _length(element: lxml_html.HtmlElement) -> int:
    return sum(len(text.strip()) for text in element.itertext())


def _is_set_text(body: lxml_html.HtmlElement) -> bool:
    """A text file in HTML clothes, as RFCs are published: nearly everything stands in <pre>."""
    whole = _length(body)
    return whole > 0 and sum(_length(pre) for pre in body.iter("pre")) > 0.9 * whole


def _main_part(body: lxml_html.HtmlElement) -> lxml_html.HtmlElement:
    whole = max(1, _length(body))
    for name in ("main", "article"):
        found = list(body.iter(name))
        if len(found) == 1 and _length(found[0]) > 0.4 * whole:
            return found[0]
    by_role = body.xpath(".//*[@role='main']")
    if len(by_role) == 1 and _length(by_role[0]) > 0.4 * whole:
        return by_role[0]
    return body


def _is_skipped(element: lxml_html.HtmlElement, tag: str) -> bool:
    if tag in _SKIPPED or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    names = f"{element.get('class', '')} {element.get('id', '')} {element.get('role', '')}"
    if tag in {"div", "ul", "dl", "table", "span", "a", "p", "header"} and _FURNITURE.search(names):
        return True
    return bool(_HIDDEN.search(element.get("style", "")))


class _Walker:
    """Depth first without recursion, so that deep nesting costs memory only."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.buffer: list[str] = []
        self.kind = "p"
        self.item_open = False

    def walk(self, top: lxml_html.HtmlElement) -> None:
        """Add everything below `top`."""
        events = etree.iterwalk(top, events=("start", "end"))
        for event, element in events:
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "end":
                self._end(element, tag)
            elif _is_skipped(element, tag) or self._start(element, tag):
                events.skip_subtree()
        self._flush()

    def _start(self, element: lxml_html.HtmlElement, tag: str) -> bool:
        """Returns whether the element is dealt with as a whole."""
        if tag in _BLOCKS:
            self._flush()
            self.kind = tag
            self.item_open = tag in {"li", "dd"} or (self.item_open and tag in {"p", "div"})
        if tag == "pre":
            self.builder.code("".join(element.itertext()))
            return True
        if tag == "tr":
            cells = [cell for cell in element if cell.tag in {"td", "th"}]
            nested = any(True for cell in cells for _ in cell.iter("table", "p", "ul", "ol", "pre", "div"))
            if len(cells) >= 2 and not nested:
                self.builder.row([cell.text_content() for cell in cells])
                return True
        elif tag == "br":
            self.buffer.append(" ")
        elif tag == "img" and element.get("alt"):
            self.buffer.append(f" {element.get('alt')} ")
        if element.text:
            self.buffer.append(element.text)
        return False

    def _end(self, element: lxml_html.HtmlElement, tag: str) -> None:
        if tag in _BLOCKS:
            self._flush()
            self.kind = "p"
        if element.tail:
            self.buffer.append(element.tail)

    def _flush(self) -> None:
        text = _LOOSE_MARK.sub("", squeeze("".join(self.buffer)))
        self.buffer = []
        if not text:
            return
        if self.kind[:1] == "h" and self.kind[1:].isdigit():
            self.builder.heading(int(self.kind[1:]), text)
        elif self.item_open:
            self.builder.item(text)
            self.item_open = False
        elif self.kind == "blockquote":
            self.builder.quote(text)
        else:
            self.builder.paragraph(text)
