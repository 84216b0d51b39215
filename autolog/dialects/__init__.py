"""How records look on the wire: one module for each vendor's format, in both directions, without I/O.

A module decodes requests to records (or to a change of one), encodes records as that vendor's replies, says how its
errors look, and, where the vendor takes logs, encodes records as requests for the client's exporter. The server mounts
them; `_delivery` ships with them. What a format cannot hold is said in its module.
"""
