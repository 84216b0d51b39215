"""What request and response bodies say, for the client and the server alike."""
