"""Prompt caching: what was read from the provider's cache, what was not, and why."""
