"""Formatting for people and agents, shared by the terminal, the pages and the tools."""
