"""Why a file could not be read: one reason, one sentence, one remedy. Used in the child, shown by the parent."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """HTTP status, what is wrong, what to do."""

    status: int
    message: str
    remedy: str


REASONS: dict[str, Reason] = {
    "unsupported": Reason(
        415,
        "Files of this kind cannot be read.",
        "Use PDF, DOCX, ODT, EPUB, HTML, Markdown, CSV or plain text.",
    ),
    "empty": Reason(400, "The file is empty.", "Choose a file with content."),
    "encrypted": Reason(400, "The file is protected by a password.", "Save a copy without the password."),
    "broken": Reason(400, "The file is damaged.", "Open it in the program that made it and save it again."),
    "bomb": Reason(
        400,
        "The file unpacks to far more than its size and was not opened.",
        "Save the document again, or split it.",
    ),
    "too_large": Reason(413, "The file is too large.", "Split it into smaller files."),
    "timed_out": Reason(400, "Reading the file took too long.", "Split it into smaller files, or save it as text."),
    "out_of_memory": Reason(
        400, "Reading the file needed too much memory.", "Split it into smaller files, or save it as text."
    ),
    "no_text": Reason(
        400,
        "No text was found in the file.",
        "A scanned document holds only pictures: run text recognition (OCR) on it first.",
    ),
    "crashed": Reason(400, "The file made the reader fail.", "Open it in the program that made it and save it again."),
    "missing": Reason(500, "The file could not be opened on the server.", "Upload it again."),
    "unavailable": Reason(503, "The reader could not be started.", "Ask the operator to look into the server's log."),
}


class Problem(Exception):
    """A file cannot be read.

    Args:
        reason: a key of `REASONS`.
        detail: what exactly, as part of a sentence in brackets; never text out of the file.
        remedy: in place of the reason's own.
    """

    def __init__(self, reason: str, detail: str = "", *, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.remedy = remedy
