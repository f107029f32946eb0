"""pytest plugin: registered by the entry point `aiwriter_conformance`."""
