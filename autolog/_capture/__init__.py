"""Capture on the caller's thread: wrappers, exchanges, tees, functions, spans and their context."""
