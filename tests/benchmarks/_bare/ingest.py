"""The peer of the ingest benchmark: parse, cut, embed in two threads, no portal. Prints seconds and passages."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.django import set_up

set_up()

from aiwriter_model_offline import minilm  # noqa: E402

from apps.content.markup.chunks import chunk_document  # noqa: E402
from apps.content.parsing.guard import ParseItem, parse_files  # noqa: E402


def main(paths: list[str]) -> None:
    """Do it and print."""
    begun = time.perf_counter()
    texts: list[str] = []
    for _, document in parse_files(ParseItem(key=path, path=Path(path), filename=Path(path).name) for path in paths):
        if hasattr(document, "text"):
            chunks = chunk_document(
                document.text, headings=document.headings, pages=document.pages, blocks=document.blocks
            )
            texts += [chunk.text for chunk in chunks]
    model = minilm.load()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(model.embed, texts))
    print(time.perf_counter() - begun, len(texts))


main(sys.argv[1:])
