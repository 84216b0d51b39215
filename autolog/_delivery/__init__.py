"""The way out: from the queue of ended spans to the sinks that keep or ship their records."""
