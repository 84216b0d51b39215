"""The store in one SQLite file, which is the default and needs no infrastructure."""
