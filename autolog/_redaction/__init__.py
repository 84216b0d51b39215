"""Redaction: remove secrets, and whatever the user's own rules match, before anything is stored or sent."""
