"""Prompt caching: how much was read from the provider's cache, how much was missed, and why."""
