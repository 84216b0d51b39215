"""Logs in one SQLite file: the default store, which needs no infrastructure."""
