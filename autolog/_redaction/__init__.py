"""What is never kept: secrets, and what the user's own rules name."""
