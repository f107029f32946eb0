"""The writers' work: documents, sources, generations."""
