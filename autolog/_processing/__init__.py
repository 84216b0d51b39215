"""The worker thread's part: turn a span that has ended into records."""
