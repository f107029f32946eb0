"""Who may open what: a table of expected answers per app (`*.csv`) and the things that its addresses name (`*.py`).

See `tests/web/test_permission_matrix.py`.
"""
