"""Text as text: sentences, passages, citations. No tables, no network."""
