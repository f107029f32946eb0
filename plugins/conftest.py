"""The template is no plugin of ours: `tests/plugins/test_template.py` copies, installs and tests it as an author would."""

collect_ignore = ["template"]
