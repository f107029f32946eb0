"""Gives this copy of the template a name of its own: package, key, entry point, class and folder.

    python rename.py acme            aiwriter-acme, aiwriter_acme, key "acme", class AcmeBackend
    python rename.py acme-cloud      aiwriter-acme-cloud, aiwriter_acme_cloud, key "acme-cloud", class AcmeCloudBackend

Run it once, in the copy. It changes files of this folder only and needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = ("pyproject.toml", "README.md", "src/**/*.py", "tests/*.py")


def names(key: str) -> list[tuple[str, str]]:
    """What is replaced by what, longest first."""
    words = key.split("-")
    camel, label = "".join(map(str.capitalize, words)), " ".join(map(str.capitalize, words))
    package = key.replace("-", "_")
    return [
        ("aiwriter_example", f"aiwriter_{package}"),
        ("aiwriter-example", f"aiwriter-{key}"),
        ("ExampleBackend", f"{camel}Backend"),
        ("ExampleCheck", f"{camel}Check"),
        ("TestExample", f"Test{camel}"),
        ('label="Example (Ollama\'s API)"', f'label="{label}"'),
        ('label="Example check (Ollama\'s memory)"', f'label="{label}: memory"'),
        ('key="example-check"', f'key="{key}-check"'),
        ('example-check = "', f'{key}-check = "'),
        ('key="example"', f'key="{key}"'),
        ('example = "', f'{key} = "'),
    ]


def main(arguments: list[str]) -> str:
    """Rename; the text returned is for people.

    Raises:
        SystemExit: the name cannot be used, or the copy has a name already.
    """
    if len(arguments) != 1 or not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", arguments[0]) or len(arguments[0]) > 34:
        raise SystemExit("Give one name of lower-case letters, digits and hyphens: python rename.py acme")
    key = arguments[0]
    source = HERE / "src" / "aiwriter_example"
    if key == "example" or not source.is_dir():
        raise SystemExit("This copy has its name already. Copy the template again for another plugin.")
    for pattern in FILES:
        for path in HERE.glob(pattern):
            text = path.read_text(encoding="utf-8")
            for old, new in names(key):
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
    source.rename(HERE / "src" / names(key)[0][1])
    return f"This is aiwriter-{key} now. Next: pip install -e '.[test]' && pytest"


if __name__ == "__main__":
    print(main(sys.argv[1:]))  # noqa: T201 - a command for people
