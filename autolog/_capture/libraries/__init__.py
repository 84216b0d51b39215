"""Calls to models that pass through an HTTP library, whichever SDK or program makes them."""
