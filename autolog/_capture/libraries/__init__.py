"""Capture of calls to models through HTTP libraries, whichever SDK or program makes them."""
