"""The store in ClickHouse, for more logs than one machine can hold."""
