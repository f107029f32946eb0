"""Finds passages: keyword index and vector index over the database, fused. See `hybrid` for the entrance.

The database holds the truth, the keyword index lives in it, and the vector index is made from it and may be lost.
"""
