"""Logs in ClickHouse, for more than one machine can keep."""
