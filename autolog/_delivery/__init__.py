"""Delivery: from the queue of ended spans to the sinks that store or ship their records."""
