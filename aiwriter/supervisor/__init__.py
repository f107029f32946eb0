"""Runs the whole portal on one machine: web, worker, scheduler, vector store. Standard library only.

It imports neither Django nor the apps, so that it stays small (about 20 MB) and cannot be taken down by them.
"""
