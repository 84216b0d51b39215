"""Processing on the worker thread: turn ended spans into records."""
