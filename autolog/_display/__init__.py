"""Formatting for people and agents, shared by the terminal, the dashboard and the agents' tools."""
