"""Interpretation of request and response bodies, shared by client and server."""
