"""What people read, in the terminal and on pages alike."""
