"""What the worker thread makes of a span that has ended: a record."""
